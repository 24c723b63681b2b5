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
use crate::threads;
use crate::view::{TaskRow, TaskView};
use std::collections::{BTreeSet, HashSet};
use std::io::Write;
use std::mem;
use std::os::unix::fs::MetadataExt;

/// From how many bytes on two threads read them: some hundred lines.
const MANY: usize = 64 * 1024;

/// Every task there ever was.
#[derive(Debug, Default)]
pub struct History<'a> {
    /// Those about which everything is decided, as far as they are noted.
    pub past: Vec<TaskRow<'a>>,
    /// All others.
    pub others: Vec<TaskId>,
}

impl Store {
    /// Every task, those about which everything is decided by what is noted of them: `noted` takes the
    /// lines, whose texts the rows borrow, since thousands of copies would take as long as understanding
    /// them.
    ///
    /// # Errors
    /// `io` when the file or one of the folders is there and cannot be read.
    pub fn history<'a>(&self, noted: &'a mut String) -> Result<History<'a>> {
        // Before the lines are read: of what is decided meanwhile the line may be an old one.
        let going = [self.open_ids()?, self.active_ids()?].concat();
        let going = BTreeSet::from_iter(going);
        *noted = self.noted()?;
        let mut past = last_of_each(understood(noted));
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

    fn noted(&self) -> Result<String> {
        let path = self.layout.history();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
            Err(cause) => Err(cause).attempt(|| format!("read `{}`", path.display()))?,
        };
        Ok(String::from_utf8(bytes)
            .unwrap_or_else(|torn| String::from_utf8_lossy(torn.as_bytes()).into_owned()))
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

/// The last row of each task, in the order of dispatch.
fn last_of_each(mut rows: Vec<TaskRow<'_>>) -> Vec<TaskRow<'_>> {
    // Those of one task stand together then, the last one last, as it was noted.
    rows.sort_by_key(|row| (row.sequence, row.id));
    rows.dedup_by(|later, kept| {
        let is_again = later.id == kept.id;
        if is_again {
            mem::swap(later, kept);
        }
        is_again
    });
    rows
}

/// What the lines of a file tell, in their order; a torn one tells nothing. Most of what listing thousands
/// of tasks takes is to understand them, so two threads do.
fn understood(text: &str) -> Vec<TaskRow<'_>> {
    fn each(text: &str, room: usize) -> Vec<TaskRow<'_>> {
        let mut rows = Vec::with_capacity(room);
        rows.extend(text.lines().filter_map(TaskRow::read));
        rows
    }
    // Rows are large: to move those so far at each step of growth costs more than to count.
    let count = |text: &str| text.bytes().filter(|byte| *byte == b'\n').count() + 1;
    let middle = text.as_bytes()[..text.len() / 2].iter().rposition(|byte| *byte == b'\n');
    match middle {
        Some(middle) if text.len() >= MANY => {
            let (first, second) = text.split_at(middle);
            let halves = threads::all_at_once(2, |half| match half {
                0 => each(first, count(text)),
                _ => each(second, count(second)),
            });
            let mut halves = halves.into_iter();
            let mut all = halves.next().unwrap_or_default();
            all.extend(halves.flatten());
            all
        }
        _ => each(text, count(text)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(sequence: usize, title: &str) -> String {
        let id = TaskId::named_by(&sequence.to_string());
        format!(r#"{}[{sequence},"{id}","t","completed",null,"discarded",null,0,"{title}"]"#, '\n')
    }

    #[test]
    fn two_threads_understand_what_one_does_and_the_last_line_of_a_task_counts() {
        let last = 2 * MANY / line(0, "old").len();
        let mut text: String = (0..last).rev().map(|number| line(number, "old")).collect();
        text.push_str("\n[torn");
        text.push_str(&line(3, "older"));
        text.push_str(&line(3, "new"));
        assert!(text.len() > MANY);
        let told = |rows: Vec<TaskRow<'_>>| -> Vec<_> {
            rows.iter().map(|row| (row.sequence, row.id, row.title.to_string())).collect()
        };
        let one_by_one = text.lines().filter_map(TaskRow::read).collect::<Vec<_>>();
        assert_eq!(told(understood(&text)), told(one_by_one.clone()));

        let rows = told(last_of_each(one_by_one));
        let titles = rows.iter().map(|(sequence, _, title)| (*sequence, title.as_str()));
        let expected = (0..).map(|number| (number, if number == 3 { "new" } else { "old" }));
        assert_eq!(titles.collect::<Vec<_>>(), expected.take(last).collect::<Vec<_>>());
    }
}
