//! `restore`: bring discarded work back, with its worktree as it was where that was not collected.

use super::describe::describe;
use super::recover::take;
use super::release::{base_pin, release_again};
use super::several::{Several, each};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{self, Expected, NewWorktree, ReleasedWorktree};
use crate::layout::RepoLock;
use crate::names::CommitId;
use crate::store::TaskLock;
use crate::task::{Change, Custody, Landing, Task};
use crate::view::TaskView;
use std::path::PathBuf;

/// A task that is back.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// The task.
    pub task: TaskView,
    /// What its worktree is.
    pub worktree: Worktree,
}

/// What the worktree of a task that is back is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worktree {
    /// The one that it had, with everything in it.
    AsItWas,
    /// A new one with all that was in it but what the pool keeps for others.
    PutTogether,
    /// A new one at the result: what git ignores, and what was not committed, is not in it.
    MadeAnew,
}

/// Brings the tasks back.
///
/// # Errors
/// `not_found` when no task is meant, `refused` when the first was not discarded, was collected, or its
/// branch or folder is taken by now.
pub fn restore(context: &Context, tasks: &[String]) -> Result<Several<Restored>> {
    each(context, tasks, |id| {
        let (lock, task) = take(context, id)?;
        let Landing::Discarded { custody, .. } = task.record.landing.clone() else {
            return Err(Error::refused(format!("`{}` was not discarded", task.name()))
                .hint(format!("offshoot status {}", task.name())));
        };
        refuse_collected(context, &task, &custody, "restore")?;
        context.store.begin(&lock)?;
        let (task, worktree) = match bring_back(context, &task, &custody) {
            Ok((place, worktree)) => {
                adopt_environment(context, &lock)?;
                let change = Change::Restored { worktree: place };
                (context.store.commit(&lock, &task, change)?, worktree)
            }
            Err(error) => {
                // Where that fails too, the mark stays and the next command takes it back.
                let _ = release_again(context, &lock, &task);
                return Err(error);
            }
        };
        context.store.settle(&lock, &task)?;
        Ok(Restored { task: describe(context, &task)?, worktree })
    })
}

/// Where the task's branch is to be again.
pub(super) fn tip(task: &Task, custody: &Custody) -> CommitId {
    custody.tip.or(task.record.head).unwrap_or(task.spec.base.commit)
}

/// What the dispatcher's environment was is forgotten; another attempt has the caller's.
pub(super) fn adopt_environment(context: &Context, lock: &TaskLock) -> Result<()> {
    let environment = context.environment.without_git_location().without_parent_session();
    context.store.keep_environment(lock, &environment)
}

/// Refuses when git has thrown away what `gc` let go; before anything is changed.
pub(super) fn refuse_collected(
    context: &Context,
    task: &Task,
    custody: &Custody,
    attempt: &str,
) -> Result<()> {
    let (name, tip, base) = (task.name(), tip(task, custody), task.spec.base.commit);
    if context.repo.is_whole(tip, base)? {
        return Ok(());
    }
    let mut error = Error::refused(format!(
        "cannot {attempt} `{name}`: its work was collected, and {} is not in the repository any more",
        tip.short()
    ));
    if let Some(folder) = custody.folder.as_ref().filter(|folder| folder.is_dir()) {
        error = error.hint(format!("its files are still in `{}`", folder.display()));
    }
    if context.repo.is_whole(base, base)? {
        error = error.hint(format!("offshoot dispatch --base {}  starts again", base.short()));
    }
    Err(error.hint(format!("offshoot logs {name}  shows what it wrote")))
}

/// Refuses when something else has the task's branch or the place of its worktree by now.
pub(super) fn refuse_taken(
    context: &Context,
    task: &Task,
    custody: &Custody,
    attempt: &str,
) -> Result<()> {
    let (name, tip) = (task.name(), tip(task, custody));
    match context.repo.read_ref(&task.spec.branch.full_ref())? {
        Some(there) if there != tip => return Err(branch_taken(task, tip, attempt)),
        _ => {}
    }
    let root = &task.spec.worktree;
    if context.repo.worktree_of(task.id())?.is_none() && root.symlink_metadata().is_ok() {
        let place = root.display();
        return Err(Error::refused(format!(
            "cannot {attempt} `{name}`: something else is at `{place}` now"
        ))
        .hint(format!("move `{place}` away")));
    }
    Ok(())
}

fn branch_taken(task: &Task, tip: CommitId, attempt: &str) -> Error {
    let branch = &task.spec.branch;
    Error::refused(format!(
        "cannot {attempt} `{}`: the branch `{branch}` is used by something else now",
        task.name()
    ))
    .hint(format!("git branch -m -- {branch} another-name"))
    .hint(format!("git branch another-name {tip}  takes the work without restoring the task"))
}

/// Puts branch and worktree where they were.
pub(super) fn bring_back(
    context: &Context,
    task: &Task,
    custody: &Custody,
) -> Result<(PathBuf, Worktree)> {
    let tip = tip(task, custody);
    let _repo = context.store.lock(RepoLock::Repo)?;
    bring_back_branch(context, task, tip)?;
    let pin = base_pin(task.id());
    if context.repo.read_ref(&pin)?.is_none() {
        let base = task.spec.base.commit;
        context.repo.set_ref(&pin, Expected::Absent, base, "offshoot: base of a task")?;
    }
    let (root, worktree) = bring_back_folder(context, task, (custody, tip))?;
    if let Some(folder) = &custody.folder {
        git::put_back(&git::rest_of(folder), &root)?;
    }
    Ok((root, worktree))
}

/// The caller holds the repository's lock.
fn bring_back_folder(
    context: &Context,
    task: &Task,
    (custody, tip): (&Custody, CommitId),
) -> Result<(PathBuf, Worktree)> {
    // One that was restored before this was cut off is there already.
    if let Some(there) = context.repo.worktree_of(task.id())? {
        return Ok((there.root, Worktree::AsItWas));
    }
    let released =
        ReleasedWorktree { folder: custody.folder.clone(), entry: custody.entry.clone() };
    let root = &task.spec.worktree;
    if let Some(checkout) = context.repo.bring_back_worktree(task.id(), &released, root)? {
        return Ok((checkout.root, Worktree::AsItWas));
    }
    let layout = context.store.layout().task(task.id());
    let made = context.repo.create_worktree(&NewWorktree {
        task: task.id(),
        root,
        branch: &task.spec.branch,
        base: tip,
        intent: &layout.intent(),
        pool: None,
        stock: None,
    })?;
    let given_away = custody.entry.as_ref().is_some_and(|entry| git::is_recycled(entry));
    Ok((made.root, if given_away { Worktree::PutTogether } else { Worktree::MadeAnew }))
}

fn bring_back_branch(context: &Context, task: &Task, tip: CommitId) -> Result<()> {
    let branch = &task.spec.branch;
    match context.repo.read_ref(&branch.full_ref())? {
        Some(there) if there == tip => Ok(()),
        Some(_) => Err(branch_taken(task, tip, "restore")),
        None => {
            context.repo.set_ref(&branch.full_ref(), Expected::Absent, tip, "offshoot: restore")
        }
    }
}
