//! `status` and `result`: one task, in full.

use super::describe::describe_in_full;
use super::overlaps::tell_overlaps;
use super::recover::{find, recover_if_possible};
use crate::context::Context;
use crate::error::Result;
use crate::view::TaskView;

/// One task with its files and what landing it now would do.
///
/// # Errors
/// `not_found` when no task is meant.
pub fn status(context: &Context, task: &str) -> Result<TaskView> {
    recover_if_possible(context);
    let mut view = describe_in_full(context, &find(context, task)?)?;
    tell_overlaps(context, std::slice::from_mut(&mut view));
    Ok(view)
}
