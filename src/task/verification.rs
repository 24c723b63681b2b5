//! What a verify command said of a result; separate from how the task ended.

use crate::names::ObjectId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A run of a verify command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// What was run.
    pub command: String,
    /// The tree that it was run on.
    pub tree: ObjectId,
    /// What it said; none where it was ended before it could.
    pub verdict: Option<Judgement>,
    /// Its exit status, where it exited by itself.
    pub code: Option<i32>,
    /// Its output.
    pub log: PathBuf,
}

/// What a verify command says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Judgement {
    /// It exited 0.
    Green,
    /// It did not, took too long, or its worktree could not be made ready.
    Red,
}
