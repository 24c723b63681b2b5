//! What landing would make, worked out in the object database alone.
//!
//! A plan is a commit that nobody refers to yet (or the news that there is nothing to land, or that
//! the sides conflict). No ref, index or checkout is read or changed, so planning is always safe and
//! may be repeated. A conflict is an answer, not an error.
//!
//! Work that a person had not committed when the task was dispatched (`snapshot`) is no part of what
//! the task did: the result is replayed without it, and the strategies that cannot do that refuse.

use super::error::GitAttempt;
use super::merge_tree::{Merged, Merger};
use super::objects::{NewCommit, Signing};
use super::repo::{Repo, oid};
use super::tree_check::refuse_unsafe_paths;
use crate::error::{Error, Result};
use crate::landing::{Conflict, Strategy};
use crate::names::{CommitId, ObjectId};

/// What is to be landed on what, and how.
#[derive(Debug, Clone, Copy)]
pub struct PlanRequest<'a> {
    /// The target's commit.
    pub target: CommitId,
    /// The task's last commit.
    pub tip: CommitId,
    /// The caller's uncommitted work that the task started from, as a commit.
    pub snapshot: Option<CommitId>,
    /// How the result is made.
    pub strategy: Strategy,
    /// The message of a merge or squash commit; the other strategies keep the task's messages.
    pub message: &'a str,
}

/// What landing would do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Plan {
    /// Nothing: the target holds the change already.
    UpToDate,
    /// It would move the target to this commit.
    Ready(Planned),
    /// Nothing: the two sides contradict each other.
    Conflicts(Vec<Conflict>),
    /// Nothing: the target has moved on, so that it cannot be fast-forwarded.
    NotFastForward,
}

/// A result that is ready to be landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// The commit to move the target to; no ref keeps it yet.
    pub commit: CommitId,
    /// Its tree.
    pub tree: ObjectId,
    /// How many commits of the task it carries.
    pub commits: usize,
}

impl Repo {
    /// Works out what landing would make.
    ///
    /// # Errors
    /// `refused` when the strategy cannot leave the snapshot out, the histories are unrelated or the
    /// result holds a path that no checkout may hold; `unsupported` when git is too old.
    pub fn plan(&self, request: &PlanRequest<'_>) -> Result<Plan> {
        let request = &PlanRequest { snapshot: self.snapshot_left(request)?, ..*request };
        if self.is_landed(request)? {
            return Ok(Plan::UpToDate);
        }
        self.refuse_unrelated(request)?;
        let plan = self.plan_by_strategy(request)?;
        // Landed as one commit by somebody else, and what was made of it since looks like a conflict.
        let is_there = matches!(plan, Plan::Conflicts(_)) && self.holds_as_one_commit(request)?;
        Ok(if is_there { Plan::UpToDate } else { plan })
    }

    fn plan_by_strategy(&self, request: &PlanRequest<'_>) -> Result<Plan> {
        match request.strategy {
            Strategy::Merge => {
                refuse_with_snapshot(request)?;
                self.plan_merge(request, &[request.target, request.tip])
            }
            Strategy::Squash => self.plan_merge(request, &[request.target]),
            Strategy::FastForward => {
                refuse_with_snapshot(request)?;
                self.plan_fast_forward(request)
            }
            Strategy::Rebase | Strategy::CherryPick => self.plan_rebase(request),
        }
    }

    /// The snapshot, unless the target has come to hold it.
    pub(super) fn snapshot_left(&self, request: &PlanRequest<'_>) -> Result<Option<CommitId>> {
        match request.snapshot {
            Some(snapshot) if !self.is_ancestor(snapshot, request.target)? => Ok(Some(snapshot)),
            _ => Ok(None),
        }
    }

    pub(super) fn is_landed(&self, request: &PlanRequest<'_>) -> Result<bool> {
        Ok(request.snapshot == Some(request.tip)
            || self.is_ancestor(request.tip, request.target)?)
    }

    pub(super) fn refuse_unrelated(&self, request: &PlanRequest<'_>) -> Result<()> {
        let (target, tip) = (request.target, request.tip);
        if self.merge_base(target, tip)?.is_some() {
            return Ok(());
        }
        let (target, tip) = (target.short(), tip.short());
        Err(Error::refused(format!("cannot land {tip} on {target}: they share no history"))
            .hint(format!("`git log --oneline --graph {target} {tip}` shows the two")))
    }

    fn plan_merge(&self, request: &PlanRequest<'_>, parents: &[CommitId]) -> Result<Plan> {
        let tree = match self.merged(request)? {
            Merged::Conflicts(conflicts) => return Ok(Plan::Conflicts(conflicts)),
            Merged::Clean(tree) => tree,
        };
        if !self.brings_something(request, tree)? {
            return Ok(Plan::UpToDate);
        }
        let commit = self.create_commit(&NewCommit {
            tree,
            parents,
            message: request.message,
            author_of: None,
            signing: Signing::AsConfigured,
        })?;
        Ok(Plan::Ready(Planned { commit, tree, commits: self.commits_ahead(request)? }))
    }

    fn plan_fast_forward(&self, request: &PlanRequest<'_>) -> Result<Plan> {
        if !self.is_ancestor(request.target, request.tip)? {
            return Ok(Plan::NotFastForward);
        }
        let tree = self.tree_of(request.tip)?;
        // Empty commits are landed too, so only the refusal counts.
        self.brings_something(request, tree)?;
        let commits = self.commits_ahead(request)?;
        Ok(Plan::Ready(Planned { commit: request.tip, tree, commits }))
    }

    fn plan_rebase(&self, request: &PlanRequest<'_>) -> Result<Plan> {
        let plan = self.replay(request)?;
        if let Plan::Ready(planned) = &plan
            && !self.brings_something(request, planned.tree)?
        {
            return Ok(Plan::UpToDate);
        }
        Ok(plan)
    }

    fn merged(&self, request: &PlanRequest<'_>) -> Result<Merged> {
        let merger = Merger::new(self, request.target)?;
        match request.snapshot {
            None => merger.merge(request.target, request.tip),
            Some(snapshot) => merger.merge_from(snapshot, request.target, request.tip),
        }
    }

    /// Whether `tree` changes anything of the target; refuses what no checkout may hold.
    fn brings_something(&self, request: &PlanRequest<'_>, tree: ObjectId) -> Result<bool> {
        let changes = self.changes_between(self.tree_of(request.target)?, tree)?;
        refuse_unsafe_paths(&changes)?;
        Ok(!changes.is_empty())
    }

    fn commits_ahead(&self, request: &PlanRequest<'_>) -> Result<usize> {
        let (target, tip) = (oid(request.target.0), oid(request.tip.0));
        let counted = self.inner.graph_ahead_behind(tip, target);
        let (mut ahead, _) = counted.git_attempt(|| "count the task's commits")?;
        if let Some(snapshot) = request.snapshot {
            let counted = self.inner.graph_ahead_behind(tip, oid(snapshot.0));
            ahead = ahead.min(counted.git_attempt(|| "count the task's commits")?.0);
        }
        Ok(ahead)
    }
}

fn refuse_with_snapshot(request: &PlanRequest<'_>) -> Result<()> {
    match request.snapshot {
        None => Ok(()),
        Some(_) => Err(Error::refused(
            "this would land uncommitted work too: the task was dispatched with it \
             (`--with-changes`)",
        )
        .hint("`offshoot rebase TASK` lands the task's commits without that work")
        .hint("`offshoot merge --squash TASK` lands them as one commit without that work")),
    }
}
