//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::error::{Error, Result};
use crate::view::TaskView;
pub fn status(_context: &Context, _task: &str) -> Result<TaskView> {
    Err(Error::internal("a stub"))
}
