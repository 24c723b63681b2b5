//! `list`: the tasks that still need somebody, or all of them.

use super::describe::Teller;
use super::overlaps::tell_overlaps;
use super::recover::recover_if_possible;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::names::TaskId;
use crate::store::History;
use crate::task::{StateName, Task};
use crate::view::{TaskRow, TaskView};

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

/// An answer that one bad record does not spoil.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The tasks, in the order in which they were dispatched.
    pub tasks: Vec<TaskView>,
    /// What is wrong with records that could not be read.
    pub unreadable: Vec<Error>,
}

/// The same as the rows of a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Rows<'a> {
    /// The tasks, in the order in which they were dispatched.
    pub rows: Vec<TaskRow<'a>>,
    /// What is wrong with records that could not be read.
    pub unreadable: Vec<Error>,
}

/// The tasks that are wanted, each in so many words as a table has for it. Of those about which
/// everything is decided no record is read, where what is kept of them tells enough; `kept` takes that,
/// for the rows to borrow from.
///
/// # Errors
/// `io` when the records cannot be listed.
pub fn rows<'a>(
    context: &Context,
    request: &ListRequest,
    kept: &'a mut String,
) -> Result<Rows<'a>> {
    recover_if_possible(context);
    let History { past: mut rows, others } = match request.which {
        Which::Open => History { others: context.store.open_ids()?, ..History::default() },
        Which::All => context.store.history(kept)?,
    };
    let (tasks, unreadable) = read(context, others.into_iter());
    let teller = Teller::new(context);
    let views = tasks.iter().map(|task| teller.describe_briefly(task));
    let mut views = views.collect::<Result<Vec<_>>>()?;
    tell_overlaps(context, &mut views);

    rows.extend(views.iter().map(TaskRow::from));
    rows.retain(|row| request.wants(row.state));
    rows.sort_by_key(|row| row.sequence);
    Ok(Rows { rows, unreadable })
}

/// The tasks that are wanted, with their files, which git has to be asked for.
///
/// # Errors
/// `io` when the records cannot be listed.
pub fn list(context: &Context, request: &ListRequest) -> Result<Listing> {
    recover_if_possible(context);
    let ids = match request.which {
        Which::Open => context.store.open_ids()?,
        Which::All => context.store.all_ids()?,
    };
    let (mut tasks, unreadable) = read(context, ids.into_iter());
    tasks.retain(|task| request.wants(task.record.state.name()));
    tasks.sort_by_key(|task| task.spec.sequence);
    let mut tasks = Teller::new(context).describe_each(&tasks)?;
    tell_overlaps(context, &mut tasks);
    Ok(Listing { tasks, unreadable })
}

fn read(context: &Context, ids: impl Iterator<Item = TaskId>) -> (Vec<Task>, Vec<Error>) {
    let (mut tasks, mut unreadable) = (Vec::new(), Vec::new());
    for id in ids {
        match context.store.read(id) {
            Ok(task) => tasks.push(task),
            Err(error) => unreadable.push(error),
        }
    }
    (tasks, unreadable)
}

impl ListRequest {
    fn wants(&self, state: StateName) -> bool {
        self.states.is_empty() || self.states.contains(&state)
    }
}
