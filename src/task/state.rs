//! The states of a task, each with just the data that exists in it.

use super::ProcessIdentity;
use crate::error::{Error, Result};
use crate::escape;
use crate::outcome::Outcome;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The contract's words for states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    Pending,
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
        /// How long it ran, by the monotonic clock, in milliseconds; none across a reboot.
        duration_ms: Option<u64>,
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
    /// The contract's word for it.
    #[must_use]
    pub fn name(&self) -> StateName {
        match self {
            Self::Pending => StateName::Pending,
            Self::Running(_) => StateName::Running,
            Self::Ended { outcome, .. } => match outcome {
                Outcome::Cancelled => StateName::Cancelled,
                outcome if outcome.is_success() => StateName::Completed,
                _ => StateName::Failed,
            },
        }
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
