//! A merge that waits in a worktree for somebody to resolve it.

use super::repo::{Checkout, Repo};
use crate::error::{Attempt, Result};
use crate::names::CommitId;

impl Repo {
    /// The commit that a merge in progress in a checkout merges in.
    ///
    /// # Errors
    /// `io` when git's note of it cannot be read.
    pub fn merge_in_progress(&self, checkout: &Checkout) -> Result<Option<CommitId>> {
        let file = checkout.git_dir.join("MERGE_HEAD");
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().parse()?)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(|_| None).attempt(|| format!("read `{}`", file.display())),
        }
    }
}
