//! Whether somebody is in the middle of something with a branch: a rebase, a bisection, a merge.
//!
//! During a rebase HEAD is detached, so the branch is checked out nowhere and still must not move: git
//! would overwrite the move at the end. Git's own files say so; prose is not parsed.

use super::repo::{Checkout, Repo, worktree_root_of};
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::names::BranchName;
use std::path::{Path, PathBuf};

/// Files that name the branch which an operation began on, and what to call the operation.
const NAMING: [(&str, &str, &str); 4] = [
    ("rebase-merge/head-name", "rebased", "git rebase --continue` or `git rebase --abort"),
    ("rebase-merge/update-refs", "rebased", "git rebase --continue` or `git rebase --abort"),
    ("rebase-apply/head-name", "rebased", "git rebase --continue` or `git rebase --abort"),
    ("BISECT_START", "bisected", "git bisect reset"),
];

/// Files whose presence means that the checkout's next commit is spoken for.
const PENDING: [(&str, &str, &str); 5] = [
    ("MERGE_HEAD", "a merge", "git merge --continue` or `git merge --abort"),
    (
        "CHERRY_PICK_HEAD",
        "a cherry-pick",
        "git cherry-pick --continue` or `git cherry-pick --abort",
    ),
    ("REVERT_HEAD", "a revert", "git revert --continue` or `git revert --abort"),
    ("rebase-apply/applying", "a series of patches", "git am --continue` or `git am --abort"),
    // Between two commits of a series the files above are gone.
    (
        "sequencer/todo",
        "a cherry-pick or revert of several commits",
        "git cherry-pick --abort` or `git revert --abort",
    ),
];

impl Repo {
    /// Refuses when an operation in progress, in any worktree, has `branch` in its hands.
    pub(super) fn refuse_if_in_use(&self, branch: &BranchName) -> Result<()> {
        for git_dir in self.git_dirs()? {
            for (file, doing, way_out) in NAMING {
                if names_branch(&git_dir.join(file), branch) {
                    return Err(Error::refused(format!(
                        "`{branch}` is being {doing} in `{}`",
                        home_of(&git_dir).display()
                    ))
                    .hint(format!("`{way_out}` there ends that")));
                }
            }
        }
        self.refuse_if_out_of_reach(branch)?;
        for checkout in self.checkouts_on(branch)? {
            for (file, operation, way_out) in PENDING {
                if checkout.git_dir.join(file).exists() {
                    return Err(Error::refused(format!(
                        "{operation} is in progress on `{branch}` in `{}`",
                        checkout.root.display()
                    ))
                    .hint(format!("`{way_out}` there ends that")));
                }
            }
        }
        Ok(())
    }

    /// Refuses when a worktree that is locked, because it is on something that comes and goes, has `branch`
    /// checked out and is not there: it could not follow.
    fn refuse_if_out_of_reach(&self, branch: &BranchName) -> Result<()> {
        for git_dir in self.git_dirs()? {
            if !git_dir.join("locked").exists() || worktree_root_of(&git_dir).is_some() {
                continue;
            }
            let there = self.head_of(&git_dir).ok().and_then(|head| head.branch);
            let there = there.map(|there| self.real_branch(&there)).transpose()?;
            if there.as_ref() == Some(branch) {
                let link = std::fs::read_to_string(git_dir.join("gitdir")).unwrap_or_default();
                let link = escape::line(link.trim_end().trim_end_matches("/.git"));
                return Err(Error::refused(format!(
                    "`{branch}` is checked out in `{link}`, which is locked and not there now"
                ))
                .hint("try again once it is there")
                .hint(format!("`git worktree unlock {link}` if it does not come back")));
            }
        }
        Ok(())
    }

    /// Every checkout whose HEAD is on `branch`, by whatever name.
    pub(super) fn checkouts_on(&self, branch: &BranchName) -> Result<Vec<Checkout>> {
        let mut on_it = Vec::new();
        for checkout in self.checkouts()? {
            match self.head_of(&checkout.git_dir) {
                Ok(head) => match head.branch {
                    Some(there) if self.real_branch(&there)? == *branch => on_it.push(checkout),
                    _ => {}
                },
                // Released in this instant, or not made yet: it is on no branch.
                Err(_) if !checkout.git_dir.join("HEAD").exists() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(on_it)
    }

    /// The git directories of all worktrees, also of those whose folder is gone.
    pub(super) fn git_dirs(&self) -> Result<Vec<PathBuf>> {
        let mut all = vec![self.common_dir().to_owned()];
        let entries = self.common_dir().join("worktrees");
        if let Ok(folder) = std::fs::read_dir(&entries) {
            for entry in folder {
                all.push(entry.attempt(|| format!("list `{}`", entries.display()))?.path());
            }
        }
        Ok(all)
    }
}

fn names_branch(file: &Path, branch: &BranchName) -> bool {
    let Ok(text) = std::fs::read_to_string(file) else { return false };
    let full = branch.full_ref();
    text.lines().any(|line| line == full || line == branch.as_str())
}

/// The folder by which people know a worktree.
fn home_of(git_dir: &Path) -> PathBuf {
    worktree_root_of(git_dir).unwrap_or_else(|| match git_dir.file_name() {
        Some(name) if name == ".git" => git_dir.parent().unwrap_or(git_dir).to_owned(),
        _ => git_dir.to_owned(),
    })
}
