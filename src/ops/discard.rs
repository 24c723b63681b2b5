//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::error::{Error, Result};
use crate::view::TaskView;
pub fn discard(_context: &Context, _tasks: &[String]) -> Result<Vec<TaskView>> {
    Err(Error::internal("a stub"))
}
