//! `retry`: a new attempt from the same spec. Every attempt's log and outcome is kept.

use super::describe::describe;
use super::land::finish_before_deciding;
use super::recover::{ended, recover, take};
use super::release;
use crate::context::Context;
use crate::error::Result;
use crate::supervisor;
use crate::task::{Change, RetryIn};
use crate::view::TaskView;

/// Queues a new attempt of an ended task.
///
/// # Errors
/// `not_found` when no task is meant, `refused` when it has not ended or is landed or discarded.
pub fn retry(context: &Context, task: &str, place: RetryIn) -> Result<TaskView> {
    recover(context)?;
    let id = context.store.resolve(task)?;
    finish_before_deciding(context, id)?;
    let (lock, task) = take(context, id)?;
    let task = ended(&task)?.task();
    context.store.begin(&lock)?;
    context.store.forget_requests(&lock)?;
    // Refused before anything is moved.
    task.apply(Change::Retried(place), context.now())?;
    if place == RetryIn::FreshWorktree {
        release::put_aside(context, task)?;
    }
    let task = context.store.commit(&lock, task, Change::Retried(place))?;
    context.store.settle(&lock, &task)?;
    let id = task.id();
    drop(lock);
    supervisor::pump(&context.store, &context.config)?;
    describe(context, &context.store.read(id)?)
}
