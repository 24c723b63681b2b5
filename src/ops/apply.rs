//! `apply`: put a task's result into the caller's checkout, uncommitted.

use super::land::{lock_landings, settled_tip};
use super::recover::{ended, recover, take};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{Plan, PlanRequest};
use crate::landing::{Conflict, Strategy};
use crate::names::TaskName;
use crate::path::RepoPath;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// Whose result.
    pub task: TaskName,
    /// The paths that changed.
    pub paths: Vec<RepoPath>,
    /// What conflicts; then nothing changed.
    pub conflicts: Vec<Conflict>,
}

/// Changes the files of the caller's checkout as landing would, and nothing else: no commit, no
/// index. The task stays open.
///
/// # Errors
/// `refused` in a bare repository or when the task has not ended, `dirty` when the person's own
/// changes are in the way.
pub fn apply(context: &Context, task: &str) -> Result<Applied> {
    recover(context)?;
    let (lock, task) = take(context, context.store.resolve(task)?)?;
    let task = ended(&task)?.task();
    let Some(checkout) = context.repo.here() else {
        return Err(Error::refused("there is no checkout here to put the result into")
            .hint(format!("offshoot merge {}", task.name())));
    };
    let head = context.repo.head_here()?.commit.ok_or_else(|| {
        Error::refused("the checkout has no commit yet").hint("offshoot merge TASK --into BRANCH")
    })?;
    let _landing = lock_landings(context)?;
    let plan = context.repo.plan(&PlanRequest {
        target: head,
        tip: settled_tip(context, task)?,
        snapshot: task.snapshot(),
        strategy: Strategy::Squash,
        message: "applied, not committed",
    })?;
    let mut applied =
        Applied { task: task.name().clone(), paths: Vec::new(), conflicts: Vec::new() };
    match plan {
        Plan::UpToDate => {}
        Plan::Conflicts(conflicts) => applied.conflicts = conflicts,
        Plan::Ready(planned) => {
            // Marked as being changed, so that an interruption is noticed and taken back.
            context.store.begin(&lock)?;
            let done = context.repo.apply_uncommitted(checkout, head, planned.tree);
            context.store.settle(&lock, task)?;
            applied.paths = done?;
        }
        Plan::NotFastForward => return Err(Error::internal("a squash needs no fast-forward")),
    }
    Ok(applied)
}
