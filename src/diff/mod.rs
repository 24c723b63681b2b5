//! What a task changed: figures, files, hunks. The figures are git's own (`git diff --numstat`).

mod patch;
mod words;

pub use patch::{FilePatch, Hunk, Line, LineKind};
pub use words::{Piece, changed_words};

use crate::path::RepoPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The size of a change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Files that differ.
    pub files: usize,
    /// Lines added.
    pub insertions: usize,
    /// Lines removed.
    pub deletions: usize,
}

/// A task's change as a whole, without its files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiffSummary {
    /// Its size.
    #[serde(flatten)]
    pub figures: Figures,
    /// Commits between the base and the result.
    pub commits: usize,
    /// Whether the last commit was made by us from what the agent left uncommitted.
    pub leftovers_committed: bool,
}

/// What happened to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeStatus {
    /// It is new.
    Added,
    /// Its content or mode changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It moved, perhaps with changes.
    Renamed,
    /// It was copied from another file.
    Copied,
    /// It became a link, a file or a submodule and was something else.
    TypeChanged,
}

impl ChangeStatus {
    /// The letter that git prints for it.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Added => 'A',
            Self::Modified => 'M',
            Self::Deleted => 'D',
            Self::Renamed => 'R',
            Self::Copied => 'C',
            Self::TypeChanged => 'T',
        }
    }
}

/// One changed file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "FileChangeForm")]
pub struct FileChange {
    /// Where it is now, or was when it is gone.
    pub path: RepoPath,
    /// Where it was, if that differs.
    pub old_path: Option<RepoPath>,
    /// What happened to it.
    pub status: ChangeStatus,
    /// Lines added; 0 for binary files.
    pub insertions: usize,
    /// Lines removed; 0 for binary files.
    pub deletions: usize,
    /// Whether git treats it as binary.
    pub binary: bool,
    /// File mode before, in git's numbers; 0 where there was none.
    pub old_mode: u32,
    /// File mode now, in git's numbers; 0 where there is none.
    pub new_mode: u32,
}

/// The contract's form: paths that are not UTF-8 carry their bytes beside the lossy text, modes are told where they
/// differ.
#[derive(Serialize, JsonSchema)]
struct FileChangeForm {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    old_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_path_bytes: Option<String>,
    status: ChangeStatus,
    insertions: usize,
    deletions: usize,
    binary: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    old_mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_mode: Option<String>,
}

impl From<FileChange> for FileChangeForm {
    fn from(change: FileChange) -> Self {
        let old_path = change.old_path.as_ref();
        let mode = |mode: u32| (change.old_mode != change.new_mode).then(|| format!("{mode:06o}"));
        Self {
            path: change.path.lossy(),
            path_bytes: change.path.base64_unless_utf8(),
            old_path: old_path.map(RepoPath::lossy),
            old_path_bytes: old_path.and_then(RepoPath::base64_unless_utf8),
            status: change.status,
            insertions: change.insertions,
            deletions: change.deletions,
            binary: change.binary,
            old_mode: mode(change.old_mode),
            new_mode: mode(change.new_mode),
        }
    }
}

/// The figures of a list of files.
#[must_use]
pub fn figures(changes: &[FileChange]) -> Figures {
    Figures {
        files: changes.len(),
        insertions: changes.iter().map(|change| change.insertions).sum(),
        deletions: changes.iter().map(|change| change.deletions).sum(),
    }
}
