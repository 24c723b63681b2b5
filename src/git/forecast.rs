//! What landing results now would do to one target: of each by itself, and of any two together.
//!
//! Nothing is made of it: what merges write goes to a folder that disappears with the forecaster
//! ([`Quarantine`]). What was foreseen before for the same commits is not merged again; where the trees
//! of such an answer are needed to merge on, they are made anew.
//!
//! Pairs whose paths do not meet are not merged. The others are as they would stand on the target, from
//! the target.

use super::error::GitAttempt;
use super::foreseen::Foreseen;
use super::merge_batch::Wanted;
use super::merge_tree::{Merged, Merger};
use super::outlook::{Coming, Forecast, Outlook};
use super::plan::PlanRequest;
use super::quarantine::Quarantine;
use super::repo::{Repo, oid};
use super::tree_diff::compare_trees;
use crate::error::{Error, Result};
use crate::landing::Strategy;
use crate::names::{CommitId, ObjectId};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeSet;
use std::path::Path;

/// Looks ahead for one target.
pub struct Forecaster<'a> {
    repo: &'a Repo,
    target: CommitId,
    target_tree: ObjectId,
    scratch: &'a Path,
    trials: OnceCell<Trials>,
    known: Foreseen,
    told: RefCell<Foreseen>,
}

/// Where merges are tried; made for the first one.
struct Trials {
    folder: Quarantine,
    /// Sees what they made, too.
    objects: git2::Repository,
    made: RefCell<BTreeSet<ObjectId>>,
}

impl Repo {
    /// A forecaster for the target at a commit, about which some things are `known` already. It keeps
    /// what it makes below `scratch` while it lives.
    ///
    /// # Errors
    /// `not_found` when the commit is missing.
    pub fn forecaster<'a>(
        &'a self,
        target: CommitId,
        scratch: &'a Path,
        known: Foreseen,
    ) -> Result<Forecaster<'a>> {
        Quarantine::sweep(scratch);
        let target_tree = self.tree_of(target)?;
        let (trials, told) = (OnceCell::new(), RefCell::default());
        Ok(Forecaster { repo: self, target, target_tree, scratch, trials, known, told })
    }
}

impl Forecaster<'_> {
    /// What was told, known before or not.
    #[must_use]
    pub fn told(self) -> Foreseen {
        self.told.into_inner()
    }

    /// What landing each result by itself would do, in order.
    ///
    /// # Errors
    /// `unsupported` when git is too old, `io` when nothing can be written. Inside: why one of them
    /// cannot be landed at all.
    pub fn outlooks(&self, coming: &[Coming]) -> Result<Vec<Result<Outlook>>> {
        let (mut told, mut wanted, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for one in coming {
            told.push(match self.known.outlook(one) {
                Some(known) => Ok(known),
                None => match self.start(one) {
                    Err(error) => Err(error),
                    Ok(Start::There { behind }) => self.there(one, behind),
                    Ok(Start::Merge { base, behind }) => {
                        wanted.push(self.landing(one, base));
                        waiting.push((told.len(), base, behind));
                        Err(Error::internal("a merge that was not made"))
                    }
                },
            });
        }
        for ((at, base, behind), merged) in waiting.into_iter().zip(self.merged(&wanted)?) {
            told[at] = merged.and_then(|merged| self.outlook(&coming[at], (base, behind), merged));
        }
        for (one, outlook) in coming.iter().zip(&told) {
            if let Ok(outlook) = outlook {
                self.told.borrow_mut().note_outlook(one, outlook);
            }
        }
        Ok(told)
    }

    /// Which pairs cannot both be landed.
    ///
    /// # Errors
    /// `unsupported` when git is too old, `io` when nothing can be written.
    pub fn conflicting(&self, pairs: &[(&Outlook, &Outlook)]) -> Result<Vec<bool>> {
        let mut found: Vec<_> = pairs.iter().map(|pair| self.known.pair(*pair)).collect();
        let unknown: Vec<_> = (0..pairs.len()).filter(|at| found[*at].is_none()).collect();
        self.make_trees(unknown.iter().flat_map(|at| [pairs[*at].0, pairs[*at].1]))?;
        let merges_trees = !unknown.is_empty() && self.merger()?.merges_trees();
        let wanted = |at: &usize| match (pairs[*at].0, pairs[*at].1) {
            (Outlook { tree: Some(ours), .. }, Outlook { tree: Some(theirs), .. })
                if merges_trees =>
            {
                Wanted { base: Some(self.target_tree), ours: *ours, theirs: *theirs }
            }
            (one, other) => {
                Wanted { base: None, ours: one.coming.tip.0, theirs: other.coming.tip.0 }
            }
        };
        let merged = self.merged(&unknown.iter().map(wanted).collect::<Vec<_>>())?;
        for (at, merged) in unknown.into_iter().zip(merged) {
            // What cannot be merged at all cannot be landed together either, as far as is known now.
            found[at] = merged.ok().map(|merged| !matches!(merged, Merged::Clean(_)));
        }
        for (pair, found) in pairs.iter().zip(&found) {
            if let Some(found) = found {
                self.told.borrow_mut().note_pair(*pair, *found);
            }
        }
        Ok(found.into_iter().map(|found| found.unwrap_or(true)).collect())
    }

    /// Of each group of results, those that land one after another; the others conflict with all that
    /// was landed before them. No result comes close to one of another group.
    ///
    /// # Errors
    /// `unsupported` when git is too old, `io` when nothing can be written.
    pub fn trains(&self, groups: &[Vec<&Outlook>]) -> Result<Vec<Vec<bool>>> {
        let mut lands: Vec<_> = groups.iter().map(|group| self.known.train(group)).collect();
        let unknown: Vec<_> = (0..groups.len()).filter(|at| lands[*at].is_none()).collect();
        let results = unknown.iter().flat_map(|at| groups[*at].iter().copied());
        self.make_trees(results)?;
        let tried = self.drive(&unknown.iter().map(|at| &*groups[*at]).collect::<Vec<_>>())?;
        for (at, tried) in unknown.into_iter().zip(tried) {
            lands[at] = tried;
        }
        for (group, lands) in groups.iter().zip(&lands) {
            if let Some(lands) = lands {
                self.told.borrow_mut().note_train(group, lands);
            }
        }
        let promised =
            |(group, lands): (&Vec<_>, Option<_>)| lands.unwrap_or(vec![true; group.len()]);
        Ok(groups.iter().zip(lands).map(promised).collect())
    }

    /// Merges the groups' results one on the other, all groups at once. None where that cannot be told:
    /// a git that merges no trees.
    fn drive(&self, groups: &[&[&Outlook]]) -> Result<Vec<Option<Vec<bool>>>> {
        if groups.is_empty() || !self.merger()?.merges_trees() {
            return Ok(vec![None; groups.len()]);
        }
        let mut onto = vec![self.target_tree; groups.len()];
        let mut lands = vec![Vec::new(); groups.len()];
        for turn in 0..groups.iter().map(|group| group.len()).max().unwrap_or(0) {
            let on: Vec<_> = (0..groups.len()).filter(|at| turn < groups[*at].len()).collect();
            let wanted = on.iter().map(|at| {
                let theirs = groups[*at][turn].tree.unwrap_or(self.target_tree);
                Wanted { base: Some(self.target_tree), ours: onto[*at], theirs }
            });
            for (at, merged) in on.iter().zip(self.merged(&wanted.collect::<Vec<_>>())?) {
                let clean = match merged {
                    Ok(Merged::Clean(tree)) => Some(tree),
                    _ => None,
                };
                onto[*at] = clean.unwrap_or(onto[*at]);
                lands[*at].push(clean.is_some());
            }
        }
        Ok(lands.into_iter().map(Some).collect())
    }

    /// Makes the trees of results that were known before.
    fn make_trees<'a>(&self, results: impl Iterator<Item = &'a Outlook>) -> Result<()> {
        let made = |tree| self.trials.get().is_some_and(|at| at.made.borrow().contains(&tree));
        let mut wanted = BTreeSet::new();
        for result in results {
            if result.tree.is_some_and(|tree| tree != self.target_tree && !made(tree)) {
                let request = self.request(&result.coming);
                let snapshot = self.repo.snapshot_left(&request)?;
                wanted.insert(self.landing(&result.coming, snapshot));
            }
        }
        self.merged(&wanted.into_iter().collect::<Vec<_>>()).map(drop)
    }

    /// The merges that are wanted, each tried for itself; no process where there is none.
    fn merged(&self, wanted: &[Wanted]) -> Result<Vec<Result<Merged>>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let merged = self.merger()?.merge_all(wanted);
        let trees = merged.iter().filter_map(|merged| match merged {
            Ok(Merged::Clean(tree)) => Some(*tree),
            _ => None,
        });
        self.trials()?.made.borrow_mut().extend(trees);
        Ok(merged)
    }

    fn merger(&self) -> Result<Merger<'_>> {
        Ok(Merger::new(self.repo, self.target)?.writing_to(self.trials()?.folder.path()))
    }

    fn trials(&self) -> Result<&Trials> {
        if let Some(made) = self.trials.get() {
            return Ok(made);
        }
        let folder = Quarantine::below(self.scratch)?;
        let place = folder.path().to_str();
        let place =
            place.ok_or_else(|| Error::unsupported("the path of the repository is not UTF-8"))?;
        let attempt = || "look at the repository once more";
        let objects = git2::Repository::open(self.repo.common_dir()).git_attempt(attempt)?;
        objects.odb().and_then(|odb| odb.add_disk_alternate(place)).git_attempt(attempt)?;
        Ok(self.trials.get_or_init(|| Trials { folder, objects, made: RefCell::default() }))
    }

    fn landing(&self, coming: &Coming, base: Option<CommitId>) -> Wanted {
        Wanted { base: base.map(|base| base.0), ours: self.target.0, theirs: coming.tip.0 }
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

    fn there(&self, coming: &Coming, behind: usize) -> Result<Outlook> {
        let ends = (self.target_tree, self.target_tree);
        self.with_paths(coming, (Forecast::UpToDate, behind), Some(self.target_tree), ends)
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
                self.with_paths(coming, (forecast, behind), Some(tree), (before, tree))
            }
            Merged::Conflicts(_)
                if self
                    .repo
                    .holds_as_one_commit(&PlanRequest { snapshot, ..self.request(coming) })? =>
            {
                self.there(coming, behind)
            }
            Merged::Conflicts(conflicts) => {
                let shared = self.repo.merge_base(self.target, coming.tip)?;
                let from = snapshot.or(shared).unwrap_or(self.target);
                let ends = (self.repo.tree_of(from)?, self.repo.tree_of(coming.tip)?);
                let forecast = Forecast::Conflicts(conflicts);
                self.with_paths(coming, (forecast, behind), None, ends)
            }
        }
    }

    fn with_paths(
        &self,
        coming: &Coming,
        (forecast, behind): (Forecast, usize),
        tree: Option<ObjectId>,
        (from, to): (ObjectId, ObjectId),
    ) -> Result<Outlook> {
        let mut outlook = Outlook::without_paths(coming, (forecast, behind), tree);
        if from != to {
            outlook.note_paths(compare_trees(&self.trials()?.objects, from, to)?);
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
