//! `discard`: give work up. Everything is kept until it is collected; `restore` brings it back.

use super::describe::describe;
use super::land::finish_before_deciding;
use super::recover::{ended, take};
use super::release::release;
use super::several::{Several, each};
use crate::context::Context;
use crate::error::Result;
use crate::task::{Change, Custody, Landing};
use crate::view::TaskView;

/// Gives the tasks up.
///
/// # Errors
/// `not_found` when no task is meant, `refused` when the first has not ended or is landed or discarded.
pub fn discard(context: &Context, tasks: &[String]) -> Result<Several<TaskView>> {
    each(context, tasks, |id| {
        finish_before_deciding(context, id)?;
        let (lock, task) = take(context, id)?;
        let task = ended(&task)?.task();
        // The decision is recorded first; the release can be done again if it is cut off.
        context.store.begin(&lock)?;
        let change = match &task.record.landing {
            // Landed with `--keep`: only the worktree and the branch are left to give up.
            Landing::Landed { .. } if task.record.worktree.is_some() => Change::ReleaseAsked,
            _ => Change::Discarded(Custody::default()),
        };
        let task = match context.store.commit(&lock, task, change) {
            Ok(task) => task,
            Err(error) => {
                // It may be recorded all the same, and only not be told yet.
                let now = context.store.read(id)?;
                context.store.settle(&lock, &now)?;
                return Err(error);
            }
        };
        let task = release(context, &lock, &task)?;
        describe(context, &task)
    })
}
