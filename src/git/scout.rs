//! How far one result can be told without merging it, from its commits and three trees.
//!
//! A scout remembers what the target has gained since each base, which most results share. It has no part
//! in a forecaster, so that each thread has its own, with a repository of its own.

use super::error::{GitAttempt, from_git2};
use super::outlook::{Coming, Touched};
use super::plan::PlanRequest;
use super::repo::{Repo, commit_id, oid};
use super::tree_diff::{Change, Comparer};
use crate::error::Result;
use crate::landing::Strategy;
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use std::collections::BTreeMap;
use std::rc::Rc;

/// How far a result can be told without merging it.
pub(super) enum Start {
    /// Nothing contradicts it: what it changes; nothing where the target holds it.
    Plain { behind: usize, touched: Touched },
    /// From the snapshot where there is one, else from what both share.
    Merge { base: Option<CommitId>, behind: usize },
}

/// Looks at results for one target.
pub(super) struct Scout<'a> {
    repo: &'a Repo,
    target: CommitId,
    target_tree: ObjectId,
    /// Whether a merge may be left out ([`merging`](Repo::merging)).
    may_untangle: bool,
    comparer: Comparer<'a>,
    gained: BTreeMap<ObjectId, Rc<Gained>>,
    behind: BTreeMap<CommitId, usize>,
}

/// What the target has gained since a tree.
struct Gained {
    changes: BTreeMap<RepoPath, Change>,
    touched: Touched,
}

/// Landing a result as one commit.
pub(super) fn request(target: CommitId, coming: &Coming) -> PlanRequest<'static> {
    let Coming { tip, snapshot } = *coming;
    PlanRequest { target, tip, snapshot, strategy: Strategy::Squash, message: "" }
}

impl<'a> Scout<'a> {
    /// A scout for a target and its tree.
    pub(super) fn new(
        repo: &'a Repo,
        (target, target_tree): (CommitId, ObjectId),
        may_untangle: bool,
    ) -> Self {
        let (gained, behind) = Default::default();
        let comparer = Comparer::new(&repo.inner);
        Self { repo, target, target_tree, may_untangle, comparer, gained, behind }
    }

    /// How far a result can be told.
    pub(super) fn start(&mut self, coming: &Coming) -> Result<Start> {
        let (repo, target) = (self.repo, self.target);
        let request = request(target, coming);
        let snapshot = repo.snapshot_left(&request)?;
        let request = PlanRequest { snapshot, ..request };
        let bases = repo.merge_bases(target, coming.tip)?;
        let behind = match bases[..] {
            [base] if base == target => 0,
            // What they share is then what the base holds, whoever else comes from it.
            [base] => match self.behind.get(&base) {
                Some(behind) => *behind,
                None => {
                    let behind = repo.count_gained(base, target)?;
                    self.behind.insert(base, behind);
                    behind
                }
            },
            _ => repo.count_gained(coming.tip, target)?,
        };
        if snapshot == Some(coming.tip) || bases == [coming.tip] {
            return Ok(Start::Plain { behind, touched: Touched::default() });
        }
        if bases.is_empty() {
            repo.refuse_unrelated(&request)?;
        }
        let touched = match (self.may_untangle, snapshot, &bases[..]) {
            (true, Some(base), _) | (true, None, &[base]) => self.untangled(base, coming.tip)?,
            _ => None,
        };
        Ok(match touched {
            Some(touched) => Start::Plain { behind, touched },
            None => Start::Merge { base: snapshot, behind },
        })
    }

    /// What landing what `tip` did since `base` would change, if no more than that; none if only git can
    /// tell (`untangled.rs`).
    fn untangled(&mut self, base: CommitId, tip: CommitId) -> Result<Option<Touched>> {
        let base = self.repo.tree_of(base)?;
        let gained = self.gained(base)?;
        let mut own = self.comparer.compare(base, self.repo.tree_of(tip)?)?;
        // What both sides left as another file, in the same way. Gone or new on both, it may be moved.
        let is_shared = |change: &Change| gained.changes.get(&change.path) == Some(change);
        own.retain(|change| change.old.is_none() || change.new.is_none() || !is_shared(change));
        let touched = Touched::by(&own);
        let meets = own.iter().any(|change| gained.changes.contains_key(&change.path));
        Ok((!meets && !touched.meets(&gained.touched)).then_some(touched))
    }

    fn gained(&mut self, base: ObjectId) -> Result<Rc<Gained>> {
        if let Some(known) = self.gained.get(&base) {
            return Ok(Rc::clone(known));
        }
        let changes = self.comparer.compare(base, self.target_tree)?;
        let touched = Touched::by(&changes);
        let changes = changes.into_iter().map(|change| (change.path.clone(), change)).collect();
        let gained = Rc::new(Gained { changes, touched });
        self.gained.insert(base, Rc::clone(&gained));
        Ok(gained)
    }
}

impl Repo {
    /// The best common ancestors of two commits; there may be several, or none.
    fn merge_bases(&self, one: CommitId, other: CommitId) -> Result<Vec<CommitId>> {
        match self.inner.merge_bases(oid(one.0), oid(other.0)) {
            Ok(found) => Ok(found.iter().map(|id| commit_id(*id)).collect()),
            Err(cause) if cause.code() == git2::ErrorCode::NotFound => Ok(Vec::new()),
            Err(cause) => Err(from_git2(format!("find what `{one}` and `{other}` share"), &cause)),
        }
    }

    /// How many commits the target has that the other one does not know.
    fn count_gained(&self, known: CommitId, target: CommitId) -> Result<usize> {
        let counted = self.inner.graph_ahead_behind(oid(known.0), oid(target.0));
        Ok(counted.git_attempt(|| "count what the target has gained")?.1)
    }
}
