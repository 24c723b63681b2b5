//! `discard`: give work up. Everything is kept until it is collected; `restore` brings it back.

use super::describe::describe;
use super::recover::{ended, recover, take};
use super::release::release;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::task::{Change, Custody};
use crate::view::TaskView;

/// Gives the tasks up.
///
/// # Errors
/// `not_found` when no task is meant, `refused` when one has not ended or is landed or discarded; those
/// named before it are discarded then.
pub fn discard(context: &Context, tasks: &[String]) -> Result<Vec<TaskView>> {
    if tasks.is_empty() {
        return Err(Error::usage("no task to discard was named").hint("offshoot list"));
    }
    recover(context)?;
    let mut discarded = Vec::new();
    for text in tasks {
        let (lock, task) = take(context, context.store.resolve(text)?)?;
        let task = ended(&task)?.task();
        // The decision is recorded first; the release can be done again if it is cut off.
        context.store.begin(&lock)?;
        let task = context.store.commit(&lock, task, Change::Discarded(Custody::default()))?;
        let task = release(context, &lock, &task)?;
        discarded.push(describe(context, &task)?);
    }
    Ok(discarded)
}
