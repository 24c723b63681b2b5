//! Puts a planned result into a checkout's files and nowhere else: no index, no ref, no commit.
//!
//! The same survey and swaps as a landing, under the same rule: a path that a person has changed is in
//! the way. All or nothing: the steps lie beside what they displace, and while that file exists the
//! whole is taken back, by the next call or by the next recovery. Removing it is the moment of truth.
//! The index is not locked, since it does not change.

use super::private_index::PrivateIndex;
use super::repo::{Checkout, Repo};
use super::staging::Staging;
use super::survey::{Manner, Span, Step, refuse_unsparse, survey};
use super::swap::Swap;
use super::tree_check::refuse_unsafe_paths;
use crate::disk::sync_folder;
use crate::error::{Attempt, Error, Result};
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use std::fs::{self, File};
use std::io::Write;

/// The name of the staging folder; the landing lock keeps it to one at a time.
pub(super) const NAME: &str = "offshoot-apply";

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
        take_back_unfinished(checkout)?;
        let staging = Staging::named(checkout, NAME)?;
        staging.make()?;
        let span = Span { before: head.0, after: result, changes: &changes };
        let applied = self.apply_span(&staging, &span);
        take_back_unfinished(checkout)?;
        applied?;
        Ok(changes.into_iter().map(|change| change.path).collect())
    }

    fn apply_span(&self, staging: &Staging, span: &Span<'_>) -> Result<()> {
        let index = PrivateIndex::copy(self, staging)?;
        let mut steps = survey(staging, &index, span, Manner::Strict)?.steps;
        index.advance(span.before, span.after)?;
        let swap = Swap::open(staging)?;
        refuse_unsparse(staging, &swap.note_staged(&mut steps)?)?;
        write_steps(staging, &steps)?;
        swap.carry_out(&steps)?;
        let file = staging.steps();
        fs::remove_file(&file).attempt(|| format!("remove `{}`", file.display()))
    }
}

/// Looking for applications that were cut off.
impl Repo {
    /// Whether an application may have been cut off in the main checkout or in the caller's; or it is
    /// going on, if somebody holds the landing lock.
    #[must_use]
    pub fn is_half_applied(&self) -> bool {
        let here = self.here().map(|here| here.git_dir.as_path());
        [Some(self.common_dir()), here].into_iter().flatten().any(|dir| dir.join(NAME).exists())
    }
}

/// Takes back what an application that did not come to its end has done, and removes its folder.
pub(super) fn take_back_unfinished(checkout: &Checkout) -> Result<()> {
    let staging = Staging::named(checkout, NAME)?;
    let file = staging.steps();
    if let Ok(bytes) = fs::read(&file) {
        let steps: Vec<Step> = serde_json::from_slice(&bytes).map_err(|cause| {
            Error::internal(format!("cannot read `{}`: {cause}", file.display()))
        })?;
        staging.make()?;
        let swap = Swap::open(&staging)?;
        swap.take_back(&steps)?;
        if !swap.rescue(&steps)?.is_empty() {
            staging.set_shelf_aside()?;
        }
        fs::remove_file(&file).attempt(|| format!("remove `{}`", file.display()))?;
    }
    staging.remove()
}

fn write_steps(staging: &Staging, steps: &[Step]) -> Result<()> {
    let bytes = serde_json::to_vec(steps)
        .map_err(|cause| Error::internal(format!("cannot write the steps: {cause}")))?;
    let file = staging.steps();
    let fresh = file.with_extension("new");
    let written = File::create(&fresh)
        .and_then(|mut open| open.write_all(&bytes).and_then(|()| open.sync_all()))
        .and_then(|()| fs::rename(&fresh, &file));
    written.attempt(|| format!("write `{}`", file.display()))?;
    sync_folder(file.parent().expect("invariant: it lies in the staging folder"))
}
