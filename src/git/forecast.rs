//! What landing results now would do to one target: of each by itself, and of any two together.
//!
//! Nothing is made of it: what merges write goes to a folder that disappears with the forecaster, so
//! that a forecast leaves no garbage, and no object that was never fsynced can become part of a landing.
//!
//! Two results can conflict only where their paths meet: the same path, a file where the other has a
//! folder, or something new in a folder that the other may have renamed. All other pairs are not merged.
//! Both are merged as they would stand on the target, from the target.

use super::error::GitAttempt;
use super::merge_batch::Wanted;
use super::merge_tree::{Merged, Merger};
use super::plan::PlanRequest;
use super::repo::{Repo, oid};
use crate::error::{Attempt, Result};
use crate::landing::{Conflict, Strategy};
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Whether landing would go well.
#[derive(Debug, Clone, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coming {
    /// The task's last commit.
    pub tip: CommitId,
    /// The caller's uncommitted work that the task started from, as a commit.
    pub snapshot: Option<CommitId>,
}

/// What landing one result would do.
#[derive(Debug)]
pub struct Outlook {
    /// Whether it would go well.
    pub forecast: Forecast,
    /// How many commits the target has gained that the result does not know.
    pub behind: usize,
    /// The paths that landing it would change; where it conflicts, those that the task changed.
    pub changed: BTreeSet<RepoPath>,
    tip: CommitId,
    /// The target's tree with the result on it; none where that conflicts.
    tree: Option<ObjectId>,
    /// The folders around what is changed, those that lose a file, and those around what is new.
    folders: BTreeSet<Vec<u8>>,
    losing: BTreeSet<Vec<u8>>,
    gaining: BTreeSet<Vec<u8>>,
}

/// Looks ahead for one target.
pub struct Forecaster<'a> {
    repo: &'a Repo,
    target: CommitId,
    target_tree: ObjectId,
    /// Sees what the merges made, too.
    objects: git2::Repository,
    folder: Quarantine,
}

impl Repo {
    /// A forecaster for the target at a commit, which keeps what it makes below `scratch` while it lives.
    ///
    /// # Errors
    /// `io` when nothing can be written there, `git` when the commit is missing.
    pub fn forecaster(&self, target: CommitId, scratch: &Path) -> Result<Forecaster<'_>> {
        let folder = Quarantine::below(scratch)?;
        let attempt = || "look at the repository once more";
        let objects = git2::Repository::open(self.common_dir()).git_attempt(attempt)?;
        let place = folder.0.to_str().ok_or_else(|| {
            crate::error::Error::unsupported("the path of the repository is not UTF-8")
        })?;
        objects.odb().and_then(|odb| odb.add_disk_alternate(place)).git_attempt(attempt)?;
        let target_tree = self.tree_of(target)?;
        Ok(Forecaster { repo: self, target, target_tree, objects, folder })
    }
}

impl Forecaster<'_> {
    /// What landing each result by itself would do, in order.
    ///
    /// # Errors
    /// `unsupported` when git is too old. Inside: why one of them cannot be landed at all.
    pub fn outlooks(&self, coming: &[Coming]) -> Result<Vec<Result<Outlook>>> {
        let merger = self.merger()?;
        let mut wanted = Vec::new();
        let starts: Vec<Result<Start>> = coming.iter().map(|one| self.start(one)).collect();
        for (start, one) in starts.iter().zip(coming) {
            if let Ok(Start::Merge { base, .. }) = start {
                let (ours, theirs) = (self.target.0, one.tip.0);
                wanted.push(Wanted { base: base.map(|base| base.0), ours, theirs });
            }
        }
        let mut merged = merger.merge_all(&wanted).into_iter();
        let told = starts.into_iter().zip(coming).map(|(start, one)| match start? {
            Start::There { behind } => self.there(one.tip, behind),
            Start::Merge { base, behind } => {
                let merged = merged.next().expect("invariant: an answer for each merge");
                self.outlook(one, (base, behind), merged?)
            }
        });
        Ok(told.collect())
    }

    /// Which pairs cannot both be landed.
    ///
    /// # Errors
    /// `unsupported` when git is too old.
    pub fn conflicting(&self, pairs: &[(&Outlook, &Outlook)]) -> Result<Vec<bool>> {
        let merger = self.merger()?;
        let wanted = |(one, other): &(&Outlook, &Outlook)| match (one.tree, other.tree) {
            (Some(ours), Some(theirs)) if merger.merges_trees() => {
                Wanted { base: Some(self.target_tree), ours, theirs }
            }
            _ => Wanted { base: None, ours: one.tip.0, theirs: other.tip.0 },
        };
        let merged = merger.merge_all(&pairs.iter().map(wanted).collect::<Vec<_>>());
        // What cannot be merged at all cannot be landed together either.
        Ok(merged.iter().map(|merged| !matches!(merged, Ok(Merged::Clean(_)))).collect())
    }

    /// Those of some results that land one after another; the others conflict with all that was landed
    /// before them.
    ///
    /// # Errors
    /// `unsupported` when git is too old.
    pub fn train(&self, results: &[&Outlook]) -> Result<Vec<bool>> {
        let merger = self.merger()?;
        let mut onto = self.target_tree;
        let lands = results.iter().map(|result| {
            let Some(theirs) = result.tree.filter(|_| merger.merges_trees()) else { return true };
            let wanted = Wanted { base: Some(self.target_tree), ours: onto, theirs };
            match merger.merge_all(&[wanted]).pop() {
                Some(Ok(Merged::Clean(tree))) => {
                    onto = tree;
                    true
                }
                _ => false,
            }
        });
        Ok(lands.collect())
    }

    fn merger(&self) -> Result<Merger<'_>> {
        Ok(Merger::new(self.repo, self.target)?.writing_to(&self.folder.0))
    }

    fn start(&self, coming: &Coming) -> Result<Start> {
        let (repo, target) = (self.repo, self.target);
        let request = self.request(coming);
        let snapshot = repo.snapshot_left(&request)?;
        let request = PlanRequest { snapshot, ..request };
        let counted = repo.inner.graph_ahead_behind(oid(coming.tip.0), oid(target.0));
        let (_, behind) = counted.git_attempt(|| "count what the target has gained")?;
        if repo.is_landed(&request)? {
            return Ok(Start::There { behind });
        }
        repo.refuse_unrelated(&request)?;
        Ok(Start::Merge { base: snapshot, behind })
    }

    fn request(&self, coming: &Coming) -> PlanRequest<'static> {
        let Coming { tip, snapshot } = *coming;
        let strategy = Strategy::Squash;
        PlanRequest { target: self.target, tip, snapshot, strategy, message: "" }
    }

    fn there(&self, tip: CommitId, behind: usize) -> Result<Outlook> {
        let tree = Some(self.target_tree);
        self.with_paths(
            tip,
            (Forecast::UpToDate, behind),
            tree,
            (self.target_tree, self.target_tree),
        )
    }

    fn outlook(
        &self,
        coming: &Coming,
        (snapshot, behind): (Option<CommitId>, usize),
        merged: Merged,
    ) -> Result<Outlook> {
        let before = self.target_tree;
        match merged {
            Merged::Clean(tree) => {
                let forecast = if tree == before { Forecast::UpToDate } else { Forecast::Clean };
                self.with_paths(coming.tip, (forecast, behind), Some(tree), (before, tree))
            }
            Merged::Conflicts(_)
                if self
                    .repo
                    .holds_as_one_commit(&PlanRequest { snapshot, ..self.request(coming) })? =>
            {
                self.there(coming.tip, behind)
            }
            Merged::Conflicts(conflicts) => {
                let shared = self.repo.merge_base(self.target, coming.tip)?;
                let from = snapshot.or(shared).unwrap_or(self.target);
                let ends = (self.repo.tree_of(from)?, self.repo.tree_of(coming.tip)?);
                let forecast = Forecast::Conflicts(conflicts);
                self.with_paths(coming.tip, (forecast, behind), None, ends)
            }
        }
    }

    fn with_paths(
        &self,
        tip: CommitId,
        (forecast, behind): (Forecast, usize),
        tree: Option<ObjectId>,
        (from, to): (ObjectId, ObjectId),
    ) -> Result<Outlook> {
        let mut outlook = Outlook {
            forecast,
            behind,
            changed: BTreeSet::new(),
            tip,
            tree,
            folders: BTreeSet::new(),
            losing: BTreeSet::new(),
            gaining: BTreeSet::new(),
        };
        if from == to {
            return Ok(outlook);
        }
        let attempt = || "compare a result with its target";
        let tree = |id: ObjectId| self.objects.find_tree(oid(id)).git_attempt(attempt);
        let (from, to) = (tree(from)?, tree(to)?);
        let diff = self.objects.diff_tree_to_tree(Some(&from), Some(&to), None);
        for delta in diff.git_attempt(attempt)?.deltas() {
            let file = match delta.status() {
                git2::Delta::Deleted => delta.old_file(),
                _ => delta.new_file(),
            };
            let Some(path) = file.path_bytes() else { continue };
            match delta.status() {
                git2::Delta::Added => outlook.gaining.extend(around(path).map(<[u8]>::to_vec)),
                git2::Delta::Deleted => {
                    outlook.losing.extend(around(path).next().map(<[u8]>::to_vec))
                }
                _ => {}
            }
            outlook.folders.extend(around(path).map(<[u8]>::to_vec));
            outlook.changed.insert(RepoPath::new(path));
        }
        Ok(outlook)
    }
}

/// How far a result can be told without merging it.
enum Start {
    /// The target holds it.
    There { behind: usize },
    /// From the snapshot where there is one, else from what both share.
    Merge { base: Option<CommitId>, behind: usize },
}

impl Outlook {
    /// Whether the two could conflict at all, by their paths.
    #[must_use]
    pub fn may_conflict_with(&self, other: &Self) -> bool {
        let meets = |one: &Self, other: &Self| {
            one.changed.iter().any(|path| other.folders.contains(path.as_bytes()))
                || !one.losing.is_disjoint(&other.gaining)
        };
        !self.changed.is_disjoint(&other.changed) || meets(self, other) || meets(other, self)
    }
}

/// The folders around a path, the nearest first, the root (which has no name) last.
fn around(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = (0..path.len()).rev().filter(|at| path[*at] == b'/');
    slashes.map(|at| &path[..at]).chain([&path[..0]])
}

/// A folder for objects that nobody keeps, gone with its owner; after a kill with the next one.
struct Quarantine(PathBuf);

impl Quarantine {
    fn below(scratch: &Path) -> Result<Self> {
        let own = scratch.join(format!("objects-{}", std::process::id()));
        let attempt = || format!("make `{}`", own.display());
        for entry in fs::read_dir(scratch).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.strip_prefix("objects-"));
            let is_stale = |pid: &str| !Path::new("/proc").join(pid).exists();
            if pid.is_some_and(is_stale) {
                drop(fs::remove_dir_all(entry.path()));
            }
        }
        drop(fs::remove_dir_all(&own));
        fs::create_dir_all(&own).attempt(attempt)?;
        Ok(Self(own))
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // What stays is removed by the next forecast.
        drop(fs::remove_dir_all(&self.0));
    }
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
