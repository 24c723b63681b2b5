//! Exit statuses of answers, by the contract. Errors bring their own (`ErrorKind::exit_status`).

use crate::landing::Verdict;
use crate::task::StateName;
use crate::view::{LandingView, TaskView};
use std::process::ExitCode;

/// How a verb that gave an answer leaves the program.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// What was asked for is done.
    Done,
    /// It is not, and a message said why.
    Refused,
    /// Nothing was asked for.
    Usage,
    /// There are conflicts, and nothing was changed.
    Conflicts,
    /// A task ended, and not as `completed`.
    NotCompleted,
    /// The verify command rejected the result, and nothing was changed.
    VerifyFailed,
    /// The time limit of a waiting verb passed.
    TimedOut,
    /// Something was done, and then an error stopped it.
    Stopped(u8),
    /// A hook that waited wakes its agent, by the status that Claude Code gives that meaning.
    Woke,
    /// A person left a waiting verb with Ctrl-C, as shells count it.
    Detached,
    /// A signal broke off what went on, and nothing was changed.
    Interrupted,
}

impl Exit {
    /// The number that the shell sees.
    pub(super) fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Refused => 1,
            Self::Usage | Self::Woke => 2,
            Self::Conflicts => 3,
            Self::NotCompleted => 4,
            Self::VerifyFailed => 6,
            Self::TimedOut => 124,
            Self::Stopped(status) => status,
            Self::Detached | Self::Interrupted => 130,
        }
    }

    /// For a verb that waited: every task that has ended is completed, or not.
    pub(super) fn of_tasks(tasks: &[TaskView]) -> Self {
        let failed = |task: &TaskView| has_ended(task) && task.state != StateName::Completed;
        if tasks.iter().any(failed) { Self::NotCompleted } else { Self::Done }
    }

    /// For landings: conflicts outweigh a failed verify command, since they come first.
    pub(super) fn of_landings(landings: &[LandingView]) -> Self {
        let any = |verdict| landings.iter().any(|landing| landing.verdict == verdict);
        if any(Verdict::Conflicts) {
            Self::Conflicts
        } else if any(Verdict::VerifyFailed) {
            Self::VerifyFailed
        } else {
            Self::Done
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.status())
    }
}

/// Whether a task's attempt is over.
pub(super) fn has_ended(task: &TaskView) -> bool {
    match task.state {
        StateName::Completed | StateName::Failed | StateName::Cancelled => true,
        StateName::Pending | StateName::Running | StateName::Paused => false,
    }
}
