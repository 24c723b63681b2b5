//! Worktrees that were cut off while they were made: taken back, so that they are made anew. The caller
//! holds `repo.lock`, and knows by its mark that it was to be made.

use super::fresh::remove_folder;
use super::repo::Repo;
use super::worktree::{NewWorktree, OWNER, entry_name, names_root};
use crate::error::{Attempt, Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Git names a folder in its entry milliseconds after it has made that.
const ABANDONED: Duration = Duration::from_secs(1);

impl Repo {
    /// Removes what an interrupted [`create_worktree`](Self::create_worktree) left, with what was filled for
    /// it: no agent was ever in it. A folder that no entry of nobody's names is somebody else's, unless it is
    /// empty.
    pub(super) fn take_back_filling(&self, new: &NewWorktree<'_>) -> Result<()> {
        let (root, filling) = (new.root, new.filling());
        let attempt = || format!("take back the half-made `{}`", root.display());
        remove_folder(&filling).attempt(attempt)?;
        for entry in self.entries()? {
            if names_root(&entry, root) && !entry.join(OWNER).exists() {
                // The entry goes last, since it is what tells that the folder is ours; and to where half of
                // one is known too.
                remove_folder(root).attempt(attempt)?;
                fs::rename(&entry, &filling).attempt(attempt)?;
                remove_folder(&filling).attempt(attempt)?;
            }
        }
        self.take_back_begun(root).attempt(attempt)?;
        match fs::remove_dir(root) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => Err(Error::io(attempt(), &cause)),
            _ => Ok(()),
        }
    }

    /// Removes entries that git has begun for such a folder and that do not name it yet: locked as they
    /// are, git itself would keep them for ever. Waits for a second if there are some, to see that they
    /// are nobody's any more.
    fn take_back_begun(&self, root: &Path) -> std::io::Result<()> {
        let name = entry_name(root);
        let is_its = |entry: &PathBuf| {
            let rest = entry.file_name().and_then(|entry| entry.to_str()?.strip_prefix(&name));
            rest.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        };
        let entries = self.entries().unwrap_or_default().into_iter().filter(is_its);
        let found: Vec<_> = entries.filter_map(|entry| Some((begun(&entry)?, entry))).collect();
        if !found.is_empty() {
            std::thread::sleep(ABANDONED);
        }
        for (since, entry) in found {
            if begun(&entry) == Some(since) {
                remove_folder(&entry)?;
            }
        }
        Ok(())
    }
}

/// When an entry was changed last, if git had only begun to make it.
fn begun(entry: &Path) -> Option<SystemTime> {
    let changed = entry.metadata().ok()?.modified().ok()?;
    for file in entry.read_dir().ok()?.flatten() {
        let is_empty = || file.metadata().is_ok_and(|facts| facts.len() == 0);
        if file.file_name() != "locked" && (file.file_name() != "gitdir" || !is_empty()) {
            return None;
        }
    }
    Some(changed)
}
