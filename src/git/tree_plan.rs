//! What a tree holds, as a worktree is made of it: its folders, its files with where their content
//! lies, and the index that goes with them. For trees that git would write just as they are stored;
//! any other is told as none of ours.

use super::error::GitAttempt;
use super::index_file::{CachedTree, FileState, IndexEntry, IndexFile};
use super::pack::{Kind, Packs, Place, Unpacker};
use super::plain::attributes_are_plain;
use super::repo::oid;
use super::tree_check::name_is_safe;
use crate::error::{Error, Result};
use crate::names::ObjectId;

pub(super) const FILE: u32 = 0o100_644;
pub(super) const PROGRAM: u32 = 0o100_755;
pub(super) const LINK: u32 = 0o120_000;
const FOLDER: u32 = 0o040_000;

/// Folders that lie deeper are left to git.
const DEEPEST: usize = 200;

/// A tree that is to be written.
pub(super) struct TreePlan {
    /// The entries' states are not known yet.
    pub(super) index: IndexFile,
    pub(super) folders: Vec<Folder>,
    /// For each entry of the index, the place of the folder that it lies in.
    pub(super) files: Vec<usize>,
}

/// A folder of the tree; each comes after the one it lies in. The first is the root.
pub(super) struct Folder {
    pub(super) name: Vec<u8>,
    /// The place of the one that it lies in.
    pub(super) above: usize,
}

/// Reads objects out of packs, and those that are not there through libgit2.
pub(super) struct Objects<'a> {
    packs: &'a Packs,
    unpacker: Unpacker<'a>,
    /// Opened when it is needed first.
    others: Option<git2::Repository>,
    other: Vec<u8>,
}

impl<'a> Objects<'a> {
    pub(super) fn of(packs: &'a Packs) -> Self {
        Self { packs, unpacker: Unpacker::new(packs), others: None, other: Vec::new() }
    }

    /// The content of an object that must be of this kind.
    ///
    /// # Errors
    /// `git` when it is missing, damaged, or something else.
    pub(super) fn read(&mut self, id: ObjectId, place: Option<Place>, kind: Kind) -> Result<&[u8]> {
        // What cannot be read there, libgit2 finds elsewhere or says what is wrong.
        let unpacked = place.and_then(|place| self.unpacker.read(place));
        let found = match unpacked {
            Some(kind) => kind,
            None => {
                let others = match self.others.take() {
                    Some(others) => others,
                    None => git2::Repository::open(&self.packs.common)
                        .git_attempt(|| "open the repository")?,
                };
                let others = self.others.insert(others);
                let others = others.odb().git_attempt(|| "open the object database")?;
                let object = others.read(oid(id)).git_attempt(|| format!("read `{id}`"))?;
                self.other.clear();
                self.other.extend_from_slice(object.data());
                match object.kind() {
                    git2::ObjectType::Tree => Kind::Tree,
                    git2::ObjectType::Blob => Kind::Blob,
                    _ => Kind::Other,
                }
            }
        };
        if found != kind {
            return Err(Error::git(format!("`{id}` is no {kind:?}").to_lowercase()));
        }
        Ok(if unpacked.is_some() { self.unpacker.content() } else { &self.other })
    }
}

impl TreePlan {
    /// Reads a tree; none if it holds what git alone writes as it should be.
    ///
    /// # Errors
    /// `git` when an object cannot be read.
    pub(super) fn read(objects: &mut Objects<'_>, tree: ObjectId) -> Result<Option<Self>> {
        Self::read_beside(objects, tree, None)
    }

    /// Reads a tree for its index. Folders that are in `known` too, the index of another tree that was
    /// read, are taken from there with the states of their files.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(super) fn read_index(
        objects: &mut Objects<'_>,
        tree: ObjectId,
        known: Option<&IndexFile>,
    ) -> Result<Option<IndexFile>> {
        Ok(Self::read_beside(objects, tree, known)?.map(|plan| plan.index))
    }

    /// Without the folders and files that come from `known`: then only the index is whole.
    fn read_beside(
        objects: &mut Objects<'_>,
        tree: ObjectId,
        known: Option<&IndexFile>,
    ) -> Result<Option<Self>> {
        let root = CachedTree { name: Vec::new(), id: tree, files: 0, folders: Vec::new() };
        let index = IndexFile { entries: Vec::new(), root: root.clone() };
        let mut plan = Self { index, folders: Vec::new(), files: Vec::new() };
        let known = known.map(|known| (known, &known.root));
        let top = Inside { above: 0, path: Vec::new(), depth: 0, known };
        let Some(root) = plan.add(objects, root, &top)? else { return Ok(None) };
        plan.index.root = root;
        // What is not sorted was made by hand; git sorts it or refuses.
        let sorted = plan.index.entries.is_sorted_by(|one, next| one.path < next.path);
        Ok(sorted.then_some(plan))
    }

    /// Adds a folder with all that is below it.
    fn add(
        &mut self,
        objects: &mut Objects<'_>,
        mut folder: CachedTree,
        at: &Inside<'_>,
    ) -> Result<Option<CachedTree>> {
        if at.depth > DEEPEST {
            return Ok(None);
        }
        let place = self.folders.len();
        self.folders.push(Folder { name: folder.name.clone(), above: at.above });
        let before = self.index.entries.len();
        // Copied, since those below it are read while it is walked through.
        let stored = objects.packs.find(folder.id);
        let tree = objects.read(folder.id, stored, Kind::Tree)?.to_vec();
        let mut rest = &tree[..];
        while !rest.is_empty() {
            let entry = TreeEntry::take(&mut rest);
            let entry = entry.ok_or_else(|| Error::git(format!("`{}` is damaged", folder.id)))?;
            let TreeEntry { mode, name, id } = entry;
            if !name_is_safe(name, mode == LINK) {
                return Ok(None);
            }
            match mode {
                FOLDER => {
                    let path = [&at.path, name, b"/"].concat();
                    let known = at.known.and_then(|(index, tree)| {
                        let folder = tree.folders.iter().find(|folder| folder.name == name)?;
                        Some((index, folder))
                    });
                    if let Some((index, same)) = known.filter(|(_, folder)| folder.id == id)
                        && let Some(entries) = index.files_of(same, &path)
                    {
                        self.index.entries.extend_from_slice(entries);
                        folder.folders.push(same.clone());
                        continue;
                    }
                    let name = name.to_vec();
                    let below = CachedTree { name, id, files: 0, folders: Vec::new() };
                    let inside = Inside { above: place, path, depth: at.depth + 1, known };
                    match self.add(objects, below, &inside)? {
                        Some(below) => folder.folders.push(below),
                        None => return Ok(None),
                    }
                }
                FILE | PROGRAM | LINK => {
                    if name == b".gitattributes" {
                        let stored = objects.packs.find(id);
                        let is_plain = mode != LINK
                            && attributes_are_plain(objects.read(id, stored, Kind::Blob)?);
                        if !is_plain {
                            return Ok(None);
                        }
                    }
                    let path = [&at.path, name].concat();
                    let state = FileState::default();
                    self.index.entries.push(IndexEntry { path, mode, id, state });
                    self.files.push(place);
                }
                // A submodule, or a mode that git would correct.
                _ => return Ok(None),
            }
        }
        folder.files = self.index.entries.len() - before;
        Ok(Some(folder))
    }
}

/// Where a folder lies: in which one, the path that leads into it with a slash at the end, how deep;
/// and what another index knows of the folder at this path.
struct Inside<'a> {
    above: usize,
    path: Vec<u8>,
    depth: usize,
    known: Option<(&'a IndexFile, &'a CachedTree)>,
}

/// An entry of a tree: `MODE SPACE NAME NUL ID`.
pub(super) struct TreeEntry<'a> {
    pub(super) mode: u32,
    pub(super) name: &'a [u8],
    pub(super) id: ObjectId,
}

impl<'a> TreeEntry<'a> {
    /// The next entry of what is left of a tree.
    pub(super) fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let space = rest.iter().position(|byte| *byte == b' ')?;
        let mode = std::str::from_utf8(&rest[..space]).ok()?;
        let mode = u32::from_str_radix(mode, 8).ok()?;
        let behind = &rest[space + 1..];
        let end = behind.iter().position(|byte| *byte == 0)?;
        let (id, others) = behind[end + 1..].split_first_chunk()?;
        *rest = others;
        Some(Self { mode, name: &behind[..end], id: ObjectId::from_bytes(*id) })
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::Git;
    use super::*;
    use crate::environment::Environment;

    #[test]
    fn an_index_that_is_read_beside_another_is_the_same() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let repo = git2::Repository::init_bare(folder.path()).expect("makes a repository");
        let path = std::env::var_os("PATH").expect("a PATH");
        let git = Git::new(&Environment::new([("PATH".into(), path)]));
        let blob = repo.blob(b"x").expect("stores");
        let index = folder.path().join("test-index");
        let tree = |paths: &[&str]| -> ObjectId {
            let run = |verb| git.at(folder.path(), verb).index(&index);
            let lines: String =
                paths.iter().map(|path| format!("100644 {blob}\t{path}\n")).collect();
            run("read-tree").arg("--empty").run().expect("empties");
            run("update-index").arg("--index-info").input(lines).run().expect("fills");
            run("write-tree").run().expect("writes").line().parse().expect("an id")
        };
        let packs = Packs::open(folder.path(), None);
        let mut objects = Objects::of(&packs);
        let trees = [
            tree(&[]),
            tree(&["a/b/c", "a/b/d/e", "a-b", "f/g", "z/y/x"]),
            tree(&["a/b/c", "a/b/d/e", "a/b/new", "a-b", "f", "z/y/x"]),
            tree(&["a/b/d/e", "f/g", "q/a/b/d/e", "z", "z.y"]),
        ];
        let indexes = trees.map(|tree| {
            let plan = TreePlan::read(&mut objects, tree).expect("reads").expect("is plain");
            assert_eq!((plan.files.len(), plan.index.root.id), (plan.index.entries.len(), tree));
            plan.index
        });
        for (tree, wanted) in trees.iter().zip(&indexes) {
            for known in &indexes {
                let mut marked = known.clone();
                for entry in &mut marked.entries {
                    entry.state.changed = [7, 7];
                }
                let mut beside = TreePlan::read_index(&mut objects, *tree, Some(&marked))
                    .expect("reads")
                    .expect("is plain");
                let taken = beside.entries.iter().filter(|it| it.state.changed == [7, 7]).count();
                // Of the second tree beside the third, `a/b/d` and `z`.
                assert!(tree != &trees[1] || known != &indexes[2] || taken == 2, "{taken}");
                beside.entries.iter_mut().for_each(|entry| entry.state = FileState::default());
                assert_eq!(&beside, wanted);
                // One whose trees are not those of its entries is not followed.
                marked.entries.pop();
                let beside = TreePlan::read_index(&mut objects, *tree, Some(&marked));
                let beside = beside.expect("reads").expect("is plain");
                let paths = |index: &IndexFile| -> Vec<Vec<u8>> {
                    index.entries.iter().map(|entry| entry.path.clone()).collect()
                };
                assert_eq!(paths(&beside), paths(wanted));
            }
        }
    }
}
