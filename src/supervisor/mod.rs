//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::error::{Error, Result};
use crate::names::TaskId;
use std::path::Path;
pub fn supervise(_state_dir: &Path, _id: TaskId) -> Result<()> {
    Err(Error::internal("a stub"))
}
pub fn shim() -> Result<()> {
    Err(Error::internal("a stub"))
}
pub fn gate() -> Result<()> {
    Err(Error::internal("a stub"))
}
