//! Looking at what we left in the repository, without changing any of it: for the verb that finds
//! inconsistencies.

use super::apply::NAME as APPLYING;
use super::landing_journal::{Journal, Landing, Phase};
use super::repo::{Repo, worktree_root_of};
use super::staging::PREFIX;
use super::worktree::owner_of;
use crate::error::Result;
use crate::names::{CommitId, TaskId};
use std::fs;
use std::path::{Path, PathBuf};

/// A worktree entry of git that says it is a task's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedEntry {
    /// The task that it names.
    pub task: TaskId,
    /// The entry.
    pub git_dir: PathBuf,
    /// The worktree's folder, if it is still there.
    pub root: Option<PathBuf>,
}

impl Repo {
    /// Git's worktree entries that were made for tasks.
    ///
    /// # Errors
    /// `io` when the entries cannot be listed.
    pub fn owned_entries(&self) -> Result<Vec<OwnedEntry>> {
        let owned = self.entries()?.into_iter().filter_map(|git_dir| {
            let task = owner_of(&git_dir)?;
            Some(OwnedEntry { task, root: worktree_root_of(&git_dir), git_dir })
        });
        Ok(owned.collect())
    }

    /// Every landing whose journal says that it moved its target, and every one that was cut off.
    /// The caller holds the landing lock.
    ///
    /// # Errors
    /// When a journal cannot be read.
    pub fn landings(&self, journal_dir: &Path) -> Result<Vec<(Landing, Journaled)>> {
        let mut landings = Vec::new();
        for number in Journal::numbers(journal_dir)? {
            let record = Journal::read(journal_dir, number)?.record;
            let ended =
                if record.phase == Phase::Done { Journaled::Done } else { Journaled::CutOff };
            landings.push((record.landing, ended));
        }
        Ok(landings)
    }

    /// Forgets a landing that is done and that nobody will undo. The caller holds the landing lock.
    ///
    /// # Errors
    /// `io` when its journal cannot be removed.
    pub fn forget_landing(&self, journal_dir: &Path, number: u64) -> Result<()> {
        let journal = Journal::read(journal_dir, number)?;
        if journal.record.phase == Phase::Done { journal.remove() } else { Ok(()) }
    }

    /// Folders that landings and applications work in and that were left behind; with each of them
    /// the checkout's `index.lock` may have been. The caller holds the landing lock.
    ///
    /// # Errors
    /// When the checkouts cannot be listed.
    pub fn leftover_stagings(&self) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for checkout in self.checkouts()? {
            for entry in fs::read_dir(&checkout.git_dir).into_iter().flatten().flatten() {
                let name = entry.file_name();
                let name = name.to_string_lossy();
                let number = name.strip_prefix(PREFIX).and_then(|n| n.parse::<u64>().ok());
                if number.is_some() || name == APPLYING {
                    found.push(entry.path());
                }
            }
        }
        Ok(found)
    }

    /// Whether a commit is in the object database with everything it needs, what `known` needs left
    /// aside. A clone that fetches objects when they are needed is asked for none.
    ///
    /// # Errors
    /// `git` when git cannot be run.
    pub fn is_whole(&self, tip: CommitId, known: CommitId) -> Result<bool> {
        if self.tree_of(tip).is_err() {
            return Ok(false);
        }
        let walk = self.git.at(self.common_dir(), "rev-list");
        let mut walk =
            walk.args(["--objects", "--quiet", "--missing=allow-promisor"]).arg(tip.to_string());
        if self.tree_of(known).is_ok() {
            walk = walk.arg(format!("^{known}"));
        }
        // Any fault here is about an object that is missing or cannot be read.
        Ok(walk.run_allowing(&[0, 1, 128])?.code == 0)
    }
}

/// How a landing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journaled {
    /// The target has moved.
    Done,
    /// Whoever carried it out died.
    CutOff,
}
