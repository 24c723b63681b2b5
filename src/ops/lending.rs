//! A task that waits for other tasks lends them its slot: with one slot in all they could never run.

use super::recover::recover;
use crate::context::Context;
use crate::error::Result;
use crate::lock::FileLock;
use crate::names::TaskId;
use crate::task::TaskState;

/// The slot of the task that the caller is a process of, lent for as long as this is kept.
#[derive(Debug)]
pub(super) struct Lending {
    outer: Option<TaskId>,
    lent: Option<FileLock>,
}

impl Lending {
    /// Nothing is lent yet; outside of tasks there is nothing to lend.
    pub(super) fn possible(context: &Context) -> Self {
        Self { outer: enclosing_task(context), lent: None }
    }

    /// Lends the slot, unless it is lent already, by this process or another one of the task.
    pub(super) fn lend(&mut self, context: &Context) -> Result<()> {
        if let (None, Some(outer)) = (&self.lent, self.outer) {
            self.lent = context.store.lend_slot(outer)?;
            recover(context)?;
        }
        Ok(())
    }
}

/// The running task of this repository that the caller is a process of.
pub(super) fn enclosing_task(context: &Context) -> Option<TaskId> {
    let id = context.environment.text("OFFSHOOT_TASK_ID")?.parse().ok()?;
    let task = context.store.read(id).ok()?;
    matches!(task.record.state, TaskState::Running(_)).then_some(id)
}
