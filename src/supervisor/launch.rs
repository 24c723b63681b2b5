//! Starting a supervisor. The task's held lock travels with it, to a new process as its standard input,
//! so there is no moment at which nobody holds it. The only place that knows that a task runs on this machine.

use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::layout::Layout;
use crate::lock::FileLock;
use crate::names::TaskId;
use crate::process::{self, Heritage, Spawn};
use crate::store::{Store, TaskLock};
use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Starts a supervisor for the task whose lock is given away.
///
/// # Errors
/// `io` when no process can be started; the lock is free then, and recovery tries again.
pub(super) fn launch(store: &Store, lock: TaskLock) -> Result<()> {
    // What it needs comes from the task's dispatcher, not from whoever happens to start it.
    let environment = store.environment(lock.id())?;
    launch_new(store, lock, &environment)
}

/// Starts a supervisor, for a task with this environment, for a verb, whose process has done little yet: it is
/// a copy of that where a copy is as good as a new process. To start this program anew would take longer than
/// all that a supervisor does before the agent runs.
///
/// # Errors
/// `io` when no process can be started; the lock is free then, and recovery tries again.
pub fn launch_copy(store: &Store, lock: TaskLock, environment: &Environment) -> Result<()> {
    if !process::is_as_started(environment) {
        return launch_new(store, lock, environment);
    }
    let (id, name) = (lock.id(), lock.id().to_string());
    let heritage = Heritage {
        seen_as: &arguments(SUPERVISOR, store, &name),
        environment,
        descriptor: lock.hand_over()?,
        complaints: complaints(store, id)?,
    };
    heritage.start(|descriptor| match super::supervise_by(store.layout().root(), id, descriptor) {
        Ok(()) => 0,
        Err(error) => {
            process::complain(&format!("error: {}\n", escape::lines(&error.message)));
            error.kind.exit_status().into()
        }
    })
}

fn launch_new(store: &Store, lock: TaskLock, environment: &Environment) -> Result<()> {
    let log = complaints(store, lock.id())?;
    let id = lock.id().to_string();
    Spawn::ourselves(&arguments(SUPERVISOR, store, &id), environment)
        .in_folder("/".as_ref())
        .reading(lock.hand_over()?)
        .complaining(log)
        .start()?;
    Ok(())
}

/// Where a task's supervisor says why it failed.
pub(super) fn complaints(store: &Store, id: TaskId) -> Result<File> {
    let path = store.layout().task(id).supervisor_log();
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
    log.attempt(|| format!("write `{}`", path.display()))
}

/// Turns this process into the supervisor of the task whose lock it holds; returns only when that
/// failed, and why.
pub(super) fn become_supervisor(store: &Store, lock: TaskLock) -> Error {
    let id = lock.id().to_string();
    let needed = store.environment(lock.id()).and_then(|env| Ok((env, lock.hand_over()?)));
    match needed {
        Ok((environment, descriptor)) => {
            let arguments = arguments(SUPERVISOR, store, &id);
            let cause = process::become_ourselves(&arguments, &environment, descriptor);
            Error::io("become the supervisor", &cause)
        }
        Err(error) => error,
    }
}

/// What others see as the first argument of a supervisor.
pub(super) const SUPERVISOR: &str = "supervise";

/// Of a shim.
pub(super) const SHIM: &str = "shim";

/// Of an agent's process that waits to be let go.
pub(super) const GATE: &str = "gate";

/// The arguments by which a process of ours is seen, and which task it is for.
pub(super) fn arguments<'a>(role: &'a str, store: &'a Store, id: &'a str) -> [&'a OsStr; 4] {
    [role.as_ref(), "--state".as_ref(), store.layout().root().as_os_str(), id.as_ref()]
}

/// Whether a process belongs to the life of another task than `own`: a supervisor; or a shim or a gate,
/// which come down to our tree, with all that they watch over, when their supervisor has died.
pub(super) fn lives_apart(own: Option<TaskId>, pid: i32) -> bool {
    let is_anothers = || {
        let words = process::arguments(pid)?;
        let [role, _, _, id] = words.as_slice() else { return None };
        let id: TaskId = id.to_str()?.parse().ok()?;
        Some((role == SHIM || role == GATE) && Some(id) != own)
    };
    is_supervisor(pid) || is_anothers().unwrap_or(false)
}

/// Whether a process is the supervisor of a task, of this repository or another. None is part of an
/// agent's process tree: a task dispatched inside a task has a life of its own, and a supervisor that
/// a shim started descends from the shim. It is known by its arguments and by the lock that it has
/// open, not by its program: that may have been replaced by a newer one meanwhile.
fn is_supervisor(pid: i32) -> bool {
    let Some(words) = process::arguments(pid) else { return false };
    let [verb, _, state, id @ ..] = words.as_slice() else { return false };
    let Some(layout) = Path::new(state).parent().map(Layout::of) else { return false };
    let task = || Some(layout.task(id.first()?.to_str()?.parse::<TaskId>().ok()?));
    let lock = match verb.to_str() {
        Some(SUPERVISOR) => task().map(|task| task.lock()),
        // Whoever tells of a task's end goes on when the task around it has ended, and so does who
        // does chores.
        Some("tell") => task().map(|task| task.telling()),
        Some("upkeep") => Some(layout.upkeep()),
        _ => None,
    };
    let Some(lock) = lock else { return false };
    FileLock::is_held(&lock).unwrap_or(false) && process::has_open(pid, &lock)
}
