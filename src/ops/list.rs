//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::context::Context;
use crate::error::{Error, Result};
use crate::task::StateName;
use crate::view::TaskView;
pub enum Which {
    Open,
    All,
}
pub struct ListRequest {
    pub which: Which,
    pub states: Vec<StateName>,
}
pub fn list(_context: &Context, _request: &ListRequest) -> Result<Vec<TaskView>> {
    Err(Error::internal("a stub"))
}
