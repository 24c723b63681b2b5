//! `list`: the tasks that still need somebody, or all of them.

use super::describe::describe;
use super::recover::recover_if_possible;
use crate::context::Context;
use crate::error::Result;
use crate::task::StateName;
use crate::view::TaskView;

/// Which tasks are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that still need somebody.
    Open,
    /// Every one.
    All,
}

/// A listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    /// Which tasks.
    pub which: Which,
    /// Only these states; none means any.
    pub states: Vec<StateName>,
}

/// The tasks, in the order in which they were dispatched.
///
/// # Errors
/// `io` when the records cannot be read.
pub fn list(context: &Context, request: &ListRequest) -> Result<Vec<TaskView>> {
    recover_if_possible(context);
    let ids = match request.which {
        Which::Open => context.store.open_ids()?,
        Which::All => context.store.all_ids()?,
    };
    let mut tasks = Vec::new();
    for id in ids {
        let task = context.store.read(id)?;
        if request.states.is_empty() || request.states.contains(&task.record.state.name()) {
            tasks.push(task);
        }
    }
    tasks.sort_by_key(|task| task.spec.sequence);
    tasks.iter().map(|task| describe(context, task)).collect()
}
