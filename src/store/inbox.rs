//! The inbox: `finished` events of the journal that nobody has acknowledged.

use super::{Store, files};
use crate::error::{Attempt, Error, Result};
use crate::event::{Event, EventKind};
use crate::layout::RepoLock;
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

impl Store {
    /// What nobody has acknowledged, oldest first.
    ///
    /// # Errors
    /// `io` when journal or acknowledgements cannot be read.
    pub fn inbox(&self) -> Result<Vec<InboxEntry>> {
        let done = self.acknowledged()?;
        let waits = |event: &Event| {
            event.draft.event == EventKind::Finished && !done.contains(&event.cursor)
        };
        Ok(self.journal_after(0).read_new()?.into_iter().filter(waits).collect())
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
        file.write_all(&lines).and_then(|()| file.sync_data()).attempt(attempt)
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
