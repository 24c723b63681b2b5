//! What is in a worktree, as a tree: tracked changes and untracked files, ignored ones not.
//!
//! Git's plumbing does it on an index of our own, never the worktree's: an agent may have marked
//! files `assume-unchanged` there. Where git would store files just as they are, what has changed since
//! the index was known is found and stored by ourselves (`unchanged.rs`, `recorded.rs`). `git add` is deliberately absent, because it runs code from the
//! configuration of a repository nested in the worktree; nested repositories are left out and named.
//! Filters and line endings come out as git makes them, since git makes them.

use super::repo::{Checkout, Repo};
use super::unchanged::{Differences, Known, Look, distrust};
use crate::error::{Attempt, Error, Result};
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The content of a worktree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The tree.
    pub tree: ObjectId,
    /// Repositories inside the worktree, which are not in the tree.
    pub nested: Vec<RepoPath>,
}

/// What a snapshot is taken of and with.
#[derive(Debug)]
pub struct SnapshotRequest<'a> {
    /// The worktree.
    pub checkout: &'a Checkout,
    /// An index file of our own to work in.
    pub index: &'a Path,
    /// What that index begins with.
    pub start: SnapshotStart<'a>,
}

/// What a snapshot's index begins with; it decides which ignored files count as tracked.
#[derive(Debug, Clone, Copy)]
pub enum SnapshotStart<'a> {
    /// The files of a commit.
    Commit {
        /// The commit.
        head: CommitId,
        /// An index with valid stat data (for speed only).
        seed: &'a Path,
    },
    /// An index as it is, with what is staged in it.
    Index(&'a Path),
}

impl Repo {
    /// Records the content of a worktree in the object database. Neither its files nor its own index
    /// nor any ref changes.
    ///
    /// # Errors
    /// `git` when a file cannot be read or stored, `io` when the index cannot be copied.
    pub fn snapshot(&self, request: &SnapshotRequest<'_>) -> Result<Snapshot> {
        let SnapshotRequest { checkout, index, start } = *request;
        let mut changed = None;
        if let SnapshotStart::Commit { head, seed } = start
            && let Some((known, found)) = look_around(&checkout.root, seed)
        {
            let tree = self.tree_of(head)?;
            if found.is_none() && known.index.root.id == tree {
                copy_index(seed, index)?;
                return Ok(Snapshot { tree, nested: Vec::new() });
            }
            // What fails here, git does too, or it says why not.
            if let Ok(Some(recorded)) = self.record(request, tree, (&known, &found)) {
                return self.write_recorded(index, known, recorded);
            }
            changed = Some((known, found.changed));
        }
        let git = |verb: &str| {
            self.git.at(&checkout.git_dir, verb).work_tree(&checkout.root).index(index)
        };
        remove_index_lock(index)?;
        match start {
            SnapshotStart::Index(staged) => copy_index(staged, index)?,
            SnapshotStart::Commit { head, seed } if seed.exists() => {
                copy_index(seed, index)?;
                if let Some((known, changed)) = changed {
                    distrust(index, &known, &changed)
                        .attempt(|| format!("write `{}`", index.display()))?;
                }
                // Entries that stay the same keep their stat data, so unchanged files are not read.
                git("read-tree")
                    .args(["-i", "-m", "--no-recurse-submodules"])
                    .arg(head.to_string())
                    .run()?;
            }
            SnapshotStart::Commit { head, .. } => {
                remove_index(index)?;
                git("read-tree").arg(head.to_string()).run()?;
            }
        }
        let differing = git("diff-files")
            .args(["--name-status", "-z", "--no-renames", "--ignore-submodules=all"])
            .run()?;
        let untracked = git("ls-files").args(["-z", "--others", "--exclude-standard"]).run()?;

        let (mut gone, mut changed) = (BTreeSet::new(), BTreeSet::new());
        let mut fields = differing.fields();
        while let (Some(status), Some(path)) = (fields.next(), fields.next()) {
            if status == b"D" { &mut gone } else { &mut changed }.insert(path);
        }
        let mut nested = Vec::new();
        for path in untracked.fields() {
            match path.strip_suffix(b"/") {
                Some(repository) => nested.push(RepoPath::new(repository)),
                None => drop(changed.insert(path)),
            }
        }
        // By itself, since `--remove` refuses what lies below a folder that is a symbolic link now.
        // An unmerged path is told twice.
        changed.retain(|path| !gone.contains(path));
        for (paths, how) in
            [(gone, &["--force-remove"][..]), (changed, &["--add", "--remove", "--replace"])]
        {
            if !paths.is_empty() {
                let list: Vec<u8> =
                    paths.into_iter().flat_map(|path| [path, b"\0"].concat()).collect();
                git("update-index").args(how).args(["-z", "--stdin"]).input(list).run()?;
            }
        }
        let tree = git("write-tree").run()?.line().parse()?;
        Ok(Snapshot { tree, nested })
    }
}

/// What a worktree's known index says, and what differs from it now.
fn look_around(root: &Path, seed: &Path) -> Option<(Known, Differences)> {
    let known = Known::read(seed)?;
    let found = known.compare(root, Look::AtAll)?;
    Some((known, found))
}

/// Copies an index with its modification time, by which git tells files that changed in the same
/// instant as the index was written.
///
/// # Errors
/// `io` when it cannot be copied.
pub fn copy_index(from: &Path, to: &Path) -> Result<()> {
    let attempt = || format!("copy `{}`", from.display());
    let written = fs::metadata(from).and_then(|metadata| metadata.modified()).attempt(attempt)?;
    // Half an index (a full disk) is worse than none, so it gets its name last.
    let mut sibling = to.as_os_str().to_owned();
    sibling.push(".new");
    let copied = fs::copy(from, &sibling)
        .and_then(|_| fs::File::options().append(true).open(&sibling)?.set_modified(written))
        .and_then(|()| fs::rename(&sibling, to));
    if copied.is_err() {
        let _ = fs::remove_file(&sibling);
    }
    copied.attempt(attempt)
}

/// Removes an index that is ours alone, if there is one, and its lock.
pub(super) fn forget_index(index: &Path) -> Result<()> {
    remove_index_lock(index)?;
    remove_index(index)
}

/// The index is ours alone, so a lock beside it was left by a git that died.
fn remove_index_lock(index: &Path) -> Result<()> {
    let mut lock = index.as_os_str().to_owned();
    lock.push(".lock");
    remove_index(Path::new(&lock))
}

fn remove_index(index: &Path) -> Result<()> {
    match fs::remove_file(index) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::io(format!("remove `{}`", index.display()), &cause))
        }
        _ => Ok(()),
    }
}
