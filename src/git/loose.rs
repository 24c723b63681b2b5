//! Folders out of trees, by what they hold, for whoever compares many of them.
//!
//! Most trees of tasks are small and lie loose: `objects/xx/…`, deflated, `tree SIZE NUL` before the content.
//! Libgit2 asks twice for each before it opens it, and inflates and sums slowly. Here it is opened at once; its
//! sum is proven all the same. What is not found here, or is not as git writes it, libgit2 finds, or says
//! what is wrong.

use super::error::GitAttempt;
use super::repo::oid;
use super::tree_diff::Entry;
use super::tree_plan::TreeEntry;
use crate::error::{Error, Result};
use crate::names::ObjectId;
use libdeflater::Decompressor;
use sha1::{Digest, Sha1};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::PathBuf;

/// Larger ones are left to libgit2, in bytes, deflated or not.
const LARGEST: usize = 64 * 1024;

/// A folder, files, a link, a submodule: what git writes into trees.
const MODES: [u32; 5] = [0o040_000, 0o100_644, 0o100_755, 0o120_000, 0o160_000];

/// What stands behind the name of an entry: NUL and an id, in bytes.
const BEHIND_NAME: usize = 21;

/// What a folder holds, by name.
#[derive(Default)]
pub(super) struct Folder {
    /// Where the names stand.
    text: Vec<u8>,
    entries: Vec<(Range<usize>, Entry)>,
}

impl Folder {
    /// Names and entries, sorted by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], Entry)> {
        self.entries.iter().map(|(name, entry)| (&self.text[name.clone()], *entry))
    }

    /// Sorts the entries, which git keeps in another order.
    fn sorted(mut self, id: ObjectId) -> Result<Self> {
        let text = &self.text;
        let name = |(name, _): &(Range<usize>, Entry)| &text[name.clone()];
        self.entries.sort_unstable_by(|one, other| name(one).cmp(name(other)));
        match self.entries.is_sorted_by(|one, next| name(one) < name(next)) {
            true => Ok(self),
            false => Err(Error::git(format!("`{id}` holds a name twice"))),
        }
    }

    fn of_tree(tree: &git2::Tree<'_>) -> Self {
        let mut folder = Self::default();
        for entry in tree {
            let start = folder.text.len();
            folder.text.extend_from_slice(entry.name_bytes());
            folder.entries.push((start..folder.text.len(), Entry::of(&entry)));
        }
        folder
    }

    /// None where there is anything but entries, or a mode that git does not write.
    fn parsed(text: &[u8]) -> Option<Self> {
        let (mut rest, mut entries) = (text, Vec::new());
        while !rest.is_empty() {
            let TreeEntry { mode, name, id } = TreeEntry::take(&mut rest)?;
            if !MODES.contains(&mode) {
                return None;
            }
            let end = text.len() - rest.len() - BEHIND_NAME;
            entries.push((end - name.len()..end, Entry { mode, id }));
        }
        Some(Self { text: text.to_vec(), entries })
    }
}

/// Reads folders, one after another.
pub(super) struct Folders<'a> {
    objects: &'a git2::Repository,
    place: PathBuf,
    inflater: Decompressor,
    stored: Vec<u8>,
    content: Vec<u8>,
}

impl<'a> Folders<'a> {
    pub(super) fn new(objects: &'a git2::Repository) -> Self {
        let place = objects.commondir().join("objects");
        let (stored, content) = (Vec::new(), vec![0; LARGEST]);
        Self { objects, place, inflater: Decompressor::new(), stored, content }
    }

    /// What a tree holds.
    ///
    /// # Errors
    /// `git` when it is missing, or holds a name twice.
    pub(super) fn read(&mut self, id: ObjectId) -> Result<Folder> {
        let folder = match self.loose(id) {
            Some(loose) => loose,
            None => {
                let tree = self.objects.find_tree(oid(id));
                Folder::of_tree(&tree.git_attempt(|| format!("read `{id}`"))?)
            }
        };
        folder.sorted(id)
    }

    fn loose(&mut self, id: ObjectId) -> Option<Folder> {
        let name = id.to_string();
        let (folder, file) = name.split_at(2);
        let file = File::open(self.place.join(folder).join(file)).ok()?;
        self.stored.clear();
        let most = u64::try_from(LARGEST).ok()?;
        file.take(most).read_to_end(&mut self.stored).ok()?;
        let size = self.inflater.zlib_decompress(&self.stored, &mut self.content).ok()?;
        let whole = &self.content[..size];
        let sum: [u8; 20] = Sha1::digest(whole).into();
        if sum != *id.as_bytes() {
            return None;
        }
        let end = whole.iter().position(|byte| *byte == 0)?;
        let (head, content) = (&whole[..end], &whole[end + 1..]);
        (head == format!("tree {}", content.len()).as_bytes()).then(|| Folder::parsed(content))?
    }
}

#[cfg(test)]
mod tests {
    use super::super::repo::object_id;
    use super::*;
    use std::fs;

    #[test]
    fn a_loose_tree_is_read_as_libgit2_reads_it_and_a_damaged_one_by_nobody() {
        let folder = tempfile::tempdir().expect("a folder");
        let repo = git2::Repository::init_bare(folder.path()).expect("a repository");
        let blob = repo.blob(b"x").expect("stores");
        let mut tree = repo.treebuilder(None).expect("a tree");
        let empty = tree.write().expect("stores");
        for (name, mode) in
            [("a", 0o040_000), ("a.b", 0o100_644), ("b", 0o100_755), ("c", 0o120_000)]
        {
            let id = if mode == 0o040_000 { empty } else { blob };
            tree.insert(name, id, mode).expect("a name");
        }
        let whole = tree.write().expect("stores");
        let repo = git2::Repository::open(folder.path()).expect("a repository");
        let mut folders = Folders::new(&repo);
        for id in [empty, whole].map(object_id) {
            let tree = repo.find_tree(oid(id)).expect("is there");
            let loose = folders.loose(id).expect("is loose");
            assert!(loose.iter().eq(Folder::of_tree(&tree).iter()), "{id}");
        }
        let place = |id: git2::Oid| {
            let (folder, file) = (id.to_string()[..2].to_owned(), id.to_string()[2..].to_owned());
            repo.path().join("objects").join(folder).join(file)
        };
        fs::remove_file(place(whole)).expect("removes");
        fs::copy(place(empty), place(whole)).expect("copies");
        let repo = git2::Repository::open(folder.path()).expect("a repository");
        assert!(Folders::new(&repo).read(object_id(whole)).is_err());
    }
}
