//! What became of a task.

use super::{FollowUp, SCHEMA, Task, TaskState, Usage, Verification, Warning};
use crate::diff::DiffSummary;
use crate::event::Draft;
use crate::landing::{LandingRef, Strategy};
use crate::names::{BranchName, CommitId, TaskId};
use crate::outcome::Outcome;
use crate::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What became of a task; rewritten as a whole at every change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskRecord {
    /// The form of this record.
    pub schema: u32,
    /// The task's identity.
    pub id: TaskId,
    /// Which attempt this is, from 1; 0 before the first.
    pub attempt: u32,
    /// Where it stands.
    pub state: TaskState,
    /// The commit that its diff is taken against; the dispatched one until a rebase moves it.
    pub base: CommitId,
    /// Where its worktree is, while there is one.
    pub worktree: Option<PathBuf>,
    /// The result: the tip of its work once it has ended.
    pub head: Option<CommitId>,
    /// The agent's last message, where a preset can tell.
    pub message: Option<String>,
    /// The agent's own conversation id.
    pub session: Option<String>,
    /// The conversation that a follow-up goes on with: one of which the agent itself has told, where it
    /// tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<String>,
    /// Why the agent failed, in its own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_error: Option<String>,
    /// What the agent asked, or was not allowed, with nobody there to answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs_input: Option<String>,
    /// What the latest attempt took.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What the present attempt is told, where that is not the task's own prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follow_up: Option<FollowUp>,
    /// The last message that became an attempt; it waits no more, even where its file is still there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_message: Option<String>,
    /// The size of its change.
    pub diff: Option<DiffSummary>,
    /// What its verify command said of the result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verification>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// Ended attempts, the latest last.
    pub attempts: Vec<Attempt>,
    /// The priority that somebody gave it after its dispatch.
    #[serde(default)]
    pub priority: Option<i32>,
    /// What became of the work.
    pub landing: Landing,
    /// Whether the worktree and branch are to be released, and may not all be yet.
    #[serde(default)]
    pub releasing: bool,
    /// The number of the last landing that is told of here.
    #[serde(default)]
    pub(super) last_landing: u64,
    /// How many events there have been.
    pub events: u64,
    /// Events that the journal may not have yet.
    pub outbox: Vec<Draft>,
    /// Fields of newer versions, kept as they are.
    #[serde(flatten)]
    pub extra: serde_json::Map<String, serde_json::Value>,
}

/// One ended attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attempt {
    /// Its number, from 1.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// What it was told, where that was not the task's own prompt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// What became of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Landing {
    /// It waits for somebody's decision.
    Open,
    /// There is no change to land.
    Empty {
        /// Whether somebody has taken note.
        #[serde(default)]
        acknowledged: bool,
    },
    /// It is on its target.
    Landed {
        /// The number of the landing; 0 when the target held the work already.
        id: u64,
        /// Where it went.
        target: BranchName,
        /// How.
        strategy: Strategy,
        /// The target's tip before.
        before: CommitId,
        /// The target's tip after.
        after: CommitId,
        /// When.
        at: Timestamp,
        /// What was kept when the worktree was released.
        custody: Custody,
    },
    /// It was given up; `restore` brings it back.
    Discarded {
        /// When.
        at: Timestamp,
        /// What was kept.
        custody: Custody,
    },
}

impl Landing {
    /// The landing, if there was one.
    #[must_use]
    pub fn reference(&self) -> Option<LandingRef> {
        let Self::Landed { id, target, strategy, before, after, .. } = self else { return None };
        Some(LandingRef {
            id: (*id != 0).then_some(*id),
            target: target.clone(),
            strategy: *strategy,
            before: *before,
            after: *after,
        })
    }
}

/// Where released work is kept until it is collected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Custody {
    /// Refs that hold the tip and what was in the worktree besides.
    pub refs: Vec<String>,
    /// When it was released; records of the first version do not say.
    #[serde(default)]
    pub released_at: Option<Timestamp>,
    /// Where the task's branch was.
    #[serde(default)]
    pub tip: Option<CommitId>,
    /// The worktree's folder, moved.
    pub folder: Option<PathBuf>,
    /// The worktree's entry in the repository, moved.
    pub entry: Option<PathBuf>,
}

impl TaskRecord {
    /// The record of a task that has just been dispatched at `base`; no event yet.
    #[must_use]
    pub fn new(id: TaskId, base: CommitId) -> Self {
        Self {
            schema: SCHEMA,
            id,
            attempt: 0,
            state: TaskState::Pending { held: false },
            base,
            worktree: None,
            head: None,
            message: None,
            session: None,
            conversation: None,
            agent_error: None,
            needs_input: None,
            usage: None,
            follow_up: None,
            last_message: None,
            diff: None,
            verify: None,
            warnings: Vec::new(),
            attempts: Vec::new(),
            priority: None,
            landing: Landing::Open,
            releasing: false,
            last_landing: 0,
            events: 0,
            outbox: Vec::new(),
            extra: serde_json::Map::new(),
        }
    }
}

/// The proof that a task has ended; landing, discarding and restoring ask for it.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    task: &'a Task,
    outcome: &'a Outcome,
}

impl<'a> Ended<'a> {
    pub(super) fn of(task: &'a Task) -> Option<Self> {
        match &task.record.state {
            TaskState::Ended { outcome, .. } => Some(Self { task, outcome }),
            TaskState::Pending { .. } | TaskState::Running(_) => None,
        }
    }

    /// The task.
    #[must_use]
    pub fn task(&self) -> &'a Task {
        self.task
    }

    /// How it ended.
    pub fn outcome(&self) -> &'a Outcome {
        self.outcome
    }
}
