//! Moves a branch to a planned commit, and every checkout of that branch with it.
//!
//! ```text
//! lock each checkout's index → survey → make new files ready → journal → swap files → index → ref
//! ```
//! Killed anywhere, the journal says how to go on (`recover`). Failing anywhere, everything is taken
//! back. The ref moves last and by compare-and-swap. Whatever a person has in a checkout beside the
//! paths that change stays byte for byte.
//!
//! The caller holds the landing lock, so no two landings run at once. Deliberately absent: deciding
//! what lands (`plan`), pins that keep the commits, and running the verify command.

use super::landing_journal::{Journal, Landing, Phase, Place};
use super::private_index::{PrivateIndex, restore_index};
use super::repo::{Checkout, Repo};
use super::staging::Staging;
use super::survey::{Manner, Span, Survey, listed, refuse_unsparse, survey};
use super::swap::Swap;
use super::tree_check::refuse_unsafe_paths;
use super::tree_diff::Change;
use crate::error::{Error, Result};
use crate::names::{BranchName, CommitId};
use crate::path::RepoPath;
use std::path::Path;

/// What carrying out a landing came to.
#[derive(Debug)]
#[must_use]
pub(super) enum Carried {
    /// The target has moved. These paths were a person's own by then and were left as they are.
    Landed(Vec<RepoPath>),
    /// While recovering: nothing had been touched, and now something is in the way.
    Untouched,
}

impl Repo {
    /// The number for the next landing whose journal is to lie in `journal_dir`.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn next_landing_number(&self, journal_dir: &Path) -> Result<u64> {
        Ok(Journal::numbers(journal_dir)?.last().map_or(1, |last| last + 1))
    }

    /// The landings from number `first` on, whatever became of them; one whose journal is gone by now
    /// was taken back.
    ///
    /// # Errors
    /// When the journals cannot be listed.
    pub fn landings_since(&self, journal_dir: &Path, first: u64) -> Result<Vec<Landing>> {
        let numbers = Journal::numbers(journal_dir)?.into_iter().filter(|number| *number >= first);
        let read = |number| Journal::read(journal_dir, number).ok();
        Ok(numbers.filter_map(read).map(|journal| journal.record.landing).collect())
    }

    /// Whether the last landing is not known to be over. The caller holds the landing lock.
    ///
    /// # Errors
    /// When its journal cannot be read.
    pub fn is_landing_unfinished(&self, journal_dir: &Path) -> Result<bool> {
        match Journal::numbers(journal_dir)?.last() {
            Some(last) => Ok(Journal::read(journal_dir, *last)?.record.phase != Phase::Done),
            None => Ok(false),
        }
    }

    /// The landings of a task after number `known` that moved their target, oldest first.
    ///
    /// # Errors
    /// When the journals cannot be read.
    pub fn landings_of(&self, journal_dir: &Path, task: &str, known: u64) -> Result<Vec<Landing>> {
        let done = self.done_landings(journal_dir, known)?;
        Ok(done.into_iter().filter(|landing| landing.task == task).collect())
    }

    /// The landings after number `known` that moved their target, oldest first.
    ///
    /// # Errors
    /// When the journals cannot be read.
    pub fn done_landings(&self, journal_dir: &Path, known: u64) -> Result<Vec<Landing>> {
        let mut done = Vec::new();
        for number in Journal::numbers(journal_dir)?.into_iter().filter(|number| *number > known) {
            let record = Journal::read(journal_dir, number)?.record;
            if record.phase == Phase::Done {
                done.push(record.landing);
            }
        }
        Ok(done)
    }

    /// Lands: moves the target, and the checkouts that are on it. The caller has recovered landings
    /// that were cut off before.
    ///
    /// # Errors
    /// `refused` when the target is elsewhere by now or in use, `dirty` when uncommitted work is in
    /// the way, `busy` when somebody holds a lock. Nothing has changed then.
    pub fn land(&self, journal_dir: &Path, landing: &Landing) -> Result<()> {
        self.refuse_if_moved(landing)?;
        self.refuse_if_in_use(&landing.target)?;
        let mut journal = Journal::new(journal_dir, landing)?;
        self.carry_out(&mut journal, Manner::Strict).map(drop)
    }

    /// Refuses what [`land`](Self::land) would refuse for a branch's move between two commits; moves
    /// nothing. `coming` is a checkout with the index that it will have by then. The caller holds the
    /// landing lock.
    ///
    /// # Errors
    /// As [`land`](Self::land).
    pub fn refuse_obstacles(
        &self,
        journal_dir: &Path,
        (branch, before, after): (&BranchName, CommitId, CommitId),
        coming: Option<(&Checkout, &Path)>,
    ) -> Result<()> {
        self.refuse_if_in_use(branch)?;
        let changes = self.changes_between(before.0, after.0)?;
        refuse_unsafe_paths(&changes)?;
        let span = Span { before: before.0, after: after.0, changes: &changes };
        for checkout in self.checkouts_on(branch)? {
            // As the next landing's, so that what a crash leaves here is swept away.
            let number = self.next_landing_number(journal_dir)?;
            let staging = Staging::of_landing(&checkout, number)?;
            staging.make()?;
            let index = match coming {
                Some((own, index)) if *own == checkout => {
                    PrivateIndex::copy_of(self, &staging, index)
                }
                _ => PrivateIndex::copy(self, &staging),
            };
            let found = index.and_then(|index| survey(&staging, &index, &span, Manner::Strict));
            staging.remove()?;
            found?;
        }
        Ok(())
    }

    /// Does what the journal's landing needs, from the first step or from where it was left.
    pub(super) fn carry_out(&self, journal: &mut Journal, manner: Manner) -> Result<Carried> {
        let landing = journal.record.landing.clone();
        let changes = self.changes_between(landing.before.0, landing.after.0)?;
        refuse_unsafe_paths(&changes)?;
        let mut stagings = Vec::new();
        for checkout in self.checkouts_on(&landing.target)? {
            stagings.push(Staging::of_landing(&checkout, landing.number)?);
        }
        let carried = match manner {
            Manner::Strict => {
                let landed = self.land_strictly(journal, &stagings, &changes);
                if let Err(error) = landed {
                    return Err(self.give_up(journal, &stagings, error));
                }
                Carried::Landed(Vec::new())
            }
            // On an error everything stays as it is, locks too: the next recovery goes on.
            Manner::Recovering => self.land_again(journal, &stagings, &changes)?,
        };
        if let Carried::Landed(_) = carried {
            // The target has moved; a lock that git left, killed alone, must not stay.
            let _ = self.remove_own_ref_locks(journal);
            Self::finish(journal, &stagings);
        }
        Ok(carried)
    }

    fn land_strictly(
        &self,
        journal: &mut Journal,
        stagings: &[Staging],
        changes: &[Change],
    ) -> Result<()> {
        for staging in stagings {
            staging.make()?;
        }
        journal.record.checkouts =
            stagings.iter().map(|staging| Place::of(staging, Vec::new())).collect();
        journal.enter(Phase::Preparing)?;
        for staging in stagings {
            staging.take_lock()?;
        }
        self.refuse_if_changed_since(&journal.record.landing, stagings)?;
        let span = span_of(&journal.record.landing, changes);
        let mut indexes = Vec::new();
        for (number, staging) in stagings.iter().enumerate() {
            let (index, found) = self.ready(staging, &span, Manner::Strict)?;
            indexes.push(index);
            journal.record.checkouts[number].steps = found.steps;
        }
        journal.enter(Phase::Applying)?;
        self.apply(journal, stagings, &indexes)
    }

    fn land_again(
        &self,
        journal: &mut Journal,
        stagings: &[Staging],
        changes: &[Change],
    ) -> Result<Carried> {
        let span = span_of(&journal.record.landing, changes);
        let moved = self.read_ref(&journal.record.landing.target.full_ref())?
            == Some(journal.record.landing.after);
        let (mut indexes, mut places, mut left) = (Vec::new(), Vec::new(), Vec::new());
        let mut placed = 0;
        for staging in stagings {
            staging.make()?;
            staging.take_lock()?;
            let (index, found) = self.ready(staging, &span, Manner::Recovering)?;
            indexes.push(index);
            places.push(Place::of(staging, found.steps));
            placed += found.placed;
            left.extend(found.left);
            left.extend(found.foreign_entries);
        }
        if !moved && placed == 0 && !left.is_empty() {
            return Ok(Carried::Untouched);
        }
        journal.record.checkouts = places;
        journal.enter(Phase::Applying)?;
        for staging in stagings {
            Swap::open(staging)?.tidy(changes);
        }
        self.apply(journal, stagings, &indexes)?;
        left.sort();
        left.dedup();
        Ok(Carried::Landed(left))
    }

    /// Surveys a checkout whose lock is held, and makes its new files and index ready.
    fn ready<'a>(
        &'a self,
        staging: &'a Staging,
        span: &Span<'_>,
        manner: Manner,
    ) -> Result<(PrivateIndex<'a>, Survey)> {
        let index = PrivateIndex::copy(self, staging)?;
        let mut found = survey(staging, &index, span, manner)?;
        if found.foreign_entries.is_empty() {
            index.advance(span.before, span.after)?;
        } else {
            let entries: Vec<_> = span
                .changes
                .iter()
                .filter(|change| !found.foreign_entries.contains(&change.path))
                .map(|change| (&change.path, change.new))
                .collect();
            index.advance_only(&entries, (span.before, span.after))?;
        }
        let without = Swap::open(staging)?.note_staged(&mut found.steps)?;
        match manner {
            Manner::Strict => refuse_unsparse(staging, &without)?,
            Manner::Recovering => found.left.extend(without),
        }
        Ok((index, found))
    }

    fn apply(
        &self,
        journal: &Journal,
        stagings: &[Staging],
        indexes: &[PrivateIndex<'_>],
    ) -> Result<()> {
        for (staging, place) in stagings.iter().zip(&journal.record.checkouts) {
            let swap = Swap::open(staging)?;
            swap.carry_out(&place.steps)?;
            swap.make_folders_durable(&place.steps)?;
        }
        for index in indexes {
            index.install()?;
        }
        let checkouts: Vec<_> = stagings.iter().map(|staging| &staging.checkout).collect();
        self.move_target(&journal.record.landing, &checkouts)
    }

    /// Under the locks HEAD stays where it is: are the checkouts still those that were locked?
    fn refuse_if_changed_since(&self, landing: &Landing, stagings: &[Staging]) -> Result<()> {
        self.refuse_if_in_use(&landing.target)?;
        let now = self.checkouts_on(&landing.target)?;
        if now.iter().eq(stagings.iter().map(|staging| &staging.checkout)) {
            return Ok(());
        }
        Err(Error::refused(format!(
            "cannot land on `{}`: it was checked out or left in some worktree meanwhile",
            landing.target
        ))
        .hint("try again"))
    }

    /// Takes back what a failed landing has done; answers the error to tell.
    fn give_up(&self, journal: &mut Journal, stagings: &[Staging], error: Error) -> Error {
        if journal.record.phase == Phase::Applying {
            // Git may have been killed alone; what cannot be removed is told by the next attempt.
            let _ = self.remove_own_ref_locks(journal);
        }
        match self.take_back(journal, stagings) {
            Ok(left) if left.is_empty() => error,
            Ok(left) => error.hint(format!(
                "these were changed meanwhile and stay as they are: {}",
                listed(&left)
            )),
            Err(second) => error
                .hint(format!("taking it back failed too: {second}"))
                .hint("the next offshoot command takes back the rest"),
        }
    }

    /// Takes back whatever was done, then forgets the landing. The locks are held or nobody's.
    pub(super) fn take_back(
        &self,
        journal: &mut Journal,
        stagings: &[Staging],
    ) -> Result<Vec<RepoPath>> {
        let mut left = Vec::new();
        if journal.record.phase != Phase::Preparing {
            // On a full disk this fails; then recovery goes forward where it would have gone back.
            let _ = journal.enter(Phase::Reverting);
            for place in &journal.record.checkouts {
                let known = stagings.iter().find(|staging| staging.checkout == place.checkout());
                let Some(staging) = known else { continue };
                staging.make()?;
                if staging.holds_lock() {
                    restore_index(staging)?;
                }
                let swap = Swap::open(staging)?;
                left.extend(swap.take_back(&place.steps)?);
                if !swap.rescue(&place.steps)?.is_empty() {
                    staging.set_shelf_aside()?;
                }
            }
        }
        for staging in stagings {
            staging.remove()?;
        }
        journal.remove()?;
        Ok(left)
    }

    /// Records the end and gives everything back. The target has moved, so nothing may fail any
    /// more: what cannot be recorded or removed now is left to the next recovery.
    pub(super) fn finish(journal: &mut Journal, stagings: &[Staging]) {
        for place in &mut journal.record.checkouts {
            place.steps.clear();
        }
        // Once more where it fails: nobody looks after a landing that is told to have gone well.
        if journal.enter(Phase::Done).is_err() {
            let _ = journal.enter(Phase::Done);
        }
        for staging in stagings {
            if staging.remove().is_err() {
                let _ = staging.remove();
            }
        }
    }
}

fn span_of<'a>(landing: &Landing, changes: &'a [Change]) -> Span<'a> {
    Span { before: landing.before.0, after: landing.after.0, changes }
}
