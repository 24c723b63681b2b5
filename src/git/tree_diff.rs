//! What differs between two trees, path by path, without renames.
//!
//! This is the list that landing works from, so it is exact: modes and ids of both sides. What a
//! person is shown of a change (renames, line counts) is deliberately absent.

use super::error::GitAttempt;
use super::repo::{Repo, oid};
use crate::error::{Error, Result};
use crate::names::ObjectId;
use crate::path::RepoPath;

const GITLINK: u32 = 0o160_000;
const SYMLINK: u32 = 0o120_000;

/// What a tree holds at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: u32,
    pub(super) id: ObjectId,
}

impl Entry {
    /// Whether it is a symbolic link.
    pub(super) fn is_symlink(self) -> bool {
        self.mode == SYMLINK
    }

    /// Whether it is a submodule's commit, which has no content of ours.
    pub(super) fn is_gitlink(self) -> bool {
        self.mode == GITLINK
    }
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: RepoPath,
    pub(super) old: Option<Entry>,
    pub(super) new: Option<Entry>,
}

impl Change {
    /// The old side where it is a file or symbolic link.
    pub(super) fn old_file(&self) -> Option<Entry> {
        self.old.filter(|entry| !entry.is_gitlink())
    }

    /// The new side where it is a file or symbolic link.
    pub(super) fn new_file(&self) -> Option<Entry> {
        self.new.filter(|entry| !entry.is_gitlink())
    }
}

impl Repo {
    /// The paths that differ between two trees (or commits), in git's order.
    pub(super) fn changes_between(&self, old: ObjectId, new: ObjectId) -> Result<Vec<Change>> {
        let output = self
            .git
            .at(self.common_dir(), "diff-tree")
            .args(["-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff"])
            .args(["--ignore-submodules=none", &old.to_string(), &new.to_string()])
            .run()?;
        let mut fields = output.fields();
        let mut changes = Vec::new();
        while let (Some(header), Some(path)) = (fields.next(), fields.next()) {
            let change = parse(header, path);
            changes.push(
                change.ok_or_else(|| Error::git("`git diff-tree` answered something unknown"))?,
            );
        }
        Ok(changes)
    }
}

/// A file of a tree and its size.
pub type SizedFile = (RepoPath, u64);

impl Repo {
    /// The files that are new or different in a tree and larger than `limit`, in bytes.
    ///
    /// # Errors
    /// When a tree cannot be read.
    pub fn large_files(
        &self,
        (old, new): (ObjectId, ObjectId),
        limit: u64,
    ) -> Result<Vec<SizedFile>> {
        let attempt = || "compare two trees";
        let tree = |id: ObjectId| self.inner.find_tree(oid(id)).git_attempt(attempt);
        let (old, new) = (tree(old)?, tree(new)?);
        let diff = self.inner.diff_tree_to_tree(Some(&old), Some(&new), None);
        let diff = diff.git_attempt(attempt)?;
        let objects = self.inner.odb().git_attempt(attempt)?;
        let sized = diff.deltas().filter_map(|delta| {
            // What has no blob here (gone, a submodule's commit) has no size either.
            let (size, _) = objects.read_header(delta.new_file().id()).ok()?;
            let size = u64::try_from(size).unwrap_or(u64::MAX);
            Some((RepoPath::new(delta.new_file().path_bytes()?), size))
        });
        Ok(sized.filter(|(_, size)| *size > limit).collect())
    }
}

/// `:<old mode> <new mode> <old id> <new id> <status>`
fn parse(header: &[u8], path: &[u8]) -> Option<Change> {
    let mut words = std::str::from_utf8(header).ok()?.strip_prefix(':')?.split(' ');
    let mut mode = || u32::from_str_radix(words.next()?, 8).ok();
    let (old_mode, new_mode) = (mode()?, mode()?);
    let mut id = || words.next()?.parse::<ObjectId>().ok();
    let (old_id, new_id) = (id()?, id()?);
    let side = |mode, id| (mode != 0).then_some(Entry { mode, id });
    Some(Change {
        path: RepoPath::new(path),
        old: side(old_mode, old_id),
        new: side(new_mode, new_id),
    })
}
