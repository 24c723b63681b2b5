//! The door to our own records: tasks, the journal of events, the inbox, the locks on paths and
//! the indexes.
//!
//! The record on disk is the truth. A task's `state.json` is replaced as a whole and holds the events
//! that the change caused until the journal has them, so a crash in between loses no news. The index
//! folders (`open`, `names`, `queue`, `active`) are hints that [`Store::settle`] brings in line with a
//! record, and [`Store::rebuild_indexes`] makes anew from all of them.
//!
//! Deliberately absent: any decision about what a task should do next; that is the verbs' business.

mod chores;
mod control;
mod files;
mod foreseen;
mod history;
mod inbox;
mod index;
mod inspect;
mod journal;
mod messages;
mod paths;
mod ports;
mod records;
mod spares;
mod told;
mod verdicts;

pub use chores::{Chore, What};
pub use history::History;
pub use inbox::InboxEntry;
pub use index::Queued;
pub use inspect::{OpenToOthers, StrayEntry};
pub use journal::JournalReader;
pub use paths::PathsLock;
pub use records::{Beginning, Created, Naming, NewTask, Placing, TaskLock};
pub use spares::SPARE_INDEX;
pub use verdicts::{Subject, Trial};

use crate::clock::Clock;
use crate::error::Result;
use crate::layout::{Index, Layout, RepoLock};
use crate::lock::{FileLock, Wait};

/// The records of one repository.
#[derive(Debug, Clone)]
pub struct Store {
    layout: Layout,
    clock: Clock,
}

impl Store {
    /// The store at `layout`; its folders are made when the first task is.
    #[must_use]
    pub fn new(layout: Layout, clock: Clock) -> Self {
        Self { layout, clock }
    }

    /// Where everything lies.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Whether anything was ever dispatched in this repository.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.layout.tasks().is_dir()
    }

    /// Makes the folders of the store; those that are there are fine.
    ///
    /// # Errors
    /// `io` when the repository's git directory cannot be written to.
    pub fn make_folders(&self) -> Result<()> {
        files::make_folder(&self.layout.tasks())?;
        files::make_folder(&self.layout.landings())?;
        for index in [Index::Open, Index::Names, Index::Requests, Index::Queue, Index::Active] {
            files::make_folder(&self.layout.index(index))?;
        }
        files::make_folder(&self.layout.untold())?;
        files::make_folder(&self.layout.sessions())?;
        if self.layout.inbox().is_dir() { Ok(()) } else { self.rebuild_inbox() }
    }

    /// Takes a lock of the whole repository, waiting as long as it takes: these are only ever held
    /// for moments.
    ///
    /// # Errors
    /// `io` when the lock file cannot be opened.
    pub fn lock(&self, lock: RepoLock) -> Result<FileLock> {
        let taken = FileLock::take(&self.layout.lock(lock), Wait::Forever)?;
        Ok(taken.expect("invariant: waiting forever ends with the lock"))
    }

    /// Takes a lock of the whole repository, or none when somebody holds it for longer than `wait`.
    ///
    /// # Errors
    /// `io` when the lock file cannot be opened.
    pub fn try_lock(&self, lock: RepoLock, wait: Wait) -> Result<Option<FileLock>> {
        FileLock::take(&self.layout.lock(lock), wait)
    }
}
