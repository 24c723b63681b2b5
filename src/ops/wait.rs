//! `wait`: until tasks have ended.

use super::describe::describe_in_full;
use super::lending::Lending;
use super::recover::{recover, recover_if_possible};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::names::TaskId;
use crate::task::Task;
use crate::view::TaskView;
use crate::watch::{LOOK, Watch};
use std::collections::HashSet;
use std::time::Duration;

/// How many of the tasks are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// All of them.
    All,
    /// Any one of them.
    Any,
}

/// A wait.
#[derive(Debug, Clone)]
pub struct WaitRequest {
    /// For which tasks.
    pub tasks: Vec<String>,
    /// For how many of them.
    pub until: Until,
    /// For how long.
    pub timeout: Option<Duration>,
}

/// How a wait ended.
#[derive(Debug, Clone)]
pub struct Waited {
    /// The tasks as they are now.
    pub tasks: Vec<TaskView>,
    /// Whether the time was over first.
    pub timed_out: bool,
}

/// Waits. `progress` is called at the beginning, at every change, and at least once a second.
///
/// # Errors
/// `not_found` when no task is meant, `usage` when none is named, `io` when something has not ended and
/// what died cannot be taken up.
pub fn wait(
    context: &Context,
    request: &WaitRequest,
    progress: &mut dyn FnMut(&[TaskView]),
) -> Result<Waited> {
    if request.tasks.is_empty() {
        return Err(Error::usage("no task to wait for was named").hint("offshoot list"));
    }
    let mut recovered = recover(context);
    let named = request.tasks.iter().map(|text| context.store.resolve(text));
    let ids: Vec<TaskId> = named.collect::<Result<_>>()?;
    let deadline = request.timeout.map(|limit| context.clock.deadline(limit));
    let journal = context.store.layout().journal();
    let watch = Watch::on(&[&journal]);
    let mut news = context.store.journal_from_now();
    let mut lending = Lending::possible(context);
    let read = |id: &TaskId| context.store.read(*id);
    let mut tasks: Vec<Task> = ids.iter().map(read).collect::<Result<_>>()?;
    // What the records tell is enough for progress; git is asked once, at the end.
    let mut views: Vec<TaskView> = tasks.iter().map(TaskView::of).collect();
    let mut look = context.clock.deadline(LOOK);
    loop {
        let ended = tasks.iter().filter(|task| task.ended().is_some()).count();
        let enough = match request.until {
            Until::All => ended == tasks.len(),
            Until::Any => ended > 0,
        };
        let timed_out = !enough && deadline.is_some_and(|deadline| deadline.has_passed());
        if enough || timed_out {
            return Ok(Waited { tasks: describe_in_full(context, &tasks)?, timed_out });
        }
        std::mem::replace(&mut recovered, Ok(()))?;
        progress(&views);
        lending.lend(context)?;
        watch.wait(deadline)?;
        if look.has_passed() {
            // A supervisor that died changes no file; somebody has to notice. A disk that is full for a
            // while ends no waiting.
            recover_if_possible(context);
        }
        // Among many tasks only those are read again of which the journal tells; and once a second those
        // that have not ended, since nobody may have been there to tell.
        let told: HashSet<TaskId> =
            news.read_new()?.iter().map(|event| event.draft.task.id).collect();
        let all = look.has_passed();
        if all {
            look = context.clock.deadline(LOOK);
        }
        for (task, view) in tasks.iter_mut().zip(&mut views) {
            if !told.contains(&task.id()) && (!all || task.ended().is_some()) {
                continue;
            }
            *task = context.store.read(task.id())?;
            *view = TaskView::of(task);
        }
    }
}
