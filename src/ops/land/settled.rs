//! What of a task's work is landed: its tip, once it is sure that nothing is left behind in its
//! worktree. What was changed there after the end is refused, or taken along as one more commit.

use super::message::trailers;
use crate::context::Context;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::git::{Checkout, Expected, NewCommit, Signing, copy_index};
use crate::names::CommitId;
use crate::ops::release;
use crate::supervisor::planted_programs;
use crate::task::Task;

/// What becomes of changes that were made in the worktree after the task had ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leftovers {
    /// They refuse the landing.
    Refuse,
    /// They are part of the work.
    Take,
}

/// The tip of a task's work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::ops) struct Settled {
    /// What is landed.
    pub(in crate::ops) tip: CommitId,
    /// Where the work ended without the commit of leftovers that `tip` is then, and where they lie.
    leftovers: Option<(CommitId, Checkout)>,
}

/// The tip of a task's work, once it is sure that nothing in its worktree would be left behind.
pub(in crate::ops) fn settled_tip(context: &Context, task: &Task) -> Result<CommitId> {
    Ok(settle(context, task, Leftovers::Refuse)?.tip)
}

/// The tip of a task's work, leftovers on top of it where they are taken; no ref has moved for them.
pub(in crate::ops) fn settle(
    context: &Context,
    task: &Task,
    leftovers: Leftovers,
) -> Result<Settled> {
    let tip = tip(context, task)?;
    refuse_planted_programs(context, task)?;
    let clean = Settled { tip, leftovers: None };
    let Some(checkout) = context.repo.worktree_of(task.id())? else { return Ok(clean) };
    refuse_in_the_middle(context, task, &checkout)?;
    let tree = release::snapshot(context, task, &checkout, tip)?;
    if tree == context.repo.tree_of(tip)? {
        return Ok(clean);
    }
    if leftovers == Leftovers::Refuse {
        let (name, place) = (task.name(), context.relative(&checkout.root));
        return Err(Error::dirty(format!(
            "the worktree of `{name}` was changed after the task had ended"
        ))
        .hint(format!("git -C {place} status"))
        .hint("`--take-leftovers` makes the changes part of the task")
        .hint(format!("git -C {place} add --all && git -C {place} commit  does so too")));
    }
    if context.repo.head_of(&checkout.git_dir)?.commit != Some(tip) {
        let place = context.relative(&checkout.root);
        return Err(Error::dirty(format!(
            "what was changed in the worktree of `{}` is not on top of its result {}",
            task.name(),
            tip.short()
        ))
        .hint(format!("git -C {place} log --oneline --all"))
        .hint(format!("git -C {place} switch {}", task.spec.branch)));
    }
    let message = format!("What was changed after the task had ended\n\n{}", trailers(task));
    let commit = context.repo.create_commit(&NewCommit {
        tree,
        parents: &[tip],
        message: &message,
        author_of: None,
        signing: Signing::AsConfigured,
    })?;
    Ok(Settled { tip: commit, leftovers: Some((tip, checkout)) })
}

/// Where the task's work ends, whatever is in its worktree.
pub(in crate::ops) fn tip(context: &Context, task: &Task) -> Result<CommitId> {
    let name = task.name();
    let Some(head) = task.record.head else {
        return Err(Error::refused(format!("`{name}` never ran, so there is nothing to land"))
            .hint(format!("offshoot discard {name}")));
    };
    // Commits that somebody added on the branch after the end belong to the work.
    match context.repo.read_ref(&task.spec.branch.full_ref())? {
        Some(tip) if context.repo.is_ancestor(head, tip)? => Ok(tip),
        _ => Ok(head),
    }
}

/// A merge that was opened in the worktree and is not resolved is not to be taken for a change.
fn refuse_in_the_middle(context: &Context, task: &Task, checkout: &Checkout) -> Result<()> {
    if context.repo.merge_in_progress(checkout)?.is_none() {
        return Ok(());
    }
    let (name, place) = (task.name(), context.relative(&checkout.root));
    Err(Error::refused(format!("a merge is in progress in the worktree of `{name}`"))
        .hint(format!("`offshoot merge --continue {name}` lands it once it is resolved"))
        .hint(format!("`git -C {place} merge --abort` gives it up")))
}

impl Settled {
    /// The tip of a task's work, whatever was changed in its worktree since.
    pub(in crate::ops) fn without_leftovers(context: &Context, task: &Task) -> Result<Self> {
        if let Some(checkout) = context.repo.worktree_of(task.id())? {
            refuse_in_the_middle(context, task, &checkout)?;
        }
        Ok(Self { tip: tip(context, task)?, leftovers: None })
    }

    /// Refuses what would keep the task's branch and worktree from going on to a commit; nothing has
    /// moved for the leftovers yet.
    pub(in crate::ops) fn refuse_obstacles(
        &self,
        context: &Context,
        task: &Task,
        to: CommitId,
    ) -> Result<()> {
        let layout = context.store.layout();
        let index = layout.task(task.id()).snapshot_index();
        let coming = self.leftovers.as_ref().map(|(_, checkout)| (checkout, &*index));
        let step = (&task.spec.branch, self.tip, to);
        context.repo.refuse_obstacles(&layout.landings(), step, coming)
    }

    /// Moves the task's branch to the leftovers' commit, for work that stays on its branch. Their files
    /// are in the worktree already, so only its index changes.
    pub(in crate::ops) fn adopt(&self, context: &Context, task: &Task) -> Result<()> {
        let Some((from, checkout)) = &self.leftovers else { return Ok(()) };
        let name = task.spec.branch.full_ref();
        let attempt = || format!("write `{}`", checkout.git_dir.join("index").display());
        if checkout.git_dir.join("index.lock").exists() {
            return Err(Error::busy(format!(
                "somebody is at work in `{}`",
                checkout.root.display()
            ))
            .hint(format!("git -C {} status", context.relative(&checkout.root))));
        }
        let message = format!("offshoot: leftovers of {}", task.name());
        let expected = match context.repo.read_ref(&name)? {
            Some(_) => Expected::At(*from),
            None => Expected::Absent,
        };
        context.repo.set_ref_from(checkout, &name, (expected, self.tip), &message)?;
        let head = context.repo.head_of(&checkout.git_dir)?;
        if head.branch.as_ref() != Some(&task.spec.branch) {
            context.repo.attach_head(checkout, &task.spec.branch)?;
        }
        let sibling = checkout.git_dir.join("index.offshoot");
        copy_index(&context.store.layout().task(task.id()).snapshot_index(), &sibling)?;
        std::fs::rename(&sibling, checkout.git_dir.join("index")).attempt(attempt)
    }
}

/// Refuses while the repository's configuration has programs from the time of the task's run: git would
/// run them to make the result and to write it out.
pub(in crate::ops) fn refuse_planted_programs(context: &Context, task: &Task) -> Result<()> {
    let keys = planted_programs(&context.store, &context.repo, task)?;
    let Some(first) = keys.first() else { return Ok(()) };
    let shown: Vec<_> = keys.iter().map(|key| format!("`{}`", escape::line(key))).collect();
    Err(Error::refused(format!(
        "programs came into the repository's configuration while `{}` ran, and landing would run \
         them: {}",
        task.name(),
        shown.join(", ")
    ))
    .hint(format!("git config --local --unset-all {}", escape::line(first)))
    .hint("git config --global  is the place for those that you set yourself"))
}
