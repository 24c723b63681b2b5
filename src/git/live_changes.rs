//! What a worktree holds that a commit does not, while somebody may be working in it: changed, removed
//! and new files, committed or not, ignored ones not.
//!
//! Git compares on an index of our own, as for a snapshot; nothing is written into the object
//! database, and neither the worktree nor its own index is touched.

use super::repo::{Checkout, Repo};
use super::snapshot::copy_index;
use crate::error::Result;
use crate::names::CommitId;
use crate::path::RepoPath;
use std::collections::BTreeSet;
use std::path::Path;

/// A worktree to look at.
#[derive(Debug)]
pub struct LiveRequest<'a> {
    /// The worktree.
    pub checkout: &'a Checkout,
    /// The commit to compare with.
    pub from: CommitId,
    /// An index with valid stat data, so that unchanged files are not read.
    pub seed: &'a Path,
    /// Where an index of our own may be made; it is gone afterwards.
    pub index: &'a Path,
}

impl Repo {
    /// The paths whose content in the worktree is not the commit's.
    ///
    /// # Errors
    /// `git` when the worktree cannot be read, `io` when the index cannot be copied.
    pub fn live_changes(&self, request: &LiveRequest<'_>) -> Result<BTreeSet<RepoPath>> {
        copy_index(request.seed, request.index)?;
        let changed = self.compare(request);
        let mut lock = request.index.as_os_str().to_owned();
        lock.push(".lock");
        for file in [request.index, Path::new(&lock)] {
            // It has served its purpose, whatever came of it.
            let _ = std::fs::remove_file(file);
        }
        changed
    }

    fn compare(&self, request: &LiveRequest<'_>) -> Result<BTreeSet<RepoPath>> {
        let LiveRequest { checkout, from, index, .. } = *request;
        let git = |verb: &str| {
            self.git.at(&checkout.git_dir, verb).work_tree(&checkout.root).index(index)
        };
        let from = from.to_string();
        git("read-tree").args(["-i", "-m", "--no-recurse-submodules"]).arg(&from).run()?;
        // The plumbing would name files that were only touched, too.
        let changed = git("diff")
            .args(["--name-only", "-z", "--no-ext-diff", "--no-textconv", "--no-renames"])
            .args(["--no-relative", "--ignore-submodules=all", &from, "--"])
            .run()?;
        let new = git("ls-files").args(["-z", "--others", "--exclude-standard"]).run()?;
        let whole = |path: &[u8]| RepoPath::new(path.strip_suffix(b"/").unwrap_or(path));
        Ok(changed.fields().chain(new.fields()).map(whole).collect())
    }
}
