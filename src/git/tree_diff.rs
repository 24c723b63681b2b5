//! What differs between two trees, path by path, without renames.
//!
//! This is the list that landing works from, so it is exact: modes and ids of both sides. What a
//! person is shown of a change (renames, line counts) is deliberately absent. Landing asks git; where
//! nothing moves by it, [`compare_trees`] answers within this process. Libgit2's own comparison is not
//! used: it walks through folders that are the same, so its cost is that of the whole repository.

use super::error::GitAttempt;
use super::loose::{Folder, Folders};
use super::repo::{Repo, object_id, oid};
use crate::error::{Error, Result};
use crate::names::ObjectId;
use crate::path::RepoPath;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

const GITLINK: u32 = 0o160_000;
const SYMLINK: u32 = 0o120_000;
const FOLDER: u32 = 0o040_000;

/// What a tree holds at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) mode: u32,
    pub(super) id: ObjectId,
}

impl Entry {
    /// What an entry of a tree says.
    pub(super) fn of(entry: &git2::TreeEntry<'_>) -> Self {
        let mode = u32::try_from(entry.filemode()).unwrap_or_default();
        Self { mode, id: object_id(entry.id()) }
    }

    /// Whether it is a symbolic link.
    pub(super) fn is_symlink(self) -> bool {
        self.mode == SYMLINK
    }

    /// Whether it is a file with content, a program or not.
    pub(super) fn is_file(self) -> bool {
        self.mode >> 12 == 0o10
    }

    /// Whether both are files, or symbolic links, or submodules' commits.
    pub(super) fn is_like(self, other: Self) -> bool {
        self.mode >> 12 == other.mode >> 12
    }

    /// Whether it is a submodule's commit, which has no content of ours.
    pub(super) fn is_gitlink(self) -> bool {
        self.mode == GITLINK
    }
}

/// One path that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) path: RepoPath,
    pub(super) old: Option<Entry>,
    pub(super) new: Option<Entry>,
}

impl Change {
    /// The old side where it is a file or symbolic link.
    pub(super) fn old_file(&self) -> Option<Entry> {
        self.old.filter(|entry| !entry.is_gitlink())
    }

    /// The new side where it is a file or symbolic link.
    pub(super) fn new_file(&self) -> Option<Entry> {
        self.new.filter(|entry| !entry.is_gitlink())
    }
}

impl Repo {
    /// The paths that differ between two trees (or commits), in git's order.
    pub(super) fn changes_between(&self, old: ObjectId, new: ObjectId) -> Result<Vec<Change>> {
        let output = self
            .git
            .on_objects(self.common_dir(), "diff-tree")
            .args(["-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-ext-diff"])
            .args(["--ignore-submodules=none", &old.to_string(), &new.to_string()])
            .run()?;
        let mut fields = output.fields();
        let mut changes = Vec::new();
        while let (Some(header), Some(path)) = (fields.next(), fields.next()) {
            let change = parse(header, path);
            changes.push(
                change.ok_or_else(|| Error::git("`git diff-tree` answered something unknown"))?,
            );
        }
        Ok(changes)
    }
}

/// A file of a tree and its size.
pub type SizedFile = (RepoPath, u64);

impl Repo {
    /// The files that are new or different in a tree and larger than `limit`, in bytes.
    ///
    /// # Errors
    /// When a tree cannot be read.
    pub fn large_files(
        &self,
        (old, new): (ObjectId, ObjectId),
        limit: u64,
    ) -> Result<Vec<SizedFile>> {
        let changes = compare_trees(&self.inner, old, new)?;
        let objects = self.inner.odb().git_attempt(|| "compare two trees")?;
        let sized = changes.into_iter().filter_map(|change| {
            // What has no blob here (gone, a submodule's commit) has no size either.
            let (size, _) = objects.read_header(oid(change.new?.id)).ok()?;
            Some((change.path, u64::try_from(size).unwrap_or(u64::MAX)))
        });
        Ok(sized.filter(|(_, size)| *size > limit).collect())
    }
}

/// The paths that differ between two trees, sorted. Of folders that are the same nothing is read.
///
/// # Errors
/// `git` when a tree is missing, or holds a name twice.
pub(super) fn compare_trees(
    objects: &git2::Repository,
    old: ObjectId,
    new: ObjectId,
) -> Result<Vec<Change>> {
    Comparer::new(objects).compare(old, new)
}

/// Compares many trees with a few, whose folders it reads once.
pub(super) struct Comparer<'a> {
    folders: Folders<'a>,
    few: BTreeMap<ObjectId, Rc<Folder>>,
    met_attributes: bool,
}

impl<'a> Comparer<'a> {
    pub(super) fn new(objects: &'a git2::Repository) -> Self {
        Self { folders: Folders::new(objects), few: BTreeMap::new(), met_attributes: false }
    }

    /// Whether a folder around something that differed has attributes on the newer side.
    pub(super) fn met_attributes(&self) -> bool {
        self.met_attributes
    }

    /// As [`compare_trees`]; `old` is one of the few.
    pub(super) fn compare(&mut self, old: ObjectId, new: ObjectId) -> Result<Vec<Change>> {
        let mut found = Vec::new();
        let folder = |id| Some(Entry { mode: FOLDER, id });
        self.look(&[], (folder(old), folder(new)), &mut found)?;
        found.sort_unstable_by(|one, other| one.path.as_bytes().cmp(other.path.as_bytes()));
        Ok(found)
    }

    /// Two entries at a path, either of which may be a folder.
    fn look(
        &mut self,
        path: &[u8],
        (old, new): (Option<Entry>, Option<Entry>),
        found: &mut Vec<Change>,
    ) -> Result<()> {
        if old == new {
            return Ok(());
        }
        let file = |entry: Option<Entry>| entry.filter(|entry| entry.mode != FOLDER);
        if file(old).or(file(new)).is_some() {
            found.push(Change { path: RepoPath::new(path), old: file(old), new: file(new) });
        }
        let folder = |entry: Option<Entry>| entry.filter(|entry| entry.mode == FOLDER);
        let old = folder(old).map(|old| self.known(old.id)).transpose()?.unwrap_or_default();
        let new = folder(new).map(|new| self.folders.read(new.id)).transpose()?.unwrap_or_default();
        self.met_attributes |= new.iter().any(|(name, _)| name == b".gitattributes");
        let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
        loop {
            let first = match (old.peek(), new.peek()) {
                (None, None) => return Ok(()),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((one, _)), Some((other, _))) => one.cmp(other),
            };
            let before = old.next_if(|_| first.is_le());
            let now = new.next_if(|_| first.is_ge());
            let sides = (before.map(|(_, entry)| entry), now.map(|(_, entry)| entry));
            if let Some((name, _)) = before.or(now).filter(|_| sides.0 != sides.1) {
                let slash: &[u8] = if path.is_empty() { b"" } else { b"/" };
                self.look(&[path, slash, name].concat(), sides, found)?;
            }
        }
    }

    fn known(&mut self, id: ObjectId) -> Result<Rc<Folder>> {
        if let Some(known) = self.few.get(&id) {
            return Ok(Rc::clone(known));
        }
        let folder = Rc::new(self.folders.read(id)?);
        self.few.insert(id, Rc::clone(&folder));
        Ok(folder)
    }
}

/// `:<old mode> <new mode> <old id> <new id> <status>`
fn parse(header: &[u8], path: &[u8]) -> Option<Change> {
    let mut words = std::str::from_utf8(header).ok()?.strip_prefix(':')?.split(' ');
    let mut mode = || u32::from_str_radix(words.next()?, 8).ok();
    let (old_mode, new_mode) = (mode()?, mode()?);
    let mut id = || words.next()?.parse::<ObjectId>().ok();
    let (old_id, new_id) = (id()?, id()?);
    let side = |mode, id| (mode != 0).then_some(Entry { mode, id });
    Some(Change {
        path: RepoPath::new(path),
        old: side(old_mode, old_id),
        new: side(new_mode, new_id),
    })
}

#[cfg(test)]
mod tests {
    use super::super::command::Git;
    use super::super::repo::Repo;
    use super::*;
    use crate::environment::Environment;

    /// A tree of `path mode` pairs, made by git; each file holds its own path.
    fn tree(repo: &Repo, files: &[(&str, &str)]) -> ObjectId {
        let index = repo.common_dir().join("test-index");
        let git = |verb| repo.git.at(repo.common_dir(), verb).index(&index);
        let mut lines = String::new();
        for (path, mode) in files {
            let blob = git("hash-object").args(["-w", "--stdin"]).input(*path).run();
            let id = match *mode {
                "160000" => "1".repeat(40),
                _ => blob.expect("stores").line(),
            };
            lines.push_str(&format!("{mode} {id}\t{path}\n"));
        }
        git("read-tree").arg("--empty").run().expect("empties");
        git("update-index").arg("--index-info").input(lines).run().expect("fills");
        git("write-tree").run().expect("writes").line().parse().expect("an id")
    }

    #[test]
    fn trees_are_compared_as_git_does_it() {
        let folder = tempfile::tempdir().expect("temporary folder");
        git2::Repository::init_bare(folder.path()).expect("makes a repository");
        let path = std::env::var_os("PATH").expect("a PATH");
        let environment = Environment::new([("PATH".into(), path)]);
        let repo = Repo::discover(folder.path(), &environment).expect("is there");
        let file = |path| (path, "100644");
        let trees = [
            tree(&repo, &[]),
            tree(&repo, &[file("a"), file("b/c/d"), file("b/same"), file("z")]),
            tree(&repo, &[file("a/in"), file("a-b"), ("b/c/d", "100755"), file("b/same")]),
            tree(&repo, &[("a", "120000"), file("b"), ("z", "160000"), file("zz/y/x")]),
        ];
        for old in trees {
            for new in trees {
                let found = compare_trees(&repo.inner, old, new).expect("compares");
                assert_eq!(found, repo.changes_between(old, new).expect("git compares"));
            }
        }
    }

    #[test]
    fn a_tree_that_holds_a_name_twice_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        git2::Repository::init_bare(folder.path()).expect("makes a repository");
        let path = std::env::var_os("PATH").expect("a PATH");
        let git = Git::new(&Environment::new([("PATH".into(), path)]));
        let repo = git2::Repository::open(folder.path()).expect("opens");
        let blob = repo.blob(b"x").expect("stores");
        let lines = format!("100644 blob {blob}\tx\n100644 blob {blob}\tx\n");
        let made = git.at(folder.path(), "mktree").input(lines).run().expect("writes").line();
        let empty = repo.treebuilder(None).and_then(|tree| tree.write()).expect("writes");
        let error = compare_trees(&repo, object_id(empty), made.parse().expect("an id"));
        assert!(error.is_err_and(|error| error.message.contains("twice")));
    }
}
