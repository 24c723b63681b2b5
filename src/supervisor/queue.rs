//! Who runs next. Whoever dispatches, ends or finds a dead supervisor pumps; there is no daemon.
//!
//! Starting is exactly-once: the change of the record and the hand-over of the task's lock happen
//! under the queue's lock. Slots are counted from the records of the tasks that are running; a paused
//! task has given its slot back, and queues for one to go on.

use super::claims::ClaimGate;
use super::launch::{launch, launch_copy};
use crate::clock::Clock;
use crate::config::Config;
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::layout::RepoLock;
use crate::lock::Wait;
use crate::names::TaskId;
use crate::process;
use crate::store::{Beginning, Queued, Store, TaskLock};
use crate::task::{Change, ControlAction, Need, Task, TaskState};

/// Starts the next tasks while slots are free, and answers with them; for verbs, whose process a supervisor
/// may be a copy of.
///
/// # Errors
/// `io` when records cannot be read or written or no process can be started.
pub fn pump(store: &Store, config: &Config) -> Result<Vec<Task>> {
    pump_by(store, config, &mut |lock| {
        let environment = store.environment(lock.id())?;
        launch_copy(store, lock, &environment)
    })
}

/// The same for a supervisor, which has a task of its own.
pub(super) fn pump_beside(store: &Store, config: &Config) -> Result<()> {
    pump_by(store, config, &mut |lock| launch(store, lock)).map(drop)
}

/// The same, by another way to have a task supervised whose lock is held and whose start is on record.
pub(super) fn pump_by(
    store: &Store,
    config: &Config,
    launch: &mut dyn FnMut(TaskLock) -> Result<()>,
) -> Result<Vec<Task>> {
    let mut started = Vec::new();
    if !store.exists() {
        return Ok(started);
    }
    let _queue = store.lock(RepoLock::Queue)?;
    let queued = store.queued()?;
    if queued.is_empty() {
        return Ok(started);
    }
    let mut free = free_slots(store, config)?;
    // A task that ends for want of another may let a third one end, so the queue is walked again.
    let mut walk = Walk::Again;
    let mut admission = Admission { store, config, claims: ClaimGate::default(), launch };
    while walk == Walk::Again {
        walk = Walk::Done;
        admission.claims.walk_again();
        for Queued { id, has_needs } in &queued {
            // Without a slot nothing becomes of a task but an end for want of another one, so that a
            // long queue costs no look into each of its records.
            if free == 0 && !has_needs {
                continue;
            }
            match admit(&mut admission, *id, free)? {
                Admitted::Started(task) => {
                    free -= 1;
                    started.push(*task);
                }
                Admitted::Ended => walk = Walk::Again,
                Admitted::No => {}
            }
        }
    }
    Ok(started)
}

#[derive(PartialEq, Eq)]
enum Walk {
    Again,
    Done,
}

/// What became of a queued task.
enum Admitted {
    /// It has a slot now.
    Started(Box<Task>),
    /// It will never run.
    Ended,
    /// It stays in the queue, or was not there any more.
    No,
}

/// What admitting a task needs besides the task.
struct Admission<'a> {
    store: &'a Store,
    config: &'a Config,
    claims: ClaimGate,
    launch: &'a mut dyn FnMut(TaskLock) -> Result<()>,
}

fn admit(admission: &mut Admission<'_>, id: TaskId, free: usize) -> Result<Admitted> {
    let (store, config) = (admission.store, admission.config);
    // Somebody may hold it who is cancelling or holding it, or its supervisor, while it waits to go on.
    let lock = match store.lock_task(id, Wait::No) {
        Ok(lock) => lock,
        Err(error) if error.kind == ErrorKind::NotFound => return Ok(Admitted::No),
        Err(error) => return Err(error),
    };
    let Ok(mut task) = store.read(id) else { return Ok(Admitted::No) };
    if let TaskState::Running(running) = &task.record.state
        && running.waits_for_slot()
    {
        if free == 0 {
            return Ok(Admitted::No);
        }
        // Its supervisor holds its lock, so it is told; out of the queue it counts as running.
        store.request(id, ControlAction::Continue)?;
        store.leave_queue(&task)?;
        return Ok(Admitted::Started(Box::new(task)));
    }
    let Some(lock) = lock else { return Ok(Admitted::No) };
    if task.record.state != (TaskState::Pending { held: false }) {
        store.settle(&lock, &task)?;
        return Ok(Admitted::No);
    }
    // It came into the queue when the journal had its news; asking that, which may be long, is needless.
    task.record.outbox.clear();
    match needs(store, &task)? {
        Needs::Met
            if free > 0 && has_room(&task, config)? && admission.claims.admits(store, &task)? => {}
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
    store.assign_ports(&lock, config.ports)?;
    let task = store.commit(&lock, &task, started()?)?;
    store.settle(&lock, &task)?;
    (admission.launch)(lock)?;
    Ok(Admitted::Started(Box::new(task)))
}

/// How a task that is only being recorded begins at once, under the queue's lock. Where others wait, or more is
/// to be weighed than whether a slot is free, it queues, and [`pump`] decides.
///
/// # Errors
/// `io` when records cannot be read.
pub fn begins_at_once(store: &Store, config: &Config, task: &Task) -> Result<Option<Beginning>> {
    let is_simple = task.spec.after.is_empty() && task.spec.claims.is_empty();
    let begins = is_simple
        && store.queued()?.is_empty()
        && free_slots(store, config)? > 0
        && has_room(task, config)?;
    let beginning = || Ok(Beginning { started: started()?, ports: config.ports });
    begins.then(beginning).transpose()
}

fn started() -> Result<Change> {
    Ok(Change::Started { tick_ms: Clock.tick_ms(), boot_id: process::boot_id()? })
}

/// Whether the file system that a task's worktree is made on has enough room left. Waiters ask again
/// every second, so a task starts by itself when there is.
///
/// # Errors
/// `io` when the system does not tell.
pub fn has_room(task: &Task, config: &Config) -> Result<bool> {
    Ok(config.min_free_disk == 0 || disk::free_bytes(&task.spec.worktree)? >= config.min_free_disk)
}

/// Whether the tasks that one waits for have ended as they must.
pub(super) enum Needs {
    Met,
    Open,
    Failed(String),
}

pub(super) fn needs(store: &Store, task: &Task) -> Result<Needs> {
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
    let is_queued = |id: TaskId| Ok::<_, Error>(store.queued_ids()?.contains(&id));
    let mut count = 0;
    for id in store.active_ids()? {
        match store.read(id) {
            Ok(task) => {
                if let TaskState::Running(running) = &task.record.state {
                    let was_given_one = running.waits_for_slot() && !is_queued(id)?;
                    let uses_one = was_given_one || !running.gave_its_slot_back();
                    count += usize::from(uses_one && !store.has_lent_its_slot(id)?);
                }
            }
            Err(error) if error.kind == ErrorKind::NotFound => {}
            // What cannot be read may well be running.
            Err(_) => count += 1,
        }
    }
    Ok(config.slots().saturating_sub(count))
}

/// Brings in line by what a task is found: its dispatcher may have died before it was. Nobody else can have been
/// given its name since.
fn find_again(store: &Store, lock: &TaskLock, task: &Task) -> Result<()> {
    if !store.is_remembered(task)? {
        store.remember(task)?;
    }
    store.settle(lock, task)
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
                // What cannot be removed must keep nobody from going on; `doctor` tells of it.
                let _ = store.forget_half_dispatched(id);
                continue;
            }
            Err(error) => return Err(error),
        };
        // One bad record must not keep others from being taken up.
        let Ok(task) = store.read(id) else { continue };
        let task = store.tell_again(&lock, task)?;
        match &task.record.state {
            TaskState::Running(running) => {
                // One that waits to go on is in the queue or was given a slot, which no record tells.
                if !running.waits_for_slot() {
                    find_again(store, &lock, &task)?;
                }
                launch(store, lock)?;
            }
            TaskState::Pending { .. } => find_again(store, &lock, &task)?,
            // What was cut off then, a landing, a release, a restore, is a verb's business: the mark, by
            // which it is found, stays.
            TaskState::Ended { .. } => {}
        }
    }
    Ok(())
}
