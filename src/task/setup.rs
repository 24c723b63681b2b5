//! What makes a fresh worktree ready for its agent. Settled at dispatch, so that what a person trusted
//! then is what runs later.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is done to a worktree before its agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Setup {
    /// Ignored files of the main checkout to copy, as pathspecs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copy: Vec<String>,
    /// What a shell runs in the worktree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// How long that may take, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<u64>,
    /// Variables for the command and the agent.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

impl Setup {
    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The ports that are handed out to tasks, in blocks of the same size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The first port of the first block.
    pub first: u16,
    /// How many ports are in a block.
    pub per_task: u16,
}

impl Default for PortRange {
    fn default() -> Self {
        Self { first: 20_000, per_task: 10 }
    }
}
