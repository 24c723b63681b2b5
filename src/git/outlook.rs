//! What landing one result would do, and which others it could conflict with.
//!
//! Two results can conflict only where their paths meet: the same path, a file where the other has a
//! folder, or something new in a folder that the other may have renamed.

use super::tree_diff::Change;
use crate::landing::Conflict;
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Whether landing would go well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[must_use]
pub enum Forecast {
    /// The target holds the change already.
    UpToDate,
    /// It would land.
    Clean,
    /// The two sides contradict each other.
    Conflicts(Vec<Conflict>),
}

/// A result that may be landed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coming {
    /// The task's last commit.
    pub tip: CommitId,
    /// The caller's uncommitted work that the task started from, as a commit.
    pub snapshot: Option<CommitId>,
}

/// What landing one result would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outlook {
    /// Whether it would go well.
    pub forecast: Forecast,
    /// How many commits the target has gained that the result does not know.
    pub behind: usize,
    /// The paths that landing it would change; where it conflicts, those that the task changed.
    pub changed: BTreeSet<RepoPath>,
    pub(super) coming: Coming,
    /// The target's tree with the result on it; none where that conflicts.
    pub(super) tree: Option<ObjectId>,
    /// The folders around what is changed, those that lose a file, and those around what is new.
    folders: BTreeSet<RepoPath>,
    losing: BTreeSet<RepoPath>,
    gaining: BTreeSet<RepoPath>,
}

impl Outlook {
    pub(super) fn without_paths(
        coming: &Coming,
        (forecast, behind): (Forecast, usize),
        tree: Option<ObjectId>,
    ) -> Self {
        let (changed, folders, losing, gaining) = Default::default();
        Self { forecast, behind, changed, coming: *coming, tree, folders, losing, gaining }
    }

    pub(super) fn note_paths(&mut self, changes: Vec<Change>) {
        for Change { path, old, new } in changes {
            let around = || around(path.as_bytes()).map(RepoPath::new);
            let same_kind = matches!((old, new), (Some(old), Some(new)) if old.is_like(new));
            if new.is_some() && !same_kind {
                self.gaining.extend(around());
            }
            if old.is_some() && !same_kind {
                self.losing.extend(around().next());
            }
            self.folders.extend(around());
            self.changed.insert(path);
        }
    }

    /// Whether the two could conflict at all, by their paths.
    #[must_use]
    pub fn may_conflict_with(&self, other: &Self) -> bool {
        let meets = |one: &Self, other: &Self| {
            one.changed.iter().any(|path| other.folders.contains(path))
                || !one.losing.is_disjoint(&other.gaining)
        };
        !self.changed.is_disjoint(&other.changed) || meets(self, other) || meets(other, self)
    }

    /// Whether the two together could look like a move, which either alone is not.
    #[must_use]
    pub fn may_move_with(&self, other: &Self) -> bool {
        let moves = |one: &Self, other: &Self| !one.losing.is_empty() && !other.gaining.is_empty();
        moves(self, other) || moves(other, self)
    }
}

/// The folders around a path, the nearest first, the root (which has no name) last.
fn around(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = (0..path.len()).rev().filter(|at| path[*at] == b'/');
    slashes.map(|at| &path[..at]).chain([&path[..0]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folders_around_a_path_end_with_the_root() {
        let found: Vec<_> = around(b"a/b/c").collect();
        assert_eq!(found, [&b"a/b"[..], b"a", b""]);
        assert_eq!(around(b"a").collect::<Vec<_>>(), [b""]);
    }
}
