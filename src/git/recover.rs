//! Finishes or takes back the landings that were cut off by a crash.
//!
//! Decided from what is there, so recovery may itself be killed and begun again:
//!
//! | the target is at | what happens |
//! |---|---|
//! | `before`, no file touched | taken back |
//! | `before`, files half-way | finished: old paths are brought forward, new ones kept, others left |
//! | `after` | finished in the same way |
//! | further on, past `after` | complete; what is left of it is tidied away |
//! | anything else, or its checkout is on another branch by now | what is provably ours is swapped back |
//!
//! First of all, what an editor wrote in the instant of a swap is put back. Only locks that are the
//! landing's own are removed: `index.lock` by its inode; a ref's lock when it is younger than the
//! journal and holds the landing's commit or nothing yet, and after a second's wait.
//! A landing that cannot be finished now (somebody holds a lock) is reported and stays.

use super::apply::take_back_unfinished;
use super::land::Carried;
use super::landing_journal::{Journal, Phase};
use super::repo::{Checkout, Repo};
use super::staging::{PREFIX, Staging};
use super::survey::Manner;
use super::swap::Swap;
use crate::error::{Error, Result};
use crate::landing::Strategy;
use crate::names::BranchName;
use crate::path::RepoPath;
use std::fs;
use std::path::Path;

/// What recovery made of one landing.
#[derive(Debug)]
pub struct Recovered {
    /// The landing's number.
    pub number: u64,
    /// The task it was to land.
    pub task: String,
    /// The branch it was to move.
    pub target: BranchName,
    /// How its result was made.
    pub strategy: Strategy,
    /// What became of it.
    pub outcome: Recovery,
}

/// What became of a landing that was cut off.
#[derive(Debug)]
pub enum Recovery {
    /// It is complete now.
    Finished {
        /// Paths that are a person's own by now and were left as they are. Where a person had changed
        /// one twice, the earlier version lies in `<git dir>/offshoot-landing-<n>.kept-<k>`.
        left: Vec<RepoPath>,
    },
    /// It has not happened.
    TakenBack {
        /// Paths that are a person's own by now and were left as they are; see above.
        left: Vec<RepoPath>,
    },
    /// It can be neither finished nor taken back at the moment; its journal stays.
    Stuck(Error),
}

impl Repo {
    /// Finishes or takes back every landing that was cut off. The caller holds the landing lock.
    ///
    /// # Errors
    /// When the journals cannot be listed; what goes wrong with one landing is in its report.
    pub fn recover_landings(&self, journal_dir: &Path) -> Result<Vec<Recovered>> {
        let mut unfinished = Vec::new();
        for number in Journal::numbers(journal_dir)? {
            let journal = Journal::read(journal_dir, number)?;
            if journal.record.phase != Phase::Done {
                unfinished.push(journal);
            }
        }
        self.sweep(&unfinished)?;
        Ok(unfinished.iter_mut().map(|journal| self.report_on(journal)).collect())
    }

    fn report_on(&self, journal: &mut Journal) -> Recovered {
        let landing = journal.record.landing.clone();
        let outcome = self.recover(journal).unwrap_or_else(Recovery::Stuck);
        Recovered {
            number: landing.number,
            task: landing.task,
            target: landing.target,
            strategy: landing.strategy,
            outcome,
        }
    }

    fn recover(&self, journal: &mut Journal) -> Result<Recovery> {
        let stagings = self.stagings_of(journal)?;
        self.remove_own_ref_locks(journal)?;
        if journal.record.phase != Phase::Applying {
            return self.taken_back(journal, &stagings);
        }
        let landing = &journal.record.landing;
        let now = self.read_ref(&landing.target.full_ref())?;
        let (before, after) = (landing.before, landing.after);
        let still_there = now == Some(before) || now == Some(after);
        let went_on = match now {
            Some(now) if !still_there => self.is_ancestor(after, now).unwrap_or(false),
            _ => false,
        };
        if went_on {
            return self.passed(journal, &stagings);
        }
        if !still_there || !self.checkouts_are_on_target(journal)? {
            return self.taken_back(journal, &stagings);
        }
        for staging in &stagings {
            staging.make()?;
            staging.take_lock()?;
        }
        let kept = self.rescue_edits(journal, &stagings)?;
        match self.carry_out(journal, Manner::Recovering)? {
            Carried::Landed(mut left) => {
                left.extend(kept);
                Ok(Recovery::Finished { left })
            }
            Carried::Untouched => self.taken_back(journal, &stagings),
        }
    }

    /// The target went through the landing's commit and on: it is complete, and going back would undo
    /// in the files what is in the history.
    fn passed(&self, journal: &mut Journal, stagings: &[Staging]) -> Result<Recovery> {
        for staging in stagings {
            staging.make()?;
        }
        let left = self.rescue_edits(journal, stagings)?;
        Self::finish(journal, stagings);
        Ok(Recovery::Finished { left })
    }

    fn taken_back(&self, journal: &mut Journal, stagings: &[Staging]) -> Result<Recovery> {
        Ok(Recovery::TakenBack { left: self.take_back(journal, stagings)? })
    }

    /// The staging folders of the checkouts that still exist.
    fn stagings_of(&self, journal: &Journal) -> Result<Vec<Staging>> {
        let present = self.checkouts()?;
        let places = journal.record.checkouts.iter().map(|place| place.checkout());
        let there = places.filter(|checkout| present.contains(checkout));
        there
            .map(|checkout| Staging::of_landing(&checkout, journal.record.landing.number))
            .collect()
    }

    fn checkouts_are_on_target(&self, journal: &Journal) -> Result<bool> {
        let on_target = self.checkouts_on(&journal.record.landing.target)?;
        let mut places = journal.record.checkouts.iter().map(|place| place.checkout());
        Ok(places.all(|checkout| on_target.contains(&checkout)))
    }

    /// Puts back what editors wrote in the instant of a swap, then empties the staging folders: what
    /// is left there is in the object database too. The journal forgets the steps in between, so that
    /// nobody takes what is staged next for something that they displaced.
    fn rescue_edits(&self, journal: &mut Journal, stagings: &[Staging]) -> Result<Vec<RepoPath>> {
        let mut kept = Vec::new();
        for (staging, place) in stagings.iter().zip(&journal.record.checkouts) {
            let lost = Swap::open(staging)?.rescue(&place.steps)?;
            if !lost.is_empty() {
                staging.set_shelf_aside()?;
            }
            kept.extend(lost);
        }
        journal.record.checkouts.iter_mut().for_each(|place| place.steps.clear());
        journal.enter(Phase::Applying)?;
        for staging in stagings {
            staging.clear_shelf()?;
        }
        Ok(kept)
    }

    /// Removes staging folders that no unfinished landing needs: they were left between a journal's
    /// last word and the end, or before its first. An application that was cut off is taken back.
    fn sweep(&self, unfinished: &[Journal]) -> Result<()> {
        let is_needed = |number| unfinished.iter().any(|j| j.record.landing.number == number);
        for checkout in self.checkouts()? {
            match sweep_checkout(&checkout, &is_needed) {
                // Released in this instant, which nobody does in the middle of a landing.
                Err(_) if !checkout.git_dir.exists() || !checkout.root.exists() => {}
                swept => swept?,
            }
        }
        Ok(())
    }
}

fn sweep_checkout(checkout: &Checkout, is_needed: &dyn Fn(u64) -> bool) -> Result<()> {
    take_back_unfinished(checkout)?;
    let Ok(entries) = fs::read_dir(&checkout.git_dir) else { return Ok(()) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|n| n.strip_prefix(PREFIX)?.parse().ok());
        if let Some(number) = number.filter(|number| !is_needed(*number)) {
            Staging::of_landing(checkout, number)?.remove()?;
        }
    }
    Ok(())
}
