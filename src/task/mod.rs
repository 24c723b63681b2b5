//! A task: what was asked for ([`TaskSpec`], written once) and what became of it ([`TaskRecord`]).
//!
//! A record changes only through [`Task::apply`], which refuses what makes no sense and adds
//! the event that tells of the change, so a state and its news are one. Whoever needs a task that has
//! ended asks for the proof, [`Ended`]. Pure: no clock, no disk.

mod apply;
mod change;
mod control;
mod identity;
mod moved;
mod preset;
mod record;
mod refusal;
mod setup;
mod spare;
mod spec;
mod state;
mod tell;
mod verification;
mod warning;

pub use change::{Afterwards, AgentWords, Change, FinishedWork, RetryIn, Then};
pub use control::{ControlAction, ControlRequest};
pub use identity::ProcessIdentity;
pub use moved::{Moved, MovedWork, PartLanded, TakenBack};
pub use preset::{FollowUp, Preset, StreamKind, Usage};
pub use record::{Attempt, Custody, Ended, Landing, TaskRecord};
pub use setup::{PortRange, Setup};
pub use spare::Spare;
pub use spec::{AgentName, Base, Dependency, Need, TaskSpec};
pub use state::{Pause, PauseStage, PausedSlot, Phase, Running, StateName, StopReason, TaskState};
pub use tell::{Channel, Tell, Told, Wake};
pub use verification::{Judgement, Verification};
pub use warning::{Warning, WarningKind};

use crate::escape;
use crate::names::{CommitId, TaskId, TaskName};
use crate::outcome::Outcome;
use std::path::Path;

/// The version of every record that we write.
pub const SCHEMA: u32 = 1;

/// A task as it stands on disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// What was asked for.
    pub spec: TaskSpec,
    /// What became of it.
    pub record: TaskRecord,
}

impl Task {
    /// Its identity.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.spec.id
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &TaskName {
        &self.spec.name
    }

    /// Its priority now; greater runs earlier.
    #[must_use]
    pub fn priority(&self) -> i32 {
        self.record.priority.unwrap_or(self.spec.priority)
    }

    /// The proof that it has ended, if it has.
    #[must_use]
    pub fn ended(&self) -> Option<Ended<'_>> {
        Ended::of(self)
    }

    /// Whether somebody still has to do something about it: it has not ended, or its work is neither
    /// landed nor discarded (or, where there is none, not acknowledged).
    #[must_use]
    pub fn needs_somebody(&self) -> bool {
        match (&self.record.state, &self.record.landing) {
            (TaskState::Pending { .. } | TaskState::Running(_), _) => true,
            (TaskState::Ended { .. }, Landing::Open) => true,
            (TaskState::Ended { .. }, Landing::Empty { acknowledged }) => !acknowledged,
            (TaskState::Ended { .. }, Landing::Landed { .. } | Landing::Discarded { .. }) => false,
        }
    }

    /// Whether its worktree and branch were let go, so that what is left of it is only kept.
    #[must_use]
    pub fn is_released(&self) -> bool {
        let decided =
            matches!(self.record.landing, Landing::Landed { .. } | Landing::Discarded { .. });
        decided && !self.record.releasing && self.record.worktree.is_none()
    }

    /// The commit of the caller's uncommitted work that the work starts with and that must not be
    /// landed; none once the work was moved to another base.
    #[must_use]
    pub fn snapshot(&self) -> Option<CommitId> {
        let base = self.spec.base.commit;
        (self.spec.base.snapshot_of.is_some() && self.record.base == base).then_some(base)
    }

    /// The commands that make sense now, most useful first.
    #[must_use]
    pub fn next(&self) -> Vec<String> {
        let verbs: &[&str] = match (&self.record.state, &self.record.landing) {
            (TaskState::Pending { held: true }, _) => &["resume", "cancel"],
            (TaskState::Pending { held: false }, _) => &["wait", "cancel"],
            (TaskState::Running(running), _) if running.paused_since().is_some() => {
                &["resume", "logs", "cancel"]
            }
            (TaskState::Running(_), _) => &["logs -f", "wait", "cancel"],
            (TaskState::Ended { outcome, .. }, Landing::Open) if outcome.is_success() => {
                if self.snapshot().is_some() {
                    &["diff", "rebase", "merge --squash", "discard"]
                } else {
                    &["diff", "merge", "rebase", "discard"]
                }
            }
            (TaskState::Ended { .. }, Landing::Open) if self.snapshot().is_some() => {
                &["logs", "diff", "retry", "rebase", "merge --squash", "discard"]
            }
            (TaskState::Ended { .. }, Landing::Open) => {
                &["logs", "diff", "retry", "merge", "discard"]
            }
            (TaskState::Ended { outcome, .. }, Landing::Empty { .. }) if outcome.is_success() => {
                &["logs", "discard"]
            }
            (
                TaskState::Ended { outcome: Outcome::SetupFailed { .. }, .. },
                Landing::Empty { .. },
            ) if self.spec.setup.command.is_some() => &["logs --setup", "retry", "discard"],
            (TaskState::Ended { .. }, Landing::Empty { .. }) => &["logs", "retry", "discard"],
            (TaskState::Ended { .. }, Landing::Landed { .. }) => &[],
            (TaskState::Ended { .. }, Landing::Discarded { .. }) => &["restore"],
        };
        verbs.iter().map(|verb| next_command(verb, &self.spec.name)).collect()
    }
}

/// The same where git knows more than the record.
impl Task {
    /// The commands that make sense where landing the work would conflict with its target.
    #[must_use]
    pub fn next_in_conflict(&self) -> Vec<String> {
        let [merge, rebase] = ["merge", "rebase"].map(|verb| next_command(verb, &self.spec.name));
        let mut next = self.next();
        if let (Some(at), None) = (next.iter().position(|one| *one == merge), self.snapshot()) {
            next.retain(|one| *one != rebase);
            let ways = ["merge --resolve", "send --conflict"];
            next.splice(at..=at, ways.map(|verb| next_command(verb, &self.spec.name)));
        }
        next
    }

    /// The commands that make sense while a merge with the target is open in `worktree`.
    #[must_use]
    pub fn next_amid_merge(&self, worktree: &Path) -> Vec<String> {
        let ours = |verb| next_command(verb, &self.spec.name);
        let place = escape::shell_word(&worktree.to_string_lossy());
        let give_up = format!("git -C {place} merge --abort");
        vec![ours("merge --continue"), ours("send --conflict"), give_up, ours("discard")]
    }
}

fn next_command(verb: &str, name: &TaskName) -> String {
    format!("offshoot {verb} {name}")
}
