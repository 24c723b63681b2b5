//! The process between supervisor and agent: the only parent that the agent's tree has.
//!
//! It adopts whatever the agent leaves behind, learns how the agent ended, writes that down, ends
//! what is left of the tree, and goes when the supervisor has recorded the task. If the supervisor
//! dies first, a new one is started at once; if that happens at the very end, the shim becomes it.
//! So each of the two guards the other, and one `kill -9` loses nothing.

use super::launch;
use super::protocol::{AgentEnding, AgentStatus, DONE, GO, Plan, Report};
use crate::clock::{Clock, Deadline};
use crate::error::{Attempt, Error, Result};
use crate::lock::Wait;
use crate::process::{
    self, ChildEnds, Double, Ending, Gate, Gated, NEVER_OPENED, ProcessTree, wait_for_any,
};
use crate::store::Store;
use crate::task::{ProcessIdentity, SCHEMA};
use std::fs::OpenOptions;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

/// How long what an agent left running may take to end by itself before it is asked to.
const STRAGGLE: Duration = Duration::from_millis(500);

/// How long what failed waits before it is tried again: a status that cannot be written, a supervisor
/// that died at once.
const AGAIN: Duration = Duration::from_secs(1);

/// Starts a shim, which makes the agent's process and reports that; then it waits for the first word.
///
/// # Errors
/// `io` when no process can be made.
pub(super) fn start(store: &Store, plan: &Plan) -> Result<Double> {
    let id = plan.task.to_string();
    Double::start(&launch::arguments(launch::SHIM, store, &id), |lifeline, reports| {
        // What went wrong the supervisor has been told by then, or learns by the pipe's end.
        i32::from(watch_over(Shim::new(store, plan, lifeline, reports)).is_err())
    })
}

/// Watches over one agent.
fn watch_over(mut shim: Shim<'_>) -> Result<()> {
    process::set_subreaper()?;
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

struct Shim<'a> {
    store: &'a Store,
    plan: &'a Plan,
    lifeline: PipeReader,
    reports: PipeWriter,
    supervised: Supervised,
    /// Before this no other successor is started.
    rested: Option<Deadline>,
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

impl<'a> Shim<'a> {
    fn new(store: &'a Store, plan: &'a Plan, lifeline: PipeReader, reports: PipeWriter) -> Self {
        Self { store, plan, lifeline, reports, supervised: Supervised::Yes, rested: None }
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
        let id = self.plan.task.to_string();
        let gated = Gated {
            seen_as: &launch::arguments(launch::GATE, self.store, &id),
            command: &self.plan.command,
            environment: &self.plan.environment,
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
        let mut children = ChildEnds::watch()?;
        let mut successor: Option<Deadline> = None;
        let ending = loop {
            if let Some(ending) = process::peek(agent.identity.pid)? {
                break ending;
            }
            let supervisor = (self.supervised == Supervised::Yes).then(|| self.lifeline.as_fd());
            let limit = successor.map(|at| at.left());
            let [has_ended, has_spoken] =
                wait_for_any([Some(children.as_fd()), supervisor], limit)?;
            if has_ended {
                children.forget();
                process::reap_others(agent.identity.pid);
                // A successor that we started is our child, and may have died too. One that dies at
                // once would do so for ever.
                if self.supervised == Supervised::No {
                    let now = || Clock.deadline(Duration::ZERO);
                    successor = successor.or_else(|| Some(self.rested.unwrap_or_else(now)));
                }
            }
            if has_spoken {
                self.hear(&mut agent);
            }
            if successor.is_some_and(|at| at.has_passed()) {
                successor = None;
                self.start_successor(Wait::No);
            }
        };
        let layout = self.store.layout().task(self.plan.task);
        let ending = match std::fs::read_to_string(layout.spawn_error()) {
            Ok(message) => AgentEnding::SpawnFailed { message },
            Err(_) if ending == Ending::Code(NEVER_OPENED) && !layout.started().exists() => {
                AgentEnding::NeverStarted
            }
            // Without this file the gate never runs anything; a full disk keeps it from being made.
            Err(_) if !layout.started().exists() => {
                AgentEnding::SpawnFailed { message: why_never_run(ending) }
            }
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
        self.rested = Some(Clock.deadline(AGAIN));
        if let Ok(Some(lock)) = self.store.lock_task(self.plan.task, wait) {
            // If it cannot be started now, the end of the agent is the next occasion.
            let _ = launch::launch(self.store, lock);
        }
    }

    /// Records how the agent ended, ends what it left running, and waits to be let go.
    fn conclude(mut self, mut status: AgentStatus) -> Result<()> {
        self.leave_status(&status)?;
        let me = process::current()?.pid;
        let task = self.plan.task;
        let excluded = |pid: i32| launch::lives_apart(Some(task), pid);
        let tree = ProcessTree::below(me, &excluded);
        // Most agents leave nothing, and then not every process of the machine need be looked at.
        let is_alone = process::is_only_child(status.agent.pid);
        if !is_alone && !tree.wait_until_empty(Clock.deadline(STRAGGLE))? {
            status.stragglers = tree.end(self.plan.grace)?;
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
            Some(lock) => Err(launch::become_supervisor(self.store, lock)),
            None => Ok(()),
        }
    }

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

fn why_never_run(gate: Ending) -> String {
    let cause = match gate {
        Ending::Code(status) => process::cause_of(status),
        Ending::Signal(_) => None,
    };
    match cause {
        Some(cause) => Error::io("run the command", &cause).message,
        None => "cannot run the command: its process ended before it".to_owned(),
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
