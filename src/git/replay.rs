//! The task's commits made again on the target's tip, one by one, in the object database.
//!
//! What `git rebase` would do without a checkout: merge commits are left out, commits that the target
//! holds already (the same patch) and commits that become empty are dropped, those that were empty
//! from the start stay. Author, date, encoding and message are kept byte for byte. The first conflict
//! ends it with that commit's conflicts. A cherry-pick makes every commit anew and names the original
//! in its message, as `git cherry-pick -x` does.

use super::error::GitAttempt;
use super::merge_tree::{Merged, Merger};
use super::objects::{NewCommit, Replayed, Signing};
use super::plan::{Plan, PlanRequest, Planned};
use super::repo::{Repo, commit_id, object_id, oid};
use crate::error::{Error, Result};
use crate::landing::Strategy;
use crate::names::CommitId;

impl Repo {
    /// Replays what the task did since its snapshot, or since it left the target's history.
    pub(super) fn replay(&self, request: &PlanRequest<'_>) -> Result<Plan> {
        let merger = Merger::new(self, request.target)?;
        let mut committer = None;
        let (mut onto, mut tree) = (request.target, self.tree_of(request.target)?);
        let mut commits = 0;
        for original in self.commits_to_replay(request)? {
            let original_tree = self.tree_of(original)?;
            let parent = self.parent(original, 0)?;
            let picked = request.strategy == Strategy::CherryPick;
            if parent == Some(onto) && !picked {
                (onto, tree, commits) = (original, original_tree, commits + 1);
                continue;
            }
            let (base, was_empty) = match parent {
                Some(parent) => (parent, self.tree_of(parent)? == original_tree),
                None => (self.empty_commit()?, false),
            };
            let merged = match merger.merge_from(base, onto, original)? {
                Merged::Conflicts(conflicts) => return Ok(Plan::Conflicts(conflicts)),
                Merged::Clean(merged) => merged,
            };
            if merged == tree && !was_empty {
                continue;
            }
            let committer = match &mut committer {
                Some(known) => known,
                unknown => unknown.insert(self.committer(Signing::AsConfigured)?),
            };
            let replayed = Replayed { original, tree: merged, parent: onto, picked };
            onto = self.replay_commit(&replayed, committer)?;
            (tree, commits) = (merged, commits + 1);
        }
        Ok(if commits == 0 {
            Plan::UpToDate
        } else {
            Plan::Ready(Planned { commit: onto, tree, commits })
        })
    }

    /// Oldest first; those whose patch the target holds already are left out.
    fn commits_to_replay(&self, request: &PlanRequest<'_>) -> Result<Vec<CommitId>> {
        let command = self
            .git
            .at(self.common_dir(), "rev-list")
            .args(["--topo-order", "--reverse", "--no-merges", "--right-only", "--cherry-pick"])
            .arg(format!("{}...{}", request.target, request.tip))
            .args(request.snapshot.map(|snapshot| format!("^{snapshot}")));
        let output = command.run()?;
        output.line().lines().map(str::parse).collect()
    }

    /// The first parent of a commit that has one.
    ///
    /// # Errors
    /// `git` when the commit is missing or has none.
    pub fn first_parent_of(&self, commit: CommitId) -> Result<CommitId> {
        let parent = self.parent(commit, 0)?;
        parent.ok_or_else(|| Error::git(format!("commit `{commit}` has no parent")))
    }

    /// What a commit merged in; nothing where it is no merge.
    ///
    /// # Errors
    /// `git` when the commit is missing.
    pub fn second_parent_of(&self, commit: CommitId) -> Result<Option<CommitId>> {
        self.parent(commit, 1)
    }

    fn parent(&self, commit: CommitId, number: usize) -> Result<Option<CommitId>> {
        let found = self.inner.find_commit(oid(commit.0));
        let found = found.git_attempt(|| format!("read commit `{commit}`"))?;
        Ok(found.parent_ids().nth(number).map(commit_id))
    }

    /// A commit of nothing, the base of a commit without parents.
    fn empty_commit(&self) -> Result<CommitId> {
        let empty = self.inner.treebuilder(None).and_then(|builder| builder.write());
        let tree = object_id(empty.git_attempt(|| "write the empty tree")?);
        let message = "nothing";
        let signing = Signing::Never;
        self.create_commit(&NewCommit { tree, parents: &[], message, author_of: None, signing })
    }
}
