//! Worktrees that are there for a moment, detached at a commit: to try something on exactly its tree.
//!
//! The caller holds `repo.lock`, and has noted the place, so that it is found after a kill. A place is
//! named so that it can be nobody else's.

use super::repo::{Checkout, Repo, worktree_root_of};
use super::trash::delete;
use crate::error::{Attempt, Error, Result};
use crate::names::CommitId;
use std::fs;
use std::path::{Path, PathBuf};

impl Repo {
    /// Makes a worktree at `root`, which must not be there, with the files of a commit.
    ///
    /// # Errors
    /// `git` when git fails, `io` when the folder around it cannot be made.
    pub fn make_scratch(&self, root: &Path, commit: CommitId) -> Result<Checkout> {
        let attempt = || format!("make `{}`", root.display());
        if let Some(parent) = root.parent() {
            fs::create_dir_all(parent).attempt(attempt)?;
        }
        let command = self.git.at(self.common_dir(), "worktree");
        let command = command.args(["add", "--quiet", "--detach", "--"]).arg(root);
        command.arg(commit.to_string()).run().map_err(|error| error.while_trying(attempt()))?;
        let git_dir = self.scratch_entry(root)?.ok_or_else(|| {
            Error::internal(format!("git made no worktree at `{}`", root.display()))
        })?;
        let root = worktree_root_of(&git_dir).unwrap_or_else(|| root.to_owned());
        Ok(Checkout { root, git_dir })
    }

    /// Removes such a worktree for good, or what was made or left of it.
    ///
    /// # Errors
    /// `io` when something cannot be deleted; the next call goes on.
    pub fn remove_scratch(&self, root: &Path) -> Result<()> {
        let entry = self.scratch_entry(root)?;
        if root.symlink_metadata().is_ok() {
            delete(root)?;
        }
        // The entry goes last: while it is there, git knows of the folder.
        entry.map_or(Ok(()), |entry| delete(&entry))
    }

    fn scratch_entry(&self, root: &Path) -> Result<Option<PathBuf>> {
        let Some(wanted) = place_of(root) else { return Ok(None) };
        let named = |entry: &PathBuf| {
            let text = fs::read_to_string(entry.join("gitdir")).ok()?;
            place_of(entry.join(text.trim_end()).parent()?)
        };
        Ok(self.entries()?.into_iter().find(|entry| named(entry).as_ref() == Some(&wanted)))
    }
}

/// A path without symbolic links in the folder that it lies in; it need not be there itself.
fn place_of(path: &Path) -> Option<PathBuf> {
    Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?))
}
