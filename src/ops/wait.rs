//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::error::{Error, Result};
use crate::view::TaskView;
use std::time::Duration;
pub enum Until {
    All,
    Any,
}
pub struct WaitRequest {
    pub tasks: Vec<String>,
    pub until: Until,
    pub timeout: Option<Duration>,
}
pub struct Waited {
    pub tasks: Vec<TaskView>,
    pub timed_out: bool,
}
pub fn wait(
    _context: &Context,
    _request: &WaitRequest,
    _progress: &mut dyn FnMut(&[TaskView]),
) -> Result<Waited> {
    Err(Error::internal("a stub"))
}
