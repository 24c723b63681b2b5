//! Contents out of the files of the main checkout: to read and to sum one costs less than half of what
//! it costs to unpack it.
//!
//! Nothing is believed of these files, neither their states nor that anybody's index calls them clean:
//! what was read is summed, and only what has the id that is wanted is used. So it makes no difference
//! what stands there, by whom it is being written, or where a path leads. What is not in memory already
//! is not read: from a disk, files come one by one, and a pack comes in one piece.
//!
//! Deliberately absent: reflinks. What is cloned cannot be proven to be what was summed, and it is not
//! in memory for whoever reads it next; small files are made with a seventh less of system time by it
//! (XFS). So is trust in the states that git's index has of files: the sum is a seventh of the work.

use super::index_file::IndexEntry;
use super::tree_plan::LINK;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::ReadWriteFlags;
use sha1::{Digest, Sha1};
use std::ffi::OsStr;
use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Larger files are unpacked, in bytes.
const LARGEST: usize = 1024 * 1024;

/// Most files are no larger, in bytes. A larger piece of memory, once freed, has the allocator keep more
/// for itself (mallopt(3), `M_MMAP_THRESHOLD`).
const USUAL: usize = 64 * 1024;

/// After so many files in a row that are not there as they are wanted, no more are looked for: the
/// checkout is of another branch, or not in memory. Asking for a file has the kernel fetch it.
const PATIENCE: usize = 50;

/// A file system whose files are in memory always, by `linux/magic.h`; it does not know how to be asked.
const TMPFS: u64 = 0x0102_1994;

/// The folder of a checkout.
pub(super) struct MainFolder {
    root: OwnedFd,
    how: ReadWriteFlags,
}

impl MainFolder {
    /// `None` when it cannot be opened.
    pub(super) fn open(root: &Path) -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(root, flags, Mode::empty()).ok()?;
        let found = rustix::fs::fstatfs(&root).ok()?;
        let is_in_memory = u64::try_from(found.f_type).is_ok_and(|kind| kind == TMPFS);
        let how = if is_in_memory { ReadWriteFlags::empty() } else { ReadWriteFlags::NOWAIT };
        Some(Self { root, how })
    }
}

/// Reads files of a checkout.
pub(super) struct AtHand<'a> {
    folder: &'a MainFolder,
    content: Vec<u8>,
    /// How many files more may be none that are wanted before nothing more is looked for.
    patience: usize,
}

impl<'a> AtHand<'a> {
    pub(super) fn of(folder: &'a MainFolder) -> Self {
        Self { folder, content: vec![0; USUAL], patience: PATIENCE }
    }

    /// The content of a file as the index wants it, if just that stands at its path.
    pub(super) fn read(&mut self, entry: &IndexEntry) -> Option<&[u8]> {
        if entry.mode == LINK || self.patience == 0 {
            return None;
        }
        let found = self.find(entry);
        self.patience = found.map_or(self.patience - 1, |_| PATIENCE);
        found.map(|length| &self.content[..length])
    }

    /// Reads a file that has the wanted sum; its length.
    fn find(&mut self, entry: &IndexEntry) -> Option<usize> {
        // A pipe would make us wait.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::CACHED | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        let path = OsStr::from_bytes(&entry.path);
        let (root, how) = (&self.folder.root, self.folder.how);
        let file = rustix::fs::openat2(root, path, flags, Mode::empty(), resolve).ok()?;
        let read = |into: &mut [u8]| {
            // One that is cut short by others has another sum.
            rustix::io::preadv2(&file, &mut [IoSliceMut::new(into)], 0, how).ok()
        };
        let mut length = read(&mut self.content)?;
        if length == USUAL {
            self.content.resize(LARGEST, 0);
            length = read(&mut self.content)?;
        }
        let content = &self.content[..length];
        let sum = Sha1::new().chain_update(format!("blob {length}\0")).chain_update(content);
        (sum.finalize()[..] == entry.id.as_bytes()[..]).then_some(length)
    }
}

#[cfg(test)]
mod tests {
    use super::super::index_file::FileState;
    use super::super::repo::object_id;
    use super::*;
    use std::fs;

    fn entry(path: &str, content: &[u8]) -> IndexEntry {
        let id = git2::Oid::hash_object(git2::ObjectType::Blob, content).expect("sums");
        let (path, state) = (path.into(), FileState::default());
        IndexEntry { path, mode: 0o100_644, id: object_id(id), state }
    }

    #[test]
    fn after_many_in_a_row_that_are_of_no_use_no_more_are_looked_for() {
        // Files are in memory there always.
        let folder = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
        fs::write(folder.path().join("there"), "text").expect("writes");
        let main = MainFolder::open(folder.path()).expect("opens");
        let mut at_hand = AtHand::of(&main);
        let (there, changed) = (entry("there", b"text"), entry("there", b"test"));
        for _ in 0..3 {
            for _ in 1..PATIENCE {
                assert_eq!(at_hand.read(&changed), None);
            }
            assert_eq!(at_hand.read(&there), Some(&b"text"[..]));
        }
        for _ in 0..PATIENCE {
            assert_eq!(at_hand.read(&changed), None);
        }
        assert_eq!(at_hand.read(&there), None);
    }

    #[test]
    fn a_file_is_taken_up_to_the_largest_size() {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
        let main = MainFolder::open(folder.path()).expect("opens");
        let mut at_hand = AtHand::of(&main);
        for (size, is_taken) in
            [(0, true), (USUAL, true), (USUAL + 1, true), (LARGEST, true), (LARGEST + 1, false)]
        {
            let content = vec![b'x'; size];
            fs::write(folder.path().join("file"), &content).expect("writes");
            let wanted = is_taken.then_some(&content[..]);
            assert!(at_hand.read(&entry("file", &content)) == wanted, "{size}");
        }
    }
}
