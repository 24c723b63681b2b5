//! Who holds which paths, and who waits for some: the claims of running tasks and the locks that
//! anybody acquired, as one list.
//!
//! Two tasks whose claims overlap never run at the same time, and a lock on paths keeps such a task
//! waiting too. It stays fair: an earlier task that waits for its claims keeps those that come later
//! from overtaking it. A task dispatched inside a running one is in nobody's way and nobody waits for
//! it twice: neither the claims of those that it is inside of nor those that merely wait hold it back,
//! or the outer one could wait for it for ever.

use super::queue::{Needs, needs};
use crate::clock::Clock;
use crate::error::Result;
use crate::names::TaskId;
use crate::path_lock::{LockOwner, PathLock};
use crate::process;
use crate::store::{PathsLock, Store};
use crate::task::{Task, TaskState};

/// The locks on paths that stand now.
#[derive(Debug, Default)]
pub struct Standing {
    /// Those that somebody acquired.
    pub acquired: Vec<PathLock>,
    /// The claims of running tasks.
    pub claims: Vec<PathLock>,
}

impl Standing {
    /// Reads them; what has fallen is left out.
    ///
    /// # Errors
    /// `io` when the records cannot be read.
    pub fn read(store: &Store) -> Result<Self> {
        let mut standing = Self::default();
        let boot_id = process::boot_id()?;
        for lock in store.path_locks()? {
            if !lock.is_over(Clock.tick_ms(), &boot_id) && owner_is_there(store, &lock.owner) {
                standing.acquired.push(lock);
            }
        }
        for id in store.active_ids()? {
            // What is wrong with a record that cannot be read is told by whoever lists it.
            let Ok(task) = store.read(id) else { continue };
            if matches!(task.record.state, TaskState::Running(_)) && !task.spec.claims.is_empty() {
                standing.claims.push(PathLock::of_task(&task, &boot_id));
            }
        }
        standing.claims.sort_by_key(|lock| lock.since);
        Ok(standing)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &PathLock> {
        self.claims.iter().chain(&self.acquired)
    }
}

fn owner_is_there(store: &Store, owner: &LockOwner) -> bool {
    match owner {
        LockOwner::Task { id, .. } => is_running(store, *id),
        // Of one that belongs to another container nobody can tell; its time limit ends it.
        LockOwner::Process { process: Some(process), .. } => {
            process::is_alive(process).unwrap_or(true)
        }
        LockOwner::Process { process: None, .. } | LockOwner::Named { .. } => true,
    }
}

fn is_running(store: &Store, id: TaskId) -> bool {
    store.read(id).is_ok_and(|task| matches!(task.record.state, TaskState::Running(_)))
}

/// A task and the running ones that it was dispatched inside of, the innermost first. What one of
/// them holds is in no other's way.
#[must_use]
pub fn family(store: &Store, task: &Task) -> Vec<TaskId> {
    let (mut family, mut outer) = (vec![task.id()], task.spec.parent_task);
    while let Some(id) = outer {
        let Ok(task) = store.read(id) else { break };
        if !matches!(task.record.state, TaskState::Running(_)) || family.contains(&id) {
            break;
        }
        family.push(id);
        outer = task.spec.parent_task;
    }
    family
}

/// Who is in whose way at one moment of the queue.
#[derive(Debug)]
pub struct Precedence {
    standing: Standing,
    /// The claims of tasks that wait, in the order of the queue.
    waiting: Vec<PathLock>,
}

impl Precedence {
    /// As it is now, for telling why tasks wait.
    ///
    /// # Errors
    /// `io` when the records cannot be read.
    pub fn read(store: &Store) -> Result<Self> {
        let mut waiting = Vec::new();
        for id in store.queued_ids()? {
            // What is wrong with a record is told by whoever lists it, and spoils no other's answer.
            let Ok(task) = store.read(id) else { continue };
            let pending = task.record.state == (TaskState::Pending { held: false });
            let claims = pending && !task.spec.claims.is_empty();
            if claims && matches!(needs(store, &task), Ok(Needs::Met)) {
                waiting.push(PathLock::of_task(&task, ""));
            }
        }
        Ok(Self { standing: Standing::read(store)?, waiting })
    }

    /// Who keeps a task from its claims, each once.
    #[must_use]
    pub fn in_the_way_of(&self, store: &Store, task: &Task) -> Vec<LockOwner> {
        let family = family(store, task);
        let earlier = self.waiting.iter().take_while(|lock| !lock.owner.is_among(&family[..1]));
        let earlier = earlier.filter(|_| family.len() == 1);
        let mut owners: Vec<LockOwner> = Vec::new();
        for lock in self.standing.iter().chain(earlier) {
            let theirs = !lock.owner.is_among(&family) && lock.overlaps(&task.spec.claims);
            if theirs && !owners.iter().any(|owner| owner.is(&lock.owner)) {
                owners.push(lock.owner.clone());
            }
        }
        owners
    }
}

/// Admission by claims while the queue is walked. What stands is read when the first task with claims
/// comes up; from then on nobody acquires a lock until the walk is over.
#[derive(Debug, Default)]
pub(super) struct ClaimGate {
    known: Option<(PathsLock, Precedence)>,
}

impl ClaimGate {
    /// Whether a task may have what it claims. One that may not is from now on in the way of those
    /// that come later.
    pub(super) fn admits(&mut self, store: &Store, task: &Task) -> Result<bool> {
        if task.spec.claims.is_empty() {
            return Ok(true);
        }
        if self.known.is_none() {
            let right = store.lock_paths()?;
            let standing = Standing::read(store)?;
            self.known = Some((right, Precedence { standing, waiting: Vec::new() }));
        }
        let Some((_, precedence)) = &mut self.known else { return Ok(true) };
        let claims = PathLock::of_task(task, "");
        if precedence.in_the_way_of(store, task).is_empty() {
            precedence.standing.claims.push(claims);
            return Ok(true);
        }
        precedence.waiting.push(claims);
        Ok(false)
    }

    /// The queue is walked once more, from its beginning.
    pub(super) fn walk_again(&mut self) {
        if let Some((_, precedence)) = &mut self.known {
            precedence.waiting.clear();
        }
    }
}
