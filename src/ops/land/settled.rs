//! What of a task's work is landed: its tip, once it is sure that nothing is left behind.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::names::CommitId;
use crate::ops::release;
use crate::task::Task;

/// The tip of a task's work, once it is sure that nothing in its worktree would be left behind.
pub(in crate::ops) fn settled_tip(context: &Context, task: &Task) -> Result<CommitId> {
    let name = task.name();
    let Some(head) = task.record.head else {
        return Err(Error::refused(format!("`{name}` never ran, so there is nothing to land"))
            .hint(format!("offshoot discard {name}")));
    };
    let branch = &task.spec.branch;
    // Commits that somebody added on the branch after the end belong to the work.
    let tip = match context.repo.read_ref(&branch.full_ref())? {
        Some(tip) if context.repo.is_ancestor(head, tip)? => tip,
        _ => head,
    };
    if let Some(checkout) = context.repo.worktree_of(task.id())? {
        let tree = release::snapshot(context, task, &checkout, tip)?;
        if tree != context.repo.tree_of(tip)? {
            let place = context.relative(&checkout.root);
            return Err(Error::dirty(format!(
                "the worktree of `{name}` was changed after the task had ended"
            ))
            .hint(format!("git -C {place} status"))
            .hint(format!(
                "git -C {place} add --all && git -C {place} commit  makes the changes part of the task"
            )));
        }
    }
    Ok(tip)
}
