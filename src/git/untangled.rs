//! Merges that need none: of two sides that change different things the result is the base with both.
//!
//! Git comes to the same tree, since where one side has what the base has it takes the other one's, as
//! long as nothing is taken for moved (merge-ort). A side moves something only where it loses a path and
//! gains one, and that touches the other side only where it changes one of the two, or has something new
//! in a folder around what is lost. All that, a file where the other side has a folder, several bases, and
//! whatever [`merging`](Repo::merging) cannot name is left to git.
//!
//! Where two sides change the content of the same files and meet nowhere else, git merges these files and
//! none of the other ones.

use super::error::{GitAttempt, from_git2};
use super::forecast::Forecaster;
use super::merge_batch::Wanted;
use super::outlook::{Outlook, Touched};
use super::parcel::Parcel;
use super::repo::{Repo, commit_id, object_id, oid};
use super::tree_diff::{Change, Entry, compare_trees};
use crate::error::Result;
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// What the target has gained since each of some trees.
pub(super) type Gains = RefCell<BTreeMap<ObjectId, Rc<Gained>>>;

pub(super) struct Gained {
    changes: BTreeMap<RepoPath, Change>,
    touched: Touched,
}

/// Where two results that are to stand on the target side by side could contradict each other.
pub(super) enum Meeting {
    Nowhere,
    /// In the content of files, of which this is the merge.
    InFiles(Wanted),
    Unknown,
}

impl Forecaster<'_> {
    /// What landing what `tip` did since `base` would change, if no more than that; none if only git can
    /// tell.
    pub(super) fn untangled(&self, base: CommitId, tip: CommitId) -> Result<Option<Touched>> {
        let base = self.repo.tree_of(base)?;
        let gained = self.gained(base)?;
        let mut own = compare_trees(&self.repo.inner, base, self.repo.tree_of(tip)?)?;
        // What both sides left as another file, in the same way. Gone or new on both, it may be moved.
        let is_shared = |change: &Change| gained.changes.get(&change.path) == Some(change);
        own.retain(|change| change.old.is_none() || change.new.is_none() || !is_shared(change));
        let touched = Touched::by(&own);
        let meets = own.iter().any(|change| gained.changes.contains_key(&change.path));
        Ok((!meets && !touched.meets(&gained.touched)).then_some(touched))
    }

    fn gained(&self, base: ObjectId) -> Result<Rc<Gained>> {
        if let Some(known) = self.gains.borrow().get(&base) {
            return Ok(Rc::clone(known));
        }
        let changes = compare_trees(&self.repo.inner, base, self.target_tree)?;
        let touched = Touched::by(&changes);
        let changes = changes.into_iter().map(|change| (change.path.clone(), change)).collect();
        let gained = Rc::new(Gained { changes, touched });
        self.gains.borrow_mut().insert(base, Rc::clone(&gained));
        Ok(gained)
    }

    /// Where two results meet. What a merge of it reads goes into the parcel.
    pub(super) fn meeting(
        &self,
        (one, other): (&Outlook, &Outlook),
        parcel: &mut Parcel,
    ) -> Result<Meeting> {
        if !one.is_plain || !other.is_plain || one.touched.meets(&other.touched) {
            return Ok(Meeting::Unknown);
        }
        let tips = [one.coming.tip, other.coming.tip];
        let trees = [self.target_tree, self.repo.tree_of(tips[0])?, self.repo.tree_of(tips[1])?];
        let mut files: [Vec<(&[u8], Entry)>; 3] = Default::default();
        for path in one.changed().intersection(other.changed()) {
            let mut held = [None; 3];
            for (held, tree) in held.iter_mut().zip(trees) {
                *held = self.repo.held_at(tree, path)?;
            }
            let [Some(base), Some(ours), Some(theirs)] = held else { return Ok(Meeting::Unknown) };
            if !base.is_file() || !base.is_like(ours) || !base.is_like(theirs) {
                return Ok(Meeting::Unknown);
            }
            if ours != theirs {
                for (files, entry) in files.iter_mut().zip([base, ours, theirs]) {
                    files.push((path.as_bytes(), entry));
                }
            }
        }
        if files[0].is_empty() {
            return Ok(Meeting::Nowhere);
        }
        if !self.merger()?.merges_trees() {
            return Ok(Meeting::Unknown);
        }
        let [base, ours, theirs] = files.map(|files| parcel.add_tree(&files));
        Ok(Meeting::InFiles(Wanted { base: Some(base?), ours: ours?, theirs: theirs? }))
    }
}

impl Repo {
    /// The best common ancestors of two commits; there may be several, or none.
    pub(super) fn merge_bases(&self, one: CommitId, other: CommitId) -> Result<Vec<CommitId>> {
        match self.inner.merge_bases(oid(one.0), oid(other.0)) {
            Ok(found) => Ok(found.iter().map(|id| commit_id(*id)).collect()),
            Err(cause) if cause.code() == git2::ErrorCode::NotFound => Ok(Vec::new()),
            Err(cause) => Err(from_git2(format!("find what `{one}` and `{other}` share"), &cause)),
        }
    }

    /// What a tree holds at a path.
    fn held_at(&self, tree: ObjectId, path: &RepoPath) -> Result<Option<Entry>> {
        let tree = self.inner.find_tree(oid(tree)).git_attempt(|| format!("read `{tree}`"))?;
        let Ok(entry) = tree.get_path(path.as_path()) else { return Ok(None) };
        let mode = u32::try_from(entry.filemode()).unwrap_or_default();
        Ok(Some(Entry { mode, id: object_id(entry.id()) }))
    }
}
