//! Who runs next. Whoever dispatches, ends or finds a dead supervisor pumps; there is no daemon.
//!
//! Starting is exactly-once: the change of the record and the hand-over of the task's lock happen
//! under the queue's lock. Slots are counted from the records of the tasks that are running; a paused
//! task has given its slot back, and queues for one to go on.

use super::launch::launch;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::layout::{Index, RepoLock};
use crate::lock::Wait;
use crate::names::TaskId;
use crate::process;
use crate::store::Store;
use crate::task::{Change, ControlAction, Need, Task, TaskState};

/// Starts the next tasks while slots are free.
///
/// # Errors
/// `io` when records cannot be read or written or no process can be started.
pub fn pump(store: &Store, config: &Config) -> Result<()> {
    if !store.exists() {
        return Ok(());
    }
    let _queue = store.lock(RepoLock::Queue)?;
    let queued = store.queued_ids()?;
    if queued.is_empty() {
        return Ok(());
    }
    let mut free = free_slots(store, config)?;
    // A task that ends for want of another may let a third one end, so the queue is walked again.
    let mut walk = Walk::Again;
    while walk == Walk::Again {
        walk = Walk::Done;
        for id in &queued {
            match admit(store, config, *id, free)? {
                Admitted::Started => free -= 1,
                Admitted::Ended => walk = Walk::Again,
                Admitted::No => {}
            }
        }
    }
    Ok(())
}

#[derive(PartialEq, Eq)]
enum Walk {
    Again,
    Done,
}

/// What became of a queued task.
enum Admitted {
    /// It has a slot now.
    Started,
    /// It will never run.
    Ended,
    /// It stays in the queue, or was not there any more.
    No,
}

fn admit(store: &Store, config: &Config, id: TaskId, free: usize) -> Result<Admitted> {
    let Ok(task) = store.read(id) else { return Ok(Admitted::No) };
    if let TaskState::Running(running) = &task.record.state
        && running.waits_for_slot()
    {
        if free == 0 {
            return Ok(Admitted::No);
        }
        // Its supervisor holds its lock, so it is told; out of the queue it counts as running.
        store.request(id, ControlAction::Continue)?;
        store.leave_queue(&task)?;
        return Ok(Admitted::Started);
    }
    // Somebody who holds it is cancelling or holding it.
    let Some(lock) = store.lock_task(id, Wait::No)? else { return Ok(Admitted::No) };
    let task = store.read(id)?;
    if task.record.state != (TaskState::Pending { held: false }) {
        store.settle(&lock, &task)?;
        return Ok(Admitted::No);
    }
    match needs(store, &task)? {
        Needs::Met if free > 0 => {}
        Needs::Met | Needs::Open => return Ok(Admitted::No),
        Needs::Failed(name) => {
            store.begin(&lock)?;
            let failed = Change::DependencyFailed { task: name };
            let task = store.commit(&lock, &task, failed)?;
            store.settle(&lock, &task)?;
            return Ok(Admitted::Ended);
        }
    }
    store.begin(&lock)?;
    store.assign_ports(&lock, config.ports, &store.active_ids()?)?;
    let started = Change::Started { tick_ms: Clock.tick_ms(), boot_id: process::boot_id()? };
    let task = store.commit(&lock, &task, started)?;
    store.settle(&lock, &task)?;
    launch(store, lock)?;
    Ok(Admitted::Started)
}

/// Whether the tasks that one waits for have ended as they must.
enum Needs {
    Met,
    Open,
    Failed(String),
}

fn needs(store: &Store, task: &Task) -> Result<Needs> {
    let mut open = false;
    for needed in &task.spec.after {
        let other = match store.read(needed.task) {
            Ok(other) => other,
            Err(error) if error.kind == ErrorKind::NotFound => {
                return Ok(Needs::Failed(needed.name.to_string()));
            }
            Err(error) => return Err(error),
        };
        match (other.ended(), needed.need) {
            (None, _) => open = true,
            (Some(ended), Need::Completed) if !ended.outcome().is_success() => {
                return Ok(Needs::Failed(needed.name.to_string()));
            }
            (Some(_), _) => {}
        }
    }
    Ok(if open { Needs::Open } else { Needs::Met })
}

/// How many slots are free. In use are those of tasks that run, of paused ones that kept theirs, and of
/// paused ones that were given one to go on; not of those that wait for other tasks.
///
/// # Errors
/// `io` when records cannot be read.
pub fn free_slots(store: &Store, config: &Config) -> Result<usize> {
    let queued = store.queued_ids()?;
    let mut count = 0;
    for id in store.active_ids()? {
        match store.read(id) {
            Ok(task) => {
                if let TaskState::Running(running) = &task.record.state {
                    let was_given_one = running.waits_for_slot() && !queued.contains(&id);
                    let uses_one = was_given_one || !running.gave_its_slot_back();
                    count += usize::from(uses_one && !store.has_lent_its_slot(id)?);
                }
            }
            Err(error) if error.kind == ErrorKind::NotFound => {}
            // What cannot be read may well be running.
            Err(_) => count += 1,
        }
    }
    Ok(config.max_parallel.saturating_sub(count))
}

/// Takes up tasks whose supervisor or other changer has died: tells what was not told, and gives a
/// running one a new supervisor.
///
/// # Errors
/// `io` when records cannot be read or written or no process can be started.
pub fn revive(store: &Store) -> Result<()> {
    for id in store.active_ids()? {
        let lock = match store.lock_task(id, Wait::No) {
            Ok(Some(lock)) => lock,
            Ok(None) => continue,
            Err(error) if error.kind == ErrorKind::NotFound => {
                forget_half_dispatched(store, id)?;
                continue;
            }
            Err(error) => return Err(error),
        };
        // One bad record must not keep others from being taken up.
        let Ok(task) = store.read(id) else { continue };
        let task = store.tell_again(&lock, task)?;
        match &task.record.state {
            TaskState::Running(_) => launch(store, lock)?,
            TaskState::Pending { .. } => {
                // Its dispatcher may have died before it was to be found by its name; while it is
                // pending nobody else can bear that.
                store.remember(&task)?;
                store.settle(&lock, &task)?;
            }
            // What is to be released is a verb's business; the entry stays until it is done.
            TaskState::Ended { .. } => store.settle(&lock, &task)?,
        }
    }
    Ok(())
}

/// A dispatch that died before its task was there leaves an entry and a hidden folder.
fn forget_half_dispatched(store: &Store, id: TaskId) -> Result<()> {
    // Under the queue's lock nobody is in the middle of a dispatch.
    let _queue = store.lock(RepoLock::Queue)?;
    if store.layout().task(id).root().is_dir() {
        return Ok(());
    }
    let hidden = store.layout().tasks().join(format!(".new-{id}"));
    // It was never answered for, so nothing is lost with it.
    let _ = std::fs::remove_dir_all(hidden);
    let _ = std::fs::remove_file(store.layout().index(Index::Active).join(id.to_string()));
    Ok(())
}
