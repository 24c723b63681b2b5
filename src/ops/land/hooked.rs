//! `--hooks`: the hooks that git would run for the commit of this way to land.

use super::{Candidate, Hooks, LandRequest, message};
use crate::context::Context;
use crate::error::Result;
use crate::git::{HookedResult, MESSAGE, NewCommit, Planned, Signing};
use crate::landing::Strategy;
use crate::names::CommitId;
use crate::ops::place::worktree_root;
use crate::supervisor::Laboratory;

/// `git merge` and `git commit`, as githooks(5) has them; `git rebase` only asks before it begins.
const OF_MERGE: &[&[&str]] =
    &[&["pre-merge-commit"], &["prepare-commit-msg", MESSAGE, "merge"], &["commit-msg", MESSAGE]];
const OF_COMMIT: &[&[&str]] =
    &[&["pre-commit"], &["prepare-commit-msg", MESSAGE, "message"], &["commit-msg", MESSAGE]];

impl Candidate<'_> {
    /// The result after the hooks have seen it; made anew where they changed it.
    pub(super) fn after_hooks(
        &self,
        context: &Context,
        request: &LandRequest,
        (before, planned): (CommitId, Planned),
    ) -> Result<Planned> {
        if request.hooks == Hooks::Skip {
            return Ok(planned);
        }
        let upstream = self.target.to_string();
        let of_rebase: &[&[&str]] = &[&["pre-rebase", &upstream, self.task.spec.branch.as_str()]];
        let hooks = match request.strategy {
            Strategy::Merge => OF_MERGE,
            Strategy::Squash => OF_COMMIT,
            Strategy::Rebase => of_rebase,
            Strategy::FastForward | Strategy::CherryPick => return Ok(planned),
        };
        let says = message(self.task, request.strategy);
        let merged = (request.strategy == Strategy::Merge).then_some(self.settled.tip);
        let result = HookedResult { target: before, merged, message: &says, hooks };
        let Context { store, repo, config, .. } = context;
        let laboratory = Laboratory { store, repo, config };
        let (tree, said) =
            laboratory.in_scratch(&worktree_root(context), planned.commit, |scratch| {
                repo.run_hooks(scratch, &result)
            })?;
        if request.strategy == Strategy::Rebase || (tree == planned.tree && said == says) {
            return Ok(planned);
        }
        let parents: Vec<_> = std::iter::once(before).chain(merged).collect();
        let commit = context.repo.create_commit(&NewCommit {
            tree,
            parents: &parents,
            message: &said,
            author_of: None,
            signing: Signing::AsConfigured,
        })?;
        Ok(Planned { commit, tree, ..planned })
    }
}
