//! A supervisor that goes on with the next task: to start this program anew takes longer than all else
//! that a short task needs. It is as if a new process had been started: the task's lock is held all the
//! time, the arguments name the task, complaints go to its own log. Only where the environment of both
//! dispatchers is the same, since a process's own cannot be replaced as a whole.

use super::Life;
use super::launch::{SUPERVISOR, arguments, complaints, launch};
use crate::environment::Environment;
use crate::error::Result;
use crate::process;
use crate::store::{Store, TaskLock};

/// What becomes of this process when its task has ended.
pub(super) struct Heir {
    store: Store,
    environment: Environment,
    next: Option<TaskLock>,
}

impl Heir {
    pub(super) fn of(life: &Life) -> Self {
        Self { store: life.store.clone(), environment: life.environment.clone(), next: None }
    }

    /// Keeps the first task that this process can go on with; others get a process of their own.
    pub(super) fn take_or_launch(&mut self, lock: TaskLock) -> Result<()> {
        if self.next.is_none() && self.becomes(&lock)? {
            self.next = Some(lock);
            return Ok(());
        }
        launch(&self.store, lock)
    }

    fn becomes(&self, lock: &TaskLock) -> Result<bool> {
        if self.store.environment(lock.id())? != self.environment {
            return Ok(false);
        }
        process::complain_to(&complaints(&self.store, lock.id())?)?;
        // Where a process cannot be renamed, nobody could find out whose supervisor it is.
        let id = lock.id().to_string();
        Ok(process::rename(&arguments(SUPERVISOR, &self.store, &id)).is_ok())
    }

    /// The task to go on with. After something went wrong a new process does that, and this one says
    /// what it was.
    pub(super) fn inherit(self, ended: Result<()>) -> Result<Option<TaskLock>> {
        match (ended, self.next) {
            (Ok(()), next) => Ok(next),
            (Err(error), None) => Err(error),
            (Err(error), Some(lock)) => launch(&self.store, lock).and(Err(error)),
        }
    }
}
