//! `retry`: a new attempt from the same spec. Every attempt's log and outcome is kept.

use super::describe::describe;
use super::land::finish_before_deciding;
use super::recover::{ended, recover, take};
use super::release;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::escape;
use crate::store::TaskLock;
use crate::supervisor;
use crate::task::{Change, RetryIn, Task};
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
    begin_again(context, lock, task, (Change::Retried(place), place))
}

/// Makes a change that begins another attempt, and has it started.
///
/// # Errors
/// `refused` when the task is landed or discarded, or its branch is in use.
pub(super) fn begin_again(
    context: &Context,
    lock: TaskLock,
    task: &Task,
    (change, place): (Change, RetryIn),
) -> Result<TaskView> {
    context.store.begin(&lock)?;
    context.store.forget_requests(&lock)?;
    // Refused before anything is moved.
    task.apply(change.clone(), context.now())?;
    if place == RetryIn::FreshWorktree {
        refuse_branch_in_use(context, task)?;
        release::put_aside(context, task)?;
    }
    let task = context.store.commit(&lock, task, change)?;
    context.store.settle(&lock, &task)?;
    let id = task.id();
    drop(lock);
    supervisor::pump(&context.store, &context.config)?;
    describe(context, &context.store.read(id)?)
}

/// A new worktree begins with the branch, which cannot go while a person has it checked out.
fn refuse_branch_in_use(context: &Context, task: &Task) -> Result<()> {
    let (name, branch) = (task.name(), &task.spec.branch);
    let Some(elsewhere) = release::checked_out_elsewhere(context, task)? else { return Ok(()) };
    let place = escape::shell_word(&elsewhere.root.to_string_lossy());
    Err(Error::refused(format!(
        "cannot begin `{name}` anew: its branch `{branch}` is checked out in `{}`",
        elsewhere.root.display()
    ))
    .hint(format!("git -C {place} switch --detach"))
    .hint(format!("offshoot retry {name}  goes on in the worktree that it has")))
}
