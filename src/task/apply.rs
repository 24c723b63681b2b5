//! The only way a record changes. Each cell of state × change is decided here and walked by one test.

use super::refusal::senseless;
use super::{
    Afterwards, Attempt, Change, FollowUp, Landing, Pause, PauseStage, Phase, RetryIn, Running,
    StopReason, Task, TaskRecord, TaskState, Then,
};
use crate::error::{Error, Result};
use crate::event::{Draft, EventKind, TaskRef};
use crate::outcome::Outcome;
use crate::timestamp::Timestamp;

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
                self.begin_conversation(task);
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
            (S::Running(running), C::NeedsInput(question))
                if matches!(running.phase, Phase::Agent { .. }) =>
            {
                self.needs_input = Some(question);
                Ok(Some(EventKind::NeedsInput))
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
                self.message = work.words.message;
                self.conversation = task.conversation_after(work.words.session.as_deref());
                self.session = work.words.session.or(self.session.take());
                (self.agent_error, self.usage) = (work.words.error, work.words.usage);
                self.end(outcome, run, at);
                match work.then {
                    Then::End => return Ok(Some(EventKind::Finished)),
                    Then::TryAgain => {}
                    Then::GoOn(follow_up) => self.follow(follow_up),
                }
                self.state = S::Pending { held: false };
                Ok(None)
            }
            (S::Ended { .. }, C::Retried(place)) if undecided => {
                self.follow_up = None;
                self.run_again(place, task);
                Ok(Some(EventKind::Dispatched))
            }
            (S::Ended { .. }, C::FollowedUp(follow_up, place)) if undecided => {
                self.follow(follow_up);
                self.run_again(place, task);
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

    fn run_again(&mut self, place: RetryIn, task: &Task) {
        self.state = TaskState::Pending { held: false };
        self.landing = Landing::Open;
        self.verify = None;
        if place == RetryIn::FreshWorktree {
            (self.head, self.diff, self.worktree) = (None, None, None);
            self.conversation = None;
            self.base = task.spec.base.commit;
        }
    }

    fn follow(&mut self, follow_up: FollowUp) {
        if follow_up.message.is_some() {
            self.last_message.clone_from(&follow_up.message);
        }
        self.follow_up = Some(follow_up);
    }

    /// An attempt that goes on in a conversation keeps it; any other begins one of its own.
    fn begin_conversation(&mut self, task: &Task) {
        let goes_on = self.follow_up.as_ref().and_then(|follow_up| follow_up.session.clone());
        if task.spec.preset.is_some() {
            self.session = goes_on.or_else(|| task.spec.session_of(self.attempt));
        }
        (self.message, self.agent_error, self.needs_input, self.usage) = (None, None, None, None);
    }

    fn undecided(&self) -> bool {
        matches!(self.landing, Landing::Open | Landing::Empty { .. })
    }

    fn end(&mut self, outcome: Outcome, run: Run, finished_at: Timestamp) {
        if self.attempt > 0 {
            let prompt = self.follow_up.as_ref().map(|follow_up| follow_up.prompt.clone());
            let outcome = outcome.clone();
            self.attempts.push(Attempt { attempt: self.attempt, outcome, prompt });
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
