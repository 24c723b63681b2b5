//! One task's life, from its slot to its recorded end; the only async engine.
//!
//! A supervisor holds its task's lock from beginning to end. Where it starts is read from the record,
//! so a new one goes on wherever a dead one left off:
//!
//! `preparing` makes the worktree and the agent's process · `agent` waits for its end, for requests
//! and for time limits · `finishing` records the work · then the queue is pumped, and the process goes
//! on as the supervisor of the next task where that needs no other process (`heir.rs`).
//!
//! It prints nothing; what it has to say when it fails goes to the task's `supervisor.log` by way of
//! whoever called it.

mod attend;
mod claims;
mod finish;
mod heir;
mod isolation;
mod launch;
mod leftovers;
mod logs;
mod merging;
mod prepare;
mod protocol;
mod queue;
mod readable;
mod requests;
mod setup;
mod shim;
mod telling;
mod verify;
mod words;

pub use claims::{Precedence, Standing, family};
pub use isolation::planted_programs;
pub use launch::launch_copy;
pub use queue::{begins_at_once, free_slots, has_room, pump, revive};
pub use telling::tell_of_ends;
pub use verify::{Laboratory, Proposal};

use self::heir::Heir;
use crate::clock::Clock;
use crate::config::Config;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::git::Repo;
use crate::layout::Layout;
use crate::names::TaskId;
use crate::process;
use crate::store::{Store, TaskLock};
use crate::task::{Change, ControlAction, Phase, Running, StopReason, Task, TaskState};
use crate::watch::Watch;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

/// How long a supervisor that failed (a full disk, no descriptor left) waits before the next one is
/// started: whoever failed at once would fail again at once, for ever.
const AGAIN: Duration = Duration::from_secs(1);

/// Supervises the task whose held lock is this process's standard input, until it has ended and the
/// queue has been pumped; then the next one, if there is one that this process may go on with.
///
/// # Errors
/// When a task cannot be supervised by this process; its record is then as it was, and it is tried
/// again, a second later by a new supervisor or before that by any command.
pub fn supervise(state: &Path, id: TaskId) -> Result<()> {
    supervise_by(state, id, process::take_standard_input()?)
}

/// The same, with the held lock as that descriptor.
fn supervise_by(state: &Path, id: TaskId, descriptor: OwnedFd) -> Result<()> {
    process::set_subreaper()?;
    let common = state.parent().ok_or_else(|| Error::internal("no state folder was named"))?;
    let store = Store::new(Layout::of(common), Clock);
    let mut next = Some(store.accept_task(id, descriptor)?);
    let mut requests = Watch::default();
    while let Some(lock) = next {
        next = supervise_one(&store, common, lock, &mut requests)?;
    }
    Ok(())
}

/// Supervises one task; the answer is the lock of the next one, which has been started.
fn supervise_one(
    store: &Store,
    common: &Path,
    lock: TaskLock,
    requests: &mut Watch,
) -> Result<Option<TaskLock>> {
    let mut life = Life::take_over(store.clone(), common, lock, std::mem::take(requests))?;
    let lived = life.live();
    let shim = life.shim.take();
    *requests = std::mem::take(&mut life.requests);
    let config = life.config.clone();
    let mut heir = Heir::of(&life);
    // Its lock goes before the queue is pumped: a task that is to be tried again is in it.
    drop(life);
    // Even a task that cannot be finished must not keep others from running.
    let pumped = match &lived {
        Ok(()) => queue::revive(store)
            .and_then(|()| queue::pump_by(store, &config, &mut |lock| heir.take_or_launch(lock)))
            .map(drop),
        Err(_) => {
            let pumped = queue::pump_beside(store, &config);
            std::thread::sleep(AGAIN);
            queue::revive(store).and(pumped)
        }
    };
    // Behind the pump: nobody waits for a slot while somebody is told.
    let told = tell_of_ends(store);
    match (&lived, shim) {
        (Ok(()), Some(shim)) => shim.let_go(),
        // The agent may still run. Its shim, not let go, has the task taken up again as soon as this
        // process is gone; waiting for it here would keep everybody out.
        (Err(_), shim) => drop(shim),
        (Ok(()), None) => {}
    }
    heir.inherit(lived.and(pumped).and(told))
}

/// One task in the hands of its supervisor.
struct Life {
    store: Store,
    repo: Repo,
    config: Config,
    environment: Environment,
    lock: TaskLock,
    task: Task,
    /// Tells of new ones.
    requests: Watch,
    /// The shim that this process started; none for one that it found.
    shim: Option<prepare::ShimHandle>,
    /// Processes of the task that outlived its agent.
    stragglers: usize,
    /// When this process took the task over, in milliseconds since boot.
    taken_over_tick_ms: u64,
}

impl Life {
    fn take_over(store: Store, common: &Path, lock: TaskLock, mut requests: Watch) -> Result<Self> {
        // What the task before left to this process and was ended with it.
        process::reap_others(0);
        store.begin(&lock)?;
        let task = store.read(lock.id())?;
        let task = store.tell_again(&lock, task)?;
        if let Some(mask) = task.spec.umask {
            process::set_umask(mask);
        }
        let environment = store.environment(lock.id())?;
        let repo = Repo::discover(common, &environment)?;
        let config = Config::load(repo.main_worktree(), &environment)?;
        requests.turn_to(&[&store.layout().task(lock.id()).control()]);
        let stragglers = attend::stragglers_of_ended(&store, &task)?;
        Ok(Self {
            store,
            repo,
            config,
            environment,
            lock,
            task,
            requests,
            shim: None,
            stragglers,
            taken_over_tick_ms: Clock.tick_ms(),
        })
    }

    fn live(&mut self) -> Result<()> {
        while let TaskState::Running(running) = &self.task.record.state {
            match running.phase.clone() {
                Phase::Preparing => self.prepare()?,
                Phase::Agent { shim, agent } => self.attend(&shim, &agent)?,
                Phase::Finishing { .. } => self.finish()?,
            }
        }
        self.store.settle(&self.lock, &self.task)
    }

    fn commit(&mut self, change: Change) -> Result<()> {
        self.task = self.store.commit(&self.lock, &self.task, change)?;
        Ok(())
    }

    fn running(&self) -> Option<&Running> {
        match &self.task.record.state {
            TaskState::Running(running) => Some(running),
            TaskState::Pending { .. } | TaskState::Ended { .. } => None,
        }
    }

    /// Records a cancellation that was asked for before there is an agent; other requests wait for it.
    fn take_cancellation(&mut self) -> Result<()> {
        let requests = self.store.requests(self.task.id())?;
        if requests.iter().any(|request| request.action == ControlAction::Cancel) {
            self.commit(Change::StopAsked(StopReason::Cancelled))?;
            self.store.carried_out(&self.lock, requests.len())?;
        }
        Ok(())
    }

    fn is_stopping(&self) -> bool {
        self.running().is_some_and(|running| running.stopping.is_some())
    }
}
