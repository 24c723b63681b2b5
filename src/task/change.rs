//! The only way a record changes. Each cell of state × change is decided here and walked by one test.

use super::refusal::senseless;
use super::{
    Attempt, Custody, Landing, Moved, PartLanded, Pause, PauseStage, PausedSlot, Phase,
    ProcessIdentity, Running, StopReason, TakenBack, Task, TaskRecord, TaskState, Verification,
    Warning,
};
use crate::diff::DiffSummary;
use crate::error::{Error, Result};
use crate::event::{Draft, EventKind, TaskRef};
use crate::names::CommitId;
use crate::outcome::Outcome;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Something that happens to a task.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// It was recorded for the first time.
    Dispatched,
    /// It got a slot.
    Started {
        /// The monotonic clock, in milliseconds since boot.
        tick_ms: u64,
        /// The boot to which that clock belongs.
        boot_id: String,
    },
    /// The agent's process exists and waits to be let go.
    AgentReady {
        /// Its worktree.
        worktree: PathBuf,
        /// The process that watches over it.
        shim: ProcessIdentity,
        /// The process itself.
        agent: ProcessIdentity,
    },
    /// The agent was never let go and never will be; preparing begins again.
    AgentNeverStarted,
    /// Somebody or a time limit wants it to end.
    StopAsked(StopReason),
    /// A pending task is not to start until it is let go.
    Held,
    /// A held task may start.
    LetGo,
    /// It runs earlier or later than it was dispatched to.
    Prioritised(i32),
    /// A task that it waits for did not complete.
    DependencyFailed {
        /// The name of that task.
        task: String,
    },
    /// Somebody wants its process tree to stop for a while.
    PauseAsked(PausedSlot),
    /// Every process of its tree is stopped.
    Paused {
        /// The monotonic clock, in milliseconds since boot.
        tick_ms: u64,
    },
    /// It is to go on as soon as it has a slot.
    ResumeAsked,
    /// Its process tree goes on.
    Resumed {
        /// The monotonic clock, in milliseconds since boot.
        tick_ms: u64,
    },
    /// The agent has ended (or could not be started).
    AgentEnded(Outcome),
    /// Its work is recorded.
    Finished(FinishedWork),
    /// It is to run once more.
    Retried(RetryIn),
    /// Somebody took note of a task without work.
    Acknowledged,
    /// The work is on its target.
    Landed {
        /// Where and how.
        landing: Landing,
        /// What becomes of the worktree.
        worktree: Afterwards,
    },
    /// The work was given up.
    Discarded(Custody),
    /// A landed task's worktree, which was to stay, is to be released after all.
    ReleaseAsked,
    /// What was kept of released work.
    Released(Custody),
    /// A part of the work is on its target, the rest on its branch.
    PartLanded(PartLanded),
    /// The work was moved, and nothing has landed.
    Moved(Moved),
    /// A landing was taken back.
    Undone(TakenBack),
    /// Discarded work is back, at this worktree.
    Restored {
        /// Its worktree.
        worktree: PathBuf,
    },
}

/// Where a new attempt runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryIn {
    /// In the worktree of the last one, on top of what it did.
    SameWorktree,
    /// In a new worktree at the base.
    FreshWorktree,
}

/// What follows on the end of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The task has ended.
    End,
    /// The next attempt, in the same worktree; nobody is told of this one's end.
    TryAgain,
}

/// What becomes of a landed task's worktree and branch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Afterwards {
    /// They are released, their content kept.
    Release,
    /// They stay.
    #[default]
    Keep,
}

/// What an ended attempt left.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedWork {
    /// Its worktree, if it is still there.
    pub worktree: Option<PathBuf>,
    /// The result.
    pub head: CommitId,
    /// The size of its change.
    pub diff: DiffSummary,
    /// What its verify command said of it.
    pub verify: Option<Verification>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// The monotonic clock, in milliseconds since boot.
    pub tick_ms: u64,
    /// The boot to which that clock belongs.
    pub boot_id: String,
    /// What follows.
    pub then: Then,
}

impl Task {
    /// The task after `change`, with the event that tells of it in its outbox.
    ///
    /// # Errors
    /// `refused` when the change makes no sense in the task's state.
    pub fn apply(&self, change: Change, at: Timestamp) -> Result<Task> {
        let mut next = self.clone();
        let landing = change.landing();
        let event = next.record.change(change, at, self)?;
        if let Some(event) = event {
            next.record.events += 1;
            let draft = Draft {
                serial: next.record.events,
                at,
                event,
                task: TaskRef { id: self.spec.id, name: self.spec.name.clone() },
                state: next.record.state.name(),
                outcome: match &next.record.state {
                    TaskState::Ended { outcome, .. } => Some(outcome.clone()),
                    TaskState::Pending { .. } | TaskState::Running(_) => None,
                },
                diff: next.record.diff.map(|diff| diff.figures),
                next: next.next(),
                context: self.spec.context.clone(),
                parent: self.spec.parent.clone(),
                landing,
            };
            next.record.outbox.push(draft);
        }
        Ok(next)
    }
}

impl TaskRecord {
    fn change(&mut self, change: Change, at: Timestamp, task: &Task) -> Result<Option<EventKind>> {
        use Change as C;
        use TaskState as S;
        let undecided = self.undecided();
        match (&mut self.state, change) {
            (S::Pending { .. }, C::Dispatched) if self.events == 0 => {
                Ok(Some(EventKind::Dispatched))
            }
            (S::Pending { held: false }, C::Started { tick_ms, boot_id }) => {
                self.attempt += 1;
                self.state = S::Running(Running {
                    phase: Phase::Preparing,
                    started_at: at,
                    started_tick_ms: tick_ms,
                    boot_id,
                    stopping: None,
                    pause: None,
                    paused_ms: 0,
                });
                Ok(Some(EventKind::Started))
            }
            (S::Pending { .. }, C::StopAsked(StopReason::Cancelled)) => {
                self.end(Outcome::Cancelled, Run::default(), at);
                Ok(Some(EventKind::Finished))
            }
            (S::Pending { .. }, C::DependencyFailed { task }) => {
                self.end(Outcome::DependencyFailed { task }, Run::default(), at);
                Ok(Some(EventKind::Finished))
            }
            (S::Pending { held }, C::Held) => {
                *held = true;
                Ok(None)
            }
            (S::Pending { held }, C::LetGo) => {
                *held = false;
                Ok(None)
            }
            (S::Pending { .. }, C::Prioritised(priority)) => {
                self.priority = Some(priority);
                Ok(None)
            }
            (S::Running(running), C::AgentReady { worktree, shim, agent })
                if running.phase == Phase::Preparing && running.stopping.is_none() =>
            {
                running.phase = Phase::Agent { shim, agent };
                self.worktree = Some(worktree);
                Ok(None)
            }
            (S::Running(running), C::AgentNeverStarted)
                if !matches!(running.phase, Phase::Finishing { .. }) =>
            {
                running.phase = Phase::Preparing;
                // Its successor is to be stopped as it was.
                if let Some(pause) = &mut running.pause {
                    pause.stage = PauseStage::Stopping;
                }
                Ok(None)
            }
            (S::Running(running), C::StopAsked(reason))
                if !matches!(running.phase, Phase::Finishing { .. }) =>
            {
                // The first reason stays: a cancel during a time-out's grace changes nothing.
                running.stopping.get_or_insert(reason);
                Ok(None)
            }
            (S::Running(running), C::PauseAsked(slot))
                if matches!(running.phase, Phase::Agent { .. })
                    && running.stopping.is_none()
                    && running.pause.is_none() =>
            {
                running.pause = Some(Pause { stage: PauseStage::Stopping, slot });
                Ok(None)
            }
            (
                S::Running(running),
                change @ (C::Paused { .. } | C::ResumeAsked | C::Resumed { .. }),
            ) if running.pause.is_some() => {
                running.go_on_pausing(&change, at).ok_or_else(|| senseless(task, change.verb()))
            }
            (S::Running(running), C::AgentEnded(outcome))
                if !matches!(running.phase, Phase::Finishing { .. }) =>
            {
                let outcome = match running.stopping {
                    Some(StopReason::Cancelled) => Outcome::Cancelled,
                    Some(StopReason::TimedOut) => Outcome::TimedOut,
                    None => outcome,
                };
                running.phase = Phase::Finishing { outcome };
                Ok(None)
            }
            (S::Running(running), C::Finished(work)) => {
                let Phase::Finishing { outcome } = running.phase.clone() else {
                    return Err(senseless(task, "finish"));
                };
                let same_boot = running.boot_id == work.boot_id;
                let run = Run {
                    started_at: Some(running.started_at),
                    duration_ms: same_boot
                        .then(|| work.tick_ms.saturating_sub(running.started_tick_ms)),
                    // A pause that a reboot cut off has no length by any clock.
                    paused_ms: match same_boot {
                        true => running.paused_ms_at(work.tick_ms),
                        false => running.paused_ms,
                    },
                };
                self.worktree = work.worktree;
                self.head = Some(work.head);
                self.diff = Some(work.diff);
                self.verify = work.verify;
                self.warnings = work.warnings;
                self.end(outcome, run, at);
                if work.then == Then::TryAgain {
                    self.state = S::Pending { held: false };
                    return Ok(None);
                }
                Ok(Some(EventKind::Finished))
            }
            (S::Ended { .. }, C::Retried(place)) if undecided => {
                self.state = S::Pending { held: false };
                self.landing = Landing::Open;
                self.verify = None;
                if place == RetryIn::FreshWorktree {
                    (self.head, self.diff, self.worktree) = (None, None, None);
                    self.base = task.spec.base.commit;
                }
                Ok(Some(EventKind::Dispatched))
            }
            (S::Ended { .. }, C::Acknowledged) => {
                if let Landing::Empty { acknowledged } = &mut self.landing {
                    *acknowledged = true;
                }
                Ok(None)
            }
            (
                S::Ended { .. },
                C::Landed { landing: landing @ Landing::Landed { .. }, worktree },
            ) if undecided => {
                self.landing = landing;
                self.last_landing = self.last_landing();
                self.releasing = worktree == Afterwards::Release;
                Ok(Some(EventKind::Landed))
            }
            (S::Ended { .. }, C::PartLanded(part)) if undecided => {
                self.move_to(part.rest);
                Ok(Some(EventKind::Landed))
            }
            (S::Ended { .. }, C::Moved(moved)) if undecided => {
                self.move_to(moved);
                Ok(None)
            }
            (S::Ended { .. }, C::Undone(taken))
                if undecided || matches!(self.landing, Landing::Landed { .. }) =>
            {
                Ok(Some(self.take_back(taken)))
            }
            (S::Ended { .. }, C::Discarded(custody)) if undecided => {
                self.landing = Landing::Discarded { at, custody };
                self.releasing = true;
                Ok(Some(EventKind::Discarded))
            }
            (S::Ended { .. }, C::ReleaseAsked)
                if matches!(self.landing, Landing::Landed { .. }) && self.worktree.is_some() =>
            {
                self.releasing = true;
                Ok(None)
            }
            (S::Ended { .. }, C::Released(kept)) => match &mut self.landing {
                Landing::Landed { custody, .. } | Landing::Discarded { custody, .. } => {
                    *custody = kept;
                    self.worktree = None;
                    self.releasing = false;
                    Ok(None)
                }
                Landing::Open | Landing::Empty { .. } => Err(senseless(task, "release")),
            },
            (S::Ended { .. }, C::Restored { worktree }) => match self.landing {
                Landing::Discarded { .. } => {
                    self.landing = self.landing_of_work();
                    self.worktree = Some(worktree);
                    self.releasing = false;
                    Ok(Some(EventKind::Restored))
                }
                _ => Err(Error::refused(format!("`{}` was not discarded", task.spec.name))
                    .hint(format!("offshoot status {}", task.spec.name))),
            },
            (_, change) => Err(senseless(task, change.verb())),
        }
    }

    fn undecided(&self) -> bool {
        matches!(self.landing, Landing::Open | Landing::Empty { .. })
    }

    fn end(&mut self, outcome: Outcome, run: Run, finished_at: Timestamp) {
        if self.attempt > 0 {
            self.attempts.push(Attempt { attempt: self.attempt, outcome: outcome.clone() });
        }
        let Run { started_at, duration_ms, paused_ms } = run;
        self.state = TaskState::Ended { outcome, started_at, finished_at, duration_ms, paused_ms };
        self.landing = self.landing_of_work();
    }

    pub(super) fn landing_of_work(&self) -> Landing {
        match (self.head, self.diff) {
            (Some(head), Some(diff)) if head != self.base && diff.commits > 0 => Landing::Open,
            _ => Landing::Empty { acknowledged: false },
        }
    }
}

/// When and how long an attempt ran; nothing for one that never started.
#[derive(Default)]
struct Run {
    started_at: Option<Timestamp>,
    duration_ms: Option<u64>,
    paused_ms: u64,
}

impl Running {
    /// The next step of a pause; `None` when it makes no sense at this stage.
    fn go_on_pausing(&mut self, change: &Change, at: Timestamp) -> Option<Option<EventKind>> {
        let pause = self.pause.as_mut()?;
        match (change, pause.stage) {
            (Change::Paused { tick_ms }, PauseStage::Stopping) => {
                pause.stage = PauseStage::Stopped { since: at, since_tick_ms: *tick_ms };
                Some(Some(EventKind::Paused))
            }
            (Change::ResumeAsked, PauseStage::Stopped { since, since_tick_ms }) => {
                pause.stage = PauseStage::Waiting { since, since_tick_ms };
                Some(None)
            }
            (Change::Resumed { tick_ms }, PauseStage::Waiting { .. }) => {
                self.paused_ms = self.paused_ms_at(*tick_ms);
                self.pause = None;
                Some(Some(EventKind::Resumed))
            }
            _ => None,
        }
    }
}
