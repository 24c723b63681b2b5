//! How far results can be told without merging them, from their commits and three trees.
//!
//! A scout remembers what the target has gained since each base, which most results share. It has no part
//! in a forecaster, so that each thread has its own, with a repository of its own, and so that it can look
//! while git still says how it merges.

use super::command::shares;
use super::error::{GitAttempt, from_git2};
use super::outlook::{Coming, Touched};
use super::plan::PlanRequest;
use super::repo::{Repo, commit_id, oid};
use super::tree_diff::{Change, Comparer};
use crate::error::Result;
use crate::landing::Strategy;
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use crate::threads;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many commits after a base are looked at before the whole history is.
const LONGEST_LINE: usize = 20;

/// How far results for one target can be told, in the order in which they were given.
pub struct Seen(pub(super) Vec<Result<Start>>);

/// How far a result can be told without merging it.
pub(super) enum Start {
    /// The target holds it.
    Held { behind: usize },
    /// It is merged from the snapshot where there is one, else from what both share. Where nothing
    /// contradicts it: what it changes, for whoever may leave out a merge ([`merging`](Repo::merging)).
    Merge { base: Option<CommitId>, behind: usize, untangled: Result<Option<Touched>> },
}

/// Looks at results for one target.
struct Scout<'a> {
    repo: &'a Repo,
    target: CommitId,
    target_tree: ObjectId,
    comparer: Comparer<'a>,
    gained: BTreeMap<ObjectId, Rc<Gained>>,
    /// The commits that the target has gained since a base.
    since: BTreeMap<CommitId, BTreeSet<CommitId>>,
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
    fn new(repo: &'a Repo, (target, target_tree): (CommitId, ObjectId)) -> Self {
        let (gained, since) = Default::default();
        let comparer = Comparer::new(&repo.inner);
        Self { repo, target, target_tree, comparer, gained, since }
    }

    /// How far a result can be told.
    fn start(&mut self, coming: &Coming) -> Result<Start> {
        let (repo, target) = (self.repo, self.target);
        let request = request(target, coming);
        let snapshot = repo.snapshot_left(&request)?;
        let request = PlanRequest { snapshot, ..request };
        let (bases, behind) = self.shared(coming.tip)?;
        if snapshot == Some(coming.tip) || bases == [coming.tip] {
            return Ok(Start::Held { behind });
        }
        if bases.is_empty() {
            repo.refuse_unrelated(&request)?;
        }
        let untangled = match (snapshot, &bases[..]) {
            (Some(base), _) | (None, &[base]) => self.untangled(base, coming.tip),
            _ => Ok(None),
        };
        Ok(Start::Merge { base: snapshot, behind, untangled })
    }

    /// The best common ancestors of a tip and the target, and how much the target has gained.
    fn shared(&mut self, tip: CommitId) -> Result<(Vec<CommitId>, usize)> {
        if let Some(known) = self.in_a_line(tip)? {
            return Ok(known);
        }
        let bases = self.repo.merge_bases(self.target, tip)?;
        let [base] = bases[..] else {
            let behind = self.repo.count_gained(tip, self.target)?;
            return Ok((bases, behind));
        };
        // What they share is what the base holds, whoever else comes from it.
        let since = self.repo.gained_since(base, self.target)?;
        let behind = since.len();
        self.since.insert(base, since);
        Ok((bases, behind))
    }

    /// The same for a tip that comes in a line from a base that is known: were the target to share more of
    /// that line, it would have gained it since. Without this the history up to the target is walked through
    /// for each result.
    fn in_a_line(&self, tip: CommitId) -> Result<Option<(Vec<CommitId>, usize)>> {
        let (mut line, mut commit) = (Vec::new(), tip);
        while line.len() < LONGEST_LINE {
            if let Some(since) = self.since.get(&commit) {
                let shares_more = line.iter().any(|above| since.contains(above));
                return Ok((!shares_more).then(|| (vec![commit], since.len())));
            }
            line.push(commit);
            match self.repo.parents_of(commit)?[..] {
                [parent] => commit = parent,
                _ => return Ok(None),
            }
        }
        Ok(None)
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
    /// How far each of some results for a target can be told; all processors look.
    ///
    /// # Errors
    /// `not_found` when the target's commit is missing.
    pub fn scout(&self, target: CommitId, coming: &[Coming]) -> Result<Seen> {
        let (target, next) = ((target, self.tree_of(target)?), AtomicUsize::new(0));
        // Each takes the next one: what else the processors have to do is not the same for all.
        let look = |repo: &Self| {
            let mut scout = Scout::new(repo, target);
            let turns = std::iter::repeat_with(|| next.fetch_add(1, Ordering::Relaxed));
            let taken = turns.map_while(|at| Some((at, coming.get(at)?)));
            taken.map(|(at, one)| (at, scout.start(one))).collect::<Vec<_>>()
        };
        let (count, again) = (shares(coming).len(), self.again());
        let mut seen = match count {
            0 | 1 => look(self),
            _ => {
                let seen = threads::all_at_once(count, |_| Ok(look(&again()?)));
                seen.into_iter().collect::<Result<Vec<_>>>()?.into_iter().flatten().collect()
            }
        };
        seen.sort_unstable_by_key(|(at, _)| *at);
        Ok(Seen(seen.into_iter().map(|(_, start)| start).collect()))
    }

    /// The best common ancestors of two commits; there may be several, or none.
    fn merge_bases(&self, one: CommitId, other: CommitId) -> Result<Vec<CommitId>> {
        match self.inner.merge_bases(oid(one.0), oid(other.0)) {
            Ok(found) => Ok(found.iter().map(|id| commit_id(*id)).collect()),
            Err(cause) if cause.code() == git2::ErrorCode::NotFound => Ok(Vec::new()),
            Err(cause) => Err(from_git2(format!("find what `{one}` and `{other}` share"), &cause)),
        }
    }

    fn parents_of(&self, commit: CommitId) -> Result<Vec<CommitId>> {
        let found = self.inner.find_commit(oid(commit.0));
        let found = found.git_attempt(|| format!("read commit `{commit}`"))?;
        Ok(found.parent_ids().map(commit_id).collect())
    }

    /// The commits that the target has and the base does not know.
    fn gained_since(&self, base: CommitId, target: CommitId) -> Result<BTreeSet<CommitId>> {
        let attempt = || format!("look for what `{target}` has gained since `{base}`");
        let mut walk = self.inner.revwalk().git_attempt(attempt)?;
        walk.push(oid(target.0)).and_then(|()| walk.hide(oid(base.0))).git_attempt(attempt)?;
        walk.map(|id| id.map(commit_id).git_attempt(attempt)).collect()
    }

    /// How many commits the target has that the other one does not know.
    fn count_gained(&self, known: CommitId, target: CommitId) -> Result<usize> {
        let counted = self.inner.graph_ahead_behind(oid(known.0), oid(target.0));
        Ok(counted.git_attempt(|| "count what the target has gained")?.1)
    }
}
