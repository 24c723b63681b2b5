//! `status` and `result`: one task, in full.

use super::describe::describe_in_full;
use super::overlaps::tell_overlaps;
use super::recover::{find, recover_if_possible};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::view::TaskView;

/// One task with its files and what landing it now would do.
///
/// # Errors
/// `not_found` when no task is meant.
pub fn status(context: &Context, task: &str) -> Result<TaskView> {
    recover_if_possible(context);
    let task = find(context, task)?;
    let mut views = describe_in_full(context, std::slice::from_ref(&task))?;
    tell_overlaps(context, &mut views);
    views.pop().ok_or_else(|| Error::internal("a task without a view"))
}
