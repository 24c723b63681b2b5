//! Moving a task's own branch, and its worktree with it, by the same journaled move that landing is.

use super::{Journey, move_branch};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{Expected, Purpose};
use crate::landing::Strategy;
use crate::names::CommitId;
use crate::store::TaskLock;
use crate::task::Task;

/// Moves the task's branch; where it is there already, nothing happens. What it left is kept by the pins of the move. With
/// `base` the move is all that happens to the task, and recovery records it.
///
/// # Errors
/// `refused` when the branch is elsewhere, `dirty` when what somebody changed in the worktree is in the
/// way.
pub(in crate::ops) fn move_own_branch(
    context: &Context,
    lock: &TaskLock,
    task: &Task,
    (from, to): (CommitId, CommitId),
    base: Option<CommitId>,
) -> Result<()> {
    let (name, branch) = (task.name(), &task.spec.branch);
    match context.repo.read_ref(&branch.full_ref())? {
        Some(there) if there == to => return Ok(()),
        Some(there) if there == from => {}
        Some(_) => {
            return Err(Error::refused(format!(
                "the branch `{branch}` of `{name}` does not lead to its result"
            ))
            .hint("offshoot doctor"));
        }
        None => context.repo.set_ref(
            &branch.full_ref(),
            Expected::Absent,
            from,
            "offshoot: the task's branch",
        )?,
    }
    if let Some(checkout) = context.repo.worktree_of(task.id())? {
        let head = context.repo.head_of(&checkout.git_dir)?;
        if head.commit == Some(from) && head.branch.as_ref() != Some(branch) {
            context.repo.attach_head(&checkout, branch)?;
        }
    }
    let journey = Journey {
        branch,
        before: from,
        after: to,
        strategy: Strategy::Rebase,
        purpose: Purpose::Own { base },
        reflog: format!("offshoot: {name} goes on from here"),
    };
    move_branch(context, lock, &journey)?
        .map(drop)
        .ok_or_else(|| Error::busy(format!("`{branch}` keeps moving")).hint("try again"))
}
