//! While the agent runs: select an input, decide (pure), carry out.
//!
//! Inputs are the end of whoever watches over the agent, requests, and time limits. Deciding is
//! [`Attention::handle`], which knows no process and no clock.

use super::Life;
use super::launch::lives_apart;
use super::logs::Look;
use super::protocol::{AgentEnding, AgentStatus, MARK, Report};
use super::readable::{readable, wait_readable};
use super::telling::tell_of_question;
use crate::clock::Clock;
use crate::error::{Attempt, Result};
use crate::outcome::Outcome;
use crate::process::{self, Ending, ProcessTree, TreeSignal};
use crate::store::Store;
use crate::task::{Change, Phase, ProcessIdentity, Running, StopReason, Task, TaskState};
use crate::watch::LOOK;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// How often what ignores `SIGKILL` (a process in an uninterruptible call) is looked at again.
const AGAIN: Duration = Duration::from_millis(200);

/// How long an agent has run when its supervisor takes it for one that goes on: it gives back memory,
/// which for short ones would cost more than it is worth.
const LONG: Duration = Duration::from_millis(250);

/// Something that happens while the agent runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    /// Who watches over the agent reports its end, or has died.
    WatcherDone,
    /// Somebody asks for something.
    Requested,
    /// The task's time is over.
    TimeOver,
    /// Those who were asked to end have had their time.
    GraceOver,
    /// It is time to look at the logs.
    LogsDue,
    /// The agent has run for a while.
    RunsLong,
}

/// What to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// See whether the agent has ended.
    LookForEnd,
    /// Read the requests.
    ReadRequests,
    /// Record why, and ask the tree to end.
    Stop(StopReason),
    /// Kill the tree.
    Kill,
    /// See how long the agent has been silent, and how long its logs are.
    LookAtLogs,
    /// Need as little as possible until something happens.
    Rest,
    /// Nothing: it is being ended already.
    Nothing,
}

/// How far the ending of the tree is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attention {
    Watching,
    Ending,
}

impl Attention {
    fn handle(self, input: Input) -> Step {
        match (self, input) {
            (_, Input::WatcherDone) => Step::LookForEnd,
            (_, Input::Requested) => Step::ReadRequests,
            (Self::Watching, Input::TimeOver) => Step::Stop(StopReason::TimedOut),
            (Self::Ending, Input::TimeOver) | (Self::Watching, Input::GraceOver) => Step::Nothing,
            (Self::Ending, Input::GraceOver) => Step::Kill,
            (_, Input::LogsDue) => Step::LookAtLogs,
            (_, Input::RunsLong) => Step::Rest,
        }
    }
}

impl Life {
    /// Waits until the agent has ended, and records how.
    pub(super) fn attend(&mut self, shim: &ProcessIdentity, agent: &ProcessIdentity) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .attempt(|| "watch the agent")?;
        let (ending, stragglers) = runtime.block_on(self.attend_until_end(shim, agent))?;
        if stragglers > 0 {
            self.stragglers = stragglers;
        }
        let outcome = match ending {
            Some(AgentEnding::Ran(Ending::Code(code))) => Outcome::Exited { code },
            Some(AgentEnding::Ran(Ending::Signal(signal))) => Outcome::Signaled { signal },
            Some(AgentEnding::SpawnFailed { message }) => Outcome::SpawnFailed { message },
            Some(AgentEnding::NeverStarted) if !self.is_stopping() => {
                self.shim = None;
                return self.commit(Change::AgentNeverStarted);
            }
            Some(AgentEnding::NeverStarted) | None => Outcome::Interrupted,
        };
        let outcome = self.hear_out(outcome)?;
        self.commit(Change::AgentEnded(outcome))
    }

    async fn attend_until_end(
        &mut self,
        shim: &ProcessIdentity,
        agent: &ProcessIdentity,
    ) -> Result<(Option<AgentEnding>, usize)> {
        let requested = self.new_requests()?;
        let mut attention = Attention::Watching;
        let mut kill_at = tokio::time::Instant::now();
        let mut logs = self.watch_logs();
        let mut rest_at = Some(tokio::time::Instant::now() + LONG);

        self.take_up_pause(shim)?;
        self.carry_out_requests(shim)?;
        loop {
            let time_over = self.time_left().map(|left| tokio::time::Instant::now() + left);
            if self.is_stopping() && attention == Attention::Watching {
                attention = Attention::Ending;
                kill_at = tokio::time::Instant::now() + self.config.grace;
                let _ = self.signal(shim, TreeSignal::Terminate);
            }
            let Some(watcher) = self.watcher(shim, agent)? else {
                return self.ended_without_watcher(agent);
            };
            // Where notification is not to be had, requests are looked for.
            let look = requested.is_none().then(|| tokio::time::Instant::now() + LOOK);
            let logs_due = logs.as_ref().map(|logs| tokio::time::Instant::now() + logs.interval());
            let input = tokio::select! {
                ready = wait_readable(Some(&watcher)) => ready.map(|()| Input::WatcherDone)?,
                ready = wait_readable(requested.as_ref()) => ready.map(|()| Input::Requested)?,
                () = at(look), if attention == Attention::Watching => Input::Requested,
                () = at(time_over), if attention == Attention::Watching => Input::TimeOver,
                () = at(Some(kill_at)), if attention == Attention::Ending => Input::GraceOver,
                () = at(logs_due) => Input::LogsDue,
                () = at(rest_at) => Input::RunsLong,
            };
            match attention.handle(input) {
                Step::LookForEnd => {
                    if let Some(status) = self.look_for_end(agent)? {
                        return Ok((Some(status.ending), status.stragglers));
                    }
                }
                Step::ReadRequests => {
                    self.requests.forget();
                    self.carry_out_requests(shim)?;
                }
                Step::Stop(reason) => self.commit(Change::StopAsked(reason))?,
                Step::LookAtLogs => {
                    if let Some(logs) = &mut logs {
                        if self.is_paused() {
                            logs.rest();
                        }
                        if logs.look() == Look::Idle {
                            self.commit(Change::StopAsked(StopReason::TimedOut))?;
                        }
                        if self.note_question(logs.question())? {
                            // Whoever cannot be told now is told with the end.
                            let _ = tell_of_question(&self.store, &self.task);
                        }
                    }
                }
                Step::Kill => {
                    let _ = self.signal(shim, TreeSignal::Kill);
                    kill_at = tokio::time::Instant::now() + AGAIN;
                }
                Step::Rest => {
                    process::let_go_of_code();
                    rest_at = None;
                }
                Step::Nothing => {}
            }
        }
    }

    /// What becomes readable when somebody asks for something; none where that is not to be had.
    pub(super) fn new_requests(&self) -> Result<Option<AsyncFd<OwnedFd>>> {
        let told = self.requests.descriptor().map(|fd| fd.try_clone()).transpose();
        told.attempt(|| "watch for requests")?.map(readable).transpose()
    }

    /// What becomes readable when the agent has ended: our shim's reports, else the end of a shim that
    /// we found, else the end of the agent itself. `None` when none of them is there any more.
    fn watcher(
        &self,
        shim: &ProcessIdentity,
        agent: &ProcessIdentity,
    ) -> Result<Option<AsyncFd<OwnedFd>>> {
        let descriptor = match &self.shim {
            Some(handle) => {
                let copy = handle.reports.get_ref().as_fd().try_clone_to_owned();
                Some(copy.attempt(|| "watch the shim")?)
            }
            None if is_there(shim)? => process::hold(shim.pid),
            None if process::is_alive(agent)? => process::hold(agent.pid),
            None => None,
        };
        descriptor.map(readable).transpose()
    }

    /// The agent's status, if it is known now. A shim that died is forgotten, so that the agent itself
    /// is watched from then on.
    fn look_for_end(&mut self, agent: &ProcessIdentity) -> Result<Option<AgentStatus>> {
        if let Some(handle) = &mut self.shim {
            match handle.read_report()? {
                Some(Report::Ended) => {}
                Some(_) => return Ok(None),
                None => {
                    let mut dead = self.shim.take();
                    if let Some(handle) = &mut dead {
                        handle.reap();
                    }
                    return Ok(None);
                }
            }
            return self.status_of(agent);
        }
        Ok(None)
    }

    fn status_of(&self, agent: &ProcessIdentity) -> Result<Option<AgentStatus>> {
        let status: Option<AgentStatus> = self.store.status(self.task.id())?;
        // One of an earlier start says nothing about this one.
        Ok(status.filter(|status| status.agent == *agent))
    }

    /// The shim is gone and so is the agent: what the shim wrote, else what we can learn as the
    /// agent's new parent, else nothing. Then whatever is left of the tree is ended.
    fn ended_without_watcher(
        &mut self,
        agent: &ProcessIdentity,
    ) -> Result<(Option<AgentEnding>, usize)> {
        let (learnt, ended) = match self.status_of(agent)? {
            Some(status) => (Some(status.ending), status.stragglers),
            None => (self.learn_ending(agent), 0),
        };
        let mark = format!("{MARK}={}", self.task.id());
        let excluded = |pid: i32| lives_apart(Some(self.task.id()), pid);
        let stragglers = ProcessTree::carrying(&mark, &excluded).end(self.config.grace)?;
        process::reap(agent.pid);
        Ok((learnt, ended + stragglers))
    }

    fn learn_ending(&self, agent: &ProcessIdentity) -> Option<AgentEnding> {
        let layout = self.store.layout().task(self.task.id());
        if let Ok(message) = std::fs::read_to_string(layout.spawn_error()) {
            return Some(AgentEnding::SpawnFailed { message });
        }
        let same_boot = process::boot_id().is_ok_and(|boot| boot == agent.boot_id);
        if same_boot && !layout.started().exists() {
            return Some(AgentEnding::NeverStarted);
        }
        // Only a parent can ask; we are it when our own shim was killed.
        process::peek(agent.pid).ok().flatten().map(AgentEnding::Ran)
    }

    /// Signals what is left of the agent's tree; returns how many processes there were.
    pub(super) fn signal(&self, shim: &ProcessIdentity, signal: TreeSignal) -> usize {
        self.with_tree(shim, |tree| tree.signal(signal))
    }

    /// Does something with what is left of the agent's tree.
    pub(super) fn with_tree<T>(
        &self,
        shim: &ProcessIdentity,
        act: impl FnOnce(ProcessTree<'_>) -> T,
    ) -> T {
        let mark = format!("{MARK}={}", self.task.id());
        let excluded = |pid: i32| lives_apart(Some(self.task.id()), pid);
        match is_there(shim) {
            Ok(true) => act(ProcessTree::below(shim.pid, &excluded)),
            _ => act(ProcessTree::carrying(&mark, &excluded)),
        }
    }

    fn is_of_this_boot(&self, running: &Running) -> bool {
        process::boot_id().is_ok_and(|boot| boot == running.boot_id)
    }

    fn is_paused(&self) -> bool {
        self.running().is_some_and(|running| running.paused_since().is_some())
    }

    pub(super) fn time_left(&self) -> Option<Duration> {
        let limit = self.task.spec.timeout_ms?;
        let (running, now) = (self.running()?, Clock.tick_ms());
        // The clock stands still while the task does.
        if running.paused_since().is_some() {
            return None;
        }
        // Of a clock that another boot stopped nothing is known; the limit begins again.
        let started = match self.is_of_this_boot(running) {
            true => running.started_tick_ms,
            false => self.taken_over_tick_ms,
        };
        let used = now.saturating_sub(started).saturating_sub(running.paused_ms_at(now));
        Some(Duration::from_millis(limit.saturating_sub(used)))
    }
}

/// How many processes outlived an agent whose end was recorded by a supervisor that has died since.
pub(super) fn stragglers_of_ended(store: &Store, task: &Task) -> Result<usize> {
    let status: Option<AgentStatus> = match &task.record.state {
        TaskState::Running(running) if matches!(running.phase, Phase::Finishing { .. }) => {
            store.status(task.id())?
        }
        _ => None,
    };
    Ok(status.map_or(0, |status| status.stragglers))
}

/// Whether a shim still watches over the agent. One that became this very supervisor does not.
fn is_there(shim: &ProcessIdentity) -> Result<bool> {
    Ok(shim.pid != process::current()?.pid && process::is_alive(shim)?)
}

/// Waits for a moment; forever when there is none.
pub(super) async fn at(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_that_is_being_ended_is_killed_and_never_asked_twice() {
        let all = [
            Input::WatcherDone,
            Input::Requested,
            Input::TimeOver,
            Input::GraceOver,
            Input::LogsDue,
            Input::RunsLong,
        ];
        let steps = |attention: Attention| all.map(|input| attention.handle(input));
        assert_eq!(
            steps(Attention::Watching),
            [
                Step::LookForEnd,
                Step::ReadRequests,
                Step::Stop(StopReason::TimedOut),
                Step::Nothing,
                Step::LookAtLogs,
                Step::Rest
            ]
        );
        assert_eq!(
            steps(Attention::Ending),
            [
                Step::LookForEnd,
                Step::ReadRequests,
                Step::Nothing,
                Step::Kill,
                Step::LookAtLogs,
                Step::Rest
            ]
        );
    }
}
