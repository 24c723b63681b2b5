//! `cancel`: end tasks, with everything that belongs to them; what they did so far is kept.

use super::describe::describe;
use super::recover::recover;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::lock::Wait;
use crate::names::TaskId;
use crate::task::{Change, ControlAction, StopReason, Task, TaskState};
use crate::view::TaskView;
use crate::watch::Watch;

/// Ends the tasks and returns when they have ended. One that has ended already is left as it is.
///
/// # Errors
/// `not_found` when no task is meant, `usage` when none is named.
pub fn cancel(context: &Context, tasks: &[String]) -> Result<Vec<TaskView>> {
    if tasks.is_empty() {
        return Err(Error::usage("no task to cancel was named").hint("offshoot list"));
    }
    recover(context)?;
    let named = tasks.iter().map(|text| context.store.resolve(text));
    let ids: Vec<TaskId> = named.collect::<Result<_>>()?;
    // Asked for all first, so that several end at the same time.
    for id in &ids {
        ask(context, *id)?;
    }
    let ended = ids.iter().map(|id| describe(context, &wait_until_ended(context, *id)?));
    let ended = ended.collect::<Result<_>>()?;
    crate::supervisor::pump(&context.store, &context.config)?;
    Ok(ended)
}

fn ask(context: &Context, id: TaskId) -> Result<()> {
    let store = &context.store;
    match store.lock_task(id, Wait::briefly())? {
        Some(lock) => {
            let task = store.read(id)?;
            match &task.record.state {
                TaskState::Pending => {
                    store.begin(&lock)?;
                    let asked = Change::StopAsked(StopReason::Cancelled);
                    let task = store.commit(&lock, &task, asked)?;
                    store.settle(&lock, &task)
                }
                // Its supervisor died a moment ago; the next one finds the request.
                TaskState::Running(_) => store.request(id, ControlAction::Cancel),
                TaskState::Ended { .. } => Ok(()),
            }
        }
        None => store.request(id, ControlAction::Cancel),
    }
}

fn wait_until_ended(context: &Context, id: TaskId) -> Result<Task> {
    let watch = Watch::on(&[&context.store.layout().journal()]);
    loop {
        let task = context.store.read(id)?;
        if task.ended().is_some() {
            return Ok(task);
        }
        watch.wait(None)?;
        recover(context)?;
    }
}
