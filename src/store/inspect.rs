//! Looking for what is out of line among our own files, and putting single things right.
//!
//! Dispatches work under the queue's lock, so whoever looks under it sees none half-way.

use super::index::{self, queued_id};
use super::{Store, files};
use crate::error::{Attempt, Result};
use crate::layout::{Index, RepoLock};
use crate::lock::FileLock;
use crate::names::TaskId;
use crate::task::Task;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What the name of a task's folder begins with while it is being made.
const HIDDEN: &str = ".new-";

const INDEXES: [Index; 5] =
    [Index::Open, Index::Names, Index::Requests, Index::Queue, Index::Active];

/// An entry of an index that leads to no task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrayEntry {
    index: Index,
    name: String,
}

/// A file or folder of ours that others may look into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenToOthers {
    /// Where it is.
    pub path: PathBuf,
    /// The mode it should have.
    pub wanted: u32,
}

impl Store {
    /// Dispatches that died before their task was there: their folders are still hidden.
    ///
    /// # Errors
    /// `io` when the folders cannot be listed.
    pub fn half_dispatched(&self) -> Result<Vec<TaskId>> {
        let _queue = self.lock(RepoLock::Queue)?;
        let names = files::names_in(&self.layout.tasks())?;
        Ok(names.iter().filter_map(|name| name.strip_prefix(HIDDEN)?.parse().ok()).collect())
    }

    /// Whether a task is recorded, be its record readable or not.
    #[must_use]
    pub fn has_folder(&self, id: TaskId) -> bool {
        self.layout.task(id).root().is_dir()
    }

    /// Removes what a dispatch left that died before its task was there. It was never answered for, so
    /// nothing is lost with it.
    ///
    /// # Errors
    /// `io` when something cannot be removed.
    pub fn forget_half_dispatched(&self, id: TaskId) -> Result<()> {
        let _queue = self.lock(RepoLock::Queue)?;
        let hidden = self.layout.tasks().join(format!("{HIDDEN}{id}"));
        match fs::remove_dir_all(&hidden) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            other => other.attempt(|| format!("remove `{}`", hidden.display()))?,
        }
        if self.has_folder(id) {
            return Ok(());
        }
        files::remove(&self.layout.index(Index::Active).join(id.to_string()))
    }

    /// Index entries that lead to no task.
    ///
    /// # Errors
    /// `io` when an index cannot be read.
    pub fn stray_entries(&self) -> Result<Vec<StrayEntry>> {
        let _queue = self.lock(RepoLock::Queue)?;
        let mut stray = Vec::new();
        for index in INDEXES {
            for name in files::names_in(&self.layout.index(index))? {
                let entry = StrayEntry { index, name };
                // What begins with a dot is being written.
                if !entry.name.starts_with('.') && self.is_stray(&entry)? {
                    stray.push(entry);
                }
            }
        }
        Ok(stray)
    }

    fn is_stray(&self, entry: &StrayEntry) -> Result<bool> {
        let id = match entry.index {
            Index::Open | Index::Active => entry.name.parse().ok(),
            Index::Queue => queued_id(&entry.name),
            Index::Names | Index::Requests => index::read_id(&self.entry_path(entry))?,
        };
        Ok(!id.is_some_and(|id| self.has_folder(id)))
    }

    /// Where an entry lies.
    #[must_use]
    pub fn entry_path(&self, entry: &StrayEntry) -> PathBuf {
        self.layout.index(entry.index).join(&entry.name)
    }

    /// Removes an index entry if it still leads to no task.
    ///
    /// # Errors
    /// `io` when it cannot be removed.
    pub fn forget_entry(&self, entry: &StrayEntry) -> Result<()> {
        let _queue = self.lock(RepoLock::Queue)?;
        if self.is_stray(entry)? { files::remove(&self.entry_path(entry)) } else { Ok(()) }
    }

    /// Which indexes do not say of a task what its record says. What marks it as being changed may be
    /// there without need: whoever recovers looks at it and takes it away.
    ///
    /// # Errors
    /// `io` when the indexes cannot be read.
    pub fn out_of_line(&self, task: &Task) -> Result<Vec<Index>> {
        let is_free = !self.is_held(task.id())?;
        let mut found = Vec::new();
        let mut task = task.clone();
        if self.has_told(&task.record.outbox)? {
            task.record.outbox.clear();
        }
        let task = &task;
        for filing in index::filings(task) {
            let is_there = self.layout.index(filing.index).join(&filing.name).exists();
            let surplus = is_free && filing.index != Index::Active;
            if (filing.wanted && !is_there) || (!filing.wanted && is_there && surplus) {
                found.push(filing.index);
            }
        }
        if is_free && !self.other_queue_entries(task)?.is_empty() {
            found.push(Index::Queue);
        }
        found.dedup();
        Ok(found)
    }

    /// Makes those entries of a task that are missing, without its lock: whoever holds it takes away
    /// in the end what is not needed.
    ///
    /// # Errors
    /// `io` when they cannot be written.
    pub fn mark(&self, task: &Task) -> Result<()> {
        for filing in index::filings(task).into_iter().filter(|filing| filing.wanted) {
            files::touch(&self.layout.index(filing.index).join(filing.name))?;
        }
        Ok(())
    }

    /// Whether a task is found by its name and by its request.
    ///
    /// # Errors
    /// `io` when the indexes cannot be read.
    pub fn is_remembered(&self, task: &Task) -> Result<bool> {
        let leads_here = |path: PathBuf| Ok(index::read_id(&path)? == Some(task.id()));
        Ok(leads_here(self.layout.name(&task.spec.name))?
            && match &task.spec.request_id {
                Some(request) => leads_here(self.layout.request(request))?,
                None => true,
            })
    }

    /// [`remember`](Self::remember), where no dispatch comes in between.
    ///
    /// # Errors
    /// `io` when that cannot be written.
    pub fn remember_again(&self, task: &Task) -> Result<()> {
        let _queue = self.lock(RepoLock::Queue)?;
        if self.bearer(&task.spec.name)?.is_some_and(|bearer| bearer != task.id()) {
            return Ok(());
        }
        self.remember(task)
    }

    /// The state folder and the files with secrets, where others than their owner may look into them.
    #[must_use]
    pub fn open_to_others(&self) -> Vec<OpenToOthers> {
        let mut places = vec![(self.layout.root().to_owned(), 0o700)];
        for id in self.all_ids().unwrap_or_default() {
            let task = self.layout.task(id);
            places.extend([(task.env(), 0o600), (task.secrets(), 0o600)]);
        }
        let is_open = |path: &PathBuf| {
            fs::symlink_metadata(path)
                .is_ok_and(|found| !found.is_symlink() && found.permissions().mode() & 0o077 != 0)
        };
        let open = places.into_iter().filter(|(path, _)| is_open(path));
        open.map(|(path, wanted)| OpenToOthers { path, wanted }).collect()
    }

    /// Closes it to others.
    ///
    /// # Errors
    /// `io` when its mode cannot be changed.
    pub fn close_to_others(&self, place: &OpenToOthers) -> Result<()> {
        fs::set_permissions(&place.path, fs::Permissions::from_mode(place.wanted))
            .attempt(|| format!("change the mode of `{}`", place.path.display()))
    }

    /// Whether a lock that one process holds keeps another one out on this file system.
    ///
    /// # Errors
    /// `io` when it cannot lock at all.
    pub fn keeps_locks(&self) -> Result<bool> {
        let held = self.lock(RepoLock::Queue)?;
        FileLock::is_held(held.path())
    }

    /// The files with a task's environment that are still there, and how big they are.
    #[must_use]
    pub fn environment_files(&self, id: TaskId) -> Vec<(PathBuf, u64)> {
        let layout = self.layout.task(id);
        let sized = |path: PathBuf| Some((path.clone(), fs::symlink_metadata(&path).ok()?.len()));
        [layout.env(), layout.secrets()].into_iter().filter_map(sized).collect()
    }
}
