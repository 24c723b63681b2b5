//! Whether a target holds a task's whole change as one commit, whoever made it: a squash by hand or by
//! a web site. Git's patch id tells: the same lines added and removed in the same files.

use super::error::GitAttempt;
use super::plan::PlanRequest;
use super::repo::{Repo, commit_id, oid};
use super::tree_diff::compare_trees;
use crate::error::Result;
use crate::names::CommitId;
use crate::path::RepoPath;
use std::collections::BTreeSet;

/// How many of the target's latest commits are looked at.
const MOST: usize = 1000;

impl Repo {
    /// Whether a commit of the target since the task began makes the task's change, and none after it
    /// takes it back.
    pub(super) fn holds_as_one_commit(&self, request: &PlanRequest<'_>) -> Result<bool> {
        let shared = self.merge_base(request.target, request.tip)?;
        let Some(base) = request.snapshot.or(shared) else { return Ok(false) };
        let attempt = || "look for the task's change on its target";
        let wanted = self.difference(base, request.tip)?;
        let undone = self.difference(request.tip, base)?;
        let paths = self.paths_between(base, request.tip)?;
        let wanted = wanted.patchid(None).git_attempt(attempt)?;
        let undone = undone.patchid(None).git_attempt(attempt)?;
        let mut walk = self.inner.revwalk().git_attempt(attempt)?;
        walk.set_sorting(git2::Sort::TOPOLOGICAL).git_attempt(attempt)?;
        walk.push(oid(request.target.0)).git_attempt(attempt)?;
        walk.hide(oid(shared.unwrap_or(base).0)).git_attempt(attempt)?;
        for id in walk.take(MOST) {
            let commit = self.inner.find_commit(id.git_attempt(attempt)?).git_attempt(attempt)?;
            let mut parents = commit.parent_ids();
            let (Some(parent), None) = (parents.next(), parents.next()) else { continue };
            let (before, after) = (commit_id(parent), commit_id(commit.id()));
            if self.paths_between(before, after)? != paths {
                continue;
            }
            let made = self.difference(before, after)?.patchid(None).git_attempt(attempt)?;
            if made == wanted || made == undone {
                return Ok(made == wanted);
            }
        }
        Ok(false)
    }

    /// The paths that differ between two commits, of both sides, without renames.
    pub(super) fn paths_between(
        &self,
        one: CommitId,
        other: CommitId,
    ) -> Result<BTreeSet<RepoPath>> {
        let (one, other) = (self.tree_of(one)?, self.tree_of(other)?);
        let changes = compare_trees(&self.inner, one, other)?;
        Ok(changes.into_iter().map(|change| change.path).collect())
    }

    fn difference(&self, from: CommitId, to: CommitId) -> Result<git2::Diff<'_>> {
        let attempt = || format!("compare `{from}` with `{to}`");
        let tree = |commit: CommitId| {
            self.inner.find_commit(oid(commit.0)).and_then(|commit| commit.tree())
        };
        let (from, to) = (tree(from).git_attempt(attempt)?, tree(to).git_attempt(attempt)?);
        self.inner.diff_tree_to_tree(Some(&from), Some(&to), None).git_attempt(attempt)
    }
}
