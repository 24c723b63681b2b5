//! `status` and `result`: one task, in full.

use super::describe::describe_in_full;
use super::recover::{find, recover};
use crate::context::Context;
use crate::error::Result;
use crate::view::TaskView;

/// One task with its files and what landing it now would do.
///
/// # Errors
/// `not_found` when no task is meant.
pub fn status(context: &Context, task: &str) -> Result<TaskView> {
    recover(context)?;
    describe_in_full(context, &find(context, task)?)
}
