//! Checks of what tasks did: that their result is there, their branch leads to it, and their worktree
//! is where it was.

use super::Look;
use super::finding::{Finding, Fix, Mend, discard_and_restore, word};
use crate::error::Result;
use crate::names::CommitId;
use crate::ops::land::is_undecided;
use crate::ops::release::kept_refs;
use crate::task::{Task, WarningKind};

/// Tasks that have ended with a result and were not released, and that result.
fn results<'a>(look: &'a Look<'_>) -> impl Iterator<Item = (&'a Task, CommitId)> {
    let kept = look.tasks.iter().filter(|task| !task.is_released() && !task.record.releasing);
    kept.filter_map(|task| Some((task.ended()?.task(), task.record.head?)))
}

/// The worst there is: a result that git does not have.
pub(super) fn result_is_missing(look: &Look<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for (task, head) in results(look) {
        if !look.context.repo.is_whole(head, task.spec.base.commit)? {
            let name = task.name();
            let mut message = format!(
                "the result of `{name}` is LOST from the object database: commit {head}, or something \
                 in it, is missing; copy `.git/objects` back from a backup or another clone before \
                 anything else"
            );
            if let Some(worktree) = task.record.worktree.as_ref().filter(|place| place.is_dir()) {
                message.push_str(&format!("; its files are still in `{}`", worktree.display()));
            }
            let command = format!("git fetch OTHER-CLONE {head}");
            found.push(Finding::new("result_missing", message, Mend::Person(command)));
        }
    }
    Ok(found)
}

/// Branches that are gone, or that do not lead to the result any more. Work that is landed is on its
/// target; there a person may have tidied up by hand.
pub(super) fn branch_is_elsewhere(look: &Look<'_>) -> Result<Vec<Finding>> {
    let repo = &look.context.repo;
    let mut found = Vec::new();
    for (task, head) in results(look).filter(|(task, _)| is_undecided(task)) {
        // The task's own doing is told by its warning.
        let diverged = |warning: &crate::task::Warning| warning.kind == WarningKind::BranchDiverged;
        if repo.tree_of(head).is_err() || task.record.warnings.iter().any(diverged) {
            continue;
        }
        let (name, branch) = (task.name(), &task.spec.branch);
        let Some(tip) = repo.read_ref(&branch.full_ref())? else {
            // A task that could not be set up may have ended before it had one.
            if task.record.worktree.is_none() && head == task.spec.base.commit {
                continue;
            }
            let last = last_tip(look, task, head)?;
            let message = format!("the branch `{branch}` of `{name}` is gone; it was at {last}");
            let fix = Fix::MakeBranch(task.id(), last);
            found.push(Finding::new("branch_gone", message, Mend::Ours(fix)));
            continue;
        };
        if repo.is_ancestor(head, tip)? {
            continue;
        }
        let message = format!(
            "the branch `{branch}` of `{name}` was moved to {tip}, which does not hold its result {head}"
        );
        let back = format!("git update-ref {} {head} {tip}", branch.full_ref());
        found.push(Finding::new("branch_moved", message, Mend::Person(back)));
        if !is_kept(look, task, head)? {
            let message = format!("no ref keeps the result {head} of `{name}` from `git gc`");
            let fix = Fix::KeepResult(task.id(), head);
            found.push(Finding::new("result_unkept", message, Mend::Ours(fix)));
        }
    }
    Ok(found)
}

/// Where the branch was last, as far as its worktree remembers: commits that somebody added after the
/// end belong to the work.
fn last_tip(look: &Look<'_>, task: &Task, head: CommitId) -> Result<CommitId> {
    let repo = &look.context.repo;
    let checkout = repo.worktree_of(task.id())?;
    let logged = checkout.and_then(|checkout| repo.last_logged_head(&checkout));
    Ok(logged.filter(|tip| repo.is_ancestor(head, *tip).unwrap_or(false)).unwrap_or(head))
}

fn is_kept(look: &Look<'_>, task: &Task, head: CommitId) -> Result<bool> {
    let repo = &look.context.repo;
    for name in repo.refs_below(&kept_refs(task))? {
        if let Some(kept) = repo.read_ref(&name)?
            && repo.is_ancestor(head, kept)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Worktrees that were deleted, moved, or forgotten by git.
pub(super) fn worktree_is_gone(look: &Look<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for task in look.tasks.iter().filter(|task| task.ended().is_some()) {
        let Some(worktree) = &task.record.worktree else { continue };
        if task.record.releasing || look.context.repo.worktree_of(task.id())?.is_some() {
            continue;
        }
        let (name, place) = (task.name(), worktree.display());
        // A landed task has nothing that must come back.
        let landed = !is_undecided(task);
        let again =
            if landed { format!("offshoot discard {name}") } else { discard_and_restore(name) };
        let (message, command) = if worktree.is_dir() && !landed {
            let aside = worktree.with_file_name(format!("{name}.aside"));
            (
                format!("git does not know the worktree `{place}` of `{name}` any more"),
                format!("mv {} {} && {again}", word(worktree), word(&aside)),
            )
        } else {
            (format!("the worktree `{place}` of `{name}` is gone"), again)
        };
        found.push(Finding::new("worktree_gone", message, Mend::Person(command)));
    }
    Ok(found)
}
