//! Who is still to be told of a task's end, and who was: a mark for each task until all are told, and a
//! line in the task's folder for each try.

use super::{Store, files};
use crate::error::{Attempt, Result};
use crate::event::{Event, EventKind};
use crate::lock::{FileLock, Wait};
use crate::names::TaskId;
use crate::task::{Task, Told, Wake};
use std::io::Write;

impl Store {
    /// The tasks of whose end somebody may still have to be told.
    ///
    /// # Errors
    /// `io` when they cannot be listed.
    pub fn untold_ids(&self) -> Result<Vec<TaskId>> {
        let names = files::names_in(&self.layout.untold())?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Marks a task that is about to end, before its end is on record.
    pub(super) fn mark_untold(&self, task: &Task) -> Result<()> {
        let ends = task.record.outbox.iter().any(|draft| draft.event == EventKind::Finished);
        if ends && task.spec.tell.anybody() {
            files::touch(&self.layout.untold().join(task.id().to_string()))?;
        }
        Ok(())
    }

    /// Takes the mark away: everybody was told, or cannot be.
    ///
    /// # Errors
    /// `io` when it cannot be removed.
    pub fn forget_untold(&self, id: TaskId) -> Result<()> {
        files::remove(&self.layout.untold().join(id.to_string()))
    }

    /// The right to tell of a task's end; `None` when somebody does already.
    ///
    /// # Errors
    /// `io` when it cannot be asked.
    pub fn lock_telling(&self, id: TaskId) -> Result<Option<FileLock>> {
        FileLock::take(&self.layout.task(id).telling(), Wait::No)
    }

    /// Whether somebody tells of a task's end right now.
    ///
    /// # Errors
    /// `io` when it cannot be asked.
    pub fn is_telling(&self, id: TaskId) -> Result<bool> {
        FileLock::is_held(&self.layout.task(id).telling())
    }

    /// The right to tell a session something, after whoever has it now.
    ///
    /// # Errors
    /// `io` when the lock cannot be had.
    pub fn lock_session(&self, session: &str, wait: Wait) -> Result<Option<FileLock>> {
        FileLock::take(&self.layout.session_lock(session), wait)
    }

    /// The last end of a task; none when it has not ended, or the journal does not have it yet.
    ///
    /// # Errors
    /// `io` when the journal cannot be read.
    pub fn last_end(&self, id: TaskId) -> Result<Option<Event>> {
        let is_its =
            |event: &Event| event.draft.task.id == id && event.draft.event == EventKind::Finished;
        if let Some(event) = self.inbox()?.into_iter().rfind(is_its) {
            return Ok(Some(event));
        }
        Ok(self.journal_after(0).read_new()?.into_iter().rfind(is_its))
    }

    /// The last question of a task's agent; none when it has asked nothing.
    ///
    /// # Errors
    /// `io` when the journal cannot be read.
    pub fn last_question(&self, id: TaskId) -> Result<Option<Event>> {
        let mut events = self.journal_after(0).read_new()?.into_iter();
        Ok(events
            .rfind(|event| event.draft.task.id == id && event.draft.event == EventKind::NeedsInput))
    }

    /// Notes how telling of an end went.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn note_told(&self, id: TaskId, told: &Told) -> Result<()> {
        let path = self.layout.task(id).told();
        let mut line = files::to_json(told)?;
        line.push(b'\n');
        // One write of one line; several may append at once.
        let mut file = files::open_to_append(&path)?;
        file.write_all(&line).attempt(|| format!("write `{}`", path.display()))
    }

    /// How telling of a task's ends went, oldest first. A torn line tells nothing.
    ///
    /// # Errors
    /// `io` when it cannot be read.
    pub fn told(&self, id: TaskId) -> Result<Vec<Told>> {
        let path = self.layout.task(id).told();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => Err(cause).attempt(|| format!("read `{}`", path.display()))?,
        };
        let lines = bytes.split(|byte| *byte == b'\n');
        Ok(lines.filter_map(|line| files::from_json(line).ok()).collect())
    }

    /// By what a task's session is woken.
    ///
    /// # Errors
    /// `io` when it cannot be read.
    pub fn wake(&self, id: TaskId) -> Result<Option<Wake>> {
        files::read_json::<KeptWake>(&self.layout.task(id).wake()).map(|kept| Some(kept?.wake))
    }

    /// The last cursor that a session was shown; 0 when it was shown none.
    ///
    /// # Errors
    /// `io` when it cannot be read.
    pub fn seen_by(&self, session: &str) -> Result<u64> {
        let seen = files::read_json::<Seen>(&self.layout.session_seen(session))?;
        Ok(seen.map_or(0, |seen| seen.cursor))
    }

    /// Notes that a session was shown everything up to a cursor.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn note_seen(&self, session: &str, cursor: u64) -> Result<()> {
        let Some(_lock) = self.lock_session(session, Wait::briefly())? else { return Ok(()) };
        let seen = files::to_json(&Seen { schema: crate::task::SCHEMA, cursor })?;
        files::replace(&self.layout.session_seen(session), &seen, files::Durability::Crash)
    }
}

/// A session's way of being woken as it is kept.
#[derive(serde::Serialize, serde::Deserialize)]
pub(super) struct KeptWake {
    pub(super) schema: u32,
    pub(super) wake: Wake,
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Seen {
    schema: u32,
    cursor: u64,
}
