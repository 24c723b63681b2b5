//! Merges that need none: of two sides that change different things the result is the base with both.
//!
//! Git comes to the same tree, since where one side has what the base has it takes the other one's, as
//! long as nothing is taken for moved (merge-ort). A side moves something only where it loses a path and
//! gains one, and that touches the other side only where it changes one of the two, or has something new
//! in a folder around what is lost. All that, a file where the other side has a folder, several bases, and
//! whatever [`merging`](Repo::merging) cannot name is left to git.
//!
//! Where two sides change the content of the same files and meet nowhere else, git merges trees of these
//! files and of what says their attributes.

use super::error::GitAttempt;
use super::forecast::Forecaster;
use super::lump::Sides;
use super::merge_batch::Wanted;
use super::outlook::{Outlook, around};
use super::parcel::Parcel;
use super::repo::{Repo, oid};
use super::tree_diff::Entry;
use crate::error::Result;
use crate::names::ObjectId;
use crate::path::RepoPath;
use std::collections::BTreeMap;

/// Where two results that are to stand on the target side by side could contradict each other.
pub(super) enum Meeting {
    Nowhere,
    /// In the content of files.
    InFiles(InFiles),
    Unknown,
}

/// Files that both change.
pub(super) struct InFiles {
    pub(super) merge: Wanted,
    /// What is read for it.
    pub(super) read: Parcel,
    /// The files, where none of the target's gives them attributes.
    pub(super) plain: Option<Vec<Sides>>,
}

impl Forecaster<'_> {
    /// Where two results meet.
    pub(super) fn meeting(&self, (one, other): (&Outlook, &Outlook)) -> Result<Meeting> {
        if !one.is_plain || !other.is_plain || one.touched.meets(&other.touched) {
            return Ok(Meeting::Unknown);
        }
        let tips = [one.coming.tip, other.coming.tip];
        let trees = [self.target_tree, self.repo.tree_of(tips[0])?, self.repo.tree_of(tips[1])?];
        let mut files = BTreeMap::new();
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
                files.insert(path.clone(), [base, ours, theirs]);
            }
        }
        if files.is_empty() {
            return Ok(Meeting::Nowhere);
        }
        if !self.merges_trees()? {
            return Ok(Meeting::Unknown);
        }
        let attributes = self.attributes_of(files.keys())?;
        let plain = attributes.is_empty().then(|| files.values().copied().collect());
        for (path, entry) in attributes {
            files.entry(path).or_insert([entry; 3]);
        }
        let mut read = Parcel::default();
        let mut tree_of = |side: usize| {
            let files: Vec<_> =
                files.iter().map(|(path, held)| (path.as_bytes(), held[side])).collect();
            read.add_tree(&files)
        };
        let (base, ours, theirs) = (Some(tree_of(0)?), tree_of(1)?, tree_of(2)?);
        let merge = Wanted { base, ours, theirs };
        Ok(Meeting::InFiles(InFiles { merge, read, plain }))
    }

    /// The files of the target in which attributes of some paths may stand.
    fn attributes_of<'a>(
        &self,
        paths: impl Iterator<Item = &'a RepoPath>,
    ) -> Result<BTreeMap<RepoPath, Entry>> {
        let mut found = BTreeMap::new();
        for folder in paths.flat_map(|path| around(path.as_bytes())) {
            let slash = if folder.is_empty() { &b""[..] } else { b"/" };
            let path = RepoPath::new([folder, slash, b".gitattributes"].concat());
            match self.repo.held_at(self.target_tree, &path)? {
                Some(entry) if entry.is_file() || entry.is_symlink() => {
                    found.insert(path, entry);
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

impl Repo {
    /// What a tree holds at a path.
    fn held_at(&self, tree: ObjectId, path: &RepoPath) -> Result<Option<Entry>> {
        let tree = self.inner.find_tree(oid(tree)).git_attempt(|| format!("read `{tree}`"))?;
        let Ok(entry) = tree.get_path(path.as_path()) else { return Ok(None) };
        Ok(Some(Entry::of(&entry)))
    }
}
