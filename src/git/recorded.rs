//! Records what a scan found in a worktree without starting git for it, where git would store the files
//! just as they are. Cost grows with what has changed; only that is read, and only new content written.
//!
//! "None" means that git has to do it: filters, attributes and settings under which it changes content,
//! repositories within tracked folders, files of odd kinds, a file that became a folder or the reverse.
//! Which of the unknown names are ignored is always git's word.

use super::batch::Batch;
use super::error::GitAttempt;
use super::ground::parents;
use super::index_file::{CachedTree, FileState, IndexEntry, IndexFile};
use super::plain::attributes_are_plain;
use super::repo::{Repo, object_id, oid};
use super::snapshot::{Snapshot, SnapshotRequest, forget_index};
use super::tree_diff::{Change, compare_trees};
use super::tree_plan::{FILE, LINK, PROGRAM};
use super::unchanged::{Differences, Known};
use crate::error::{Attempt, Result};
use crate::names::ObjectId;
use crate::path::RepoPath;
use rustix::fs::{Mode, OFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Larger files are left to git, which need not hold them in memory.
const LARGE: u64 = 64 * 1024 * 1024;

/// With more bytes of unknown names than this git looks through the whole worktree for them.
const MOST_UNKNOWN: usize = 64 * 1024;

/// What is at a path: the mode as git keeps it and the content.
type Kept = (u32, ObjectId);

/// A file that was read.
struct Seen {
    kept: Kept,
    state: FileState,
}

/// What becomes of the entries of the index, by path; none is gone.
type Outcome = BTreeMap<Vec<u8>, Option<Seen>>;

/// What git does not ignore.
#[derive(Default)]
struct Others {
    files: Vec<Vec<u8>>,
    /// Repositories.
    nested: Vec<RepoPath>,
}

/// A worktree's content in the object database, and what its index must be told.
pub(super) struct Recorded {
    snapshot: Snapshot,
    outcome: Outcome,
}

impl Repo {
    /// The worktree as a tree, by the differences to a known index; `head` is the tree of its commit.
    ///
    /// # Errors
    /// `git` when an object cannot be read or written, `io` when a file cannot be read.
    pub(super) fn record(
        &self,
        request: &SnapshotRequest<'_>,
        head: ObjectId,
        (known, found): (&Known, &Differences),
    ) -> Result<Option<Recorded>> {
        let root = &request.checkout.root;
        let inside = found.unknown.iter().any(|path| path.ends_with(b"/.git"));
        // A submodule is a folder here, and none of its files is ours.
        let odd = known.index.entries.iter().any(|entry| !is_file(entry.mode));
        if inside || odd || !self.writes_plainly() {
            return Ok(None);
        }
        let Some(committed) = self.committed_since(known.index.root.id, head)? else {
            return Ok(None);
        };
        let entries = &known.index.entries;
        let path_of = |place: &usize| &entries[*place].path;

        // What the commit holds where that is not what the index says: tracked, whatever git ignores.
        let mut to_read: BTreeSet<&[u8]> = found.changed.iter().map(|p| &path_of(p)[..]).collect();
        let mut unknown: Vec<&[u8]> = found.unknown.iter().map(Vec::as_slice).collect();
        for (path, kept) in &committed {
            if kept.is_some() {
                to_read.insert(path);
            } else if path_exists(root, path) {
                to_read.remove(&path[..]);
                unknown.push(path);
            }
        }
        let Some(others) = self.not_ignored(request, &unknown)? else { return Ok(None) };
        to_read.extend(others.files.iter().map(Vec::as_slice));

        let mut outcome = Outcome::new();
        let gone = found.gone.iter().map(path_of).chain(committed.keys());
        outcome.extend(gone.map(|path| (path.clone(), None)));
        let (mut attributes, mut batch) = (BTreeMap::new(), Batch::of(self));
        let held = |path: &[u8]| match committed.get(path) {
            Some(kept) => *kept,
            None => known.entry(path).map(|entry| (entry.mode, entry.id)),
        };
        for path in to_read {
            match self.read_kept((root, path), held(path), (&mut attributes, &mut batch))? {
                Reading::Kept(seen) => drop(outcome.insert(path.to_owned(), Some(seen))),
                Reading::Nothing => drop(outcome.insert(path.to_owned(), None)),
                Reading::Gits => return Ok(None),
            }
        }
        let Some(tree) = updated(&batch, head, &outcome, held)? else { return Ok(None) };
        batch.keep(head, tree)?;
        Ok(Some(Recorded { snapshot: Snapshot { tree, nested: others.nested }, outcome }))
    }

    /// What a commit has in another way than the index, by path; none for what is gone there.
    fn committed_since(
        &self,
        old: ObjectId,
        new: ObjectId,
    ) -> Result<Option<BTreeMap<Vec<u8>, Option<Kept>>>> {
        let changes = compare_trees(&self.inner, old, new)?;
        if changes.iter().filter_map(|change| change.new).any(|new| !is_file(new.mode)) {
            return Ok(None);
        }
        let kept = |change: Change| {
            (change.path.as_bytes().to_vec(), change.new.map(|new| (new.mode, new.id)))
        };
        Ok(Some(changes.into_iter().map(kept).collect()))
    }

    /// Which files at or below these paths git does not ignore, and which repositories are there.
    fn not_ignored(
        &self,
        request: &SnapshotRequest<'_>,
        paths: &[&[u8]],
    ) -> Result<Option<Others>> {
        let mut others = Others::default();
        if paths.is_empty() {
            return Ok(Some(others));
        }
        if paths.iter().map(|path| path.len() + 1).sum::<usize>() > MOST_UNKNOWN {
            return Ok(None);
        }
        // An index without anything: what is asked for is in none.
        forget_index(request.index)?;
        let git = self.git.at(&request.checkout.git_dir, "ls-files");
        let git = git.work_tree(&request.checkout.root).index(request.index);
        let git = git.args(["-z", "--others", "--exclude-standard", "--"]);
        let git = git.env("GIT_LITERAL_PATHSPECS", "1");
        let output = git.args(paths.iter().map(|path| std::ffi::OsStr::from_bytes(path))).run()?;
        for path in output.fields() {
            match path.strip_suffix(b"/") {
                Some(repository) => others.nested.push(RepoPath::new(repository)),
                None => others.files.push(path.to_owned()),
            }
        }
        Ok(Some(others))
    }

    /// Reads a file and adds its content to the batch, if it is not what is `held`.
    fn read_kept(
        &self,
        (root, path): (&Path, &[u8]),
        held: Option<Kept>,
        (attributes, batch): (&mut BTreeMap<RepoPath, bool>, &mut Batch<'_>),
    ) -> Result<Reading> {
        let path = RepoPath::new(path);
        let attempt = || format!("read `{path}`");
        let folders: Vec<RepoPath> = parents(&path).chain([RepoPath::new("")]).collect();
        for folder in folders.iter().rev() {
            match root.join(folder.as_path()).symlink_metadata() {
                Ok(found) if found.is_dir() => {}
                Ok(_) => return Ok(Reading::Nothing),
                Err(cause) if is_missing(&cause) => return Ok(Reading::Nothing),
                Err(cause) => return Err(cause).attempt(attempt),
            }
            let plain = || has_plain_attributes(&root.join(folder.as_path()));
            if !*attributes.entry(folder.clone()).or_insert_with(plain) {
                return Ok(Reading::Gits);
            }
        }
        let place = root.join(path.as_path());
        let (mode, state, content) = match read(&place) {
            Ok(Some(read)) => read,
            Ok(None) => return Ok(Reading::Gits),
            Err(cause) if is_missing(&cause) => return Ok(Reading::Nothing),
            Err(cause) => return Err(cause).attempt(attempt),
        };
        // Where lines end in LF no attribute and no setting about them changes anything.
        if mode != LINK && content.contains(&b'\r') {
            return Ok(Reading::Gits);
        }
        let attempt = || format!("store `{path}`");
        let id = git2::Oid::hash_object(git2::ObjectType::Blob, &content).git_attempt(attempt)?;
        if held.is_none_or(|(_, held)| held != object_id(id)) {
            batch.add(&content)?;
        }
        Ok(Reading::Kept(Seen { kept: (mode, object_id(id)), state }))
    }

    /// Writes the index that goes with what was recorded; what was not read stays as it is known.
    ///
    /// # Errors
    /// `git` when a tree cannot be read, `io` when the index cannot be written.
    pub(super) fn write_recorded(
        &self,
        place: &Path,
        known: Known,
        recorded: Recorded,
    ) -> Result<Snapshot> {
        let Recorded { snapshot, outcome } = recorded;
        let root = self.trees_of(snapshot.tree, Vec::new(), Some(&known.index.root))?;
        let mut stays = vec![true; known.index.entries.len()];
        for place in outcome.keys().filter_map(|path| known.place(path)) {
            stays[place] = false;
        }
        let (mut entries, mut stays) = (known.index.entries, stays.into_iter());
        entries.retain(|_| stays.next() == Some(true));
        entries.extend(outcome.into_iter().filter_map(|(path, seen)| {
            let Seen { kept: (mode, id), state } = seen?;
            Some(IndexEntry { path, mode, id, state })
        }));
        entries.sort_by(|one, other| one.path.cmp(&other.path));
        let attempt = || format!("write `{}`", place.display());
        let mut sibling = place.as_os_str().to_owned();
        sibling.push(".new");
        let written = fs::write(&sibling, IndexFile { entries, root }.to_bytes())
            .and_then(|()| fs::rename(&sibling, place));
        if written.is_err() {
            let _ = fs::remove_file(&sibling);
        }
        written.attempt(attempt)?;
        Ok(snapshot)
    }

    /// The folders of a tree; those that are as before are not read again.
    fn trees_of(
        &self,
        id: ObjectId,
        name: Vec<u8>,
        before: Option<&CachedTree>,
    ) -> Result<CachedTree> {
        if let Some(same) = before.filter(|before| before.id == id) {
            return Ok(CachedTree { name, ..same.clone() });
        }
        let tree = self.inner.find_tree(oid(id)).git_attempt(|| format!("read `{id}`"))?;
        let mut made = CachedTree { name, id, files: 0, folders: Vec::new() };
        for entry in &tree {
            if entry.kind() != Some(git2::ObjectType::Tree) {
                made.files += 1;
                continue;
            }
            let name = entry.name_bytes();
            let before = before.and_then(|it| it.folders.iter().find(|one| one.name == name));
            let below = self.trees_of(object_id(entry.id()), name.to_vec(), before)?;
            made.files += below.files;
            made.folders.push(below);
        }
        Ok(made)
    }
}

impl Known {
    fn entry(&self, path: &[u8]) -> Option<&IndexEntry> {
        self.index.entries.get(self.place(path)?)
    }

    fn place(&self, path: &[u8]) -> Option<usize> {
        self.index.entries.binary_search_by(|entry| entry.path.as_slice().cmp(path)).ok()
    }
}

/// What came of reading a file.
enum Reading {
    Kept(Seen),
    /// There is none.
    Nothing,
    /// Git has to read it.
    Gits,
}

/// The tree `head` with these changes, where `held` tells what it holds; none if git must make it.
fn updated(
    batch: &Batch<'_>,
    head: ObjectId,
    outcome: &Outcome,
    held: impl Fn(&[u8]) -> Option<Kept>,
) -> Result<Option<ObjectId>> {
    let mut changes = git2::build::TreeUpdateBuilder::new();
    let mut any = false;
    for (path, seen) in outcome {
        let (now, before) = (seen.as_ref().map(|seen| seen.kept), held(path));
        if now == before {
            continue;
        }
        any = true;
        match now {
            None => changes.remove(path.as_slice()),
            Some((mode, id)) => {
                let mode = match mode {
                    PROGRAM => git2::FileMode::BlobExecutable,
                    LINK => git2::FileMode::Link,
                    _ => git2::FileMode::Blob,
                };
                changes.upsert(path.as_slice(), oid(id), mode)
            }
        };
    }
    if !any {
        return Ok(Some(head));
    }
    let memory = batch.memory()?;
    let base = memory.find_tree(oid(head)).git_attempt(|| format!("read `{head}`"))?;
    // It refuses where a file and a folder have taken each other's place.
    Ok(changes.create_updated(memory, &base).ok().map(object_id))
}

/// A file's mode, state and content; none for what git would not take or we should not.
fn read(place: &Path) -> io::Result<Option<(u32, FileState, Vec<u8>)>> {
    let found = rustix::fs::lstat(place)?;
    if found.st_mode & 0o170_000 == 0o120_000 {
        let target = fs::read_link(place)?.into_os_string();
        return Ok(Some((LINK, FileState::of(&found), target.into_encoded_bytes())));
    }
    if found.st_mode & 0o170_000 != 0o100_000 {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let mut file = fs::File::from(rustix::fs::open(place, flags, Mode::empty())?);
    // The state first: what is written meanwhile makes another one.
    let found = rustix::fs::fstat(&file)?;
    if found.st_mode & 0o170_000 != 0o100_000 || file.metadata()?.len() > LARGE {
        return Ok(None);
    }
    let mode = if found.st_mode & 0o100 == 0 { FILE } else { PROGRAM };
    let mut content = Vec::new();
    file.read_to_end(&mut content)?;
    Ok(Some((mode, FileState::of(&found), content)))
}

/// Whether the attributes in a folder, if there are any, leave content as it is.
fn has_plain_attributes(folder: &Path) -> bool {
    let file = folder.join(".gitattributes");
    match file.symlink_metadata() {
        Err(cause) => is_missing(&cause),
        Ok(found) => {
            found.is_file() && fs::read(file).is_ok_and(|text| attributes_are_plain(&text))
        }
    }
}

fn is_file(mode: u32) -> bool {
    matches!(mode, FILE | PROGRAM | LINK)
}

fn path_exists(root: &Path, path: &[u8]) -> bool {
    root.join(RepoPath::new(path).as_path()).symlink_metadata().is_ok()
}

fn is_missing(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}
