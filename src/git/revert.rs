//! A commit that takes a landing back where its target has moved on: what lay between the landing's
//! ends, backwards, on the target's tip. Worked out in the object database, as every plan.

use super::merge_tree::{Merged, Merger};
use super::objects::{NewCommit, Signing};
use super::plan::{Plan, Planned};
use super::repo::Repo;
use super::tree_check::refuse_unsafe_paths;
use crate::error::Result;
use crate::names::CommitId;

/// A landing that is to be taken back by a commit.
#[derive(Debug, Clone, Copy)]
pub struct RevertRequest<'a> {
    /// The target's commit now.
    pub target: CommitId,
    /// The target's commit before the landing.
    pub before: CommitId,
    /// The target's commit after it.
    pub after: CommitId,
    /// What the commit says.
    pub message: &'a str,
}

impl Repo {
    /// Works out what taking the landing back would make.
    ///
    /// # Errors
    /// `unsupported` when git is older than 2.40.
    pub fn plan_revert(&self, request: &RevertRequest<'_>) -> Result<Plan> {
        let merger = Merger::new(self, request.target)?;
        let tree = match merger.merge_from(request.after, request.target, request.before)? {
            Merged::Conflicts(conflicts) => return Ok(Plan::Conflicts(conflicts)),
            Merged::Clean(tree) => tree,
        };
        let changes = self.changes_between(self.tree_of(request.target)?, tree)?;
        refuse_unsafe_paths(&changes)?;
        if changes.is_empty() {
            return Ok(Plan::UpToDate);
        }
        let commit = self.create_commit(&NewCommit {
            tree,
            parents: &[request.target],
            message: request.message,
            author_of: None,
            signing: Signing::AsConfigured,
        })?;
        Ok(Plan::Ready(Planned { commit, tree, commits: 1 }))
    }

    /// A remote-tracking branch that holds a commit, if one does: somebody else may have it then.
    ///
    /// # Errors
    /// `git` when the commit is missing.
    pub fn remote_branch_with(&self, commit: CommitId) -> Result<Option<String>> {
        let command = self.git.at(self.common_dir(), "for-each-ref").args([
            "--count=1",
            "--format=%(refname:short)",
            "--contains",
            &commit.to_string(),
            "refs/remotes/",
        ]);
        let name = command.run()?.line();
        Ok((!name.is_empty()).then_some(name))
    }

    /// The first line of a commit's message, as far as it is text.
    ///
    /// # Errors
    /// `git` when the commit is missing.
    pub fn subject_of(&self, commit: CommitId) -> Result<String> {
        let command = self.git.at(self.common_dir(), "show");
        let command = command.args(["--no-patch", "--no-show-signature", "--format=%s"]);
        Ok(command.arg(commit.to_string()).run()?.line())
    }
}
