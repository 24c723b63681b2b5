//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::error::{Error, Result};
use crate::landing::Strategy;
use crate::task::Afterwards;
use crate::view::LandingView;
pub enum Mode {
    Land,
    DryRun,
}
pub struct LandRequest {
    pub tasks: Vec<String>,
    pub strategy: Strategy,
    pub into: Option<String>,
    pub mode: Mode,
    pub worktree: Afterwards,
}
pub fn land(_context: &Context, _request: &LandRequest) -> Result<Vec<LandingView>> {
    Err(Error::internal("a stub"))
}
