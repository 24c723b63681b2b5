//! `cancel`, `pause`, `resume`: act on everything that belongs to a task, and return when it has
//! happened. `priority`: which pending task is next.
//!
//! Whoever holds a task's lock runs it, or is about to, and is asked; a task that nobody holds is
//! changed here.

use super::describe::describe;
use super::recover::{recover, take};
use super::several::{Several, each, named};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::lock::Wait;
use crate::names::TaskId;
use crate::supervisor;
use crate::task::{Change, ControlAction, PausedSlot, StopReason, Task, TaskState};
use crate::view::TaskView;
use crate::watch::Watch;

/// Ends the tasks, with what they did so far kept. One that has ended already is left as it is.
///
/// # Errors
/// `not_found` when no task is meant, `usage` when none is named.
pub fn cancel(context: &Context, tasks: &[String]) -> Result<Vec<TaskView>> {
    act(context, tasks, Wish::Cancel)
}

/// Stops the whole process tree of running tasks, and holds pending ones.
///
/// # Errors
/// As [`cancel`]; `refused` when a task has ended.
pub fn pause(context: &Context, tasks: &[String], slot: PausedSlot) -> Result<Vec<TaskView>> {
    act(context, tasks, Wish::Pause(slot))
}

/// Lets paused and held tasks go on. Without a free slot a task queues for one, and is still paused
/// when this returns.
///
/// # Errors
/// As [`pause`].
pub fn resume(context: &Context, tasks: &[String]) -> Result<Vec<TaskView>> {
    act(context, tasks, Wish::Resume)
}

/// Gives pending tasks a priority; greater runs earlier.
///
/// # Errors
/// As [`cancel`]; `refused` when a task is not pending.
pub fn prioritise(context: &Context, tasks: &[String], priority: i32) -> Result<Several<TaskView>> {
    each(context, tasks, |id| {
        let (lock, task) = take(context, id)?;
        if !matches!(task.record.state, TaskState::Pending { .. }) {
            let name = task.name();
            return Err(Error::refused(format!(
                "`{name}` is {}, and only pending tasks have a place in the queue",
                task.record.state.name()
            ))
            .hint(format!("offshoot status {name}")));
        }
        context.store.begin(&lock)?;
        let task = context.store.commit(&lock, &task, Change::Prioritised(priority))?;
        context.store.settle(&lock, &task)?;
        describe(context, &task)
    })
}

/// What is to become of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Cancel,
    Pause(PausedSlot),
    Resume,
}

impl Wish {
    /// What a supervisor is asked for.
    fn action(self) -> ControlAction {
        match self {
            Self::Cancel => ControlAction::Cancel,
            Self::Pause(slot) => ControlAction::Pause { slot },
            Self::Resume => ControlAction::Resume,
        }
    }

    /// What happens to a pending task.
    fn change(self) -> Change {
        match self {
            Self::Cancel => Change::StopAsked(StopReason::Cancelled),
            Self::Pause(_) => Change::Held,
            Self::Resume => Change::LetGo,
        }
    }

    /// Whether there is nothing more to wait for.
    fn has_come_true(self, task: &Task) -> bool {
        match (&task.record.state, self) {
            (TaskState::Ended { .. }, _) => true,
            (TaskState::Pending { held }, Self::Pause(_)) => *held,
            (TaskState::Pending { held }, Self::Resume) => !held,
            (TaskState::Running(running), Self::Pause(_)) => {
                running.paused_since().is_some() && !running.waits_for_slot()
            }
            (TaskState::Running(running), Self::Resume) => running.pause.is_none(),
            (TaskState::Pending { .. } | TaskState::Running(_), Self::Cancel) => false,
        }
    }
}

fn act(context: &Context, tasks: &[String], wish: Wish) -> Result<Vec<TaskView>> {
    let ids = named(context, tasks)?;
    // Asked for all first, so that several happen at the same time.
    for id in &ids {
        ask(context, *id, wish)?;
    }
    supervisor::pump(&context.store, &context.config)?;
    supervisor::tell_of_ends(&context.store)?;
    ids.iter().map(|id| describe(context, &wait_until_true(context, *id, wish)?)).collect()
}

fn ask(context: &Context, id: TaskId, wish: Wish) -> Result<()> {
    let store = &context.store;
    let task = store.read(id)?;
    if wish != Wish::Cancel && task.ended().is_some() {
        let name = task.name();
        return Err(Error::refused(format!(
            "`{name}` has ended: it is {}",
            task.record.state.name()
        ))
        .hint(format!("offshoot status {name}")));
    }
    if wish.has_come_true(&task) {
        return Ok(());
    }
    let Some(lock) = store.lock_task(id, Wait::briefly())? else {
        return store.request(id, wish.action());
    };
    let task = store.read(id)?;
    match task.record.state {
        TaskState::Pending { .. } => {
            store.begin(&lock)?;
            let task = store.commit(&lock, &task, wish.change())?;
            store.settle(&lock, &task)
        }
        // Its supervisor has died; the next one finds the request.
        TaskState::Running(_) => store.request(id, wish.action()),
        TaskState::Ended { .. } => Ok(()),
    }
}

fn wait_until_true(context: &Context, id: TaskId, wish: Wish) -> Result<Task> {
    let (layout, task_layout) = (context.store.layout(), context.store.layout().task(id));
    let watch = Watch::on(&[&layout.journal(), task_layout.root()]);
    loop {
        let task = context.store.read(id)?;
        let queues = wish == Wish::Resume && queues_for_slot(context, &task)?;
        if queues || wish.has_come_true(&task) {
            return Ok(task);
        }
        watch.wait(None)?;
        recover(context)?;
        if matches!(task.record.state, TaskState::Pending { .. }) {
            // Somebody had its lock for a moment when it was asked for, and nobody reads requests to a
            // task that waits for its slot.
            ask(context, id, wish)?;
        }
    }
}

/// Whether a paused task that is to go on has to wait for somebody else's slot.
fn queues_for_slot(context: &Context, task: &Task) -> Result<bool> {
    let waits = match &task.record.state {
        TaskState::Running(running) => running.waits_for_slot(),
        TaskState::Pending { .. } | TaskState::Ended { .. } => false,
    };
    // Out of the queue it has been given a slot, and goes on in a moment.
    Ok(waits
        && context.store.queued_ids()?.contains(&task.id())
        && supervisor::free_slots(&context.store, &context.config)? == 0)
}
