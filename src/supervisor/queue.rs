//! Who runs next. Whoever dispatches, ends or finds a dead supervisor pumps; there is no daemon.
//!
//! Starting is exactly-once: the change of the record and the hand-over of the task's lock happen
//! under the queue's lock. Slots are counted from the records of the tasks that are running.

use super::launch::launch;
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{ErrorKind, Result};
use crate::layout::{Index, RepoLock};
use crate::lock::Wait;
use crate::process;
use crate::store::Store;
use crate::task::{Change, TaskState};

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
    let mut free = config.max_parallel.saturating_sub(running(store)?);
    for id in queued {
        if free == 0 {
            break;
        }
        // Somebody who holds it is cancelling it.
        let Some(lock) = store.lock_task(id, Wait::No)? else { continue };
        let task = store.read(id)?;
        if task.record.state != TaskState::Pending {
            store.settle(&lock, &task)?;
            continue;
        }
        store.begin(&lock)?;
        let started = Change::Started { tick_ms: Clock.tick_ms(), boot_id: process::boot_id()? };
        let task = store.commit(&lock, &task, started)?;
        store.settle(&lock, &task)?;
        launch(store, lock)?;
        free -= 1;
    }
    Ok(())
}

fn running(store: &Store) -> Result<usize> {
    let mut count = 0;
    for id in store.active_ids()? {
        match store.read(id) {
            Ok(task) => count += usize::from(matches!(task.record.state, TaskState::Running(_))),
            Err(error) if error.kind == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
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
        let task = store.read(id)?;
        let task = store.tell_again(&lock, task)?;
        match &task.record.state {
            TaskState::Running(_) => launch(store, lock)?,
            TaskState::Pending => {
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
fn forget_half_dispatched(store: &Store, id: crate::names::TaskId) -> Result<()> {
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
