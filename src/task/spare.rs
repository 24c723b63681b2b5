//! A spare worktree: of a released task, cleaned, and kept for the next one.

use crate::names::{BranchName, CommitId, TaskId};
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A spare worktree that is ready to be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spare {
    /// The form of this record.
    pub schema: u32,
    /// What its folder is called, here and where it is used.
    pub name: String,
    /// The task that had it last.
    pub task: TaskId,
    /// Where its folder is while nobody uses it.
    pub folder: PathBuf,
    /// The commit whose files it holds.
    pub commit: CommitId,
    /// The branch that it follows.
    pub follows: Option<BranchName>,
    /// The mode bits that its files were made without.
    pub umask: u32,
    /// The ignored paths that could stay in it.
    pub keep: Vec<String>,
    /// Whether any of them is there.
    pub keeps: bool,
    /// How much it takes on disk.
    pub bytes: u64,
    /// When it was last used.
    pub since: Timestamp,
}
