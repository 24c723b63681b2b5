//! The process between supervisor and agent: the only parent that the agent's tree has.
//!
//! It adopts whatever the agent leaves behind, learns how the agent ended, writes that down, ends
//! what is left of the tree, and goes when the supervisor has recorded the task. If the supervisor
//! dies first, a new one is started at once; if that happens at the very end, the shim becomes it.
//! So each of the two guards the other, and one `kill -9` loses nothing.

use super::attend::at;
use super::launch;
use super::protocol::{AgentEnding, AgentStatus, DONE, GO, Plan, Report};
use super::readable::{readable, wait_readable};
use crate::clock::Clock;
use crate::error::{Attempt, Error, Result};
use crate::layout::Layout;
use crate::lock::Wait;
use crate::process::{self, Ending, Gate, Gated, NEVER_OPENED, ProcessTree};
use crate::store::Store;
use crate::task::{ProcessIdentity, SCHEMA};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

/// How long what an agent left running may take to end by itself before it is asked to.
const STRAGGLE: Duration = Duration::from_millis(500);

/// How long what failed waits before it is tried again: a status that cannot be written, a supervisor
/// that died at once.
const AGAIN: Duration = Duration::from_secs(1);

/// Watches over one agent, which gets this process's environment; reports go to `reports`.
///
/// # Errors
/// When the agent's process cannot be made or watched; the supervisor learns it from the pipe.
pub fn shim(reports: impl Write) -> Result<()> {
    process::set_subreaper()?;
    let lifeline = std::fs::File::from(process::take_standard_input()?);
    let mut shim = Shim::read_plan(BufReader::new(lifeline), reports)?;
    let agent = match shim.start_gate() {
        Ok(agent) => agent,
        Err(error) => {
            shim.report(&Report::Failed { message: error.message.clone() });
            return Err(error);
        }
    };
    let ending = shim.attend(agent)?;
    shim.conclude(ending)
}

struct Shim<R, W> {
    lifeline: BufReader<R>,
    reports: W,
    plan: Plan,
    store: Store,
    supervised: Supervised,
    /// When a successor was started last.
    last_start: Option<Instant>,
}

/// Whether the supervisor that started us is still there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Supervised {
    Yes,
    No,
}

struct Agent {
    gate: Option<Gate>,
    identity: ProcessIdentity,
}

impl<R: Read + std::os::fd::AsFd, W: Write> Shim<R, W> {
    fn read_plan(mut lifeline: BufReader<R>, reports: W) -> Result<Self> {
        let mut line = Vec::new();
        lifeline.read_until(b'\n', &mut line).attempt(|| "read the plan")?;
        let plan: Plan = serde_json::from_slice(&line)
            .map_err(|cause| Error::internal(format!("cannot read the plan: {cause}")))?;
        let common = plan.state.parent().unwrap_or(&plan.state);
        let store = Store::new(Layout::of(common), Clock);
        let supervised = Supervised::Yes;
        Ok(Self { lifeline, reports, plan, store, supervised, last_start: None })
    }

    /// Starts the agent's process, which waits at its gate, and tells the supervisor who it is.
    fn start_gate(&mut self) -> Result<Agent> {
        let layout = self.store.layout().task(self.plan.task);
        let output = append(&self.plan.output)?;
        let errors = if self.plan.errors == self.plan.output {
            output.try_clone().attempt(|| "share the log")?
        } else {
            append(&self.plan.errors)?
        };
        let gated = Gated {
            called: ("shim", "gate"),
            command: &self.plan.command,
            folder: &self.plan.folder,
            output,
            errors,
            started: &layout.started(),
            spawn_error: &layout.spawn_error(),
        };
        let gate = gated.fork()?;
        let agent = process::of(gate.pid())?.ok_or_else(|| Error::internal("the agent is gone"))?;
        self.report(&Report::Ready { shim: process::current()?, agent: agent.clone() });
        Ok(Agent { gate: Some(gate), identity: agent })
    }

    fn report(&mut self, report: &Report) {
        if let Ok(mut line) = serde_json::to_vec(report) {
            line.push(b'\n');
            // Nobody may be listening any more; the status file is the truth.
            let _ = self.reports.write_all(&line).and_then(|()| self.reports.flush());
        }
    }

    /// Waits until the agent has ended.
    fn attend(&mut self, mut agent: Agent) -> Result<AgentStatus> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .attempt(|| "watch the agent")?;
        let ending = runtime.block_on(async {
            let mut children = signal(SignalKind::child()).attempt(|| "watch the agent")?;
            let copy = self.lifeline.get_ref().as_fd().try_clone_to_owned();
            let lifeline = readable(copy.attempt(|| "watch the supervisor")?)?;
            let mut successor: Option<Instant> = None;
            loop {
                if let Some(ending) = process::peek(agent.identity.pid)? {
                    return Ok(ending);
                }
                tokio::select! {
                    _ = children.recv() => {
                        process::reap_others(agent.identity.pid);
                        // A successor that we started is our child, and may have died too. One that
                        // dies at once would do so for ever.
                        if self.supervised == Supervised::No {
                            let soonest = self.last_start.map_or(Instant::now(), |at| at + AGAIN);
                            successor.get_or_insert(soonest);
                        }
                    }
                    () = at(successor) => {
                        successor = None;
                        self.start_successor(Wait::No);
                    }
                    ready = wait_readable(Some(&lifeline)), if self.supervised == Supervised::Yes => {
                        ready?;
                        self.hear(&mut agent);
                    }
                }
            }
        })?;
        let layout = self.store.layout().task(self.plan.task);
        let ending = match std::fs::read_to_string(layout.spawn_error()) {
            Ok(message) => AgentEnding::SpawnFailed { message },
            Err(_) if ending == Ending::Code(NEVER_OPENED) && !layout.started().exists() => {
                AgentEnding::NeverStarted
            }
            // Without this file the gate never runs anything; a full disk keeps it from being made.
            Err(_) if !layout.started().exists() => AgentEnding::SpawnFailed {
                message: "cannot run the command: its process ended before it".to_owned(),
            },
            Err(_) => AgentEnding::Ran(ending),
        };
        Ok(AgentStatus { schema: SCHEMA, agent: agent.identity, ending, stragglers: 0 })
    }

    /// Reads one word from the supervisor, or notices that it has died.
    fn hear(&mut self, agent: &mut Agent) {
        let mut word = [0];
        match self.lifeline.read(&mut word) {
            Ok(1) if word[0] == GO => {
                if let Some(gate) = agent.gate.take() {
                    gate.open();
                }
            }
            Ok(1) => {}
            _ => {
                self.supervised = Supervised::No;
                agent.gate = None;
                self.start_successor(Wait::briefly());
            }
        }
    }

    /// Starts a new supervisor, unless somebody else has taken the task up already.
    fn start_successor(&mut self, wait: Wait) {
        self.last_start = Some(Instant::now());
        if let Ok(Some(lock)) = self.store.lock_task(self.plan.task, wait) {
            // If it cannot be started now, the end of the agent is the next occasion.
            let _ = launch::launch(&self.store, lock);
        }
    }

    /// Records how the agent ended, ends what it left running, and waits to be let go.
    fn conclude(mut self, mut status: AgentStatus) -> Result<()> {
        self.leave_status(&status)?;
        let me = process::current()?.pid;
        let task = self.plan.task;
        let excluded = |pid: i32| launch::lives_apart(task, pid);
        let tree = ProcessTree::below(me, &excluded);
        // Most agents leave nothing, and then not every process of the machine need be looked at.
        let is_alone = process::is_only_child(status.agent.pid);
        if !is_alone && !tree.wait_until_empty(Clock.deadline(STRAGGLE))? {
            status.stragglers = tree.end(Duration::from_millis(self.plan.grace_ms))?;
            self.leave_status(&status)?;
        }
        self.report(&Report::Ended);
        process::reap(status.agent.pid);

        let mut word = [0];
        while self.supervised == Supervised::Yes {
            match self.lifeline.read(&mut word) {
                Ok(1) if word[0] == DONE => return Ok(()),
                Ok(1) => {}
                Err(cause) if cause.kind() == std::io::ErrorKind::Interrupted => {}
                _ => self.supervised = Supervised::No,
            }
        }
        match self.store.lock_task(self.plan.task, Wait::briefly())? {
            Some(lock) => Err(launch::become_supervisor(&self.store, lock)),
            None => Ok(()),
        }
    }
}

impl<R, W> Shim<R, W> {
    /// Writes how the agent ended. Nobody else knows, so a full disk is waited out; only when the
    /// task itself is gone there is nobody left to tell.
    fn leave_status(&self, status: &AgentStatus) -> Result<()> {
        loop {
            match self.store.write_status(self.plan.task, status) {
                Err(_) if self.store.layout().task(self.plan.task).root().is_dir() => {
                    std::thread::sleep(AGAIN);
                }
                written => return written,
            }
        }
    }
}

fn append(path: &Path) -> Result<std::fs::File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .attempt(|| format!("write `{}`", path.display()))
}
