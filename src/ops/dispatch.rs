//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::environment::Variable;
use crate::error::{Error, Result};
use crate::view::TaskView;
use std::time::Duration;
pub enum Work {
    Prompt { agent: Option<String>, prompt: String },
    Command { command: Vec<String>, prompt: Option<String> },
}
pub enum StartFrom {
    Commit,
    WithChanges,
}
pub struct DispatchRequest {
    pub work: Work,
    pub name: Option<String>,
    pub base: Option<String>,
    pub target: Option<String>,
    pub model: Option<String>,
    pub context: Option<String>,
    pub env: Vec<Variable>,
    pub timeout: Option<Duration>,
    pub start: StartFrom,
    pub request_id: Option<String>,
}
pub fn dispatch(_context: &Context, _request: DispatchRequest) -> Result<TaskView> {
    Err(Error::internal("a stub"))
}
