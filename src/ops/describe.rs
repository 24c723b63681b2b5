//! Tasks as views: what the records tell, and what only git can tell.

use crate::context::Context;
use crate::error::Result;
use crate::git::{DiffRange, Forecast};
use crate::names::CommitId;
use crate::supervisor;
use crate::task::{Landing, Task, TaskState};
use crate::view::{DiffEnds, ForecastView, TaskView, WaitingFor};

/// A task as its record tells it.
pub(super) fn describe_briefly(context: &Context, task: &Task) -> Result<TaskView> {
    let mut view = TaskView::of(task);
    view.waiting_for = waiting_for(context, task)?;
    // One that somebody deleted by hand is not there, whatever the record says.
    view.worktree = view.worktree.filter(|worktree| worktree.is_dir());
    Ok(view)
}

/// A task with its files.
pub(super) fn describe(context: &Context, task: &Task) -> Result<TaskView> {
    let mut view = describe_briefly(context, task)?;
    // Most tasks of a long list changed nothing; git need not be asked about them.
    let changed = view.diff.as_mut().filter(|diff| diff.summary.figures.files > 0);
    if let (Some(diff), Ok(Some(ends))) = (changed, ends(context, task)) {
        let range = DiffRange { from: ends.from, to: ends.to, paths: &[] };
        // A commit that was collected has no files to tell any more.
        diff.changes = context.repo.changes(&range).unwrap_or_default();
    }
    Ok(view)
}

/// A task with its files and with what landing it now would do.
pub(super) fn describe_in_full(context: &Context, task: &Task) -> Result<TaskView> {
    let mut view = describe(context, task)?;
    view.forecast = forecast(context, task)?;
    Ok(view)
}

/// What a task's change is between; none before it has a result.
pub(super) fn ends(context: &Context, task: &Task) -> Result<Option<DiffEnds>> {
    let Some(to) = task.record.head else { return Ok(None) };
    let target = match &task.record.landing {
        // Once it has landed, the target's tip says nothing about what was the task's.
        Landing::Landed { before, .. } => Some(*before),
        _ => target_tip(context, task)?,
    };
    let from = context.repo.diff_base(task.record.base, to, target)?;
    Ok(Some(DiffEnds { from, to }))
}

fn target_tip(context: &Context, task: &Task) -> Result<Option<CommitId>> {
    match &task.spec.target {
        Some(target) => context.repo.read_ref(&target.full_ref()),
        None => Ok(None),
    }
}

fn forecast(context: &Context, task: &Task) -> Result<Option<ForecastView>> {
    let (Some(tip), Landing::Open) = (task.record.head, &task.record.landing) else {
        return Ok(None);
    };
    // While another attempt is made, the last one's result is nothing to land.
    if task.ended().is_none() {
        return Ok(None);
    }
    let Some(target_commit) = target_tip(context, task)? else { return Ok(None) };
    let forecast = context.repo.forecast(target_commit, tip, snapshot(task));
    let (verdict, conflicts) = match forecast {
        Ok(Forecast::Clean) => ("clean", Vec::new()),
        Ok(Forecast::UpToDate) => ("up_to_date", Vec::new()),
        Ok(Forecast::Conflicts(conflicts)) => ("conflicts", conflicts),
        // Histories that share nothing, or a git that is too old: landing would say so.
        Err(_) => return Ok(None),
    };
    Ok(Some(ForecastView { target_commit, verdict, conflicts, overlaps: Vec::new() }))
}

/// The commit of the caller's uncommitted work that a task started from, if it did.
pub(super) fn snapshot(task: &Task) -> Option<CommitId> {
    task.spec.starts_from_snapshot().then_some(task.spec.base.commit)
}

/// Why a task does not run now, if it is for want of something.
fn waiting_for(context: &Context, task: &Task) -> Result<Option<WaitingFor>> {
    let slot = || Ok(Some(WaitingFor { kind: "slot", tasks: running_names(context)? }));
    match &task.record.state {
        TaskState::Pending { held: true } => {
            Ok(Some(WaitingFor { kind: "held", tasks: Vec::new() }))
        }
        TaskState::Pending { held: false } => {
            let mut needed = Vec::new();
            for other in &task.spec.after {
                if context.store.read(other.task).is_ok_and(|other| other.ended().is_none()) {
                    needed.push(other.name.to_string());
                }
            }
            let full = || !supervisor::has_room(task, &context.config).unwrap_or(true);
            match needed.is_empty() {
                false => Ok(Some(WaitingFor { kind: "task", tasks: needed })),
                true if full() => Ok(Some(WaitingFor { kind: "disk", tasks: Vec::new() })),
                true => slot(),
            }
        }
        TaskState::Running(running) if running.waits_for_slot() => slot(),
        TaskState::Running(_) | TaskState::Ended { .. } => Ok(None),
    }
}

fn running_names(context: &Context) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for id in context.store.active_ids()? {
        if let Ok(task) = context.store.read(id)
            && let TaskState::Running(running) = &task.record.state
            && !running.gave_its_slot_back()
        {
            names.push(task.name().to_string());
        }
    }
    names.sort();
    Ok(names)
}
