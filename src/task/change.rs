//! What can happen to a task; `apply.rs` says what comes of it.

use super::{
    Custody, FollowUp, Landing, Moved, PartLanded, PausedSlot, ProcessIdentity, StopReason,
    TakenBack, Usage, Verification, Warning,
};
use crate::diff::DiffSummary;
use crate::names::CommitId;
use crate::outcome::Outcome;
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
    /// The agent asks something, or was not allowed something, and nobody is there to answer.
    NeedsInput(String),
    /// The agent has ended (or could not be started).
    AgentEnded(Outcome),
    /// Its work is recorded.
    Finished(FinishedWork),
    /// It is to run once more.
    Retried(RetryIn),
    /// It is to go on, told something new.
    FollowedUp(FollowUp, RetryIn),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The task has ended.
    End,
    /// The next attempt, in the same worktree; nobody is told of this one's end.
    TryAgain,
    /// An attempt that is told what somebody sent meanwhile; nobody is told of this one's end.
    GoOn(FollowUp),
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
    /// What the agent itself told.
    pub words: AgentWords,
}

/// What an agent told of its run, where its stream is read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AgentWords {
    /// Its last message.
    pub message: Option<String>,
    /// The id of its conversation.
    pub session: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// What it took.
    pub usage: Option<Usage>,
}
