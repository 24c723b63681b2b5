//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::diff::FilePatch;
use crate::error::{Error, Result};
use crate::names::TaskName;
use crate::view::{DiffEnds, DiffView};
pub enum Against {
    Base,
    Target,
}
pub struct DiffRequest {
    pub task: String,
    pub paths: Vec<String>,
    pub against: Against,
}
pub struct DiffAnswer {
    pub task: TaskName,
    pub ends: DiffEnds,
    pub diff: DiffView,
    pub patches: Vec<FilePatch>,
}
pub fn diff(_context: &Context, _request: &DiffRequest) -> Result<DiffAnswer> {
    Err(Error::internal("a stub"))
}
pub fn patch(_context: &Context, _request: &DiffRequest) -> Result<Vec<u8>> {
    Err(Error::internal("a stub"))
}
