//! Worktrees that are there for a moment, detached at a commit: to try something on exactly its tree.
//!
//! The caller holds `repo.lock`, and has noted the place, so that it is found after a kill. A place is
//! named so that it can be nobody else's.

use super::repo::{Checkout, Repo};
use super::trash::delete;
use super::worktree::names_root;
use crate::error::{Attempt, Error, Result};
use crate::names::CommitId;
use std::fs;
use std::path::Path;

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
        let made = command.arg(commit.to_string()).run();
        // Git resets what it makes, which deletes refs; a lock that stayed would keep everybody from that.
        self.outwait_packed_lock();
        made.map_err(|error| error.while_trying(attempt()))?;
        self.entry_at(root)?
            .ok_or_else(|| Error::internal(format!("git made no worktree at `{}`", root.display())))
    }

    /// Removes such a worktree for good, or what was made or left of it.
    ///
    /// # Errors
    /// `io` when something cannot be deleted; the next call goes on.
    pub fn remove_scratch(&self, root: &Path) -> Result<()> {
        let entry = self.entries()?.into_iter().find(|entry| names_root(entry, root));
        if root.symlink_metadata().is_ok() {
            delete(root)?;
        }
        // Half of an entry names no folder any more, so it goes where the next call finds it.
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        let going = self.common_dir().join(format!("offshoot-{name}"));
        delete(&going)?;
        // The entry goes last: while it is there, git knows of the folder.
        if let Some(entry) = entry {
            fs::rename(&entry, &going).attempt(|| format!("delete `{}`", entry.display()))?;
        }
        delete(&going)
    }
}
