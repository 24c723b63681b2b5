//! What landing results now would do to one target: of each by itself, and of any two together.
//!
//! Nothing is made of it: what merges write goes to a folder that disappears with the forecaster
//! ([`Quarantine`]). What was foreseen before for the same commits is not merged again, and what nothing
//! contradicts is not merged at all (`untangled.rs`); where the trees of such an answer are needed to merge
//! on, they are made then.
//!
//! Pairs are as they would stand on the target, from the target.

use super::error::GitAttempt;
use super::foreseen::Foreseen;
use super::lump::lumps;
use super::merge_batch::Wanted;
use super::merge_tree::{Merged, Merger};
use super::outlook::{Coming, Forecast, Outlook, Touched};
use super::parcel::Parcel;
use super::plan::PlanRequest;
use super::quarantine::Quarantine;
use super::repo::Repo;
use super::scout::{Seen, Start, request};
use super::tree_diff::compare_trees;
use super::untangled::Meeting;
use crate::error::{Error, Result};
use crate::names::{CommitId, ObjectId};
use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;

/// Looks ahead for one target.
pub struct Forecaster<'a> {
    pub(super) repo: &'a Repo,
    pub(super) target: CommitId,
    pub(super) target_tree: ObjectId,
    scratch: &'a Path,
    trials: OnceCell<Trials>,
    known: Option<Foreseen>,
    told: RefCell<Foreseen>,
    /// As [`Merging`](super::Merging) has it; not so, until somebody knows better.
    pub is_the_same_for_all: bool,
}

/// Where merges are tried; made for the first one.
pub(super) struct Trials {
    pub(super) folder: Quarantine,
    /// Sees what they made, too; for the first one that is looked at.
    objects: OnceCell<git2::Repository>,
    /// The target's tree with each result on it that was merged.
    made: RefCell<BTreeMap<Coming, ObjectId>>,
}

impl Repo {
    /// A forecaster for the target at a commit, about which some things are `known` already; none where
    /// only a merge can tell what it comes to ([`merging`](Self::merging)). It keeps what it makes below
    /// `scratch` while it lives.
    ///
    /// # Errors
    /// `not_found` when the commit is missing.
    pub fn forecaster<'a>(
        &'a self,
        target: CommitId,
        scratch: &'a Path,
        known: Option<Foreseen>,
    ) -> Result<Forecaster<'a>> {
        Quarantine::sweep(scratch);
        let target_tree = self.tree_of(target)?;
        let (trials, told, is_the_same_for_all) = Default::default();
        Ok(Forecaster {
            repo: self,
            target,
            target_tree,
            scratch,
            trials,
            known,
            told,
            is_the_same_for_all,
        })
    }
}

impl Forecaster<'_> {
    /// What was told, known before or not.
    #[must_use]
    pub fn told(self) -> Foreseen {
        self.told.into_inner()
    }

    /// Takes away what was merged here, which is removed by letting go of it.
    pub fn leavings(&mut self) -> Option<impl Send + use<>> {
        self.trials.take()
    }

    /// What landing each result by itself would do, in order; if somebody has `seen` how far they can be
    /// told, they are not looked at again.
    ///
    /// # Errors
    /// `unsupported` when git is too old, `io` when nothing can be written. Inside: why one of them
    /// cannot be landed at all.
    pub fn outlooks(&self, coming: &[Coming], seen: Option<Seen>) -> Result<Vec<Result<Outlook>>> {
        let known = |one: &Coming| self.known.as_ref()?.outlook(one);
        let known: Vec<_> = coming.iter().map(known).collect();
        let starts: Vec<_> = match seen {
            Some(Seen(starts)) => {
                let starts = starts.into_iter().zip(&known);
                starts.filter_map(|(start, known)| known.is_none().then_some(start)).collect()
            }
            None => {
                let unknown = coming.iter().zip(&known).filter(|(_, known)| known.is_none());
                let unknown: Vec<_> = unknown.map(|(one, _)| *one).collect();
                self.repo.scout(self.target, &unknown)?.0
            }
        };
        let mut starts = starts.into_iter();
        let (mut told, mut wanted, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for (one, known) in coming.iter().zip(known) {
            if let Some(known) = known {
                told.push(Ok(known));
                continue;
            }
            let start = starts.next().expect("invariant: one for each that is unknown");
            let untangled = |untangled| self.known.as_ref().map_or(Ok(None), |_| untangled);
            told.push(match start {
                Err(error) => Err(error),
                Ok(Start::Held { behind }) => Ok(plain(one, behind, Touched::default())),
                Ok(Start::Merge { base, behind, untangled: tried }) => match untangled(tried) {
                    Err(error) => Err(error),
                    Ok(Some(touched)) => Ok(plain(one, behind, touched)),
                    Ok(None) => {
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
        let known = |pair: &(&Outlook, &Outlook)| self.known.as_ref()?.pair(*pair);
        let known_merge = |merge: &Wanted| self.known.as_ref()?.merge(merge);
        let mut found: Vec<Option<bool>> = pairs.iter().map(known).collect();
        let (mut wanted, mut plain, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        let mut parcel = Parcel::default();
        for at in 0..pairs.len() {
            match found[at] {
                Some(_) => {}
                None => match self.meeting(pairs[at])? {
                    Meeting::Nowhere => found[at] = Some(false),
                    Meeting::InFiles(met) => match known_merge(&met.merge) {
                        Some(conflict) => found[at] = Some(conflict),
                        None => {
                            parcel.add(met.read);
                            match met.plain.filter(|_| self.is_the_same_for_all) {
                                Some(files) => plain.push((at, met.merge, files)),
                                None => wanted.push((at, met.merge)),
                            }
                        }
                    },
                    Meeting::Unknown => whole.push(at),
                },
            }
        }
        let files: Vec<_> = plain.iter().map(|(_, _, files)| &files[..]).collect();
        let lumps = lumps(&files, &mut parcel)?;
        if !(wanted.is_empty() && plain.is_empty()) {
            parcel.write(self.trials()?.folder.path(), &self.repo.inner)?;
        }
        let lumped = self.lumped(&lumps);
        for (number, (at, merge, _)) in plain.iter().enumerate() {
            match &lumped {
                Ok(conflicts) => {
                    found[*at] = Some(conflicts[number]);
                    self.told.borrow_mut().note_merge(merge, conflicts[number]);
                }
                // Each by itself, so that one that cannot be merged spoils no other's answer.
                Err(_) => wanted.push((*at, *merge)),
            }
        }
        let in_files = wanted.len();
        self.make_trees(whole.iter().flat_map(|at| [pairs[*at].0, pairs[*at].1]))?;
        for at in whole {
            wanted.push((at, self.side_by_side(pairs[at])?));
        }
        let (tried, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        for (number, merged) in self.merged(&wanted)?.into_iter().enumerate() {
            // What cannot be merged at all cannot be landed together either, as far as is known now.
            let Ok(merged) = merged else { continue };
            let conflict = !matches!(merged, Merged::Clean(_));
            found[tried[number]] = Some(conflict);
            if number < in_files {
                self.told.borrow_mut().note_merge(&wanted[number], conflict);
            }
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
        let mut lands: Vec<_> =
            groups.iter().map(|group| self.known.as_ref()?.train(group)).collect();
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
        if groups.is_empty() || !self.merges_trees()? {
            return Ok(vec![None; groups.len()]);
        }
        let mut onto = vec![self.target_tree; groups.len()];
        let mut lands = vec![Vec::new(); groups.len()];
        for turn in 0..groups.iter().map(|group| group.len()).max().unwrap_or(0) {
            let on: Vec<_> = (0..groups.len()).filter(|at| turn < groups[*at].len()).collect();
            let wanted = on.iter().map(|at| {
                let theirs = self.tree_with(groups[*at][turn]).unwrap_or(self.target_tree);
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

    /// The merge of two results as they would stand on the target, or as they are where they cannot.
    fn side_by_side(&self, (one, other): (&Outlook, &Outlook)) -> Result<Wanted> {
        Ok(match (self.tree_with(one), self.tree_with(other)) {
            (Some(ours), Some(theirs)) if self.merges_trees()? => {
                Wanted { base: Some(self.target_tree), ours, theirs }
            }
            _ => Wanted { base: None, ours: one.coming.tip.0, theirs: other.coming.tip.0 },
        })
    }

    /// The target's tree with a result on it, once that was made; none where the result conflicts.
    fn tree_with(&self, result: &Outlook) -> Option<ObjectId> {
        match result.forecast {
            Forecast::Conflicts(_) => None,
            Forecast::UpToDate => Some(self.target_tree),
            Forecast::Clean => self.trials.get()?.made.borrow().get(&result.coming).copied(),
        }
    }

    /// Makes the trees of results that were told without a merge.
    fn make_trees<'a>(&self, results: impl Iterator<Item = &'a Outlook>) -> Result<()> {
        let mut wanted = BTreeMap::new();
        for result in results {
            if result.forecast == Forecast::Clean && self.tree_with(result).is_none() {
                let snapshot = self.repo.snapshot_left(&request(self.target, &result.coming))?;
                wanted.insert(result.coming, self.landing(&result.coming, snapshot));
            }
        }
        let (coming, wanted): (Vec<_>, Vec<_>) = wanted.into_iter().unzip();
        for (coming, merged) in coming.into_iter().zip(self.merged(&wanted)?) {
            // One that cannot be merged any more spoils nobody else's answer.
            if let Ok(Merged::Clean(tree)) = merged {
                self.trials()?.made.borrow_mut().insert(coming, tree);
            }
        }
        Ok(())
    }

    /// The merges that are wanted, each tried for itself; no process where there is none.
    fn merged(&self, wanted: &[Wanted]) -> Result<Vec<Result<Merged>>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        Ok(self.merger()?.merge_all(wanted))
    }

    /// Whether git merges trees here.
    pub(super) fn merges_trees(&self) -> Result<bool> {
        Ok(Merger::new(self.repo, self.target)?.merges_trees())
    }

    pub(super) fn merger(&self) -> Result<Merger<'_>> {
        Ok(Merger::new(self.repo, self.target)?.writing_to(self.trials()?.folder.path()))
    }

    pub(super) fn trials(&self) -> Result<&Trials> {
        if let Some(made) = self.trials.get() {
            return Ok(made);
        }
        let folder = Quarantine::below(self.scratch)?;
        let (objects, made) = Default::default();
        Ok(self.trials.get_or_init(|| Trials { folder, objects, made }))
    }

    /// The repository with what merges have made.
    fn with_trials(&self) -> Result<&git2::Repository> {
        let trials = self.trials()?;
        if let Some(opened) = trials.objects.get() {
            return Ok(opened);
        }
        let place = trials.folder.path().to_str();
        let place =
            place.ok_or_else(|| Error::unsupported("the path of the repository is not UTF-8"))?;
        let attempt = || "look at the repository once more";
        let objects = git2::Repository::open(self.repo.common_dir()).git_attempt(attempt)?;
        objects.odb().and_then(|odb| odb.add_disk_alternate(place)).git_attempt(attempt)?;
        Ok(trials.objects.get_or_init(|| objects))
    }

    fn landing(&self, coming: &Coming, base: Option<CommitId>) -> Wanted {
        Wanted { base: base.map(|base| base.0), ours: self.target.0, theirs: coming.tip.0 }
    }

    fn outlook(
        &self,
        coming: &Coming,
        (snapshot, behind): (Option<CommitId>, usize),
        merged: Merged,
    ) -> Result<Outlook> {
        let before = self.target_tree;
        let (forecast, from, to) = match merged {
            Merged::Clean(tree) if tree == before => (Forecast::UpToDate, before, before),
            Merged::Clean(tree) => {
                self.trials()?.made.borrow_mut().insert(*coming, tree);
                (Forecast::Clean, before, tree)
            }
            Merged::Conflicts(conflicts) => {
                let request = PlanRequest { snapshot, ..request(self.target, coming) };
                if self.repo.holds_as_one_commit(&request)? {
                    (Forecast::UpToDate, before, before)
                } else {
                    let shared = self.repo.merge_base(self.target, coming.tip)?;
                    let from = snapshot.or(shared).unwrap_or(self.target);
                    let ends = (self.repo.tree_of(from)?, self.repo.tree_of(coming.tip)?);
                    (Forecast::Conflicts(conflicts), ends.0, ends.1)
                }
            }
        };
        let touched = Touched::by(&compare_trees(self.with_trials()?, from, to)?);
        Ok(Outlook { forecast, behind, coming: *coming, is_plain: false, touched })
    }
}

/// What is told where nothing contradicts it.
fn plain(coming: &Coming, behind: usize, touched: Touched) -> Outlook {
    let forecast = if touched.changed.is_empty() { Forecast::UpToDate } else { Forecast::Clean };
    Outlook { forecast, behind, coming: *coming, is_plain: true, touched }
}
