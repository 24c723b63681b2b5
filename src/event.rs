//! One event: a line of the journal, an inbox entry, what anybody is told.

use crate::diff::Figures;
use crate::landing::LandingRef;
use crate::names::{TaskId, TaskName};
use crate::outcome::Outcome;
use crate::task::StateName;
use crate::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A task was recorded and queued.
    Dispatched,
    /// An attempt got a slot.
    Started,
    /// The process tree was stopped.
    Paused,
    /// The process tree goes on.
    Resumed,
    /// The agent waits for an answer.
    NeedsInput,
    /// An attempt ended.
    Finished,
    /// The work is on its target.
    Landed,
    /// The work was given up.
    Discarded,
    /// Discarded work is back.
    Restored,
    /// A landing was taken back.
    Undone,
}

impl EventKind {
    /// The word that the contract uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dispatched => "dispatched",
            Self::Started => "started",
            Self::Paused => "paused",
            Self::Resumed => "resumed",
            Self::NeedsInput => "needs_input",
            Self::Finished => "finished",
            Self::Landed => "landed",
            Self::Discarded => "discarded",
            Self::Restored => "restored",
            Self::Undone => "undone",
        }
    }
}

/// Which task an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TaskRef {
    /// Its identity.
    pub id: TaskId,
    /// What people call it.
    pub name: TaskName,
}

/// An event before the journal gave it its place; kept in the task's record (its outbox) until then,
/// so that a state and the news of it are one write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Draft {
    /// The how-many-th event of its task this is, from 1; makes appending it again harmless.
    pub serial: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub event: EventKind,
    /// The task.
    pub task: TaskRef,
    /// The task's state after it.
    pub state: StateName,
    /// How the attempt ended, if it has.
    pub outcome: Option<Outcome>,
    /// The size of the change, once known.
    pub diff: Option<Figures>,
    /// Commands that make sense now.
    pub next: Vec<String>,
    /// The dispatcher's own note.
    pub context: Option<String>,
    /// The session that dispatched the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The landing that it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub landing: Option<LandingRef>,
}

/// An event with its place in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// The form of this document.
    pub schema: u32,
    /// Its place: later events have greater cursors.
    pub cursor: u64,
    /// What happened.
    #[serde(flatten)]
    pub draft: Draft,
}
