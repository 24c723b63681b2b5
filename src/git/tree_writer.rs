//! Writes the files of a tree into a new folder, several at once, and tells the index that goes with
//! them. For trees that git would write just as they are stored; any other is told as none of ours.
//!
//! Folders are made and files opened through the descriptor of the folder they lie in, so nothing is
//! ever written through a symbolic link, and nothing that is there is overwritten. Files are dated two
//! seconds back: git reads a file again when it is no older than the index.

use super::error::GitAttempt;
use super::index_file::{CachedTree, FileState, IndexEntry, IndexFile};
use super::plain::attributes_are_plain;
use super::repo::{Repo, object_id, oid};
use super::tree_check::name_is_safe;
use crate::error::{Attempt, Error, Result};
use crate::names::ObjectId;
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Mutex, PoisonError};

const FILE: u32 = 0o100_644;
const PROGRAM: u32 = 0o100_755;
const LINK: u32 = 0o120_000;
const FOLDER: u32 = 0o040_000;

/// How far files are dated back, in seconds.
const BACK: i64 = 2;

/// With fewer files than this, starting threads takes longer than it saves.
const FEW: usize = 200;

/// The most threads that write.
const MOST_THREADS: usize = 8;

/// How many folders may be open and wait for their files.
const WAITING: usize = 64;

/// A tree that is to be written.
pub(super) struct TreePlan {
    index: IndexFile,
    folders: Vec<Folder>,
}

/// A folder of the tree; each comes after the one it lies in.
struct Folder {
    name: Vec<u8>,
    depth: usize,
    /// The places of its own files in the index.
    files: Vec<usize>,
}

impl TreePlan {
    /// Reads a tree; none if it holds what git alone writes as it should be.
    ///
    /// # Errors
    /// `git` when an object cannot be read.
    pub(super) fn read(repo: &Repo, tree: ObjectId) -> Result<Option<Self>> {
        let root = CachedTree { name: Vec::new(), id: tree, files: 0, folders: Vec::new() };
        let index = IndexFile { entries: Vec::new(), root: root.clone() };
        let mut plan = Self { index, folders: Vec::new() };
        let Some(root) = plan.add(repo, root, &mut Vec::new())? else { return Ok(None) };
        plan.index.root = root;
        // What is not sorted was made by hand; git sorts it or refuses.
        let sorted = plan.index.entries.is_sorted_by(|one, next| one.path < next.path);
        Ok(sorted.then_some(plan))
    }

    /// The index of the tree, nothing of it written yet.
    pub(super) fn into_index(self) -> IndexFile {
        self.index
    }

    /// How many files it has.
    pub(super) fn files(&self) -> usize {
        self.index.entries.len()
    }

    /// Adds a folder with all that is below it; `path` leads to it and ends with a slash.
    fn add(
        &mut self,
        repo: &Repo,
        mut folder: CachedTree,
        path: &mut Vec<u8>,
    ) -> Result<Option<CachedTree>> {
        let attempt = || format!("read tree `{}`", folder.id);
        let tree = repo.inner.find_tree(oid(folder.id)).git_attempt(attempt)?;
        let depth = path.iter().filter(|byte| **byte == b'/').count();
        let place = self.folders.len();
        self.folders.push(Folder { name: folder.name.clone(), depth, files: Vec::new() });
        let before = self.index.entries.len();
        let length = path.len();
        for entry in &tree {
            let (name, id) = (entry.name_bytes(), object_id(entry.id()));
            let mode = u32::try_from(entry.filemode_raw()).unwrap_or(0);
            if !name_is_safe(name, mode == LINK) {
                return Ok(None);
            }
            path.extend_from_slice(name);
            match mode {
                FOLDER => {
                    path.push(b'/');
                    let below =
                        CachedTree { name: name.to_vec(), id, files: 0, folders: Vec::new() };
                    match self.add(repo, below, path)? {
                        Some(below) => folder.folders.push(below),
                        None => return Ok(None),
                    }
                }
                FILE | PROGRAM | LINK => {
                    if name == b".gitattributes" && !is_plain(repo, mode, id)? {
                        return Ok(None);
                    }
                    self.folders[place].files.push(self.index.entries.len());
                    let state = FileState::default();
                    self.index.entries.push(IndexEntry { path: path.clone(), mode, id, state });
                }
                // A submodule, or a mode that git would correct.
                _ => return Ok(None),
            }
            path.truncate(length);
        }
        folder.files = self.index.entries.len() - before;
        Ok(Some(folder))
    }

    /// Writes everything into `root`, an empty folder.
    ///
    /// # Errors
    /// `io` or `git` when something cannot be written or read; what was written so far stays.
    pub(super) fn write(mut self, repo: &Repo, root: &Path) -> Result<IndexFile> {
        let attempt = || format!("write the files of `{}`", root.display());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty()).map_err(io::Error::from);
        let root = root.attempt(attempt)?;
        let made = rustix::fs::fstat(&root).map_err(io::Error::from).attempt(attempt)?;
        let writer = Writer {
            index: &self.index.entries,
            folders: &self.folders,
            // By the clock of the file system, which dates the index too.
            dated: Timespec { tv_sec: made.st_mtime - BACK, tv_nsec: made.st_mtime_nsec as _ },
        };
        let states = if self.index.entries.len() < FEW {
            let mut states = Vec::new();
            writer.make_folders(root, &mut |job| {
                states.extend(writer.fill(&repo.inner, &job)?);
                Ok(())
            })?;
            states
        } else {
            writer.write_at_once(root, repo.common_dir())?
        };
        for (place, state) in states {
            self.index.entries[place].state = state;
        }
        Ok(self.index)
    }
}

fn is_plain(repo: &Repo, mode: u32, id: ObjectId) -> Result<bool> {
    if mode == LINK {
        return Ok(false);
    }
    let blob = repo.inner.find_blob(oid(id)).git_attempt(|| format!("read `{id}`"))?;
    Ok(attributes_are_plain(blob.content()))
}

/// A folder that is there now and waits for its files.
struct Job {
    folder: usize,
    descriptor: OwnedFd,
}

/// Files by their places in the index, as they were written.
type States = Vec<(usize, FileState)>;

struct Writer<'a> {
    index: &'a [IndexEntry],
    folders: &'a [Folder],
    dated: Timespec,
}

impl Writer<'_> {
    /// Makes the folders, and gives each to `fill`.
    fn make_folders(&self, root: OwnedFd, fill: &mut dyn FnMut(Job) -> Result<()>) -> Result<()> {
        let copy = |descriptor: &OwnedFd| descriptor.try_clone().attempt(|| "open a folder");
        let mut above = vec![copy(&root)?];
        fill(Job { folder: 0, descriptor: root })?;
        for (place, folder) in self.folders.iter().enumerate().skip(1) {
            above.truncate(folder.depth);
            let parent = above.last().expect("invariant: a folder comes after its parent");
            let name = OsStr::from_bytes(&folder.name);
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let opened = rustix::fs::mkdirat(parent, name, Mode::from_bits_truncate(0o777))
                .and_then(|()| rustix::fs::openat(parent, name, flags, Mode::empty()))
                .map_err(io::Error::from);
            let opened = opened.attempt(|| format!("make `{}`", name.display()))?;
            above.push(copy(&opened)?);
            fill(Job { folder: place, descriptor: opened })?;
        }
        Ok(())
    }

    /// Makes the folders here, while threads with handles of their own write the files.
    fn write_at_once(&self, root: OwnedFd, common: &Path) -> Result<States> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let (give, take) = sync_channel::<Job>(WAITING);
        let take = Mutex::new(take);
        std::thread::scope(|scope| {
            let work = || self.fill_all(&take, common);
            let workers: Vec<_> =
                (0..threads.clamp(2, MOST_THREADS)).map(|_| scope.spawn(work)).collect();
            // Workers that fail take what comes and write nothing, so that nobody waits for them.
            let made = self.make_folders(root, &mut |job| {
                give.send(job).map_err(|_| Error::internal("nobody writes files any more"))
            });
            drop(give);
            let mut states = States::with_capacity(self.index.len());
            for worker in workers {
                let done = worker.join().map_err(|_| Error::internal("a writer of files died"))?;
                states.extend(done?);
            }
            made.map(|()| states)
        })
    }

    fn fill_all(&self, jobs: &Mutex<Receiver<Job>>, common: &Path) -> Result<States> {
        let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
        let opened = git2::Repository::open(common).git_attempt(|| "open the repository");
        let mut states = opened.as_ref().map(|_| States::new()).map_err(Clone::clone);
        while let Some(job) = next() {
            if let (Ok(repo), Ok(written)) = (&opened, &mut states) {
                match self.fill(repo, &job) {
                    Ok(more) => written.extend(more),
                    Err(error) => states = Err(error),
                }
            }
        }
        states
    }

    /// Writes the files of one folder.
    fn fill(&self, repo: &git2::Repository, job: &Job) -> Result<States> {
        let objects = repo.odb().git_attempt(|| "open the object database")?;
        let files = &self.folders[job.folder].files;
        let mut states = States::with_capacity(files.len());
        for place in files {
            let entry = &self.index[*place];
            let object =
                objects.read(oid(entry.id)).git_attempt(|| format!("read `{}`", entry.id))?;
            if object.kind() != git2::ObjectType::Blob {
                return Err(Error::git(format!("`{}` is no file", entry.id)));
            }
            let written = self.write_file(&job.descriptor, entry, object.data());
            let name = || OsStr::from_bytes(&entry.path).display().to_string();
            states.push((*place, written.attempt(|| format!("write `{}`", name()))?));
        }
        Ok(states)
    }

    fn write_file(
        &self,
        folder: &OwnedFd,
        entry: &IndexEntry,
        content: &[u8],
    ) -> io::Result<FileState> {
        let name = entry.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let name = OsStr::from_bytes(name);
        let dated = Timestamps { last_access: self.dated, last_modification: self.dated };
        let stat = if entry.mode == LINK {
            rustix::fs::symlinkat(OsStr::from_bytes(content), folder, name)?;
            rustix::fs::utimensat(folder, name, &dated, AtFlags::SYMLINK_NOFOLLOW)?;
            rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?
        } else {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let mode = Mode::from_bits_truncate(if entry.mode == PROGRAM { 0o777 } else { 0o666 });
            let mut file = std::fs::File::from(rustix::fs::openat(
                folder,
                name,
                flags | OFlags::NOFOLLOW,
                mode,
            )?);
            io::Write::write_all(&mut file, content)?;
            rustix::fs::futimens(&file, &dated)?;
            rustix::fs::fstat(&file)?
        };
        Ok(FileState::of(&stat))
    }
}
