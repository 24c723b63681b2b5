//! The small folders by which tasks are found, and the names by which people find them.

use super::records::no_such_task;
use super::{Store, TaskLock, files};
use crate::environment::Variable;
use crate::error::{Error, ErrorKind, Result};
use crate::escape;
use crate::layout::{Index, RepoLock};
use crate::names::{TaskId, TaskName};
use crate::task::{Landing, Task, TaskState};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The fewest characters of an id that may stand for it.
const SHORTEST_PREFIX: usize = 4;

/// What ends the queue entry of a task that needs others to have ended.
const HAS_NEEDS: &str = "+";

/// A task in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// Which.
    pub id: TaskId,
    /// Whether it waits for other tasks, so that it may end for want of one.
    pub has_needs: bool,
}

/// What the file of the last sequence number tells.
pub(super) struct Counter {
    pub(super) last: Option<u64>,
    /// The task with that number, until it can be found by its name and its request.
    pub(super) being_made: Option<TaskId>,
}

/// Kept environment variables.
#[derive(Serialize, Deserialize)]
pub(super) struct Variables {
    pub(super) schema: u32,
    pub(super) variables: Vec<Variable>,
}

impl Store {
    /// The tasks that still need somebody.
    ///
    /// # Errors
    /// `io` when they cannot be listed.
    pub fn open_ids(&self) -> Result<Vec<TaskId>> {
        self.ids_in(self.layout.index(Index::Open))
    }

    /// The tasks that some process runs or changes right now, or died while doing so.
    ///
    /// # Errors
    /// `io` when they cannot be listed.
    pub fn active_ids(&self) -> Result<Vec<TaskId>> {
        self.ids_in(self.layout.index(Index::Active))
    }

    /// Every task there ever was.
    ///
    /// # Errors
    /// `io` when they cannot be listed.
    pub fn all_ids(&self) -> Result<Vec<TaskId>> {
        self.ids_in(self.layout.tasks())
    }

    /// Pending tasks in the order in which they are to run.
    ///
    /// # Errors
    /// `io` when they cannot be listed.
    pub fn queued_ids(&self) -> Result<Vec<TaskId>> {
        Ok(self.queued()?.iter().map(|queued| queued.id).collect())
    }

    /// The same, with what their entries tell besides: no record is read.
    ///
    /// # Errors
    /// `io` when they cannot be listed.
    pub fn queued(&self) -> Result<Vec<Queued>> {
        let mut entries = files::names_in(&self.layout.index(Index::Queue))?;
        entries.sort_unstable();
        let queued = |entry: &String| {
            Some(Queued { id: queued_id(entry)?, has_needs: entry.ends_with(HAS_NEEDS) })
        };
        Ok(entries.iter().filter_map(queued).collect())
    }

    fn ids_in(&self, folder: PathBuf) -> Result<Vec<TaskId>> {
        Ok(files::names_in(&folder)?.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// The task that `text` means: a name (its newest bearer), an id, or a unique beginning of one.
    ///
    /// # Errors
    /// `not_found` when nothing or more than one task is meant.
    pub fn resolve(&self, text: &str) -> Result<TaskId> {
        if let Ok(name) = TaskName::new(text)
            && let Some(id) = read_id(&self.layout.name(&name))?
        {
            return Ok(id);
        }
        let prefix = text.to_ascii_lowercase();
        let plausible = prefix.len() >= SHORTEST_PREFIX
            && prefix.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        if !plausible {
            return Err(no_such_task(text));
        }
        let begins = |id: &TaskId| id.to_string().starts_with(&prefix);
        let found: Vec<TaskId> = self.all_ids()?.into_iter().filter(begins).collect();
        match found.as_slice() {
            [] => Err(no_such_task(text)),
            [id] => Ok(*id),
            several => Err(Error::not_found(format!(
                "`{}` is the beginning of {} task ids",
                escape::line(text),
                several.len()
            ))
            .hint("give more characters, or the task's name")),
        }
    }

    /// The task that keeps a name from being used again: its newest bearer, unless that one's work is
    /// landed or discarded.
    pub(super) fn bearer(&self, name: &TaskName) -> Result<Option<TaskId>> {
        let Some(id) = read_id(&self.layout.name(name))? else { return Ok(None) };
        match self.read(id) {
            Ok(task) => Ok(holds_its_name(&task).then_some(id)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Notes a task's name and its request, so that both are found again.
    ///
    /// # Errors
    /// `io` when that cannot be written.
    pub fn remember(&self, task: &Task) -> Result<()> {
        let id = task.id().to_string();
        let note = |path: PathBuf| files::replace(&path, id.as_bytes(), files::Durability::Crash);
        note(self.layout.name(&task.spec.name))?;
        match &task.spec.request_id {
            Some(request) => note(self.layout.request(request)),
            None => Ok(()),
        }
    }

    /// The task that a request was answered with before.
    pub(super) fn requested(&self, request: Option<&str>) -> Result<Option<Task>> {
        let Some(request) = request else { return Ok(None) };
        let Some(id) = read_id(&self.layout.request(request))? else { return Ok(None) };
        match self.read(id) {
            Ok(task) => Ok((task.spec.request_id.as_deref() == Some(request)).then_some(task)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The sequence number after the last one, for this task; the caller holds the queue's lock, and has read
    /// the counter under it.
    pub(super) fn next_sequence(&self, last: Option<u64>, task: TaskId) -> Result<u64> {
        let last = match last {
            Some(last) => last,
            // What is queued must never be overtaken.
            None => files::names_in(&self.layout.index(Index::Queue))?
                .iter()
                .filter_map(|entry| entry.get(11..31)?.parse().ok())
                .max()
                .unwrap_or(0),
        };
        self.set_counter(last + 1, Some(task))?;
        Ok(last + 1)
    }

    pub(super) fn counter(&self) -> Counter {
        let text = std::fs::read_to_string(self.layout.sequence()).unwrap_or_default();
        let mut words = text.split_ascii_whitespace();
        Counter {
            last: words.next().and_then(|word| word.parse().ok()),
            being_made: words.next().and_then(|word| word.parse().ok()),
        }
    }

    pub(super) fn set_counter(&self, last: u64, being_made: Option<TaskId>) -> Result<()> {
        let made = being_made.map(|id| id.to_string()).unwrap_or_default();
        files::overwrite(&self.layout.sequence(), format!("{last:020} {made:36}\n").as_bytes())
    }

    /// Says that this process begins to change a task, so that a crash in the middle is noticed.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn begin(&self, lock: &TaskLock) -> Result<()> {
        files::touch(&self.layout.index(Index::Active).join(lock.id().to_string()))
    }

    /// Brings the indexes in line with a task's record; the last step of every change.
    ///
    /// # Errors
    /// `io` when they cannot be written.
    pub fn settle(&self, lock: &TaskLock, task: &Task) -> Result<()> {
        debug_assert_eq!(lock.id(), task.id(), "a lock is for one task");
        for entry in self.other_queue_entries(task)? {
            files::remove(&self.layout.index(Index::Queue).join(entry))?;
        }
        let filings = filings(task);
        if filings.iter().all(|filing| !filing.wanted) {
            self.note_past(task)?;
        }
        // The mark of being changed goes last.
        for filing in filings {
            let path = self.layout.index(filing.index).join(filing.name);
            if filing.wanted { files::touch(&path) } else { files::remove(&path) }?;
        }
        Ok(())
    }

    /// A task whose priority was changed has an entry under the old one.
    pub(super) fn other_queue_entries(&self, task: &Task) -> Result<Vec<String>> {
        if task.record.priority.is_none() {
            return Ok(Vec::new());
        }
        let (wanted, id) = (queue_entry(task), task.id().to_string());
        let mut entries = files::names_in(&self.layout.index(Index::Queue))?;
        entries.retain(|entry| entry.contains(&id) && *entry != wanted);
        Ok(entries)
    }

    /// Takes a task out of the queue: it was given a slot.
    ///
    /// # Errors
    /// `io` when the entry cannot be removed.
    pub fn leave_queue(&self, task: &Task) -> Result<()> {
        files::remove(&self.layout.index(Index::Queue).join(queue_entry(task)))
    }

    /// Makes every index anew from the records, if this has not been done since the machine started:
    /// the indexes are not fsynced, so a power cut may have lost some.
    ///
    /// # Errors
    /// `io` when the records cannot be read or the indexes not be written.
    pub fn rebuild_indexes(&self, boot_id: &str) -> Result<()> {
        let path = self.layout.boot();
        let is_done = || std::fs::read_to_string(&path).is_ok_and(|known| known == boot_id);
        if !self.exists() || is_done() {
            return Ok(());
        }
        // Names are given under this lock; another process may have done all this meanwhile.
        let _queue = self.lock(RepoLock::Queue)?;
        if is_done() {
            return Ok(());
        }
        self.make_folders()?;
        self.forget_history()?;
        self.rebuild_inbox()?;
        // The files of spare worktrees are not synced either: nobody can vouch for them, so upkeep deletes them.
        for spare in self.spares()? {
            self.withdraw_spare(&spare.name)?;
        }
        let mut tasks = Vec::new();
        for id in self.all_ids()? {
            // One that cannot be read is told of by whoever lists it.
            tasks.extend(self.read(id));
        }
        tasks.sort_by_key(|task| task.spec.sequence);
        // The counter is no durable write either.
        let greatest = tasks.last().map(|task| task.spec.sequence);
        self.set_counter(greatest.max(self.counter().last).unwrap_or(0), None)?;
        for task in &tasks {
            self.remember(task)?;
            match self.lock_task(task.id(), crate::lock::Wait::No)? {
                Some(lock) => {
                    let task = self.read(task.id())?;
                    self.settle(&lock, &task)?;
                    let pending = matches!(task.record.state, TaskState::Pending { .. });
                    if pending || !task.record.outbox.is_empty() {
                        self.begin(&lock)?;
                    }
                }
                // Whoever holds it settles it in the end; should they be dying, it must be found.
                None => {
                    let id = task.id().to_string();
                    files::touch(&self.layout.index(Index::Active).join(&id))?;
                    files::touch(&self.layout.index(Index::Open).join(&id))?;
                }
            }
        }
        files::replace(&path, boot_id.as_bytes(), files::Durability::Crash)
    }
}

/// What an index is to say of a task.
pub(super) struct Filing {
    pub(super) index: Index,
    pub(super) name: String,
    pub(super) wanted: bool,
}

/// What the indexes of states are to say of a task, by its record.
pub(super) fn filings(task: &Task) -> [Filing; 3] {
    let (id, record) = (task.id().to_string(), &task.record);
    let busy = record.releasing
        || !record.outbox.is_empty()
        || matches!(record.state, TaskState::Running(_));
    let queued = match &record.state {
        TaskState::Pending { held } => !held,
        TaskState::Running(running) => running.waits_for_slot(),
        TaskState::Ended { .. } => false,
    };
    [
        Filing { index: Index::Open, name: id.clone(), wanted: task.needs_somebody() },
        Filing { index: Index::Queue, name: queue_entry(task), wanted: queued },
        Filing { index: Index::Active, name: id, wanted: busy },
    ]
}

pub(super) fn read_id(path: &Path) -> Result<Option<TaskId>> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::io(format!("read `{}`", path.display()), &cause)),
    }
}

/// `PRIORITY-SEQUENCE-ID`, so that sorting by name is the order of the queue; a task that needs others
/// is told by its name too.
fn queue_entry(task: &Task) -> String {
    let rank = i64::from(i32::MAX) - i64::from(task.priority());
    let needs = if task.spec.after.is_empty() { "" } else { HAS_NEEDS };
    format!("{rank:010}-{:020}-{}{needs}", task.spec.sequence, task.id())
}

/// The task of a queue entry.
pub(super) fn queued_id(entry: &str) -> Option<TaskId> {
    entry.get(32..)?.trim_end_matches(HAS_NEEDS).parse().ok()
}

fn holds_its_name(task: &Task) -> bool {
    !matches!(task.record.landing, Landing::Landed { .. } | Landing::Discarded { .. })
        || task.record.releasing
}
