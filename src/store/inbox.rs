//! The inbox: `finished` events of the journal that nobody has acknowledged.
//!
//! Truth is the journal without the acknowledgements (`acks.jsonl`). The folder `inbox` holds an empty
//! file for each entry, named by its cursor and by where its line begins in the journal, so that an
//! empty inbox is one look into an empty folder however long the history is. A file may be there
//! without an entry (its writer died), never an entry without a file: it is made before the line.

use super::{Store, files};
use crate::error::{Attempt, Error, Result};
use crate::event::{Event, EventKind};
use crate::layout::RepoLock;
use crate::lock::FileLock;
use crate::task::SCHEMA;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};

/// An unacknowledged `finished` event.
pub type InboxEntry = Event;

#[derive(Serialize, Deserialize)]
struct Ack {
    schema: u32,
    cursor: u64,
    at: Timestamp,
}

/// Where an entry's line begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) cursor: u64,
    pub(super) offset: u64,
}

impl Place {
    fn name(self) -> String {
        format!("{:020}-{}", self.cursor, self.offset)
    }

    fn of(name: &str) -> Option<Self> {
        let (cursor, offset) = name.split_once('-')?;
        Some(Self { cursor: cursor.parse().ok()?, offset: offset.parse().ok()? })
    }
}

impl Store {
    /// What nobody has acknowledged, oldest first.
    ///
    /// # Errors
    /// `io` when journal or acknowledgements cannot be read.
    pub fn inbox(&self) -> Result<Vec<InboxEntry>> {
        self.inbox_after(0)
    }

    /// The same, only behind a cursor.
    ///
    /// # Errors
    /// As [`inbox`](Self::inbox).
    pub fn inbox_after(&self, cursor: u64) -> Result<Vec<InboxEntry>> {
        if !self.layout.inbox().is_dir() {
            if !self.layout.journal().exists() {
                return Ok(Vec::new());
            }
            // Somebody deleted it, or an offshoot wrote this journal that had none.
            self.rebuild_inbox()?;
        }
        let mut places = self.places()?;
        places.retain(|place| place.cursor > cursor);
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let done = self.acknowledged()?;
        places.retain(|place| !done.contains(&place.cursor));
        places.sort_unstable();
        let mut reader = self.journal_after(0);
        let mut entries = Vec::new();
        for place in places {
            let event = reader.read_at(place.offset)?;
            entries.extend(event.filter(|event| {
                event.cursor == place.cursor && event.draft.event == EventKind::Finished
            }));
        }
        Ok(entries)
    }

    /// Acknowledges entries, durably; one that was acknowledged before is fine.
    ///
    /// # Errors
    /// `io` when it cannot be recorded.
    pub fn acknowledge(&self, cursors: &[u64]) -> Result<()> {
        let _lock = self.lock(RepoLock::Journal)?;
        let path = self.layout.acks();
        let attempt = || format!("write `{}`", path.display());
        let mut lines = Vec::new();
        for cursor in cursors {
            let ack = Ack { schema: SCHEMA, cursor: *cursor, at: self.clock.now() };
            lines.extend(files::to_json(&ack)?);
            lines.push(b'\n');
        }
        let mut file = files::open_to_append(&path)?;
        let mut known = Vec::new();
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut known))
            .attempt(attempt)?;
        let whole = known.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64).attempt(attempt)?;
        file.write_all(&lines).and_then(|()| file.sync_data()).attempt(attempt)?;
        for place in self.places()?.into_iter().filter(|place| cursors.contains(&place.cursor)) {
            files::remove(&self.layout.inbox().join(place.name()))?;
        }
        Ok(())
    }

    /// Notes that an entry's line is about to be written; the caller holds the journal's lock.
    pub(super) fn expect_entry(&self, _journal: &FileLock, place: Place) -> Result<()> {
        files::touch(&self.layout.inbox().join(place.name()))
    }

    /// Makes the folder anew from journal and acknowledgements.
    pub(super) fn rebuild_inbox(&self) -> Result<()> {
        let _lock = self.lock(RepoLock::Journal)?;
        let done = self.acknowledged()?;
        let mut wanted = BTreeSet::new();
        self.journal_after(0).read_each(|offset, event| {
            if event.draft.event == EventKind::Finished && !done.contains(&event.cursor) {
                wanted.insert(Place { cursor: event.cursor, offset });
            }
        })?;
        // Whole before it can be seen: whoever finds the folder relies on it.
        let folder = self.layout.inbox();
        let fresh = if folder.is_dir() { folder.clone() } else { folder.with_extension("new") };
        files::make_folder(&fresh)?;
        for place in &wanted {
            files::touch(&fresh.join(place.name()))?;
        }
        for name in files::names_in(&fresh)? {
            if !Place::of(&name).is_some_and(|place| wanted.contains(&place)) {
                files::remove(&fresh.join(name))?;
            }
        }
        if fresh != folder {
            std::fs::rename(&fresh, &folder).attempt(|| format!("write `{}`", folder.display()))?;
        }
        Ok(())
    }

    fn places(&self) -> Result<Vec<Place>> {
        let names = files::names_in(&self.layout.inbox())?;
        Ok(names.iter().filter_map(|name| Place::of(name)).collect())
    }

    fn acknowledged(&self) -> Result<BTreeSet<u64>> {
        let path = self.layout.acks();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(cause) => return Err(Error::io(format!("read `{}`", path.display()), &cause)),
        };
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| files::from_json::<Ack>(line).map(|ack| ack.cursor)).collect()
    }
}
