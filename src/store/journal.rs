//! The journal: every event in order, one JSON document a line, with a cursor.
//!
//! Appended under `journal.lock` and fsynced. A line torn by a crash is cut by the next appender; its
//! event is still in its task's outbox and is appended again.

use super::inbox::Place;
use super::{Store, files};
use crate::error::{Attempt, Error, ErrorKind, Result};
use crate::event::{Draft, Event, EventKind};
use crate::layout::RepoLock;
use crate::lock::FileLock;
use crate::task::SCHEMA;
use serde::Deserialize;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How much of the journal's end is looked through before all of it is, in bytes: some tens of events.
const LATELY: u64 = 32 * 1024;

/// Reads the journal from some place on, again and again as it grows.
#[derive(Debug)]
pub struct JournalReader {
    path: std::path::PathBuf,
    offset: u64,
    after: u64,
}

impl JournalReader {
    /// The events that have been appended since the last call.
    ///
    /// # Errors
    /// `io` when the journal cannot be read, `unsupported` when a newer offshoot wrote it.
    pub fn read_new(&mut self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        self.read_each(|_, event| events.push(event))?;
        Ok(events)
    }

    /// The same, one by one, with where its line begins.
    pub(super) fn read_each(&mut self, mut sink: impl FnMut(u64, Event)) -> Result<()> {
        let attempt = || format!("read `{}`", self.path.display());
        let Some(mut file) = open(&self.path)? else { return Ok(()) };
        file.seek(SeekFrom::Start(self.offset)).attempt(attempt)?;
        let mut reader = BufReader::new(file);
        let mut line = Vec::new();
        loop {
            line.clear();
            let length = reader.read_until(b'\n', &mut line).attempt(attempt)?;
            if line.last() != Some(&b'\n') {
                // Nothing more, or a line that is being written.
                return Ok(());
            }
            let begin = self.offset;
            self.offset += length as u64;
            if let Some(event) = self.understand(&line)?
                && event.cursor > self.after
            {
                self.after = event.cursor;
                sink(begin, event);
            }
        }
    }

    /// The event whose line begins there; none when there is no whole line yet.
    pub(super) fn read_at(&mut self, offset: u64) -> Result<Option<Event>> {
        let attempt = || format!("read `{}`", self.path.display());
        let Some(mut file) = open(&self.path)? else { return Ok(None) };
        file.seek(SeekFrom::Start(offset)).attempt(attempt)?;
        let mut line = Vec::new();
        BufReader::new(file).read_until(b'\n', &mut line).attempt(attempt)?;
        if line.last() == Some(&b'\n') { self.understand(&line) } else { Ok(None) }
    }

    fn understand(&self, line: &[u8]) -> Result<Option<Event>> {
        match files::from_json(line) {
            Ok(event) => Ok(Some(event)),
            // A newer version's events must not be skipped; a damaged line tells nothing anyway.
            Err(error) if error.kind == ErrorKind::Unsupported => {
                Err(error.while_trying(format!("read `{}`", self.path.display())))
            }
            Err(_) => Ok(None),
        }
    }
}

fn open(journal: &Path) -> Result<Option<File>> {
    match File::open(journal) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::io(format!("read `{}`", journal.display()), &cause)),
    }
}

impl Store {
    /// A reader of all events after `cursor`; 0 means all there are.
    #[must_use]
    pub fn journal_after(&self, cursor: u64) -> JournalReader {
        JournalReader { path: self.layout.journal(), offset: 0, after: cursor }
    }

    /// A reader of the events that are appended from now on; what came before is not even read.
    #[must_use]
    pub fn journal_from_now(&self) -> JournalReader {
        let path = self.layout.journal();
        let offset = path.metadata().map_or(0, |found| found.len());
        JournalReader { path, offset, after: 0 }
    }

    /// The cursor of the last event; 0 when there is none.
    ///
    /// # Errors
    /// `io` when the journal cannot be read.
    pub fn last_cursor(&self) -> Result<u64> {
        match File::open(self.layout.journal()) {
            Ok(mut file) => Ok(last_line(&mut file)?.cursor),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(0),
            Err(cause) => Err(Error::io("read the journal", &cause)),
        }
    }

    /// Appends events that have just been drafted and so cannot be in the journal yet.
    pub(super) fn append(&self, drafts: &[Draft]) -> Result<()> {
        if drafts.is_empty() {
            return Ok(());
        }
        let lock = self.lock(RepoLock::Journal)?;
        self.append_locked(&lock, drafts.iter())
    }

    /// Appends those drafts that the journal does not have: whoever recorded them may have died before
    /// or after telling of them. Nearly always it told of them, and a moment ago.
    pub(super) fn append_missing(&self, drafts: &[Draft]) -> Result<()> {
        if self.has_lately(drafts)? {
            return Ok(());
        }
        let lock = self.lock(RepoLock::Journal)?;
        let known = self.journal_after(0).read_new()?;
        let is_missing = |draft: &&Draft| !holds(&known, draft);
        self.append_locked(&lock, drafts.iter().filter(is_missing))
    }

    /// Whether the journal has all of these drafts.
    pub(super) fn has_told(&self, drafts: &[Draft]) -> Result<bool> {
        if self.has_lately(drafts)? {
            return Ok(true);
        }
        let known = self.journal_after(0).read_new()?;
        Ok(drafts.iter().all(|draft| holds(&known, draft)))
    }

    /// Whether all of these drafts are among the journal's last events. Only lines that name their
    /// tasks are understood: most tell of others.
    fn has_lately(&self, drafts: &[Draft]) -> Result<bool> {
        if drafts.is_empty() {
            return Ok(true);
        }
        let Some(mut file) = open(&self.layout.journal())? else { return Ok(false) };
        let attempt = || "read the journal";
        let length = file.seek(SeekFrom::End(0)).attempt(attempt)?;
        let begin = length.saturating_sub(LATELY);
        file.seek(SeekFrom::Start(begin)).attempt(attempt)?;
        let text = String::from_utf8_lossy(&read_to(&mut file, length - begin)?).into_owned();
        let is_told = |draft: &Draft| {
            let id = draft.task.id.to_string();
            // It begins amid a line, which tells nothing.
            let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
            let mut events = lines
                .filter(|line| line.contains(&id))
                .filter_map(|line| files::from_json::<Event>(line.as_bytes()).ok());
            events.any(|event| is_of(&event.draft, draft))
        };
        Ok(drafts.iter().all(is_told))
    }

    fn append_locked<'a>(
        &self,
        lock: &FileLock,
        drafts: impl Iterator<Item = &'a Draft>,
    ) -> Result<()> {
        let path = self.layout.journal();
        let attempt = || format!("write `{}`", path.display());
        let mut file = files::open_to_append(&path)?;
        let last = last_line(&mut file)?;
        if last.end < last.length {
            file.set_len(last.end).attempt(attempt)?;
        }
        let mut lines = Vec::new();
        for (draft, cursor) in drafts.zip(last.cursor + 1..) {
            let event = Event { schema: SCHEMA, cursor, draft: draft.clone() };
            if event.draft.event == EventKind::Finished && self.layout.inbox().is_dir() {
                self.expect_entry(lock, Place { cursor, offset: last.end + lines.len() as u64 })?;
            }
            lines.extend(files::to_json(&event)?);
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        file.write_all(&lines).and_then(|()| file.sync_data()).attempt(attempt)
    }
}

fn holds(events: &[Event], draft: &Draft) -> bool {
    events.iter().any(|event| is_of(&event.draft, draft))
}

/// Whether an event of the journal is this draft.
fn is_of(told: &Draft, draft: &Draft) -> bool {
    told.task.id == draft.task.id && told.serial == draft.serial
}

/// The next `length` bytes, as far as there are so many.
fn read_to(file: &mut File, length: u64) -> Result<Vec<u8>> {
    // With room for all from the start: otherwise it is read in many small pieces.
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
    file.take(length).read_to_end(&mut bytes).attempt(|| "read the journal")?;
    Ok(bytes)
}

/// The end of the last whole line, and its cursor.
struct LastLine {
    end: u64,
    cursor: u64,
    /// How long the file is: longer where a line after it was torn.
    length: u64,
}

/// What of an event tells which one comes next.
#[derive(Deserialize)]
struct Numbered {
    cursor: u64,
}

fn last_line(file: &mut File) -> Result<LastLine> {
    let attempt = || "read the journal";
    let length = file.seek(SeekFrom::End(0)).attempt(attempt)?;
    let mut window = 4 * 1024;
    loop {
        let start = length.saturating_sub(window);
        file.seek(SeekFrom::Start(start)).attempt(attempt)?;
        let bytes = read_to(file, length - start)?;
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            if start == 0 {
                return Ok(LastLine { end: 0, cursor: 0, length });
            }
            window *= 4;
            continue;
        };
        let begin = match bytes[..end].iter().rposition(|byte| *byte == b'\n') {
            Some(before) => before + 1,
            None if start == 0 => 0,
            None => {
                window *= 4;
                continue;
            }
        };
        let cursor = match files::from_json::<Numbered>(&bytes[begin..end]) {
            Ok(event) => event.cursor,
            Err(error) if error.kind == ErrorKind::Unsupported => return Err(error),
            Err(_) => greatest_cursor(file)?,
        };
        return Ok(LastLine { end: start + end as u64 + 1, cursor, length });
    }
}

/// The greatest cursor of all lines that can be read, where the last one is damaged.
fn greatest_cursor(file: &mut File) -> Result<u64> {
    let attempt = || "read the journal";
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).attempt(attempt)?;
    file.read_to_end(&mut bytes).attempt(attempt)?;
    let events = bytes.split(|byte| *byte == b'\n').map(files::from_json::<Event>);
    Ok(events.filter_map(|event| Some(event.ok()?.cursor)).max().unwrap_or(0))
}
