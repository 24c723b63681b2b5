//! What landing one result would do, and which others it could conflict with.
//!
//! Two sides can conflict only where their paths meet: the same path, a file where the other has a
//! folder, or something new in a folder that the other may have renamed.

use super::tree_diff::Change;
use crate::landing::Conflict;
use crate::names::CommitId;
use crate::path::RepoPath;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

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

    /// Whether the two together could look like a move, which either alone is not.
    #[must_use]
    pub fn may_move_with(&self, other: &Self) -> bool {
        let moves =
            |one: &Touched, other: &Touched| !one.losing.is_empty() && !other.gaining.is_empty();
        moves(&self.touched, &other.touched) || moves(&other.touched, &self.touched)
    }
}

/// Which two of these could conflict at all, by their paths: both places, the lower one first.
#[must_use]
pub fn close_pairs(outlooks: &[&Outlook]) -> BTreeSet<(usize, usize)> {
    // By who is at a path: of many, most have nothing to do with each other.
    let (mut changing, mut gaining) = (Places::new(), Places::new());
    for (at, Outlook { touched, .. }) in outlooks.iter().enumerate() {
        touched.changed.iter().for_each(|path| changing.entry(path).or_default().push(at));
        touched.gaining.iter().for_each(|path| gaining.entry(path).or_default().push(at));
    }
    let mut close = BTreeSet::new();
    for (one, Outlook { touched, .. }) in outlooks.iter().enumerate() {
        let lost = touched.may_move().then_some(&touched.losing).into_iter().flatten();
        let met =
            touched.changed.iter().chain(&touched.folders).filter_map(|path| changing.get(path));
        let met = met.chain(lost.filter_map(|path| gaining.get(path))).flatten();
        close.extend(
            met.filter(|other| **other != one).map(|other| (one.min(*other), one.max(*other))),
        );
    }
    close
}

/// Who is at a path.
type Places<'a> = BTreeMap<&'a RepoPath, Vec<usize>>;

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
    use super::super::tree_diff::Entry;
    use super::*;
    use crate::names::ObjectId;

    /// Of a task that changes, adds or takes away some files.
    fn outlook(changes: &[(&str, u32)]) -> Outlook {
        let entry = Some(Entry { mode: 0o100_644, id: ObjectId::ZERO });
        let sides = [(entry, entry), (None, entry), (entry, None)];
        let change = |(path, kind): &(&str, u32)| {
            let (old, new) = sides[*kind as usize % 3];
            Change { path: RepoPath::new(*path), old, new }
        };
        let touched = Touched::by(&changes.iter().map(change).collect::<Vec<_>>());
        let coming = Coming { tip: CommitId(ObjectId::ZERO), snapshot: None };
        Outlook { forecast: Forecast::Clean, behind: 0, coming, is_plain: true, touched }
    }

    #[test]
    fn close_are_those_that_a_look_at_each_pair_finds() {
        let paths = ["a", "a/b", "a/b/c", "a/d", "e/f", "e/g/h", "i/j/k", "l", "m/n", "o/p/q"];
        // From a fixed series of numbers: one to three of the paths for each of 60.
        let mut number = 12_345u32;
        let mut next = || {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            number >> 16
        };
        let mut change = || (paths[next() as usize % paths.len()], next());
        let made = (0..60).map(|at| (0..=at % 3).map(|_| change()).collect::<Vec<_>>());
        let made: Vec<_> = made.map(|changes| outlook(&changes)).collect();
        let outlooks: Vec<_> = made.iter().collect();
        let close = close_pairs(&outlooks);
        let mut told_apart = 0;
        for one in 0..outlooks.len() {
            for other in one + 1..outlooks.len() {
                let (left, right) = (outlooks[one], outlooks[other]);
                let meet = !left.changed().is_disjoint(right.changed())
                    || left.touched.meets(&right.touched);
                assert_eq!(close.contains(&(one, other)), meet, "{left:?} {right:?}");
                told_apart += usize::from(!meet);
            }
        }
        assert!(!close.is_empty() && told_apart > close.len() / 4, "both sorts: {told_apart}");
    }

    #[test]
    fn the_folders_around_a_path_end_with_the_root() {
        let found: Vec<_> = around(b"a/b/c").collect();
        assert_eq!(found, [&b"a/b"[..], b"a", b""]);
        assert_eq!(around(b"a").collect::<Vec<_>>(), [b""]);
    }
}
