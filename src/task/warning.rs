//! What a person should know about a task's work though it is no failure.

use crate::path::RepoPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The sort of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WarningKind {
    /// A repository inside the worktree was left out of the result.
    NestedRepository,
    /// The task's branch could not be moved to the result; both are kept.
    BranchDiverged,
    /// The repository was moved elsewhere while the task ran.
    RepositoryMoved,
    /// The worktree was gone at the end.
    WorktreeMissing,
    /// What the agent left could not be recorded.
    SnapshotFailed,
    /// Processes of the task were still there when its agent had ended, and were ended.
    Stragglers,
    /// A merge that was open in the worktree is not resolved, and no part of the result.
    MergeUnresolved,
    /// The verify command could not be run on the result.
    NotVerified,
    /// Leftovers that were committed are larger than the configuration finds usual.
    LargeFile,
    /// Refs that are not the task's moved, came or went while it ran.
    MainRefMoved,
    /// The repository's configuration, attributes or ignore rules changed while it ran.
    ConfigChanged,
    /// Hooks of the repository changed while it ran.
    HooksChanged,
    /// The stash, which all worktrees share, changed while it ran.
    SharedStash,
    /// The files that tie its worktree to the repository are not as they were made.
    WorktreeChanged,
    /// Uncommitted files of the main checkout changed while it ran, by whomever.
    MainChanged,
    /// Somebody could not be told of the end, or failed when told.
    NotTold,
}

/// One warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// Its sort.
    pub kind: WarningKind,
    /// A sentence for people.
    pub message: String,
    /// The paths it is about.
    #[serde(default)]
    pub paths: Vec<RepoPath>,
}

impl Warning {
    /// A warning without paths.
    pub fn new(kind: WarningKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), paths: Vec::new() }
    }

    /// Whether it is about something outside the worktree that a task changed; a later attempt does not
    /// undo that.
    #[must_use]
    pub fn outlasts_its_attempt(&self) -> bool {
        matches!(
            self.kind,
            WarningKind::MainRefMoved
                | WarningKind::ConfigChanged
                | WarningKind::HooksChanged
                | WarningKind::SharedStash
                | WarningKind::MainChanged
        )
    }
}
