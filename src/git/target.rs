//! The target's ref: moved once, at the very end, if it is still where the plan was made.
//!
//! By the executable and not libgit2, because `git update-ref`, run at a worktree's own git directory,
//! writes HEAD's reflog there too. Where a branch is checked out several times, only the first
//! checkout's HEAD reflog tells of it. Git killed in the middle leaves `.lock` files; they are removed
//! only where they can be told to be this landing's.

use super::landing_journal::{Journal, Landing};
use super::repo::{Checkout, Repo};
use crate::error::{Attempt, Error, Result};
use crate::names::CommitId;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// Git holds the lock of a ref for milliseconds; one that stays for this long is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(1);

impl Repo {
    /// Moves the ref by compare-and-swap; the first checkout's HEAD reflog is written with it.
    pub(super) fn move_target(&self, landing: &Landing, checkouts: &[&Checkout]) -> Result<()> {
        let name = landing.target.full_ref();
        if self.read_ref(&name)? != Some(landing.after) {
            let git_dir = checkouts.first().map_or(self.common_dir(), |first| &first.git_dir);
            let moved = self
                .git
                .at(git_dir, "update-ref")
                .args(["-m", &landing.reflog, &name])
                .args([landing.after.to_string(), landing.before.to_string()])
                .run();
            if let Err(error) = moved
                && self.read_ref(&name)? != Some(landing.after)
            {
                self.refuse_if_moved(landing)?;
                return Err(self.ref_lock_held(landing).unwrap_or(error));
            }
        }
        for checkout in checkouts {
            let command = self.git.at(&checkout.git_dir, "update-ref");
            // The target has moved, so nothing may fail any more; ORIG_HEAD is a convenience.
            let _ = command.args(["ORIG_HEAD", &landing.before.to_string()]).run();
        }
        Ok(())
    }

    /// Refuses when the target is not where the plan was made.
    pub(super) fn refuse_if_moved(&self, landing: &Landing) -> Result<()> {
        let now = self.read_ref(&landing.target.full_ref())?;
        if now == Some(landing.before) {
            return Ok(());
        }
        let now = now.map_or("nothing".to_owned(), |commit: CommitId| commit.short());
        Err(Error::refused(format!(
            "cannot land on `{}`: it has moved from {} to {now} meanwhile",
            landing.target,
            landing.before.short()
        ))
        .hint("try again: the result is made anew on what is there now"))
    }

    /// Removes the locks that git, killed while it moved the target, left on the ref and on HEAD. One
    /// that is younger than the journal, holds what the landing writes and stays as it is for a second
    /// is nobody else's.
    pub(super) fn remove_own_ref_locks(&self, journal: &Journal) -> Result<()> {
        let landing = &journal.record.landing;
        let mut locks = vec![self.lock_of(landing)];
        for place in &journal.record.checkouts {
            let git_dir = place.checkout().git_dir;
            locks.extend(["HEAD.lock", "ORIG_HEAD.lock"].map(|name| git_dir.join(name)));
        }
        let ours = |lock: &PathBuf| {
            let (content, metadata) = (fs::read(lock).ok()?, fs::metadata(lock).ok()?);
            let written = metadata.modified().ok();
            let known = [landing.after.to_string(), landing.before.to_string()];
            let text = content.trim_ascii_end();
            let is_ours = written >= journal.written_at()
                && (text.is_empty() || known.iter().any(|id| id.as_bytes() == text));
            is_ours.then_some((metadata.ino(), written, content))
        };
        let found: Vec<_> = locks.iter().filter_map(|lock| Some((lock, ours(lock)?))).collect();
        if found.is_empty() {
            return Ok(());
        }
        std::thread::sleep(ABANDONED);
        for (lock, seen) in found {
            if ours(lock) == Some(seen) {
                fs::remove_file(lock).attempt(|| format!("remove `{}`", lock.display()))?;
            }
        }
        Ok(())
    }

    /// Why git could not move the target, where its lock is held.
    fn ref_lock_held(&self, landing: &Landing) -> Option<Error> {
        let lock = self.lock_of(landing);
        lock.exists().then(|| {
            Error::busy(format!("`{}` is held by another git process", lock.display()))
                .hint("try again; if no git is running there, remove the file")
        })
    }

    fn lock_of(&self, landing: &Landing) -> PathBuf {
        self.common_dir().join(format!("{}.lock", landing.target.full_ref()))
    }
}
