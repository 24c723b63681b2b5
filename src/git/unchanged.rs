//! Proves, by looking at names and states of files alone, that a folder holds a tree and nothing else.
//!
//! An index that was written when the folder was known to hold the tree is compared with what is there
//! now: every file must have the inode, size, mode and times that the index has of it, and no other
//! name may be there, be it ignored or not. No file is read and nothing is written. "No" means only
//! that it is not proven this way; git finds out what has changed, and which of it is ignored.

use super::index_file::{FileState, IndexEntry, IndexFile, forget_states};
use crate::names::ObjectId;
use rustix::fs::{AtFlags, Dir, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const KIND: u32 = 0o170_000;

/// The bit by which git tells programs from other files.
const EXECUTABLE: u32 = 0o100;

/// Whether the folder `root` is proven to hold `tree` by `index`, whose file has not been touched since
/// it was written.
pub(super) fn holds_just(root: &Path, index: &Path, tree: ObjectId) -> bool {
    let Some(known) = Known::read(index).filter(|known| known.tree == tree) else { return false };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let Ok(folder) = rustix::fs::open(root, flags, Mode::empty()) else { return false };
    known.is_all_of(folder, &known.entries, 0).is_ok_and(|same| same)
}

/// Makes git read every file that is not as `index` has it. By itself git compares whole seconds only,
/// so it takes a file for unchanged that was changed within the second of its making and dated back.
///
/// # Errors
/// When the index cannot be written; one that is not understood is left to git.
pub(super) fn distrust_changed(root: &Path, index: &Path) -> std::io::Result<()> {
    let Some(known) = Known::read(index) else { return Ok(()) };
    let is_other = |entry: &IndexEntry| {
        let path = root.join(OsStr::from_bytes(&entry.path));
        rustix::fs::lstat(&path).is_ok_and(|stat| !known.is_same(entry, &stat))
    };
    let places = known.entries.iter().enumerate().filter(|(_, entry)| is_other(entry));
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    if places.is_empty() {
        return Ok(());
    }
    let written = index.metadata()?.modified()?;
    let mut bytes = fs::read(index)?;
    forget_states(&mut bytes, &known.entries, &places);
    fs::write(index, bytes)?;
    fs::File::options().append(true).open(index)?.set_modified(written)
}

/// What an index says, and when it was written.
struct Known {
    entries: Vec<IndexEntry>,
    tree: ObjectId,
    written: (i64, i64),
}

/// What a name in a folder must be.
pub(super) enum Wanted<'a> {
    File(&'a IndexEntry),
    Folder(&'a [IndexEntry]),
}

impl Known {
    fn read(index: &Path) -> Option<Self> {
        let found = index.metadata().ok()?;
        let (entries, tree) = IndexFile::parse(&fs::read(index).ok()?)?;
        Some(Self { entries, tree, written: (found.mtime(), found.mtime_nsec()) })
    }

    /// Whether `folder` holds `entries` and nothing else; `depth` bytes of their paths lead to it.
    fn is_all_of(
        &self,
        folder: OwnedFd,
        entries: &[IndexEntry],
        depth: usize,
    ) -> Result<bool, Errno> {
        let wanted = wanted_in(entries, depth);
        let mut left = wanted.len();
        for found in Dir::read_from(&folder)? {
            let found = found?;
            let name = found.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (depth == 0 && name == b".git") {
                continue;
            }
            let same = match wanted.get(name) {
                Some(Wanted::File(entry)) => {
                    let name = OsStr::from_bytes(name);
                    let stat = rustix::fs::statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
                    self.is_same(entry, &stat)
                }
                Some(Wanted::Folder(below)) => {
                    let inner = depth + name.len() + 1;
                    self.is_all_of(open_folder(folder.as_fd(), name)?, below, inner)?
                }
                None => false,
            };
            if !same {
                return Ok(false);
            }
            left -= 1;
        }
        Ok(left == 0)
    }

    /// Whether a file is as its entry says; not for one that may have changed within the moment in
    /// which the index was written.
    fn is_same(&self, entry: &IndexEntry, stat: &Stat) -> bool {
        let [seconds, nanoseconds] = entry.state.modified.map(i64::from);
        let executable = |mode: u32| mode & KIND == 0o100_000 && mode & EXECUTABLE != 0;
        (seconds, nanoseconds) < self.written
            && FileState::of(stat).is_as(&entry.state)
            && stat.st_mode & KIND == entry.mode & KIND
            && executable(stat.st_mode) == executable(entry.mode)
    }
}

/// What belongs into a folder, by name.
pub(super) fn wanted_in(entries: &[IndexEntry], depth: usize) -> HashMap<&[u8], Wanted<'_>> {
    let mut wanted = HashMap::new();
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let path = &first.path[depth..];
        let Some(end) = path.iter().position(|byte| *byte == b'/') else {
            wanted.insert(path, Wanted::File(first));
            rest = &rest[1..];
            continue;
        };
        // Sorted by path, so what begins alike stands together.
        let folder = &first.path[..=depth + end];
        let count = rest.partition_point(|entry| entry.path.starts_with(folder));
        let (below, others) = rest.split_at(count);
        wanted.insert(&path[..end], Wanted::Folder(below));
        rest = others;
    }
    wanted
}

fn open_folder(parent: std::os::fd::BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, OsStr::from_bytes(name), flags, Mode::empty())
}
