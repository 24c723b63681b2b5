//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use super::logs::Follow;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::event::Event;
pub fn events(
    _context: &Context,
    _since: u64,
    _follow: Follow,
    _sink: &mut dyn FnMut(&Event) -> Result<()>,
) -> Result<()> {
    Err(Error::internal("a stub"))
}
