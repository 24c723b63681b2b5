//! The files by which a task's processes talk to each other: requests to the supervisor, and the
//! status that the shim leaves.
//!
//! Files instead of a socket: their paths may be long, and agents' sandboxes do not block them.

use super::files::{self, Durability};
use super::{Store, TaskLock};
use crate::error::{Attempt, Result};
use crate::names::{CommitId, TaskId};
use crate::task::{ControlAction, ControlRequest, SCHEMA};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

impl Store {
    /// Asks a task's supervisor for something.
    ///
    /// # Errors
    /// `io` when the request cannot be written.
    pub fn request(&self, id: TaskId, action: ControlAction) -> Result<()> {
        let folder = self.layout.task(id).control();
        let request = files::to_json(&ControlRequest { schema: SCHEMA, action })?;
        let attempt = || format!("write to `{}`", folder.display());
        let last = self.request_numbers(id)?.last().copied().unwrap_or(0);
        for number in last + 1.. {
            let sibling = folder.join(format!(".{number}-{}", TaskId::random()));
            let written =
                OpenOptions::new().write(true).create_new(true).mode(0o600).open(&sibling);
            written.and_then(|mut file| file.write_all(&request)).attempt(attempt)?;
            // A link fails where somebody else took the number; a rename would replace their request.
            let linked = std::fs::hard_link(&sibling, folder.join(number.to_string()));
            files::remove(&sibling)?;
            match linked {
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                other => return other.attempt(attempt),
            }
        }
        Ok(())
    }

    /// The requests that nobody has carried out, oldest first.
    ///
    /// # Errors
    /// `io` when they cannot be read.
    pub fn requests(&self, id: TaskId) -> Result<Vec<ControlRequest>> {
        let folder = self.layout.task(id).control();
        let mut requests = Vec::new();
        for number in self.request_numbers(id)? {
            let path = folder.join(number.to_string());
            requests.extend(files::read_json::<ControlRequest>(&path)?);
        }
        Ok(requests)
    }

    /// Forgets the oldest requests, which have been carried out.
    ///
    /// # Errors
    /// `io` when they cannot be removed.
    pub fn carried_out(&self, lock: &TaskLock, count: usize) -> Result<()> {
        let folder = self.layout.task(lock.id()).control();
        for number in self.request_numbers(lock.id())?.into_iter().take(count) {
            files::remove(&folder.join(number.to_string()))?;
        }
        Ok(())
    }

    /// Forgets every request: they were meant for an attempt that has ended.
    ///
    /// # Errors
    /// `io` when they cannot be removed.
    pub fn forget_requests(&self, lock: &TaskLock) -> Result<()> {
        self.carried_out(lock, usize::MAX)
    }

    /// Notes durably which two commits' merge is about to be opened in the task's worktree.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn note_merge(&self, lock: &TaskLock, ends: (CommitId, CommitId)) -> Result<()> {
        let text = format!("{} {}", ends.0, ends.1);
        let file = self.layout.task(lock.id()).merging();
        files::replace(&file, text.as_bytes(), Durability::PowerCut)
    }

    /// The merge that is being opened, if whoever did that has not come to its end.
    ///
    /// # Errors
    /// `io` when the note cannot be read.
    pub fn noted_merge(&self, id: TaskId) -> Result<Option<(CommitId, CommitId)>> {
        let file = self.layout.task(id).merging();
        match std::fs::read_to_string(&file) {
            Ok(text) => match text.split_once(' ') {
                Some((ours, theirs)) => Ok(Some((ours.parse()?, theirs.parse()?))),
                None => Ok(None),
            },
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(cause) => Err(cause).attempt(|| format!("read `{}`", file.display())),
        }
    }

    /// Forgets the note: the merge is open, or is not going to be.
    ///
    /// # Errors
    /// `io` when it cannot be removed.
    pub fn forget_merge(&self, lock: &TaskLock) -> Result<()> {
        files::remove(&self.layout.task(lock.id()).merging())
    }

    fn request_numbers(&self, id: TaskId) -> Result<Vec<u64>> {
        let names = files::names_in(&self.layout.task(id).control())?;
        let mut numbers: Vec<u64> = names.iter().filter_map(|name| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Leaves, durably, how the agent's process ended.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn write_status(&self, id: TaskId, status: &impl Serialize) -> Result<()> {
        let bytes = files::to_json(status)?;
        files::replace(&self.layout.task(id).status(), &bytes, Durability::PowerCut)
    }

    /// What [`write_status`](Self::write_status) left; `None` when it left nothing.
    ///
    /// # Errors
    /// `io` when it cannot be read.
    pub fn status<T: DeserializeOwned>(&self, id: TaskId) -> Result<Option<T>> {
        files::read_json(&self.layout.task(id).status())
    }

    /// Leaves what the isolation check compares with at the end. Losing it in a power cut loses a
    /// warning, so it is not synced: every start would pay for that.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn write_fingerprint(&self, lock: &TaskLock, fingerprint: &impl Serialize) -> Result<()> {
        let bytes = files::to_json(fingerprint)?;
        files::replace(&self.layout.task(lock.id()).fingerprint(), &bytes, Durability::Crash)
    }

    /// What [`write_fingerprint`](Self::write_fingerprint) left; `None` when it left nothing.
    ///
    /// # Errors
    /// `io` when it cannot be read.
    pub fn fingerprint<T: DeserializeOwned>(&self, id: TaskId) -> Result<Option<T>> {
        files::read_json(&self.layout.task(id).fingerprint())
    }

    /// Removes what an earlier start of the agent left, before the next one; logs of the attempt before
    /// are put aside.
    ///
    /// # Errors
    /// `io` when something cannot be removed.
    pub fn clear_start(&self, lock: &TaskLock, attempt: u32) -> Result<()> {
        let layout = self.layout.task(lock.id());
        for log in [layout.output(), layout.stderr()] {
            let aside = layout.of_attempt(&log, attempt.saturating_sub(1));
            if attempt > 1 && log.exists() && !aside.exists() {
                std::fs::rename(&log, &aside).attempt(|| format!("move `{}`", log.display()))?;
            }
        }
        for file in [layout.status(), layout.started(), layout.spawn_error(), layout.fingerprint()]
        {
            files::remove(&file)?;
        }
        Ok(())
    }
}
