//! What a table tells of the tasks about which everything is decided, a line each, so that listing
//! thousands of them reads one file instead of two for each.
//!
//! A hint like the indexes. A task's line counts only while the task is neither open nor being changed;
//! it is written anew whenever a task ceases to be either, the last one counts, and a task without a
//! line is read from its record. Since it is never synced, a new boot begins a new file. Whether there
//! are other tasks is told by how many folders there are; only if their number is not that of the known
//! tasks, or the file system does not count them, their names are read.

use super::{Store, files};
use crate::error::{Attempt, Result};
use crate::layout::RepoLock;
use crate::names::TaskId;
use crate::task::Task;
use crate::view::{TaskRow, TaskView};
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::thread;

/// From how many bytes on two threads read them: some hundred lines.
const MANY: usize = 64 * 1024;

/// Every task there ever was.
#[derive(Debug, Default)]
pub struct History {
    /// Those about which everything is decided, as far as they are noted.
    pub past: Vec<TaskRow>,
    /// All others.
    pub others: Vec<TaskId>,
}

impl Store {
    /// Every task, those about which everything is decided by what is noted of them.
    ///
    /// # Errors
    /// `io` when the file or one of the folders is there and cannot be read.
    pub fn history(&self) -> Result<History> {
        // Before the lines are read: of what is decided meanwhile the line may be an old one.
        let going = [self.open_ids()?, self.active_ids()?].concat();
        let going = BTreeSet::from_iter(going);
        let mut past = self.noted()?;
        past.retain(|past| !going.contains(&past.id));
        if self.counts_as_tasks(past.len() + going.len()) {
            return Ok(History { past, others: going.into_iter().collect() });
        }
        let mut others: HashSet<_> = self.all_ids()?.into_iter().collect();
        past.retain(|past| others.remove(&past.id));
        Ok(History { past, others: others.into_iter().collect() })
    }

    /// Whether there are just so many tasks; `false` where that is not known. Each folder in a folder
    /// is a link to it besides its two own, on most file systems (`find(1)` relies on it).
    fn counts_as_tasks(&self, count: usize) -> bool {
        let links = std::fs::metadata(self.layout.tasks()).map(|found| found.nlink());
        links.is_ok_and(|links| links.checked_sub(2) == u64::try_from(count).ok())
    }

    /// What is noted, of each task the last line.
    fn noted(&self) -> Result<Vec<TaskRow>> {
        let path = self.layout.history();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(cause) => Err(cause).attempt(|| format!("read `{}`", path.display()))?,
        };
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|torn| String::from_utf8_lossy(torn.as_bytes()).into_owned());
        let mut noted = understood(&text);
        let mut last = HashMap::with_capacity(noted.len());
        last.extend(noted.iter().enumerate().map(|(place, past)| (past.id, place)));
        if last.len() < noted.len() {
            let mut places = 0..;
            noted.retain(|past| last.get(&past.id) == places.next().as_ref());
        }
        Ok(noted)
    }

    /// Notes a task about which everything is decided.
    pub(super) fn note_past(&self, task: &Task) -> Result<()> {
        // A line of its own, whatever was torn before it.
        let mut line = vec![b'\n'];
        line.extend(files::to_json(&TaskRow::from(&TaskView::of(task)))?);
        let path = self.layout.history();
        // Only with this lock is the file begun anew.
        let _journal = self.lock(RepoLock::Journal)?;
        let mut file = files::open_to_append(&path)?;
        file.write_all(&line).attempt(|| format!("write `{}`", path.display()))
    }

    /// Begins a new file: what the old one tells may be older than the records.
    pub(super) fn forget_history(&self) -> Result<()> {
        let _journal = self.lock(RepoLock::Journal)?;
        files::remove(&self.layout.history())
    }
}

/// What the lines of a file tell, in their order; a torn one tells nothing. Most of what listing thousands
/// of tasks takes is to understand them, so two threads do.
fn understood(text: &str) -> Vec<TaskRow> {
    let each = |text: &str| -> Vec<TaskRow> {
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    let middle = text.as_bytes()[..text.len() / 2].iter().rposition(|byte| *byte == b'\n');
    match middle {
        Some(middle) if text.len() >= MANY => thread::scope(|scope| {
            let (first, second) = text.split_at(middle);
            let other = thread::Builder::new().spawn_scoped(scope, move || each(second));
            let mut all = each(first);
            all.extend(match other {
                Ok(other) => {
                    other.join().expect("invariant: a line that makes no sense is left out")
                }
                Err(_) => each(second),
            });
            all
        }),
        _ => each(text),
    }
}
