//! An eye on the agent's logs: how long it has written nothing, how much room they take, and what the
//! agent says in them.
//!
//! Nobody looks unless the task has such a limit or its stream is read, so any other task costs nothing
//! while it runs.

use super::Life;
use super::words::Listener;
use crate::clock::Clock;
use crate::disk;
use std::path::PathBuf;
use std::time::Duration;

/// How often logs with a size limit are looked at.
const SIZE_LOOK: Duration = Duration::from_secs(1);

/// An idle agent is noticed within this part of its limit.
const PARTS: u32 = 10;

/// The state of the logs at the last look.
pub(super) struct LogWatch {
    logs: [PathBuf; 2],
    idle: Option<Duration>,
    limit: Option<u64>,
    length: u64,
    changed_at: u64,
    listener: Option<Listener>,
}

/// What a look showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing of note.
    Fine,
    /// The agent has written nothing for as long as it may.
    Idle,
}

impl Life {
    /// A watch over the logs, if the task has limits for them.
    pub(super) fn watch_logs(&self) -> Option<LogWatch> {
        let spec = &self.task.spec;
        let layout = self.store.layout().task(spec.id);
        let idle = spec.idle_timeout_ms.map(Duration::from_millis);
        let listener = self.listener();
        (idle.is_some() || spec.max_log.is_some() || listener.is_some()).then(|| LogWatch {
            logs: [layout.output(), layout.stderr()],
            idle,
            limit: spec.max_log,
            length: 0,
            changed_at: Clock.tick_ms(),
            listener,
        })
    }
}

impl LogWatch {
    /// How long it is until the next look.
    pub(super) fn interval(&self) -> Duration {
        let idle = self.idle.map(|idle| idle / PARTS);
        let size = (self.limit.is_some() || self.listener.is_some()).then_some(SIZE_LOOK);
        idle.into_iter().chain(size).min().unwrap_or(SIZE_LOOK).max(Duration::from_millis(10))
    }

    /// Looks once: keeps the logs within their limit, and sees whether anything was written.
    pub(super) fn look(&mut self) -> Look {
        let lengths = self.logs.iter().filter_map(|log| Some(log.metadata().ok()?.len()));
        let length = lengths.sum();
        if length != self.length {
            self.length = length;
            self.rest();
            if let Some(listener) = &mut self.listener {
                listener.listen();
            }
        }
        if let Some(limit) = self.limit {
            for log in &self.logs {
                // A file system without holes keeps the log whole; that is no reason to end a task.
                let _ = disk::cap(log, limit);
            }
        }
        let silent = Duration::from_millis(Clock.tick_ms().saturating_sub(self.changed_at));
        if self.idle.is_some_and(|idle| silent >= idle) { Look::Idle } else { Look::Fine }
    }

    /// What the agent asks, with nobody there to answer.
    pub(super) fn question(&self) -> Option<&str> {
        self.listener.as_ref().and_then(Listener::asks)
    }

    /// Begins to count anew: something was written, or the task stood still.
    pub(super) fn rest(&mut self) {
        self.changed_at = Clock.tick_ms();
    }
}
