//! The stock: all that a tree holds, in its order and undeflated, in one pack beside the repository's own
//! (gitformat-pack(5)). To write a new worktree out of it takes little more than writing does; to read each
//! file of the main checkout, and to sum it, takes half as long again, and to unpack it longer still.
//!
//! A worktree of which most was not in the stock asks for a new one; that is made later, by nobody who
//! waits. What is in it is found by its id, so a stock of an older tree serves what has not changed, and
//! none, or a damaged one, costs time only: contents have checksums as in every pack, so nothing has to be
//! fsynced either. One that is not in memory is not read, since the repository's own packs are smaller, but
//! brought there for the next worktree.
//! Deliberately absent: a stock of small trees, and more than one.

use super::fresh::remove_folder;
use super::index_file::IndexFile;
use super::merge_tree::quoted;
use super::pack::Pack;
use super::repo::Repo;
use crate::error::{Attempt, Error, Result};
use crate::names::ObjectId;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, UTIME_NOW};
use rustix::io::{Errno, ReadWriteFlags};
use std::fs::{self, File};
use std::io::{ErrorKind, IoSliceMut};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Trees with fewer files are written fast enough.
const LEAST: usize = 1000;

/// A stock is renewed when it lacks more than one file in so many.
const LACKING: usize = 8;

/// How many places of a file are looked at to see whether it is in memory.
const SAMPLES: u64 = 64;

/// Where the stock of a repository lies, and how large it may become.
#[derive(Debug, Clone)]
pub struct Stock {
    /// Its folder, which need not be there.
    pub folder: PathBuf,
    /// The most that it may take, in bytes; 0: there is to be none.
    pub most: u64,
}

/// A stock that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stocked {
    /// The larger one of its files.
    pub path: PathBuf,
    /// What it takes, in bytes.
    pub bytes: u64,
    /// When it last served.
    pub used: SystemTime,
}

impl Stock {
    fn index(&self) -> PathBuf {
        self.folder.join("stock.idx")
    }

    fn content(&self) -> PathBuf {
        self.folder.join("stock.pack")
    }

    fn asked_for(&self) -> PathBuf {
        self.folder.join("wanted")
    }

    /// The stock, if there is one and it is in memory.
    pub(super) fn pack(&self) -> Option<Pack> {
        if self.most == 0 || !is_in_memory(&File::open(self.content()).ok()?) {
            return None;
        }
        Pack::open(&self.index()).ok()?
    }

    /// Notes that it has served `count` of the files of a new worktree, or too few of them.
    pub(super) fn served(&self, count: usize, index: &IndexFile) {
        let files = index.entries.len();
        if count > 0 {
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let now = Timestamps { last_access: now, last_modification: now };
            // Where that fails it is only freed too early.
            let _ = rustix::fs::utimensat(CWD, self.content(), &now, AtFlags::empty());
        }
        let bytes: u64 = index.entries.iter().map(|entry| entry.state.size()).sum();
        if files >= LEAST && files - count > files / LACKING && bytes <= self.most {
            // Whoever makes the next worktree asks again.
            let _ = fs::create_dir_all(&self.folder)
                .and_then(|()| fs::write(self.asked_for(), format!("{} {bytes}", index.root.id)));
        }
    }

    /// Whether a new one is to be made, by whoever does chores.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        self.asked_for().exists()
    }

    /// What is there.
    #[must_use]
    pub fn look(&self) -> Option<Stocked> {
        let path = self.content();
        let found = path.metadata().ok()?;
        let index = self.index().metadata().map_or(0, |index| index.len());
        let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Some(Stocked { path, bytes: found.len() + index, used })
    }

    /// Removes it. Whoever reads it goes on.
    ///
    /// # Errors
    /// `io` when it cannot be removed.
    pub fn remove(&self) -> Result<()> {
        for file in [self.asked_for(), self.index(), self.content()] {
            match fs::remove_file(&file) {
                Err(cause) if cause.kind() != ErrorKind::NotFound => {
                    return Err(Error::io(format!("remove `{}`", file.display()), &cause));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether all of a tree is in it, undamaged. Then all of it has been brought into memory.
    fn holds(&self, tree: ObjectId) -> bool {
        let pack = Pack::open(&self.index()).ok().flatten();
        pack.is_some_and(|pack| pack.find(tree.as_bytes()).is_some() && pack.is_whole())
    }

    /// The tree that is asked for, if all of it may be in stock.
    fn wanted(&self) -> Option<ObjectId> {
        let text = fs::read_to_string(self.asked_for()).ok()?;
        let (tree, bytes) = text.split_once(' ')?;
        let bytes: u64 = bytes.parse().ok()?;
        tree.parse().ok().filter(|_| bytes <= self.most)
    }
}

impl Repo {
    /// Makes the stock that is asked for, in the place of the one before; one that is there already is
    /// brought into memory. The caller does chores, so nobody
    /// else is at it; what somebody who died left half-made is removed.
    ///
    /// # Errors
    /// `git` or `io` when it cannot be made; the next worktree asks again.
    pub fn restock(&self, stock: &Stock) -> Result<()> {
        let making = stock.folder.join("making");
        let attempt = || format!("make `{}`", stock.content().display());
        remove_folder(&making).attempt(attempt)?;
        if !stock.is_asked_for() {
            return Ok(());
        }
        let made = stock.wanted().map_or(Ok(()), |tree| {
            if stock.holds(tree) {
                return Ok(());
            }
            let made = self.pack_undeflated(tree, &making)?;
            let (index, content) = (made.with_extension("idx"), made.with_extension("pack"));
            // One of each kind are taken for none.
            fs::rename(&content, stock.content()).attempt(attempt)?;
            fs::rename(&index, stock.index()).attempt(attempt)
        });
        remove_folder(&making).attempt(attempt)?;
        // Last, so that one that is cut off is made by the next command.
        fs::remove_file(stock.asked_for()).attempt(attempt)?;
        made
    }

    /// Packs all objects of a tree in its order, in a folder of its own; the path without an extension.
    fn pack_undeflated(&self, tree: ObjectId, folder: &Path) -> Result<PathBuf> {
        // Where git puts what is not finished.
        let unfinished = folder.join("pack");
        fs::create_dir_all(&unfinished).attempt(|| format!("make `{}`", unfinished.display()))?;
        let command = self.git.in_passing(self.common_dir(), "pack-objects");
        let made = command
            .env("GIT_OBJECT_DIRECTORY", folder)
            .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", quoted(&self.common_dir().join("objects")))
            .args(["--revs", "--quiet", "--compression=0", "--no-reuse-object"])
            .args(["--window=0", "--depth=0", "--no-reuse-delta"])
            .arg(folder.join("stock"))
            .input(format!("{tree}\n"))
            .run()?;
        Ok(folder.join(format!("stock-{}", made.line())))
    }
}

/// Whether reading it would wait for no disk, as far as some of its places tell.
fn is_in_memory(file: &File) -> bool {
    let length = file.metadata().map_or(0, |found| found.len());
    let mut byte = [0];
    (0..SAMPLES).all(|sample| {
        let mut into = [IoSliceMut::new(&mut byte)];
        let at = length / SAMPLES * sample;
        match rustix::io::preadv2(file, &mut into, at, ReadWriteFlags::NOWAIT) {
            // What has no disk does not know how to be asked.
            Ok(_) | Err(Errno::OPNOTSUPP) => true,
            Err(_) => false,
        }
    })
}
