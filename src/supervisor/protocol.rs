//! What supervisor and shim tell each other.
//!
//! The supervisor gives a [`Plan`] to the shim, which is a copy of it, and then writes single bytes: [`GO`]
//! lets the agent begin, [`DONE`] lets the shim go. The pipe's end without `DONE` means that the supervisor has died. The
//! shim answers with one [`Report`] a line.

use crate::environment::Environment;
use crate::names::TaskId;
use crate::process::Ending;
use crate::task::ProcessIdentity;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// The agent may begin.
pub(super) const GO: u8 = b'g';

/// The task is recorded and the queue is pumped; the shim may go.
pub(super) const DONE: u8 = b'd';

/// The environment variable by which every process of a task is known.
pub(super) const MARK: &str = "OFFSHOOT_TASK_ID";

/// What the shim is to do.
#[derive(Debug)]
pub(super) struct Plan {
    /// Whose agent it is.
    pub(super) task: TaskId,
    /// Where the agent starts.
    pub(super) folder: PathBuf,
    /// What it runs.
    pub(super) command: Vec<String>,
    /// The agent's environment.
    pub(super) environment: Environment,
    /// Where its two output streams go.
    pub(super) output: PathBuf,
    /// Where its standard error goes; the same file for one ordered log.
    pub(super) errors: PathBuf,
    /// How long its stragglers may take to end.
    pub(super) grace: Duration,
}

/// What the shim has to say.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Report {
    /// The agent's process waits at its gate.
    Ready {
        /// The shim.
        shim: ProcessIdentity,
        /// The agent.
        agent: ProcessIdentity,
    },
    /// There is no process to let go.
    Failed {
        /// Why.
        message: String,
    },
    /// The agent has ended, its status is written and nothing is left of its tree.
    Ended,
}

/// How the agent's process ended; the `status` file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AgentStatus {
    /// The form of this document.
    pub(super) schema: u32,
    /// The process it is about.
    pub(super) agent: ProcessIdentity,
    /// How it ended.
    pub(super) ending: AgentEnding,
    /// How many processes of the task were still there then, and were ended.
    pub(super) stragglers: usize,
}

/// How the agent's process ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AgentEnding {
    /// It ran, and ended so.
    Ran(Ending),
    /// It was never let go.
    NeverStarted,
    /// It was let go, but its command could not be run.
    SpawnFailed {
        /// Why.
        message: String,
    },
}
