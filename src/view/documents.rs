//! Answers that hold several things: the documents around tasks, events, locks, landings, hunks and
//! errors.

use super::{DiffView, LandingView, TaskView};
use crate::claim::Claim;
use crate::diff::{FileChange, FilePatch};
use crate::error::Error;
use crate::event::{Event, TaskRef};
use crate::landing::Conflict;
use crate::names::{CommitId, TaskName};
use crate::path::RepoPath;
use crate::path_lock::PathLock;
use crate::task::SCHEMA;
use crate::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

/// `{"schema":1,"tasks":[…]}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TaskList<'a> {
    schema: u32,
    tasks: &'a [TaskView],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Error>,
}

/// `{"schema":1,"events":[…]}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct EventList<'a> {
    schema: u32,
    events: &'a [Event],
}

/// Whose an entry of the inbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Addressee {
    /// The caller's session dispatched the task.
    You,
    /// The session that dispatched it is closed, or has not taken note for an hour.
    Anybody,
    /// A person dispatched it, or a job.
    Person,
    /// Another session dispatched it.
    Other,
}

/// An entry of the inbox.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct InboxEntryView {
    /// The event.
    #[serde(flatten)]
    pub event: Event,
    /// Whose it is.
    pub addressee: Addressee,
    /// The same in words, for a session's agent; only a follower is told them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What the agent of a running task asks, or was not allowed, with nobody there to answer.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct QuestionView {
    /// The task.
    pub task: TaskRef,
    /// Which attempt of it asks.
    pub attempt: u32,
    /// In the agent's words.
    pub question: String,
    /// The session that dispatched the task.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Whose it is.
    pub addressee: Addressee,
    /// That there is a question, in words for a session's agent.
    pub text: String,
}

/// `{"schema":1,"events":[…]}` of the inbox; `questions` beside them where agents ask something.
#[derive(Debug, Serialize, JsonSchema)]
pub struct InboxList<'a> {
    schema: u32,
    events: &'a [InboxEntryView],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    questions: &'a [QuestionView],
}

impl<'a> InboxList<'a> {
    /// A document of entries and questions.
    #[must_use]
    pub fn new(events: &'a [InboxEntryView], questions: &'a [QuestionView]) -> Self {
        Self { schema: SCHEMA, events, questions }
    }
}

/// `{"schema":1,"locks":[…]}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LockList {
    schema: u32,
    locks: Vec<LockView>,
}

/// One lock on paths.
#[derive(Debug, Serialize, JsonSchema)]
struct LockView {
    paths: Vec<Claim>,
    owner: String,
    purpose: Option<String>,
    since: Timestamp,
    expires: Option<Timestamp>,
}

/// `{"schema":1,"landings":[…]}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LandingList<'a> {
    schema: u32,
    landings: &'a [LandingView],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Error>,
}

/// `{"schema":1,"applied":{…}}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AppliedDocument<'a> {
    schema: u32,
    applied: AppliedView<'a>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct AppliedView<'a> {
    task: &'a TaskName,
    paths: &'a [RepoPath],
    conflicts: &'a [Conflict],
}

/// One line of a log as a document, or a piece of one that is too long.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct LogLine {
    /// The form of this document.
    pub schema: u32,
    /// The line without its end; what is not UTF-8 is replaced.
    pub line: String,
    /// Whether the next document goes on with the same line.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub continues: bool,
}

/// `{"schema":1,…,"patches":[…]}`: a task's diff with its hunks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PatchList<'a> {
    schema: u32,
    task: &'a TaskName,
    from: CommitId,
    to: CommitId,
    #[serde(flatten)]
    diff: &'a DiffView,
    patches: Vec<PatchView<'a>>,
}

/// One file's hunks.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PatchView<'a> {
    #[serde(flatten)]
    change: &'a FileChange,
    hunks: &'a [crate::diff::Hunk],
}

/// `{"schema":1,"error":{…}}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorDocument<'a> {
    schema: u32,
    error: &'a Error,
}

impl<'a> TaskList<'a> {
    /// A document of several tasks.
    #[must_use]
    pub fn new(tasks: &'a [TaskView]) -> Self {
        Self { schema: SCHEMA, tasks, error: None }
    }

    /// The same document with what stopped the verb from going on.
    #[must_use]
    pub fn stopped_by(self, error: Option<&'a Error>) -> Self {
        Self { error, ..self }
    }
}

impl<'a> EventList<'a> {
    /// A document of several events.
    #[must_use]
    pub fn new(events: &'a [Event]) -> Self {
        Self { schema: SCHEMA, events }
    }
}

impl LockList {
    /// A document of locks on paths.
    #[must_use]
    pub fn new(locks: &[PathLock]) -> Self {
        let view = |lock: &PathLock| LockView {
            paths: lock.paths.clone(),
            owner: lock.owner.to_string(),
            purpose: lock.purpose.clone(),
            since: lock.since,
            expires: lock.limit.map(|limit| limit.at),
        };
        Self { schema: SCHEMA, locks: locks.iter().map(view).collect() }
    }
}

impl<'a> LandingList<'a> {
    /// A document of several landings.
    #[must_use]
    pub fn new(landings: &'a [LandingView]) -> Self {
        Self { schema: SCHEMA, landings, error: None }
    }

    /// The same document with what stopped the verb from going on.
    #[must_use]
    pub fn stopped_by(self, error: Option<&'a Error>) -> Self {
        Self { error, ..self }
    }
}

impl<'a> AppliedDocument<'a> {
    /// A document of what was put into a checkout.
    #[must_use]
    pub fn new(task: &'a TaskName, paths: &'a [RepoPath], conflicts: &'a [Conflict]) -> Self {
        Self { schema: SCHEMA, applied: AppliedView { task, paths, conflicts } }
    }
}

/// What a diff was taken between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiffEnds {
    /// The older side.
    pub from: CommitId,
    /// The newer side.
    pub to: CommitId,
}

impl<'a> PatchList<'a> {
    /// A document of a task's diff.
    #[must_use]
    pub fn new(
        task: &'a TaskName,
        ends: DiffEnds,
        diff: &'a DiffView,
        patches: &'a [FilePatch],
    ) -> Self {
        let patches =
            patches.iter().map(|p| PatchView { change: &p.change, hunks: &p.hunks }).collect();
        Self { schema: SCHEMA, task, from: ends.from, to: ends.to, diff, patches }
    }
}

impl<'a> ErrorDocument<'a> {
    /// A document of an error.
    #[must_use]
    pub fn new(error: &'a Error) -> Self {
        Self { schema: SCHEMA, error }
    }
}
