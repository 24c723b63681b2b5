//! What `setup` wrote.

use serde::Serialize;
use std::path::PathBuf;

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Done {
    /// It is new.
    Written,
    /// It was there, and has more in it now.
    Changed,
    /// It was as it should be.
    Unchanged,
    /// It is as it was before.
    Restored,
    /// It was only ours, and is gone.
    Removed,
    /// Our entries are out of it; the person had changed it since.
    TakenOut,
    /// It is left alone: the person has changed it, or another agent needs it.
    LeftAlone,
}

/// `{"schema":1,"agent":…,"files":[…],"next":[…]}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetupView {
    /// The form of this document.
    pub schema: u32,
    /// The agent.
    pub agent: &'static str,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// The files.
    pub files: Vec<SetupFileView>,
    /// What the person does now.
    pub next: Vec<String>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetupFileView {
    /// Where it is.
    pub path: PathBuf,
    /// What of ours is in it.
    pub what: String,
    /// What became of it.
    pub done: Done,
    /// Where what was in it before is kept.
    pub backup: Option<PathBuf>,
}
