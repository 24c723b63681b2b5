//! The documents of `doctor` and `gc`.

use crate::error::Error;
use crate::names::TaskName;
use crate::task::SCHEMA;
use schemars::JsonSchema;
use serde::Serialize;

/// One inconsistency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FindingView {
    /// Its sort, one word with underscores.
    pub kind: &'static str,
    /// What is wrong with what.
    pub message: String,
    /// What `--fix` does, or a command for the person; none where nothing can be done from here.
    pub fix: Option<String>,
    /// Whether `--fix` mends it.
    pub mendable: bool,
    /// Whether it is mended now.
    pub fixed: bool,
    /// Why it could not be mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
}

/// `{"schema":1,"findings":[…]}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FindingList<'a> {
    schema: u32,
    findings: &'a [FindingView],
}

impl<'a> FindingList<'a> {
    /// A document of several findings.
    #[must_use]
    pub fn new(findings: &'a [FindingView]) -> Self {
        Self { schema: SCHEMA, findings }
    }
}

/// Something that was freed, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FreedView {
    /// `folder`, `entry`, `ref`, `landing`, `environment`, `spare`, `stock` or `half_deleted`.
    pub what: &'static str,
    /// Where it is or was, or the name of the ref.
    pub path: String,
    /// How much it takes on disk; of refs nothing, since git frees what they kept.
    pub bytes: u64,
    /// The task it was of, if it was of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<TaskName>,
}

/// `{"schema":1,"freed":[…]}`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FreedList<'a> {
    schema: u32,
    freed: &'a [FreedView],
    #[serde(skip_serializing_if = "<[Error]>::is_empty")]
    errors: &'a [Error],
}

impl<'a> FreedList<'a> {
    /// A document of what was freed, and of what could not be.
    #[must_use]
    pub fn new(freed: &'a [FreedView], errors: &'a [Error]) -> Self {
        Self { schema: SCHEMA, freed, errors }
    }
}
