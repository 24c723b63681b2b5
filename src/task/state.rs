//! The states of a task, each with just the data that exists in it.

use super::ProcessIdentity;
use crate::error::{Error, Result};
use crate::escape;
use crate::outcome::Outcome;
use crate::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The contract's words for states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StateName {
    /// Queued.
    Pending,
    /// It has a slot.
    Running,
    /// Its process tree is stopped.
    Paused,
    /// The agent exited 0 and reported no error.
    Completed,
    /// It ended otherwise.
    Failed,
    /// Somebody ended it.
    Cancelled,
}

impl StateName {
    /// Every state, in the order of a task's life.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Running,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word itself.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for StateName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for StateName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::as_str).join(", ");
            Error::usage(format!("`{}` is no state", escape::line(text)))
                .hint(format!("the states are {all}"))
        })
    }
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum TaskState {
    /// In the queue.
    Pending {
        /// Whether it waits for somebody to let it go.
        #[serde(default)]
        held: bool,
    },
    /// It has a slot and a supervisor.
    Running(Running),
    /// The attempt has ended.
    Ended {
        /// How.
        outcome: Outcome,
        /// When it got its slot; none if it never did.
        started_at: Option<Timestamp>,
        /// When it ended.
        finished_at: Timestamp,
        /// How long it took, pauses included, by the monotonic clock, in milliseconds; none across a
        /// reboot.
        duration_ms: Option<u64>,
        /// How long it was paused, in milliseconds.
        #[serde(default)]
        paused_ms: u64,
    },
}

/// A task with a slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// How far it is.
    pub phase: Phase,
    /// When it got its slot.
    pub started_at: Timestamp,
    /// The same moment by the monotonic clock (milliseconds since boot), for durations.
    pub started_tick_ms: u64,
    /// The boot to which that clock belongs.
    pub boot_id: String,
    /// Set once somebody or a time limit wants it to end; written before any signal is sent.
    pub stopping: Option<StopReason>,
    /// Set while its process tree is, or is about to be, stopped.
    #[serde(default)]
    pub pause: Option<Pause>,
    /// How long it has been paused before, in milliseconds.
    #[serde(default)]
    pub paused_ms: u64,
}

/// A pause of a running task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// How far it is.
    pub stage: PauseStage,
    /// What becomes of its slot meanwhile.
    pub slot: PausedSlot,
}

/// How far a pause is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum PauseStage {
    /// Asked for; written before any process is stopped.
    Stopping,
    /// Every process of the tree is stopped.
    Stopped {
        /// Since when.
        since: Timestamp,
        /// The same moment by the monotonic clock, in milliseconds since boot.
        since_tick_ms: u64,
    },
    /// It is to go on, and waits for a slot.
    Waiting {
        /// Since when it has been stopped.
        since: Timestamp,
        /// The same moment by the monotonic clock, in milliseconds since boot.
        since_tick_ms: u64,
    },
}

/// What becomes of a paused task's slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PausedSlot {
    /// Another task may have it.
    GivenBack,
    /// It stays with the task.
    Kept,
}

/// How far a running task is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum Phase {
    /// Its worktree is being made; the agent has not been let go.
    Preparing,
    /// The agent may be running.
    Agent {
        /// The process that watches over the agent's tree.
        shim: ProcessIdentity,
        /// The agent.
        agent: ProcessIdentity,
    },
    /// The agent has ended; its work is being recorded.
    Finishing {
        /// How it ended.
        outcome: Outcome,
    },
}

/// Why a running task is being ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    /// Somebody cancelled it.
    Cancelled,
    /// Its time limit passed.
    TimedOut,
}

impl TaskState {
    /// How long an ended attempt took, and how long of that it was paused, in milliseconds.
    #[must_use]
    pub fn took(&self) -> (Option<u64>, u64) {
        match self {
            Self::Ended { duration_ms, paused_ms, .. } => (*duration_ms, *paused_ms),
            Self::Pending { .. } | Self::Running(_) => (None, 0),
        }
    }

    /// The contract's word for it.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Pending { .. } => StateName::Pending,
            Self::Running(running) if running.paused_since().is_some() => StateName::Paused,
            Self::Running(_) => StateName::Running,
            Self::Ended { outcome, .. } => match outcome {
                Outcome::Cancelled => StateName::Cancelled,
                outcome if outcome.is_success() => StateName::Completed,
                _ => StateName::Failed,
            },
        }
    }
}

impl Running {
    /// Since when every process of the tree has been stopped.
    #[must_use]
    pub fn paused_since(&self) -> Option<Timestamp> {
        // One that has ended meanwhile, or was woken so that it can, stands still no more.
        let (Phase::Agent { .. }, None) = (&self.phase, self.stopping) else { return None };
        match self.pause?.stage {
            PauseStage::Stopping => None,
            PauseStage::Stopped { since, .. } | PauseStage::Waiting { since, .. } => Some(since),
        }
    }

    /// How long the tree has been stopped so far, in milliseconds, at the moment `tick_ms`.
    #[must_use]
    pub fn paused_ms_at(&self, tick_ms: u64) -> u64 {
        let present = match self.pause.map(|pause| pause.stage) {
            Some(
                PauseStage::Stopped { since_tick_ms, .. }
                | PauseStage::Waiting { since_tick_ms, .. },
            ) => tick_ms.saturating_sub(since_tick_ms),
            Some(PauseStage::Stopping) | None => 0,
        };
        self.paused_ms + present
    }

    /// Whether it waits for a slot to go on.
    #[must_use]
    pub fn waits_for_slot(&self) -> bool {
        self.paused_since().is_some()
            && matches!(self.pause, Some(Pause { stage: PauseStage::Waiting { .. }, .. }))
    }

    /// Whether its slot is free for others while it is paused.
    #[must_use]
    pub fn gave_its_slot_back(&self) -> bool {
        self.paused_since().is_some()
            && self.pause.is_some_and(|pause| pause.slot == PausedSlot::GivenBack)
    }
}

impl Phase {
    /// The contract's word for it.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Preparing => "preparing",
            Self::Agent { .. } => "agent",
            Self::Finishing { .. } => "finishing",
        }
    }
}
