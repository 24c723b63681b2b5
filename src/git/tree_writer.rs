//! Writes the files of a tree into a new folder, several at once, and tells the index that goes with
//! them.
//!
//! Files are written in the order in which their contents lie in packs, since that costs the least to
//! unpack; a folder is made when the first file in it is. Folders are made and files opened through the
//! descriptor of the folder they lie in, so nothing is ever written through a symbolic link, and nothing
//! that is there is overwritten. Files are dated two seconds back: git reads a file again when it is no
//! older than the index.

use super::error::GitAttempt;
use super::index_file::{FileState, IndexEntry, IndexFile};
use super::pack::{Kind, Packs};
use super::repo::Repo;
use super::tree_plan::{LINK, Objects, PROGRAM, TreePlan};
use crate::error::{Attempt, Error, Result};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How far files are dated back, in seconds.
const BACK: i64 = 2;

/// With fewer files than this, starting threads takes longer than it saves.
const FEW: usize = 200;

/// The most threads that write.
const MOST_THREADS: usize = 8;

/// How many files a thread takes at a time: enough that chains of deltas are seldom cut.
const AT_A_TIME: usize = 256;

/// How many folders a thread keeps open.
const MOST_OPEN: usize = 64;

const AS_FOLDER: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

impl TreePlan {
    /// Writes everything into `root`, an empty folder.
    ///
    /// # Errors
    /// `io` or `git` when something cannot be written or read; what was written so far stays.
    pub(super) fn write(mut self, repo: &Repo, packs: &Packs, root: &Path) -> Result<IndexFile> {
        let attempt = || format!("write the files of `{}`", root.display());
        let root = rustix::fs::open(root, AS_FOLDER, Mode::empty()).map_err(io::Error::from);
        let root = root.attempt(attempt)?;
        let made = rustix::fs::fstat(&root).map_err(io::Error::from).attempt(attempt)?;
        let mut order: Vec<usize> = (0..self.files.len()).collect();
        order.sort_by_key(|file| self.files[*file].content);
        let writer = Writer {
            plan: &self,
            order,
            next: AtomicUsize::new(0),
            root,
            // By the clock of the file system, which dates the index too.
            dated: Timespec { tv_sec: made.st_mtime - BACK, tv_nsec: made.st_mtime_nsec as _ },
        };
        let states = if self.files.len() < FEW {
            writer.work(&mut Objects::of(&repo.inner, packs)?)?
        } else {
            writer.write_at_once(repo.common_dir(), packs)?
        };
        for (place, state) in states {
            self.index.entries[place].state = state;
        }
        Ok(self.index)
    }
}

/// Files by their places in the index, as they were written.
type States = Vec<(usize, FileState)>;

/// What the threads share.
struct Writer<'a> {
    plan: &'a TreePlan,
    /// Files by their places in the index, in the order in which they are written.
    order: Vec<usize>,
    /// How many of these have been taken by a thread.
    next: AtomicUsize,
    root: OwnedFd,
    dated: Timespec,
}

impl Writer<'_> {
    fn write_at_once(&self, common: &Path, packs: &Packs) -> Result<States> {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let work = || {
            let repo = git2::Repository::open(common).git_attempt(|| "open the repository")?;
            self.work(&mut Objects::of(&repo, packs)?)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads.clamp(2, MOST_THREADS)).map(|_| scope.spawn(work)).collect();
            let mut states = States::with_capacity(self.order.len());
            for worker in workers {
                let done = worker.join().map_err(|_| Error::internal("a writer of files died"))?;
                states.extend(done?);
            }
            Ok(states)
        })
    }

    /// Writes files until all are taken.
    fn work(&self, objects: &mut Objects<'_>) -> Result<States> {
        let mut folders = OpenFolders { writer: self, open: HashMap::new() };
        let mut states = States::new();
        loop {
            let from = self.next.fetch_add(AT_A_TIME, Ordering::Relaxed).min(self.order.len());
            let taken = &self.order[from..self.order.len().min(from + AT_A_TIME)];
            if taken.is_empty() {
                return Ok(states);
            }
            for place in taken {
                match self.write_one(*place, objects, &mut folders) {
                    Ok(state) => states.push((*place, state)),
                    Err(error) => {
                        // The others stop too.
                        self.next.store(self.order.len(), Ordering::Relaxed);
                        return Err(error);
                    }
                }
            }
        }
    }

    fn write_one(
        &self,
        place: usize,
        objects: &mut Objects<'_>,
        folders: &mut OpenFolders<'_>,
    ) -> Result<FileState> {
        let (entry, file) = (&self.plan.index.entries[place], &self.plan.files[place]);
        let content = objects.read(entry.id, file.content, Kind::Blob)?;
        folders
            .get(file.folder)
            .and_then(|folder| self.write_file(folder, entry, content))
            .attempt(|| format!("write `{}`", OsStr::from_bytes(&entry.path).display()))
    }

    fn write_file(
        &self,
        folder: BorrowedFd<'_>,
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

/// The folders that a thread has open, by their places in the plan.
struct OpenFolders<'a> {
    writer: &'a Writer<'a>,
    open: HashMap<usize, OwnedFd>,
}

impl OpenFolders<'_> {
    /// A folder, made if it is not there.
    fn get(&mut self, folder: usize) -> io::Result<BorrowedFd<'_>> {
        if !self.open.contains_key(&folder) && self.open.len() >= MOST_OPEN {
            self.open.clear();
        }
        self.make(folder)?;
        Ok(self.descriptor(folder))
    }

    fn make(&mut self, folder: usize) -> io::Result<()> {
        if folder == 0 || self.open.contains_key(&folder) {
            return Ok(());
        }
        let wanted = &self.writer.plan.folders[folder];
        self.make(wanted.above)?;
        let (parent, name) = (self.descriptor(wanted.above), OsStr::from_bytes(&wanted.name));
        // It is there in most cases, made by this or another thread.
        let opened = match rustix::fs::openat(parent, name, AS_FOLDER, Mode::empty()) {
            Err(Errno::NOENT) => {
                match rustix::fs::mkdirat(parent, name, Mode::from_bits_truncate(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(cause) => return Err(cause.into()),
                }
                rustix::fs::openat(parent, name, AS_FOLDER, Mode::empty())?
            }
            opened => opened?,
        };
        self.open.insert(folder, opened);
        Ok(())
    }

    fn descriptor(&self, folder: usize) -> BorrowedFd<'_> {
        self.open.get(&folder).unwrap_or(&self.writer.root).as_fd()
    }
}
