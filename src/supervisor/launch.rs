//! Starting a supervisor. The task's held lock travels with it as its standard input, so there is no
//! moment at which nobody holds it. The only place that knows that a task runs on this machine.

use crate::error::{Attempt, Error, Result};
use crate::process::{self, Spawn};
use crate::store::{Store, TaskLock};
use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;

/// Starts a supervisor for the task whose lock is given away.
///
/// # Errors
/// `io` when no process can be started; the lock is free then, and recovery tries again.
pub(super) fn launch(store: &Store, lock: TaskLock) -> Result<()> {
    let log_path = store.layout().task(lock.id()).supervisor_log();
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&log_path);
    let log = log.attempt(|| format!("write `{}`", log_path.display()))?;
    let id = lock.id().to_string();
    // What it needs comes from the task's dispatcher, not from whoever happens to start it.
    let environment = store.environment(lock.id())?;
    Spawn::ourselves(&arguments(store, &id), &environment)
        .in_folder("/".as_ref())
        .reading(lock.hand_over()?)
        .complaining(log)
        .start()?;
    Ok(())
}

/// Turns this process into the supervisor of the task whose lock it holds; returns only when that
/// failed, and why.
pub(super) fn become_supervisor(store: &Store, lock: TaskLock) -> Error {
    let id = lock.id().to_string();
    let needed = store.environment(lock.id()).and_then(|env| Ok((env, lock.hand_over()?)));
    match needed {
        Ok((environment, descriptor)) => {
            let arguments = arguments(store, &id);
            let cause = process::become_ourselves(&arguments, &environment, descriptor);
            Error::io("become the supervisor", &cause)
        }
        Err(error) => error,
    }
}

fn arguments<'a>(store: &'a Store, id: &'a str) -> [&'a OsStr; 4] {
    ["supervise".as_ref(), "--state".as_ref(), store.layout().root().as_os_str(), id.as_ref()]
}

/// Whether a process is the supervisor of a task of this repository. None is part of an agent's
/// process tree: a task dispatched inside a task has a life of its own, and a supervisor that a shim
/// started descends from the shim.
pub(super) fn is_supervisor(store: &Store, pid: i32) -> bool {
    let Some(words) = process::our_arguments(pid) else { return false };
    let named = words.iter().rev().find(|word| !word.is_empty()).and_then(|id| id.parse().ok());
    match (words.first().map(String::as_str), named) {
        (Some("supervise"), Some(task)) => store.is_held(task).unwrap_or(false),
        _ => false,
    }
}
