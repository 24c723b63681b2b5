//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::error::{Error, Result};
use crate::event::Event;
use std::time::Duration;
pub enum Sessions {
    Mine,
    All,
}
pub fn inbox(_context: &Context, _sessions: Sessions) -> Result<Vec<Event>> {
    Err(Error::internal("a stub"))
}
pub fn acknowledge(_context: &Context, _cursors: &[u64]) -> Result<Vec<Event>> {
    Err(Error::internal("a stub"))
}
pub fn wait_for_entry(
    _context: &Context,
    _sessions: Sessions,
    _limit: Option<Duration>,
) -> Result<Vec<Event>> {
    Err(Error::internal("a stub"))
}
