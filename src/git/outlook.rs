//! What landing one result would do, and which others it could conflict with.
//!
//! Two sides can conflict only where their paths meet: the same path, a file where the other has a
//! folder, or something new in a folder that the other may have renamed.

use super::tree_diff::Change;
use crate::landing::Conflict;
use crate::names::CommitId;
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    pub(super) coming: Coming,
    /// Whether landing it would only put the tip's own files, links and gaps where the target's are: no
    /// content is merged.
    pub(super) is_plain: bool,
    /// What landing it would change; where it conflicts, what the task changed.
    pub(super) touched: Touched,
}

/// The paths that one side changes, and where others could meet them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Touched {
    pub(super) changed: BTreeSet<RepoPath>,
    /// The folders around what is changed, those that may be gone with a file, and those around what is new.
    folders: BTreeSet<RepoPath>,
    losing: BTreeSet<RepoPath>,
    gaining: BTreeSet<RepoPath>,
}

impl Outlook {
    /// The paths that landing it would change; where it conflicts, those that the task changed.
    #[must_use]
    pub fn changed(&self) -> &BTreeSet<RepoPath> {
        &self.touched.changed
    }

    /// Whether the two could conflict at all, by their paths.
    #[must_use]
    pub fn may_conflict_with(&self, other: &Self) -> bool {
        !self.changed().is_disjoint(other.changed()) || self.touched.meets(&other.touched)
    }

    /// Whether the two together could look like a move, which either alone is not.
    #[must_use]
    pub fn may_move_with(&self, other: &Self) -> bool {
        let moves =
            |one: &Touched, other: &Touched| !one.losing.is_empty() && !other.gaining.is_empty();
        moves(&self.touched, &other.touched) || moves(&other.touched, &self.touched)
    }
}

impl Touched {
    pub(super) fn by<'a>(changes: impl IntoIterator<Item = &'a Change>) -> Self {
        let mut touched = Self::default();
        for Change { path, old, new } in changes {
            let around = || around(path.as_bytes()).map(RepoPath::new);
            let same_kind = matches!((old, new), (Some(old), Some(new)) if old.is_like(*new));
            if new.is_some() && !same_kind {
                touched.gaining.extend(around());
            }
            if old.is_some() && !same_kind {
                // Git takes a folder for moved by what was in the folders below it, too.
                let outer = around().skip(1).filter(|folder| !folder.as_bytes().is_empty());
                touched.losing.extend(around().take(1).chain(outer));
            }
            touched.folders.extend(around());
            touched.changed.insert(path.clone());
        }
        touched
    }

    /// Whether something could be taken for moved, which needs a place that it left and one that is new.
    fn may_move(&self) -> bool {
        !self.losing.is_empty() && !self.gaining.is_empty()
    }

    /// Whether they could contradict each other elsewhere than at a path that both change.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let meets = |one: &Self, other: &Self| {
            one.changed.iter().any(|path| other.folders.contains(path))
                || (one.may_move() && !one.losing.is_disjoint(&other.gaining))
        };
        meets(self, other) || meets(other, self)
    }
}

/// The folders around a path, the nearest first, the root (which has no name) last.
pub(super) fn around(path: &[u8]) -> impl Iterator<Item = &[u8]> {
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
