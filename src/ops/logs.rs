//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::error::{Error, Result};
pub enum Stream {
    Output,
    Errors,
}
pub enum Follow {
    No,
    UntilEnd,
}
pub struct LogsRequest {
    pub task: String,
    pub stream: Stream,
    pub tail: Option<usize>,
    pub follow: Follow,
}
pub fn logs(
    _context: &Context,
    _request: &LogsRequest,
    _sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    Err(Error::internal("a stub"))
}
