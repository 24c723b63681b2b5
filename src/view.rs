//! Answers as data: what `--json` prints and what tables are made from. One form for every face.
//!
//! The fields and their names are the contract's; adding is free, anything else needs a new `schema`.

mod documents;
mod forecast;
mod row;
mod setup;
mod upkeep;

pub use documents::{
    Addressee, AppliedDocument, DiffEnds, ErrorDocument, EventList, InboxEntryView, InboxList,
    LandingList, LockList, LogLine, PatchList, PatchView, QuestionView, TaskList,
};
pub use forecast::{ForecastReport, PairView, TaskForecast};
pub use row::{TaskRow, Work};
pub use setup::{Done, SetupFileView, SetupView};
pub use upkeep::{FindingList, FindingView, FreedList, FreedView};

use crate::claim::Claim;
use crate::diff::{DiffSummary, FileChange};
use crate::landing::{Conflict, Strategy, Verdict};
use crate::names::{BranchName, CommitId, TaskId, TaskName};
use crate::outcome::Outcome;
use crate::path::RepoPath;
use crate::task::{
    Attempt, Landing, Phase, SCHEMA, StateName, Task, TaskState, Told, Usage, Verification, Warning,
};
use crate::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::PathBuf;

/// One task.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct TaskView {
    /// The form of this document.
    pub schema: u32,
    /// Its place in the order of dispatch.
    #[serde(skip)]
    pub sequence: u64,
    /// Its identity.
    pub id: TaskId,
    /// What people call it.
    pub name: TaskName,
    /// Where it stands.
    pub state: StateName,
    /// How far it is while running.
    pub phase: Option<&'static str>,
    /// Which attempt this is.
    pub attempt: u32,
    /// The preset.
    pub agent: Option<String>,
    /// The prompt.
    pub prompt: Option<String>,
    /// The command.
    pub command: Vec<String>,
    /// The model that was asked for.
    pub model: Option<String>,
    /// The dispatcher's note.
    pub context: Option<String>,
    /// Where it started.
    pub base: BaseView,
    /// Where it lands.
    pub target: Option<BranchName>,
    /// Its branch.
    pub branch: BranchName,
    /// Its worktree.
    pub worktree: Option<PathBuf>,
    /// Its result.
    pub head: Option<CommitId>,
    /// Greater runs earlier.
    pub priority: i32,
    /// Tasks it waits for.
    pub after: Vec<String>,
    /// Paths it claims.
    pub claims: Vec<Claim>,
    /// When it was dispatched.
    pub created_at: Timestamp,
    /// When it got its slot.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Since when it has been paused.
    pub paused_at: Option<Timestamp>,
    /// How long it ran, in milliseconds.
    pub duration_ms: Option<u64>,
    /// How long it was paused, in milliseconds.
    pub paused_ms: u64,
    /// Why it does not run yet.
    pub waiting_for: Option<WaitingFor>,
    /// Ended attempts.
    pub attempts: Vec<Attempt>,
    /// The agent's conversation.
    pub session: Option<String>,
    /// The session that dispatched it.
    pub parent: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// The agent's last message.
    pub message: Option<String>,
    /// Why the agent failed, as it says itself.
    pub agent_error: Option<String>,
    /// What the agent asked, or was not allowed, with nobody there to answer.
    pub needs_input: Option<String>,
    /// What the latest attempt took.
    pub usage: Option<Usage>,
    /// How many messages wait for the present attempt to end.
    pub messages_waiting: usize,
    /// The last lines that a preset wrote whose stream is not read.
    pub last_lines: Vec<String>,
    /// What it changed.
    pub diff: Option<DiffView>,
    /// What its verify command said of the result.
    pub verify: Option<Verification>,
    /// What landing it now would do.
    pub forecast: Option<ForecastView>,
    /// Running tasks that changed the same paths so far, while it runs itself.
    pub overlaps: Vec<OverlapView>,
    /// What became of its work.
    pub landing: LandingState,
    /// Who was told of the end besides the inbox, and how that went.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<Told>,
    /// What a person should know.
    pub warnings: Vec<Warning>,
    /// Commands that make sense now.
    pub next: Vec<String>,
}

/// Where a task started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BaseView {
    /// The branch; none when detached.
    pub branch: Option<BranchName>,
    /// The commit that its diff is taken against.
    pub commit: CommitId,
    /// The commit it was dispatched at.
    pub dispatched: CommitId,
}

/// Why a pending task does not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct WaitingFor {
    /// `slot`, `task`, `claim` or `held`.
    pub kind: &'static str,
    /// Behind whom.
    pub tasks: Vec<String>,
}

/// What a task changed.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DiffView {
    /// Its size.
    #[serde(flatten)]
    pub summary: DiffSummary,
    /// Its files.
    pub changes: Vec<FileChange>,
}

/// What landing a task now would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ForecastView {
    /// The target's tip that this holds for.
    pub target_commit: CommitId,
    /// `clean`, `conflicts` or `up_to_date`.
    pub verdict: &'static str,
    /// How many commits the target has gained since the task left it.
    pub behind: usize,
    /// What conflicts.
    pub conflicts: Vec<Conflict>,
    /// Open tasks that would change the same paths of the target.
    pub overlaps: Vec<OverlapView>,
}

/// What another task changed too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct OverlapView {
    /// The other task.
    pub task: TaskName,
    /// The paths.
    pub paths: Vec<RepoPath>,
}

/// What became of a task's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LandingState {
    /// It waits for a decision.
    Open,
    /// There is nothing to land.
    Empty,
    /// It is on its target.
    Landed {
        /// The landing's number; none when the target held the work already.
        id: Option<u64>,
        /// Where it went.
        target: BranchName,
        /// How.
        strategy: Strategy,
        /// The target's tip before.
        before: CommitId,
        /// The target's tip afterwards.
        commit: CommitId,
        /// When.
        at: Timestamp,
    },
    /// It was given up.
    Discarded {
        /// When.
        at: Timestamp,
    },
}

/// One landing, done or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LandingView {
    /// Its number; none when nothing moved.
    pub id: Option<u64>,
    /// The task's name.
    pub task: TaskName,
    /// Where to.
    pub target: BranchName,
    /// The target's tip before.
    pub before: CommitId,
    /// The target's tip after; the same when nothing moved.
    pub after: CommitId,
    /// How.
    pub strategy: Strategy,
    /// What happened.
    pub verdict: Verdict,
    /// What conflicts.
    pub conflicts: Vec<Conflict>,
    /// What the verify command said, where it was red.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verification>,
}

/// What a repository's configuration would run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TrustView {
    /// The form of this document.
    pub schema: u32,
    /// The file; none where it would run nothing.
    pub file: Option<PathBuf>,
    /// What would run.
    pub commands: Vec<String>,
    /// Whether it may.
    pub trusted: bool,
}

impl TaskView {
    /// What the records alone tell of a task; whoever can ask git adds changes and forecast.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        let (spec, record) = (&task.spec, &task.record);
        let (mut started_at, mut finished_at, mut duration_ms) = (None, None, None);
        let (mut phase, mut outcome) = (None, None);
        let (mut paused_at, mut paused_ms) = (None, 0);
        match &record.state {
            TaskState::Pending { .. } => {}
            TaskState::Running(running) => {
                started_at = Some(running.started_at);
                (paused_at, paused_ms) = (running.paused_since(), running.paused_ms);
                phase = Some(Phase::as_str(&running.phase));
            }
            TaskState::Ended { outcome: how, started_at: at, finished_at: end, .. } => {
                (started_at, finished_at, outcome) = (*at, Some(*end), Some(how.clone()));
                (duration_ms, paused_ms) = record.state.took();
            }
        }
        Self {
            schema: SCHEMA,
            id: spec.id,
            name: spec.name.clone(),
            state: record.state.name(),
            phase,
            attempt: record.attempt.max(1),
            agent: spec.agent.as_ref().map(ToString::to_string),
            prompt: spec.prompt.clone(),
            command: spec.command.clone(),
            model: spec.model.clone(),
            context: spec.context.clone(),
            base: BaseView {
                branch: spec.base.branch.clone(),
                commit: record.base,
                dispatched: spec.base.commit,
            },
            target: spec.target.clone(),
            branch: spec.branch.clone(),
            worktree: record.worktree.clone(),
            head: record.head,
            priority: task.priority(),
            after: spec.after.iter().map(|needed| needed.name.to_string()).collect(),
            claims: spec.claims.clone(),
            sequence: spec.sequence,
            created_at: spec.created_at,
            started_at,
            finished_at,
            paused_at,
            duration_ms,
            paused_ms,
            waiting_for: None,
            attempts: record.attempts.clone(),
            session: record.session.clone(),
            parent: spec.parent.clone(),
            outcome,
            message: record.message.clone(),
            agent_error: record.agent_error.clone(),
            needs_input: record.needs_input.clone(),
            usage: record.usage,
            messages_waiting: 0,
            last_lines: Vec::new(),
            diff: record.diff.map(|summary| DiffView { summary, changes: Vec::new() }),
            verify: record.verify.clone(),
            forecast: None,
            overlaps: Vec::new(),
            landing: LandingState::of(&record.landing),
            told: Vec::new(),
            warnings: record.warnings.clone(),
            next: task.next(),
        }
    }
}

impl LandingState {
    fn of(landing: &Landing) -> Self {
        match landing {
            Landing::Open => Self::Open,
            Landing::Empty { .. } => Self::Empty,
            Landing::Landed { id, target, strategy, before, after, at, .. } => Self::Landed {
                id: (*id != 0).then_some(*id),
                target: target.clone(),
                strategy: *strategy,
                before: *before,
                commit: *after,
                at: *at,
            },
            Landing::Discarded { at, .. } => Self::Discarded { at: *at },
        }
    }
}
