//! New objects of one snapshot, made durable together.
//!
//! To make a file durable takes a disk about as long as it takes for a megabyte, and an object by itself is two
//! of them, with its folder. Where they are many they go into one pack, before anything refers to them, as
//! git puts what it fetches into one. A few are written one by one, because git slows down with the number of packs,
//! which it gathers once there are 50 (`gc.autoPackLimit`).

use super::error::GitAttempt;
use super::parcel::{BLOB, LARGEST, MOST, TREE, packed};
use super::repo::{Repo, object_id, oid};
use crate::disk::sync_folder;
use crate::error::{Attempt, Result};
use crate::names::ObjectId;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Fewer are written one by one.
const MANY: usize = 16;

/// How hard a pack is deflated (`pack.compression` of git).
const LEVEL: i32 = 6;

/// Before the folders of objects, which are asked by their priorities (1 and 2, odb.c of libgit2).
const FIRST: i32 = 1000;

/// Objects that nothing refers to yet.
pub(super) struct Batch<'a> {
    repo: &'a Repo,
    /// Has what the repository has, and keeps in memory what is new; made for the first object.
    memory: OnceCell<git2::Repository>,
    blobs: BTreeSet<ObjectId>,
    /// Of the blobs, in bytes.
    size: usize,
}

impl<'a> Batch<'a> {
    pub(super) fn of(repo: &'a Repo) -> Self {
        let (memory, blobs, size) = Default::default();
        Self { repo, memory, blobs, size }
    }

    /// A repository in which objects of this batch are made; it forgets what is not kept.
    pub(super) fn memory(&self) -> Result<&git2::Repository> {
        if let Some(memory) = self.memory.get() {
            return Ok(memory);
        }
        let attempt = || "look at the repository once more";
        let memory = git2::Repository::open(self.repo.common_dir()).git_attempt(attempt)?;
        let objects = memory.odb();
        let added = objects.and_then(|it| it.add_new_mempack_backend(FIRST).map(drop));
        added.git_attempt(attempt)?;
        Ok(self.memory.get_or_init(|| memory))
    }

    /// Adds the content of a file. What is large is durable at once.
    pub(super) fn add(&mut self, content: &[u8]) -> Result<()> {
        let attempt = || "store a file";
        let size = self.size + content.len();
        if content.len() > LARGEST || size > MOST {
            return self.repo.inner.blob(content).map(drop).git_attempt(attempt);
        }
        let blob = self.memory()?.blob(content).git_attempt(attempt)?;
        self.blobs.insert(object_id(blob));
        self.size = size;
        Ok(())
    }

    /// Makes durable what was added, and what of the tree `new` is neither in `old` nor anywhere yet.
    ///
    /// # Errors
    /// `git` or `io` when something cannot be written.
    pub(super) fn keep(&self, old: ObjectId, new: ObjectId) -> Result<()> {
        let Some(memory) = self.memory.get() else { return Ok(()) };
        let attempt = || "store a snapshot";
        let (made, stored) = (memory.odb(), self.repo.inner.odb());
        let (made, stored) = (made.git_attempt(attempt)?, stored.git_attempt(attempt)?);
        // A tree that is there already may be what a killed process left, of which not all is there.
        let mut trees = Vec::new();
        differing_trees(memory, Some(old), new, &mut trees)?;
        let blobs = self.blobs.iter().map(|blob| (*blob, BLOB));
        let mut objects = Vec::new();
        for (id, kind) in blobs.chain(trees.into_iter().map(|tree| (tree, TREE))) {
            if !stored.exists_ext(oid(id), git2::OdbLookupFlags::NO_REFRESH) {
                let content = made.read(oid(id)).git_attempt(attempt)?.data().to_vec();
                objects.push((id, (kind, content)));
            }
        }
        if objects.len() < MANY {
            for (_, (kind, content)) in &objects {
                let kind =
                    if *kind == TREE { git2::ObjectType::Tree } else { git2::ObjectType::Blob };
                stored.write(kind, content).git_attempt(attempt)?;
            }
            return Ok(());
        }
        let (name, pack, index) = packed(&objects.into_iter().collect(), LEVEL);
        let folder = self.repo.common_dir().join("objects/pack");
        // Git looks for the index first. What begins so and is old, git removes.
        let files = [("pack", pack), ("idx", index)].map(|(kind, bytes)| {
            let fresh = folder.join(format!("tmp_{kind}_{name}-{}", std::process::id()));
            (fresh, folder.join(format!("pack-{name}.{kind}")), bytes)
        });
        let write = || {
            fs::create_dir_all(&folder)?;
            files.iter().try_for_each(|(fresh, _, bytes)| write_durably(fresh, bytes))?;
            files.iter().try_for_each(|(fresh, place, _)| fs::rename(fresh, place))
        };
        let written = write();
        if written.is_err() {
            // On a full disk others want their room. A pack that has its name may be somebody else's too.
            files.iter().for_each(|(fresh, ..)| drop(fs::remove_file(fresh)));
        }
        written.attempt(|| format!("write into `{}`", folder.display()))?;
        sync_folder(&folder)
    }
}

/// A file as git has it among its objects, with these bytes, which are durable.
fn write_durably(place: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o444).open(place)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// The folders of a tree that another one has not at the same place, those within others first.
fn differing_trees(
    repo: &git2::Repository,
    old: Option<ObjectId>,
    new: ObjectId,
    found: &mut Vec<ObjectId>,
) -> Result<()> {
    if old == Some(new) {
        return Ok(());
    }
    let read = |id: ObjectId| repo.find_tree(oid(id)).git_attempt(|| format!("read `{id}`"));
    let old = old.map(read).transpose()?;
    let is_folder = |entry: &git2::TreeEntry<'_>| entry.kind() == Some(git2::ObjectType::Tree);
    for entry in read(new)?.iter().filter(is_folder) {
        let before = old.as_ref().and_then(|old| old.get_name_bytes(entry.name_bytes()));
        let before = before.filter(is_folder).map(|before| object_id(before.id()));
        differing_trees(repo, before, object_id(entry.id()), found)?;
    }
    found.push(new);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::command::Git;
    use super::*;
    use crate::environment::Environment;

    struct World {
        folder: tempfile::TempDir,
        repo: Repo,
        empty: ObjectId,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            git2::Repository::init_bare(folder.path()).expect("makes a repository");
            let path = std::env::var_os("PATH").expect("a PATH");
            let environment = Environment::new([("PATH".into(), path)]);
            let repo = Repo::discover(folder.path(), &environment).expect("is there");
            let empty = repo.inner.treebuilder(None).and_then(|tree| tree.write());
            let empty = object_id(empty.expect("writes"));
            Self { folder, repo, empty }
        }

        /// A batch of the files `0` to `count`, three folders deep, and its tree.
        fn batch(&self, count: usize) -> (Batch<'_>, ObjectId) {
            let mut batch = Batch::of(&self.repo);
            let mut changes = git2::build::TreeUpdateBuilder::new();
            for number in 0..count {
                let content = format!("{number}\n").repeat(number + 1);
                batch.add(content.as_bytes()).expect("adds");
                let id = git2::Oid::hash_object(git2::ObjectType::Blob, content.as_bytes());
                let path = format!("a/{}/c/{number}", number % 3);
                changes.upsert(path, id.expect("an id"), git2::FileMode::Blob);
            }
            let memory = batch.memory().expect("a repository");
            let old = memory.find_tree(oid(self.empty)).expect("a tree");
            let tree = object_id(changes.create_updated(memory, &old).expect("a tree"));
            drop(old);
            (batch, tree)
        }

        /// What git finds of a tree, the content of all files one after another.
        fn all_of(&self, tree: ObjectId) -> Vec<u8> {
            let path = std::env::var_os("PATH").expect("a PATH");
            let git = Git::new(&Environment::new([("PATH".into(), path)]));
            let at = |verb| git.at(self.folder.path(), verb);
            at("fsck").args(["--strict", "--full", &tree.to_string()]).run().expect("is whole");
            let archive = at("archive").args(["--format=tar", &tree.to_string()]).run();
            archive.expect("reads").stdout
        }

        /// How many packs there are, and how many files beside them and their indexes.
        fn packs(&self) -> (usize, usize) {
            let found = self.folder.path().join("objects/pack").read_dir().expect("a folder");
            let names: Vec<_> = found.map(|file| file.expect("a file").file_name()).collect();
            let packs = names.iter().filter(|name| name.to_string_lossy().ends_with(".pack"));
            (packs.clone().count(), names.len() - 2 * packs.count())
        }
    }

    #[test]
    fn many_go_into_one_pack_and_a_few_do_not() {
        let world = World::new();
        let (few, tree) = world.batch(3);
        few.keep(world.empty, tree).expect("keeps");
        assert_eq!(world.packs(), (0, 0));
        assert!(!world.all_of(tree).is_empty());
        let (many, tree) = world.batch(300);
        many.keep(world.empty, tree).expect("keeps");
        assert_eq!(world.packs(), (1, 0));
        // A block for each name and one for each content (tar(5)).
        assert!(world.all_of(tree).len() > 2 * 512 * 300);
        // All of it is there now.
        let (again, same) = world.batch(300);
        again.keep(world.empty, same).expect("keeps");
        assert_eq!((world.packs(), same), ((1, 0), tree));
    }

    #[test]
    fn what_is_not_kept_is_forgotten() {
        let world = World::new();
        let (batch, tree) = world.batch(300);
        drop(batch);
        assert_eq!(world.packs(), (0, 0));
        assert!(world.repo.inner.find_tree(oid(tree)).is_err());
    }

    #[test]
    fn a_tree_whose_parts_a_killed_process_did_not_write_is_made_whole() {
        for count in [3, 300] {
            let world = World::new();
            let (batch, tree) = world.batch(count);
            let memory = batch.memory().and_then(|it| it.odb().git_attempt(|| "look")).expect("it");
            let root = memory.read(oid(tree)).expect("a tree").data().to_vec();
            drop(memory);
            let stored = world.repo.inner.odb().expect("objects");
            stored.write(git2::ObjectType::Tree, &root).expect("writes");
            batch.keep(world.empty, tree).expect("keeps");
            assert!(!world.all_of(tree).is_empty());
        }
    }

    #[test]
    fn what_is_large_is_stored_at_once() {
        let world = World::new();
        let mut batch = Batch::of(&world.repo);
        let content = vec![b'x'; LARGEST + 1];
        batch.add(&content).expect("adds");
        drop(batch);
        let id = git2::Oid::hash_object(git2::ObjectType::Blob, &content).expect("an id");
        assert_eq!(world.repo.inner.find_blob(id).expect("is there").content(), content);
    }
}
