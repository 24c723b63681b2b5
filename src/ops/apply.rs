//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::error::{Error, Result};
use crate::landing::Conflict;
use crate::names::TaskName;
use crate::path::RepoPath;
pub struct Applied {
    pub task: TaskName,
    pub paths: Vec<RepoPath>,
    pub conflicts: Vec<Conflict>,
}
pub fn apply(_context: &Context, _task: &str) -> Result<Applied> {
    Err(Error::internal("a stub"))
}
