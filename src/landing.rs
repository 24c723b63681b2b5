//! stub, replaced by the landing room
use serde::{Deserialize, Serialize};
/// How.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// m
    Merge,
    /// s
    Squash,
    /// f
    #[serde(rename = "ff_only")]
    FastForward,
    /// r
    Rebase,
}
