//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
#[must_use]
pub fn start(_context: &Context, _command: &str) -> Option<std::process::Child> {
    None
}
