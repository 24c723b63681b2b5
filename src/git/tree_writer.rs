//! Writes the files of a tree into a new folder, several at once, and tells the index that goes with
//! them.
//!
//! What lies in the stock is written first; then what lies at hand in the main checkout, folder by folder;
//! then the rest, in the order in which contents lie in packs, since that costs the least to unpack. A folder is made when the first
//! file in it is. Folders are made and files opened through the
//! descriptor of the folder they lie in, so nothing is ever written through a symbolic link, and nothing
//! that is there is overwritten. Files are dated two seconds back: git reads a file again when it is no
//! older than the index.

use super::at_hand::{AtHand, MainFolder};
use super::index_file::{FileState, IndexEntry, IndexFile};
use super::pack::{Kind, Packs, Place};
use super::tree_plan::{LINK, Objects, PROGRAM, TreePlan};
use crate::error::{Attempt, Result};
use crate::threads;
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
    /// Writes everything into `root`, an empty folder, also out of the checkout `main`; tells how many
    /// files came from the stock.
    ///
    /// # Errors
    /// `io` or `git` when something cannot be written or read; what was written so far stays.
    pub(super) fn write(
        mut self,
        main: Option<&Path>,
        packs: &Packs,
        root: &Path,
    ) -> Result<(IndexFile, usize)> {
        let attempt = || format!("write the files of `{}`", root.display());
        let root = rustix::fs::open(root, AS_FOLDER, Mode::empty()).map_err(io::Error::from);
        let root = root.attempt(attempt)?;
        let made = rustix::fs::fstat(&root).map_err(io::Error::from).attempt(attempt)?;
        // By the clock of the file system, which dates the index too.
        let dated = Timespec { tv_sec: made.st_mtime - BACK, tv_nsec: made.st_mtime_nsec as _ };
        let writer = Writer { plan: &self, packs, root, dated };
        let id = |file: usize| self.index.entries[file].id;
        let all = (0..self.files.len())
            .map(|file| Wanted { content: packs.find_in_stock(id(file)), file });
        let (stocked, left): (Vec<_>, Vec<_>) = all.partition(|wanted| wanted.content.is_some());
        let count = stocked.len();
        let stocked = writer.write_all(stocked, None)?;
        let mut done = Done { states: Vec::new(), left };
        if let Some(main) = main.and_then(MainFolder::open) {
            done = writer.write_all(done.left, Some(&main))?;
        }
        for wanted in &mut done.left {
            wanted.content = packs.find(id(wanted.file));
        }
        let unpacked = writer.write_all(done.left, None)?;
        let states = stocked.states.into_iter().chain(done.states).chain(unpacked.states);
        for (file, state) in states {
            self.index.entries[file].state = state;
        }
        Ok((self.index, count))
    }
}

/// A file that is to be written, by its place in the index, and where its content is packed, if that
/// has been looked for. They sort as they are written best.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Wanted {
    content: Option<Place>,
    file: usize,
}

/// What became of files.
#[derive(Default)]
struct Done {
    /// Those that were written, by their places in the index.
    states: Vec<(usize, FileState)>,
    /// Those that are not where they were looked for.
    left: Vec<Wanted>,
}

/// Where contents come from.
enum Source<'a> {
    Main(AtHand<'a>),
    Stored(Objects<'a>),
}

impl Source<'_> {
    fn read(&mut self, entry: &IndexEntry, place: Option<Place>) -> Result<Option<&[u8]>> {
        match self {
            Source::Main(main) => Ok(main.read(entry)),
            Source::Stored(objects) => objects.read(entry.id, place, Kind::Blob).map(Some),
        }
    }
}

/// What the threads share.
struct Writer<'a> {
    plan: &'a TreePlan,
    packs: &'a Packs,
    root: OwnedFd,
    dated: Timespec,
}

/// Files in the order in which they are written, and how many of these have been taken by a thread.
struct Queue {
    files: Vec<Wanted>,
    taken: AtomicUsize,
}

impl Queue {
    fn take(&self) -> &[Wanted] {
        let from = self.taken.fetch_add(AT_A_TIME, Ordering::Relaxed).min(self.files.len());
        &self.files[from..self.files.len().min(from + AT_A_TIME)]
    }

    fn close(&self) {
        self.taken.store(self.files.len(), Ordering::Relaxed);
    }
}

impl Writer<'_> {
    /// Writes files whose contents are in the main checkout, else out of the object database.
    fn write_all(&self, mut files: Vec<Wanted>, main: Option<&MainFolder>) -> Result<Done> {
        files.sort_unstable();
        let queue = Queue { files, taken: AtomicUsize::new(0) };
        let work = |_| match main {
            Some(main) => self.work(&queue, Source::Main(AtHand::of(main))),
            None => self.work(&queue, Source::Stored(Objects::of(self.packs))),
        };
        let is_little = queue.files.len() < FEW;
        let threads = if is_little { 1 } else { threads::processors().clamp(2, MOST_THREADS) };
        let mut all = Done::default();
        for done in threads::all_at_once(threads, work) {
            let Done { states, left } = done?;
            all.states.extend(states);
            all.left.extend(left);
        }
        Ok(all)
    }

    /// Writes files until all are taken.
    fn work(&self, queue: &Queue, mut source: Source<'_>) -> Result<Done> {
        let mut folders = OpenFolders { writer: self, open: HashMap::new() };
        let mut done = Done::default();
        loop {
            let taken = queue.take();
            if taken.is_empty() {
                return Ok(done);
            }
            for wanted in taken {
                match self.write_one(*wanted, &mut source, &mut folders) {
                    Ok(Some(state)) => done.states.push((wanted.file, state)),
                    Ok(None) => done.left.push(*wanted),
                    Err(error) => {
                        // The others stop too.
                        queue.close();
                        return Err(error);
                    }
                }
            }
        }
    }

    fn write_one(
        &self,
        wanted: Wanted,
        source: &mut Source<'_>,
        folders: &mut OpenFolders<'_>,
    ) -> Result<Option<FileState>> {
        let entry = &self.plan.index.entries[wanted.file];
        let Some(content) = source.read(entry, wanted.content)? else { return Ok(None) };
        folders
            .get(self.plan.files[wanted.file])
            .and_then(|folder| self.write_file(folder, entry, content))
            .map(Some)
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
        match rustix::fs::mkdirat(parent, name, Mode::from_bits_truncate(0o777)) {
            // This or another thread has made it before.
            Ok(()) | Err(Errno::EXIST) => {}
            Err(cause) => return Err(cause.into()),
        }
        let opened = rustix::fs::openat(parent, name, AS_FOLDER, Mode::empty())?;
        self.open.insert(folder, opened);
        Ok(())
    }

    fn descriptor(&self, folder: usize) -> BorrowedFd<'_> {
        self.open.get(&folder).unwrap_or(&self.writer.root).as_fd()
    }
}
