//! `list`: the tasks that still need somebody, or all of them.

use super::describe::Teller;
use super::overlaps::tell_overlaps;
use super::recover::recover_if_possible;
use crate::context::Context;
use crate::error::{Error, Result};
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

/// How much is told of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// What the records hold; costs nothing more.
    Figures,
    /// The changed files too, which git has to be asked for.
    Files,
}

/// A listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRequest {
    /// Which tasks.
    pub which: Which,
    /// Only these states; none means any.
    pub states: Vec<StateName>,
    /// How much of each.
    pub detail: Detail,
}

/// An answer that one bad record does not spoil.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The tasks, in the order in which they were dispatched.
    pub tasks: Vec<TaskView>,
    /// What is wrong with records that could not be read.
    pub unreadable: Vec<Error>,
}

/// The tasks that are wanted.
///
/// # Errors
/// `io` when the records cannot be listed.
pub fn list(context: &Context, request: &ListRequest) -> Result<Listing> {
    recover_if_possible(context);
    let ids = match request.which {
        Which::Open => context.store.open_ids()?,
        Which::All => context.store.all_ids()?,
    };
    let (mut tasks, mut unreadable) = (Vec::new(), Vec::new());
    for id in ids {
        let task = match context.store.read(id) {
            Ok(task) => task,
            Err(error) => {
                unreadable.push(error);
                continue;
            }
        };
        if request.states.is_empty() || request.states.contains(&task.record.state.name()) {
            tasks.push(task);
        }
    }
    tasks.sort_by_key(|task| task.spec.sequence);
    let teller = Teller::new(context);
    let mut tasks = match request.detail {
        Detail::Figures => {
            tasks.iter().map(|task| teller.describe_briefly(task)).collect::<Result<Vec<_>>>()?
        }
        Detail::Files => teller.describe_each(&tasks)?,
    };
    tell_overlaps(context, &mut tasks);
    Ok(Listing { tasks, unreadable })
}
