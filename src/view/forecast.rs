//! The document of `forecast`: each task by itself, each two together, and an order that lands the most.

use crate::landing::Conflict;
use crate::names::{BranchName, CommitId, TaskName};
use crate::path::RepoPath;
use crate::task::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

/// `{"schema":1,"forecasts":[…],"pairs":[…],"order":[…]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ForecastReport {
    /// The form of this document.
    pub schema: u32,
    /// What landing each task by itself would do, in the order in which they were dispatched.
    pub forecasts: Vec<TaskForecast>,
    /// Every two open tasks with the same target, of which one was asked for.
    pub pairs: Vec<PairView>,
    /// The tasks that can all land one after another; as many as there can be.
    pub order: Vec<TaskName>,
}

/// What landing one task now would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct TaskForecast {
    /// The task's name.
    pub task: TaskName,
    /// Where it lands.
    pub target: Option<BranchName>,
    /// The target's tip that this holds for; none where it has none.
    pub target_commit: Option<CommitId>,
    /// `clean`, `conflicts`, `up_to_date`, or `impossible` where it could not even be tried.
    pub verdict: &'static str,
    /// How many commits the target has gained since the task left it.
    pub behind: usize,
    /// What conflicts.
    pub conflicts: Vec<Conflict>,
    /// Why it cannot be tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Two tasks with the same target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PairView {
    /// Their names, in the order in which they were dispatched.
    pub tasks: [TaskName; 2],
    /// The paths that both change.
    pub overlap: Vec<RepoPath>,
    /// `clean`, or `conflicts` where only one of them can land as it is.
    pub verdict: &'static str,
}

impl ForecastReport {
    /// A report of nothing.
    #[must_use]
    pub fn empty() -> Self {
        Self { schema: SCHEMA, forecasts: Vec::new(), pairs: Vec::new(), order: Vec::new() }
    }
}
