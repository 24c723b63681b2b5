//! Keeping people from beginning a commit in a target's checkouts while a landing is planned.
//!
//! A target that moves between plan and landing makes the plan void. Somebody who commits without pause
//! does so each time. While the checkouts' `index.lock` is held nobody begins a commit there, so that at
//! most one that had got past its index may still move the target. Whoever moves it without an index (a
//! push into the repository, `git update-ref`) cannot be held: git gives up on a ref's lock after 100 ms,
//! and that would cost them their update.

use super::landing_journal::Journal;
use super::repo::Repo;
use super::staging::Staging;
use crate::error::Result;
use crate::names::BranchName;
use std::path::{Path, PathBuf};

/// The locks of a target's checkouts. The next landing goes on with them; where there was none they are
/// given back when dropped.
#[derive(Debug)]
pub struct Hold {
    stagings: Vec<Staging>,
    journal_dir: PathBuf,
    number: u64,
}

impl Repo {
    /// Takes the locks for the next landing whose journal is to lie in `journal_dir`. The caller holds
    /// the landing lock, and the landing's task is marked, so that the next command gives back what a
    /// crash leaves.
    ///
    /// # Errors
    /// `busy` when somebody keeps holding one of them.
    pub fn hold(&self, journal_dir: &Path, branch: &BranchName) -> Result<Hold> {
        let number = self.next_landing_number(journal_dir)?;
        let mut hold = Hold { stagings: Vec::new(), journal_dir: journal_dir.to_owned(), number };
        for checkout in self.checkouts_on(branch)? {
            let staging = Staging::of_landing(&checkout, number)?;
            staging.make()?;
            hold.stagings.push(staging.clone());
            staging.take_lock()?;
        }
        Ok(hold)
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // A landing that began has its own end, and its folders may hold a person's files until then.
        let begun = Journal::numbers(&self.journal_dir).map(|all| all.contains(&self.number));
        if !matches!(begun, Ok(false)) {
            return;
        }
        for staging in &self.stagings {
            // What stays is removed by the next command, as after a crash.
            drop(staging.remove());
        }
    }
}
