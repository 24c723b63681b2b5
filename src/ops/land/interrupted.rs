//! Landings that were cut off: finished or taken back, and recorded in the task where they had moved
//! their target.

use super::part::finish_part;
use super::resolve::finish_opening;
use super::{PINS, lock_landings};
use crate::context::Context;
use crate::error::Result;
use crate::git::{Journaled, Landing as Move, Purpose, Recovered, Recovery};
use crate::layout::RepoLock;
use crate::lock::{FileLock, Wait};
use crate::names::TaskId;
use crate::ops::describe::measure;
use crate::ops::recover::forget_landing_pins;
use crate::ops::undo::reopen;
use crate::store::TaskLock;
use crate::task::{Change, Custody, Landing, Moved, MovedWork, Task};

/// Finishes or takes back landings that were cut off, and records those that had moved their target.
pub(in crate::ops) fn finish_interrupted(context: &Context) -> Result<()> {
    if !is_any_suspect(context)? {
        return Ok(());
    }
    // Somebody who holds it is landing right now; the marks stay for the next verb.
    match context.store.try_lock(RepoLock::Land, Wait::No)? {
        Some(landing) => finish_under(&landing, context),
        None => Ok(()),
    }
}

/// The same for a verb that is about to decide about a task: a landing of it that was cut off comes
/// first, however long another one takes.
pub(in crate::ops) fn finish_before_deciding(context: &Context, id: TaskId) -> Result<()> {
    if suspects(context)?.contains(&id) {
        finish_under(&lock_landings(context)?, context)?;
    }
    Ok(())
}

pub(in crate::ops) fn finish_under(_landing: &FileLock, context: &Context) -> Result<()> {
    let folder = context.store.layout().landings();
    if is_any_suspect(context)? || context.repo.is_landing_unfinished(&folder)? {
        let mut suspects = suspects(context)?;
        let recovered = context.repo.recover_landings(&folder)?;
        // One that can neither be finished nor taken back now stays marked for the next verb.
        let is_stuck = |id: &TaskId| {
            let its = |landing: &&Recovered| landing.task == id.to_string();
            recovered.iter().filter(its).any(|l| matches!(l.outcome, Recovery::Stuck(_)))
        };
        suspects.retain(|id| !is_stuck(id));
        forget_landing_pins(context)?;
        record_finished(context, &suspects)?;
    }
    Ok(())
}

/// Removes the pins of a landing. The caller holds the landing lock.
pub(in crate::ops) fn drop_landing_pins(context: &Context, number: u64) -> Result<()> {
    for pin in context.repo.refs_below(&format!("{PINS}{number}/"))? {
        if let Some(commit) = context.repo.read_ref(&pin)? {
            context.repo.delete_ref(&pin, commit)?;
        }
    }
    Ok(())
}

fn is_any_suspect(context: &Context) -> Result<bool> {
    Ok(context.repo.is_half_applied() || !suspects(context)?.is_empty())
}

/// Tasks that have ended and yet are marked as being changed: a landing of them may have been cut off.
fn suspects(context: &Context) -> Result<Vec<TaskId>> {
    let mut suspects = context.store.active_ids()?;
    suspects.retain(|id| context.store.read(*id).is_ok_and(|task| may_be_landing(&task)));
    Ok(suspects)
}

/// Finishes or takes back every landing that was cut off, whichever task it is of, and records it.
pub(in crate::ops) fn finish_all(context: &Context) -> Result<()> {
    let _landing = lock_landings(context)?;
    let folder = context.store.layout().landings();
    let _ = context.repo.recover_landings(&folder)?;
    // Once more: what belongs to no landing any more now is swept away.
    let recovered = context.repo.recover_landings(&folder)?;
    record_finished(context, &context.store.all_ids()?)?;
    let stuck = recovered.into_iter().find_map(|landing| match landing.outcome {
        Recovery::Stuck(error) => Some(error),
        Recovery::Finished { .. } | Recovery::TakenBack { .. } => None,
    });
    stuck.map_or(Ok(()), Err)
}

/// Records what landings did that moved their target, in tasks that do not know of it. The caller holds
/// the landing lock.
fn record_finished(context: &Context, tasks: &[TaskId]) -> Result<()> {
    let folder = context.store.layout().landings();
    for id in tasks {
        if !context.store.read(*id).is_ok_and(|task| may_be_landing(&task)) {
            continue;
        }
        let Ok(Some(lock)) = context.store.lock_task(*id, Wait::No) else { continue };
        let Ok(mut task) = context.store.read(*id) else { continue };
        if !may_be_landing(&task) {
            continue;
        }
        if let Ok(checkout) = context.repo.worktree_of(*id) {
            context.repo.sweep_branch_locks(&task.spec.branch.full_ref(), checkout.as_ref());
        }
        let known = task.record.last_landing();
        let untold = context.repo.landings_of(&folder, &id.to_string(), known)?;
        // What cannot be done now is tried again by the next command, and keeps nobody from others.
        let Ok(told) = record_all(context, &lock, task.clone(), untold) else { continue };
        task = told;
        if finish_opening(context, &lock, &task).is_ok() {
            // Whatever was cut off is taken back by now.
            context.store.settle(&lock, &task)?;
        }
    }
    Ok(())
}

fn record_all(
    context: &Context,
    lock: &TaskLock,
    mut task: Task,
    untold: Vec<Move>,
) -> Result<Task> {
    for done in untold {
        // What went on in the middle of another one was recorded with it.
        if done.number > task.record.last_landing() {
            task = record(context, lock, task, done)?;
        }
    }
    Ok(task)
}

/// Records one landing.
fn record(context: &Context, lock: &TaskLock, task: Task, done: Move) -> Result<Task> {
    match done.purpose {
        Purpose::Land { worktree } if is_undecided(&task) => {
            let landing = Landing::Landed {
                id: done.number,
                target: done.target,
                strategy: done.strategy,
                before: done.before,
                after: done.after,
                at: context.now(),
                custody: Custody::default(),
            };
            // What is to be released is by whoever takes up the task next.
            let change = Change::Landed { landing, worktree };
            context.store.commit(lock, &task, change)
        }
        Purpose::Undo { landing, again } => {
            let folder = context.store.layout().landings();
            match context.repo.done_landings(&folder, landing - 1)?.into_iter().next() {
                Some(undone) if undone.number == landing => {
                    reopen(context, lock, &task, &undone, again)
                }
                _ => Ok(task),
            }
        }
        Purpose::Part { rest, base } if is_undecided(&task) => {
            finish_part(context, lock, &task, &done, (rest, base))
        }
        Purpose::Own { base: Some(base) } if is_undecided(&task) => {
            let diff = measure(context, &task, (base, done.after))?;
            let work = Some(MovedWork { base, head: done.after, diff });
            let moved = Moved { by: done.number, work, worktree: None };
            context.store.commit(lock, &task, Change::Moved(moved))
        }
        Purpose::Land { .. } | Purpose::Part { .. } | Purpose::Own { .. } => Ok(task),
    }
}

/// Whether a task's record tells of all its landings, and none was cut off.
pub(in crate::ops) fn is_told(context: &Context, task: &Task) -> Result<bool> {
    let (id, known) = (task.id().to_string(), task.record.last_landing());
    let landings = context.repo.landings(&context.store.layout().landings())?;
    let untold = |landing: &Move, ended| landing.number > known || ended == Journaled::CutOff;
    Ok(!landings.iter().any(|(landing, ended)| landing.task == id && untold(landing, *ended)))
}

/// Whether a landing of the task, or one that takes a landing back, may have been cut off.
fn may_be_landing(task: &Task) -> bool {
    let landed = matches!(task.record.landing, Landing::Landed { .. });
    is_undecided(task) || (task.ended().is_some() && landed && !task.record.releasing)
}

/// Whether a task has ended and nobody has decided about its work.
pub(in crate::ops) fn is_undecided(task: &Task) -> bool {
    task.ended().is_some() && matches!(task.record.landing, Landing::Open | Landing::Empty { .. })
}
