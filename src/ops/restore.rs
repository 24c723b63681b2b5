//! `restore`: bring discarded work back, with its worktree as it was where that was not collected.

use super::describe::describe;
use super::recover::take;
use super::release::base_pin;
use super::several::{Several, each};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{Expected, NewWorktree, ReleasedWorktree};
use crate::layout::RepoLock;
use crate::names::CommitId;
use crate::task::{Change, Custody, Landing, Task};
use crate::view::TaskView;
use std::path::PathBuf;

/// Brings the tasks back.
///
/// # Errors
/// `not_found` when no task is meant, `refused` when the first was not discarded, was collected, or its
/// branch or folder is taken by now.
pub fn restore(context: &Context, tasks: &[String]) -> Result<Several<TaskView>> {
    each(context, tasks, |id| {
        let (lock, task) = take(context, id)?;
        let Landing::Discarded { custody, .. } = task.record.landing.clone() else {
            return Err(Error::refused(format!("`{}` was not discarded", task.name()))
                .hint(format!("offshoot status {}", task.name())));
        };
        context.store.begin(&lock)?;
        let task = match bring_back(context, &task, &custody) {
            Ok(worktree) => {
                // What the dispatcher's environment was is forgotten; another attempt has the caller's.
                let environment =
                    context.environment.without_git_location().without_parent_session();
                context.store.keep_environment(&lock, &environment)?;
                context.store.commit(&lock, &task, Change::Restored { worktree })?
            }
            Err(error) => {
                context.store.settle(&lock, &task)?;
                return Err(error);
            }
        };
        context.store.settle(&lock, &task)?;
        describe(context, &task)
    })
}

fn bring_back(context: &Context, task: &Task, custody: &Custody) -> Result<PathBuf> {
    let tip = custody.tip.or(task.record.head).unwrap_or(task.spec.base.commit);
    let _repo = context.store.lock(RepoLock::Repo)?;
    bring_back_branch(context, task, tip)?;
    let pin = base_pin(task);
    if context.repo.read_ref(&pin)?.is_none() {
        let base = task.spec.base.commit;
        context.repo.set_ref(&pin, Expected::Absent, base, "offshoot: base of a task")?;
    }
    // One that was restored before this was cut off is there already.
    if let Some(there) = context.repo.worktree_of(task.id())? {
        return Ok(there.root);
    }
    let released =
        ReleasedWorktree { folder: custody.folder.clone(), entry: custody.entry.clone() };
    let root = &task.spec.worktree;
    if let Some(checkout) = context.repo.bring_back_worktree(task.id(), &released, root)? {
        return Ok(checkout.root);
    }
    let layout = context.store.layout().task(task.id());
    let made = context.repo.create_worktree(&NewWorktree {
        task: task.id(),
        root,
        branch: &task.spec.branch,
        base: tip,
        intent: &layout.intent(),
    })?;
    Ok(made.root)
}

fn bring_back_branch(context: &Context, task: &Task, tip: CommitId) -> Result<()> {
    let branch = &task.spec.branch;
    match context.repo.read_ref(&branch.full_ref())? {
        Some(there) if there == tip => Ok(()),
        Some(_) => Err(Error::refused(format!(
            "cannot restore `{}`: the branch `{branch}` is used by something else now",
            task.name()
        ))
        .hint(format!("git branch -m -- {branch} another-name"))
        .hint(format!("git branch another-name {tip}  takes the work without restoring the task"))),
        None => {
            context.repo.set_ref(&branch.full_ref(), Expected::Absent, tip, "offshoot: restore")
        }
    }
}
