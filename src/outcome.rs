//! How a task's attempt ended. Every ending has a name; there is no "unknown".

use crate::escape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Why an attempt ended; `outcome` in the contract.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Outcome {
    /// The agent exited by itself.
    Exited {
        /// Its exit status, 0 to 255.
        code: i32,
    },
    /// A signal that was not ours ended the agent.
    Signaled {
        /// The signal's number.
        signal: i32,
    },
    /// The agent exited 0, but its own report says that it failed.
    AgentError {
        /// What it reported.
        message: String,
    },
    /// The task's `--timeout` passed, and we ended the agent.
    TimedOut,
    /// Somebody cancelled the task.
    Cancelled,
    /// The agent's command could not be started.
    SpawnFailed {
        /// Why, in the system's words.
        message: String,
    },
    /// The worktree or its set-up could not be made.
    SetupFailed {
        /// What went wrong.
        message: String,
    },
    /// A task that this one waits for did not complete.
    DependencyFailed {
        /// The name of that task.
        task: String,
    },
    /// The agent and everything that watched over it died (power loss, reboot, `kill -9` of all).
    Interrupted,
}

impl Outcome {
    /// Whether this is success: the agent exited 0 and reported no error of its own.
    #[must_use]
    pub fn is_success(&self) -> bool {
        matches!(self, Self::Exited { code: 0 })
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { code } => write!(f, "exited {code}"),
            Self::Signaled { signal } => write!(f, "ended by signal {signal}"),
            Self::AgentError { message } => {
                write!(f, "the agent reported: {}", escape::line(message))
            }
            Self::TimedOut => f.write_str("timed out"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::SpawnFailed { message } => {
                write!(f, "could not be started: {}", escape::line(message))
            }
            Self::SetupFailed { message } => write!(f, "set-up failed: {}", escape::line(message)),
            Self::DependencyFailed { task } => {
                write!(f, "`{}` did not complete", escape::line(task))
            }
            Self::Interrupted => f.write_str("interrupted: it and what watched over it died"),
        }
    }
}
