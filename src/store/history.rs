//! What a table tells of the tasks about which everything is decided, a line each, so that listing
//! thousands of them reads one file instead of two for each.
//!
//! A hint like the indexes. A task's line counts only while the task is neither open nor being changed;
//! it is written anew whenever a task ceases to be either, the last one counts, and a task without a
//! line is read from its record. Since it is never synced, a new boot begins a new file.

use super::{Store, files};
use crate::error::{Attempt, Result};
use crate::layout::RepoLock;
use crate::names::TaskId;
use crate::task::Task;
use crate::view::{TaskRow, TaskView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::Write;

/// A task's line: its place in the order of dispatch, and its row.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Past {
    /// The task's sequence number.
    pub sequence: u64,
    /// What a table tells.
    pub row: TaskRow,
}

impl Past {
    /// What is kept of a task.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        Self { sequence: task.spec.sequence, row: TaskRow::from(&TaskView::of(task)) }
    }
}

impl Store {
    /// The tasks about which everything is decided, as far as they are noted.
    ///
    /// # Errors
    /// `io` when the file is there and cannot be read.
    pub fn history(&self) -> Result<HashMap<TaskId, Past>> {
        let path = self.layout.history();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(HashMap::new()),
            Err(cause) => Err(cause).attempt(|| format!("read `{}`", path.display()))?,
        };
        let lines = bytes.split(|byte| *byte == b'\n');
        // A torn line tells nothing.
        let past = lines.filter_map(|line| serde_json::from_slice::<Past>(line).ok());
        let mut history = HashMap::new();
        history.extend(past.map(|past| (past.row.id, past)));
        for id in [self.open_ids()?, self.active_ids()?].concat() {
            history.remove(&id);
        }
        Ok(history)
    }

    /// Notes tasks about which everything is decided.
    ///
    /// # Errors
    /// `io` when the file cannot be written.
    pub fn note_past(&self, past: &[Past]) -> Result<()> {
        let mut lines = Vec::new();
        for past in past {
            // A line of its own, whatever was torn before it.
            lines.push(b'\n');
            lines.extend(files::to_json(past)?);
        }
        let path = self.layout.history();
        // Only with this lock is the file begun anew.
        let _journal = self.lock(RepoLock::Journal)?;
        let mut file = files::open_to_append(&path)?;
        file.write_all(&lines).attempt(|| format!("write `{}`", path.display()))
    }

    /// Begins a new file: what the old one tells may be older than the records.
    pub(super) fn forget_history(&self) -> Result<()> {
        let _journal = self.lock(RepoLock::Journal)?;
        files::remove(&self.layout.history())
    }
}
