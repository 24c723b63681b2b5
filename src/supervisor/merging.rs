//! A merge that is open in the worktree when the agent ends: an agent that resolved one need not have
//! committed it, and one that did not must not have its conflict markers taken for work.

use super::Life;
use super::isolation::changed_programs;
use crate::error::Result;
use crate::git::Checkout;
use crate::names::{CommitId, ObjectId};
use crate::task::{Warning, WarningKind};

/// A merge that somebody opened in the worktree.
pub(super) enum OpenMerge {
    None,
    /// It is part of the branch already.
    Committed,
    /// Everything is decided; what its commit is to say, if that can be read.
    Resolved {
        theirs: CommitId,
        said: Option<String>,
    },
    Undecided(Warning),
}

impl Life {
    /// How far a merge has come that somebody opened in the worktree. One of which that cannot be told
    /// is none, so that it keeps no task from ending.
    pub(super) fn open_merge(
        &self,
        (checkout, head): (Option<&Checkout>, CommitId),
        tree: ObjectId,
    ) -> OpenMerge {
        let look = |checkout: &Checkout| -> Result<OpenMerge> {
            let Some(theirs) = self.repo.merge_in_progress(checkout)? else {
                return Ok(OpenMerge::None);
            };
            if self.repo.is_ancestor(theirs, head)? {
                return Ok(OpenMerge::Committed);
            }
            // To see what is decided the merge is made once more, which a driver of the agent's could
            // have a part in.
            if !changed_programs(&self.store, &self.repo, self.task.id())?.is_empty() {
                return Ok(OpenMerge::None);
            }
            let undecided = self.repo.undecided_in(checkout, (head, theirs), tree)?;
            if undecided.is_empty() {
                let said = self.repo.merge_message(checkout).ok().filter(|said| !said.is_empty());
                return Ok(OpenMerge::Resolved { theirs, said });
            }
            let message = format!(
                "the merge that is open in the worktree is not resolved; \
                 `offshoot merge --continue {}` lands it once it is",
                self.task.name()
            );
            let kind = WarningKind::MergeUnresolved;
            Ok(OpenMerge::Undecided(Warning { kind, message, paths: undecided }))
        };
        checkout.and_then(|checkout| look(checkout).ok()).unwrap_or(OpenMerge::None)
    }
}
