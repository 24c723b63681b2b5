//! Taking up what died: the first step of every verb. Usually there is nothing, and it costs a look
//! into one small folder.

use super::land::PINS;
use super::release::{self, base_pin};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::layout::RepoLock;
use crate::lock::Wait;
use crate::names::TaskId;
use crate::outcome::Outcome;
use crate::process;
use crate::store::TaskLock;
use crate::supervisor::{self, Laboratory};
use crate::task::{Ended, Landing, Task, TaskState};

/// Tells what was not told, gives running tasks without a supervisor a new one, finishes landings and
/// releases that were interrupted, and starts what may start.
///
/// # Errors
/// `io` when the records cannot be read or written.
pub(super) fn recover(context: &Context) -> Result<()> {
    let Context { store, repo, config, .. } = context;
    if !store.exists() {
        return Ok(());
    }
    store.rebuild_indexes(&process::boot_id()?)?;
    repo.sweep_packed_lock();
    super::land::finish_interrupted(context)?;
    if !store.active_ids()?.is_empty() {
        take_up_active(context)?;
    }
    // What cannot be removed yet is tried again by the next command.
    let _ = Laboratory { store, repo, config }.sweep();
    supervisor::pump(store, config)?;
    super::upkeep::start(context)?;
    supervisor::tell_of_ends(store)
}

/// Takes up what somebody was at work on, unless they still are.
fn take_up_active(context: &Context) -> Result<()> {
    let store = &context.store;
    for id in store.active_ids()? {
        if !store.has_folder(id) {
            forget_pin(context, id)?;
        }
    }
    supervisor::revive(store)?;
    for id in store.active_ids()? {
        let Ok(Some(lock)) = store.lock_task(id, Wait::No) else { continue };
        let Ok(task) = store.read(id) else { continue };
        if task.record.releasing {
            // What cannot be released yet stays as it is and is tried again by the next command; it
            // must not keep a person from everything else.
            let _ = release::release(context, &lock, &task);
        } else if let Landing::Discarded { .. } = &task.record.landing {
            // Somebody died while they brought it back.
            let _ = release::release_again(context, &lock, &task);
        } else if let Landing::Landed { .. } = &task.record.landing {
            release::sweep_ref_locks(context, &task);
            if super::land::is_told(context, &task).unwrap_or(false) {
                store.settle(&lock, &task)?;
            }
        } else if let TaskState::Ended { outcome, .. } = &task.record.state
            && *outcome != Outcome::Cancelled
            && store.messages_waiting(&task)? > 0
        {
            // Somebody died while they sent it.
            super::send::go_on(context, &lock, &task)?;
        }
    }
    Ok(())
}

/// Takes back what a dispatch left that failed or died before its record was there.
pub(super) fn forget(context: &Context, id: TaskId) -> Result<()> {
    forget_pin(context, id)?;
    context.store.forget_half_dispatched(id)
}

/// Lets go of the base of such a one. One that goes on has the queue's lock until it has its record.
pub(super) fn forget_pin(context: &Context, id: TaskId) -> Result<()> {
    let _queue = context.store.lock(RepoLock::Queue)?;
    if context.store.has_folder(id) {
        return Ok(());
    }
    let pin = base_pin(id);
    // It may have died before the ref was there.
    context.repo.sweep_ref_lock(&pin, None);
    match context.repo.read_ref(&pin)? {
        Some(base) => context.repo.delete_ref(&pin, base),
        None => Ok(()),
    }
}

/// Lets go of the ends of landings that have not happened. The caller holds the landing lock.
pub(super) fn forget_landing_pins(context: &Context) -> Result<()> {
    let repo = &context.repo;
    repo.sweep_ref_locks_below(PINS);
    let landings = repo.landings(&context.store.layout().landings())?;
    let is_known = |number: u64| landings.iter().any(|(landing, _)| landing.number == number);
    for name in repo.refs_below(PINS)? {
        let number = name.strip_prefix(PINS).and_then(|rest| rest.split('/').next()?.parse().ok());
        if let (Some(number), Some(commit)) = (number, repo.read_ref(&name)?)
            && !is_known(number)
        {
            repo.delete_ref(&name, commit)?;
        }
    }
    Ok(())
}

/// The same for verbs that only look: what they show is on record, so a disk that is full or may not
/// be written to is no reason to refuse.
pub(super) fn recover_if_possible(context: &Context) {
    let _ = recover(context);
}

/// A task by the caller's word for it.
pub(super) fn find(context: &Context, text: &str) -> Result<Task> {
    context.store.read(context.store.resolve(text)?)
}

/// The right to change a task that a verb is about.
pub(super) fn take(context: &Context, id: TaskId) -> Result<(TaskLock, Task)> {
    match context.store.lock_task(id, Wait::briefly())? {
        Some(lock) => {
            let task = context.store.read(id)?;
            Ok((lock, task))
        }
        None => {
            let task = context.store.read(id)?;
            Err(match task.ended() {
                None => not_ended(&task),
                Some(_) => Error::busy(format!("somebody else is changing `{}`", task.name()))
                    .hint(format!("offshoot status {}", task.name())),
            })
        }
    }
}

/// The proof that a task has ended, or the refusal that says what to do.
pub(super) fn ended(task: &Task) -> Result<Ended<'_>> {
    task.ended().ok_or_else(|| not_ended(task))
}

fn not_ended(task: &Task) -> Error {
    let name = task.name();
    Error::refused(format!("`{name}` is still {}", task.record.state.name()))
        .hint(format!("offshoot wait {name}"))
        .hint(format!("offshoot cancel {name}"))
}
