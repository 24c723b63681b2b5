//! What was asked for. Written once at dispatch; every attempt reads it again.

use super::{Preset, Setup, Tell};
use crate::claim::Claim;
use crate::error::{Error, Result};
use crate::escape;
use crate::names::{BranchName, CommitId, TaskId, TaskName};
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// The name of a preset: letters, digits, `_` and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AgentName(String);

impl AgentName {
    /// Checks the form of a name; whether there is such a preset is another question.
    ///
    /// # Errors
    /// Of kind `usage`.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let valid = text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if valid {
            Ok(Self(text))
        } else {
            Err(Error::usage(format!("`{}` is no agent's name", escape::line(&text)))
                .hint("use letters, digits, `_` and `-`, beginning with a letter or digit"))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for AgentName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<AgentName> for String {
    fn from(name: AgentName) -> Self {
        name.0
    }
}

/// Where a task started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The branch that the dispatcher was on or named; none when detached.
    pub branch: Option<BranchName>,
    /// The commit that the task's branch starts at.
    pub commit: CommitId,
    /// With `--with-changes`, the commit under the snapshot that `commit` is then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot_of: Option<CommitId>,
}

/// A task that must have ended first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dependency {
    /// Its identity.
    pub task: TaskId,
    /// What it was called.
    pub name: TaskName,
    /// How it must have ended.
    pub need: Need,
}

/// How a task must have ended for those that wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Need {
    /// As `completed`; otherwise they end too.
    Completed,
    /// In any way.
    Ended,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskSpec {
    /// The form of this record.
    pub schema: u32,
    /// Its identity.
    pub id: TaskId,
    /// What people call it.
    pub name: TaskName,
    /// Its place among all dispatches of the repository, from 1.
    pub sequence: u64,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// The preset, unless the command was given as it is.
    pub agent: Option<AgentName>,
    /// The prompt, if there is one.
    pub prompt: Option<String>,
    /// The command, program first.
    pub command: Vec<String>,
    /// The model that presets pass on.
    pub model: Option<String>,
    /// The dispatcher's own note, returned with the result.
    pub context: Option<String>,
    /// Where it starts.
    pub base: Base,
    /// The branch it lands on by default.
    pub target: Option<BranchName>,
    /// Its own branch.
    pub branch: BranchName,
    /// Where its worktree is made.
    pub worktree: PathBuf,
    /// The folder below the worktree's root in which a command starts.
    pub subdirectory: PathBuf,
    /// The mode bits that the dispatcher takes away from new files.
    pub umask: Option<u32>,
    /// Greater runs earlier.
    pub priority: i32,
    /// The tasks that must have ended before it starts.
    #[serde(default)]
    pub after: Vec<Dependency>,
    /// The paths that no other task may claim while it runs.
    #[serde(default)]
    pub claims: Vec<Claim>,
    /// How long the agent may run, in milliseconds.
    pub timeout_ms: Option<u64>,
    /// How often a failed attempt is followed by another one.
    #[serde(default)]
    pub retries: u32,
    /// How long the agent may write nothing, in milliseconds.
    #[serde(default)]
    pub idle_timeout_ms: Option<u64>,
    /// What a log may take on disk, in bytes.
    #[serde(default)]
    pub max_log: Option<u64>,
    /// The session that dispatched it.
    pub parent: Option<String>,
    /// The task inside which it was dispatched.
    pub parent_task: Option<TaskId>,
    /// How many tasks it is inside of.
    pub depth: u32,
    /// The caller's own id of the request.
    pub request_id: Option<String>,
    /// What a shell runs on its result, at its end and before it lands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<String>,
    /// What makes its worktree ready.
    #[serde(default, skip_serializing_if = "Setup::is_empty")]
    pub setup: Setup,
    /// Who is told of its end.
    #[serde(default, skip_serializing_if = "Tell::is_empty")]
    pub tell: Tell,
    /// How its agent is told things, as it was at the dispatch; none for a command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
}
