//! What an agent says of its own run: read as it goes on, for what it asks, and once more from the
//! beginning when it has ended. What counts at the end depends on the log alone, so a supervisor that
//! takes over comes to the same.

use super::Life;
use crate::agent::{Reader, Report};
use crate::disk::{self, Piece};
use crate::error::Result;
use crate::outcome::Outcome;
use crate::task::{AgentWords, Change, StreamKind};
use std::path::{Path, PathBuf};

/// A log that is read while the agent writes it.
pub(super) struct Listener {
    log: PathBuf,
    offset: u64,
    reader: Reader,
    report: Report,
}

impl Listener {
    fn new(log: PathBuf, kind: StreamKind) -> Self {
        Self { log, offset: 0, reader: Reader::new(kind), report: Report::default() }
    }

    /// Hears what is new. A log that cannot be read now is read at the next look.
    pub(super) fn listen(&mut self) {
        let Self { log, offset, reader, report } = self;
        if let Ok(end) = hear(log, *offset, reader, report) {
            *offset = end;
        }
    }

    /// What it asks, with nobody there to answer.
    pub(super) fn asks(&self) -> Option<&str> {
        self.report.asks.as_deref()
    }
}

impl Life {
    /// Somebody who hears what the agent says, if its stream is one that is read.
    pub(super) fn listener(&self) -> Option<Listener> {
        let kind = self.task.spec.stream();
        let log = self.store.layout().task(self.task.id()).output();
        (kind != StreamKind::Text).then(|| Listener::new(log, kind))
    }

    /// Records, once, what the agent asks; whether this was the time.
    pub(super) fn note_question(&mut self, question: Option<&str>) -> Result<bool> {
        match question {
            Some(question) if self.task.record.needs_input.is_none() => {
                self.commit(Change::NeedsInput(question.to_owned())).map(|()| true)
            }
            _ => Ok(false),
        }
    }

    /// All that the agent said. A log that cannot be read says nothing.
    fn report(&self) -> Report {
        let mut report = Report::default();
        if let Some(Listener { log, mut reader, .. }) = self.listener()
            && hear(&log, 0, &mut reader, &mut report).is_ok()
        {
            reader.end(&mut |line| report.take(&line));
        }
        report
    }

    /// How an attempt ended whose process ended so: an agent that exits 0 may still tell of a failure.
    /// Records what it asked at the very end, too.
    pub(super) fn hear_out(&mut self, outcome: Outcome) -> Result<Outcome> {
        let report = self.report();
        self.note_question(report.asks.as_deref())?;
        Ok(match report.failure {
            Some(message) if outcome.is_success() => Outcome::AgentError { message },
            _ => outcome,
        })
    }

    /// What the agent told, for the record.
    pub(super) fn agents_words(&self) -> AgentWords {
        let report = self.report();
        AgentWords {
            message: report.message,
            session: report.session,
            error: report.failure,
            usage: report.usage,
        }
    }
}

fn hear(log: &Path, offset: u64, reader: &mut Reader, report: &mut Report) -> Result<u64> {
    disk::read_log(log, offset, &mut |piece| {
        match piece {
            Piece::Bytes(bytes) => reader.push(bytes, &mut |line| report.take(&line)),
            // The line that was cut is none.
            Piece::LeftOut(_) => reader.push(b"\n", &mut |_| {}),
        }
        Ok(())
    })
}
