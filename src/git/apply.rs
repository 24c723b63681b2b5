//! Puts a planned result into a checkout's files and nowhere else: no index, no ref, no commit.
//!
//! The same survey and swaps as a landing, under the same rule: a path that a person has changed is in
//! the way. All or nothing, but without a journal: after a crash in the middle, what was already put
//! in place is uncommitted work in the checkout, as it would have been in the end.

use super::private_index::PrivateIndex;
use super::repo::{Checkout, Repo};
use super::staging::Staging;
use super::survey::{Manner, Span, survey};
use super::swap::Swap;
use super::tree_check::refuse_unsafe_paths;
use crate::error::{Error, Result};
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;

/// The name of the staging folder; the landing lock keeps it to one at a time.
const NAME: &str = "offshoot-apply";

impl Repo {
    /// Puts what differs between `head` (the checkout's HEAD, which the result was planned on) and
    /// `result` into the files of `checkout`, uncommitted and not staged. Answers the paths. The caller
    /// holds the landing lock.
    ///
    /// # Errors
    /// `refused` when HEAD is elsewhere by now, `dirty` when uncommitted work is in the way. Nothing
    /// has changed then.
    pub fn apply_uncommitted(
        &self,
        checkout: &Checkout,
        head: CommitId,
        result: ObjectId,
    ) -> Result<Vec<RepoPath>> {
        if self.head_of(&checkout.git_dir)?.commit != Some(head) {
            return Err(Error::refused(format!(
                "`{}` has moved on from {}",
                checkout.root.display(),
                head.short()
            ))
            .hint("try again: the result is made anew on what is there now"));
        }
        let changes = self.changes_between(head.0, result)?;
        refuse_unsafe_paths(&changes)?;
        let staging = Staging::named(checkout, NAME)?;
        staging.remove()?;
        staging.make()?;
        let span = Span { before: head.0, after: result, changes: &changes };
        let applied = self.apply_span(&staging, &span);
        staging.remove()?;
        applied?;
        Ok(changes.into_iter().map(|change| change.path).collect())
    }

    fn apply_span(&self, staging: &Staging, span: &Span<'_>) -> Result<()> {
        let index = PrivateIndex::copy(self, staging)?;
        let mut found = survey(staging, &index, span, Manner::Strict)?;
        index.advance(span.before, span.after)?;
        let swap = Swap::open(staging)?;
        swap.note_staged(staging, &mut found.steps)?;
        let done = swap.carry_out(&found.steps);
        if done.is_err() {
            swap.take_back(&found.steps)?;
        }
        done
    }
}
