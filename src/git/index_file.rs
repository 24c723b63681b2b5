//! The index as a file (gitformat-index(5)): version 2 with git's cache of trees, written by ourselves
//! for a worktree that we made, and read again to see what has changed there.
//!
//! Only what git writes for an ordinary checkout is understood. Anything else (conflicts, sparse or
//! split indexes, `assume-unchanged`, damage) is told as "not known", and whoever asks leaves it to git.

use crate::names::ObjectId;
use rustix::fs::Stat;
use sha1::{Digest, Sha1};

/// What an index of version 2 begins with.
const SIGNATURE: &[u8; 8] = b"DIRC\0\0\0\x02";

/// The length of an entry before its path.
const FIXED: usize = 62;

/// The length of an id, and of the sum at the end.
const ID: usize = 20;

/// The longest path whose length fits into an entry's flags.
const LONGEST: usize = 0xFFF;

/// What an entry keeps of a file's state, cut to 32 bits each as git does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FileState {
    /// Seconds and nanoseconds of the last change of the inode, then of the content.
    pub(super) changed: [u32; 2],
    pub(super) modified: [u32; 2],
    device: u32,
    inode: u32,
    user: u32,
    group: u32,
    size: u32,
}

impl FileState {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "git keeps the lower 32 bits"
    )]
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            changed: [stat.st_ctime as u32, stat.st_ctime_nsec as u32],
            modified: [stat.st_mtime as u32, stat.st_mtime_nsec as u32],
            device: stat.st_dev as u32,
            inode: stat.st_ino as u32,
            user: stat.st_uid,
            group: stat.st_gid,
            size: stat.st_size as u32,
        }
    }

    /// The file's length in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size.into()
    }

    /// Whether it is the same, wherever the device is attached by now.
    pub(super) fn is_as(&self, other: &Self) -> bool {
        Self { device: 0, ..*self } == Self { device: 0, ..*other }
    }
}

/// A file of the index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexEntry {
    pub(super) path: Vec<u8>,
    pub(super) mode: u32,
    pub(super) id: ObjectId,
    pub(super) state: FileState,
}

impl IndexEntry {
    /// What stands before its id.
    fn numbers(&self) -> [u32; 10] {
        let state = &self.state;
        let ([cs, cn], [ms, mn]) = (state.changed, state.modified);
        let [device, inode, mode] = [state.device, state.inode, self.mode];
        [cs, cn, ms, mn, device, inode, mode, state.user, state.group, state.size]
    }
}

/// A folder whose tree is known (the `TREE` extension); the outermost one has no name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CachedTree {
    pub(super) name: Vec<u8>,
    pub(super) id: ObjectId,
    /// How many files are below it, at any depth.
    pub(super) files: usize,
    pub(super) folders: Vec<CachedTree>,
}

/// A whole index; the entries are sorted by path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IndexFile {
    pub(super) entries: Vec<IndexEntry>,
    pub(super) root: CachedTree,
}

impl IndexFile {
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let long = |entry: &IndexEntry| FIXED + entry.path.len() + padding(entry.path.len());
        let mut bytes = Vec::with_capacity(self.entries.iter().map(long).sum());
        bytes.extend_from_slice(SIGNATURE);
        bytes.extend(be(self.entries.len()));
        for entry in &self.entries {
            bytes.extend_from_slice(entry.numbers().map(u32::to_be_bytes).as_flattened());
            bytes.extend_from_slice(entry.id.as_bytes());
            let length = entry.path.len().min(LONGEST);
            bytes.extend(u16::try_from(length).expect("invariant: 12 bits").to_be_bytes());
            bytes.extend_from_slice(&entry.path);
            bytes.resize(bytes.len() + padding(entry.path.len()), 0);
        }
        let mut trees = Vec::new();
        self.root.write_to(&mut trees);
        bytes.extend_from_slice(b"TREE");
        bytes.extend(be(trees.len()));
        bytes.extend(trees);
        bytes.extend(sum_of(&bytes));
        bytes
    }

    /// The entries of a folder whose path with a slash at the end is `path`; `None` when there are not as
    /// many as its tree says.
    pub(super) fn files_of(&self, folder: &CachedTree, path: &[u8]) -> Option<&[IndexEntry]> {
        let rest = &self.entries[self.entries.partition_point(|entry| &*entry.path < path)..];
        let count = rest.partition_point(|entry| entry.path.starts_with(path));
        (count == folder.files).then(|| &rest[..count])
    }

    /// An index; `None` when it is not known which trees its entries make.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk::<ID>()?;
        // Where `index.skipHash` is set the sum is zero.
        if *sum != [0; ID] && sum_of(content) != *sum {
            return None;
        }
        let (count, mut rest) = content.strip_prefix(SIGNATURE)?.split_first_chunk::<4>()?;
        let count = u32::from_be_bytes(*count);
        // As many as there can be, whatever the count says.
        let most = rest.len() / FIXED;
        let mut entries = Vec::with_capacity(usize::try_from(count).ok()?.min(most));
        for _ in 0..count {
            let (entry, behind) = parse_entry(rest)?;
            entries.push(entry);
            rest = behind;
        }
        let sorted = entries.is_sorted_by(|one, next| one.path < next.path);
        Some(Self { entries, root: cached_root(rest)? }).filter(|_| sorted)
    }
}

/// The same index with the states of these entries forgotten, so that git reads their files. The
/// places are those of [`IndexFile::parse`], which knew the index.
pub(super) fn forget_states(bytes: &mut [u8], entries: &[IndexEntry], places: &[usize]) {
    let mut start = SIGNATURE.len() + 4;
    let mut left = places.iter().peekable();
    for (place, entry) in entries.iter().enumerate() {
        if left.next_if_eq(&&place).is_some() {
            // Both times: no file is from the first second of 1970.
            bytes[start..start + 16].fill(0);
        }
        start += FIXED + entry.path.len() + padding(entry.path.len());
    }
    let (content, sum) = bytes.split_at_mut(bytes.len() - ID);
    sum.copy_from_slice(&sum_of(content));
}

impl CachedTree {
    /// `NAME NUL FILES SPACE FOLDERS NEWLINE ID`, then the folders.
    fn take(data: &mut &[u8]) -> Option<Self> {
        let end = data.iter().position(|byte| *byte == 0)?;
        let line = data.get(end + 1..)?;
        let length = line.iter().position(|byte| *byte == b'\n')?;
        // A folder that was changed has a count of -1 and no id.
        let (files, folders) = std::str::from_utf8(&line[..length]).ok()?.split_once(' ')?;
        let (id, rest) = line[length + 1..].split_first_chunk::<ID>()?;
        let mut tree = Self {
            name: data[..end].to_vec(),
            id: ObjectId::from_bytes(*id),
            files: files.parse().ok()?,
            folders: Vec::new(),
        };
        *data = rest;
        for _ in 0..folders.parse::<usize>().ok()? {
            tree.folders.push(Self::take(data)?);
        }
        Some(tree)
    }

    fn write_to(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.name);
        bytes.push(0);
        bytes.extend(format!("{} {}\n", self.files, self.folders.len()).into_bytes());
        bytes.extend_from_slice(self.id.as_bytes());
        // Git sorts them by length first.
        let mut folders: Vec<&Self> = self.folders.iter().collect();
        folders.sort_by(|one, other| {
            (one.name.len(), &one.name).cmp(&(other.name.len(), &other.name))
        });
        for folder in folders {
            folder.write_to(bytes);
        }
    }
}

/// The sum at the end.
pub(super) fn sum_of(content: &[u8]) -> [u8; ID] {
    Sha1::digest(content).into()
}

fn be(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// Entries end with one to eight NULs, so that each is a multiple of eight long.
fn padding(path: usize) -> usize {
    8 - (FIXED + path) % 8
}

fn parse_entry(bytes: &[u8]) -> Option<(IndexEntry, &[u8])> {
    let (fixed, rest) = bytes.split_first_chunk::<FIXED>()?;
    let number = |at: usize| {
        let field = fixed.get(at * 4..at * 4 + 4)?;
        Some(u32::from_be_bytes(field.try_into().ok()?))
    };
    let flags = u16::from_be_bytes([fixed[60], fixed[61]]);
    // `assume-unchanged`, what only version 3 may have, and the sides of a conflict.
    if flags & 0xF000 != 0 {
        return None;
    }
    let length = match usize::from(flags) {
        LONGEST => rest.iter().position(|byte| *byte == 0)?,
        length => length,
    };
    let path = rest.get(..length).filter(|path| !path.is_empty() && !path.contains(&0))?;
    let state = FileState {
        changed: [number(0)?, number(1)?],
        modified: [number(2)?, number(3)?],
        device: number(4)?,
        inode: number(5)?,
        user: number(7)?,
        group: number(8)?,
        size: number(9)?,
    };
    let id = ObjectId::from_bytes(fixed.get(40..60)?.try_into().ok()?);
    let entry = IndexEntry { path: path.to_vec(), mode: number(6)?, id, state };
    Some((entry, rest.get(length + padding(length)..)?))
}

/// The trees, if the extensions say them and none of them changes what the entries mean.
fn cached_root(mut extensions: &[u8]) -> Option<CachedTree> {
    let mut root = None;
    while !extensions.is_empty() {
        let (name, rest) = extensions.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let mut data = rest.get(..length)?;
        extensions = rest.get(length..)?;
        if name == b"TREE" {
            root = Some(CachedTree::take(&mut data)?);
        } else if !name[0].is_ascii_uppercase() {
            return None;
        }
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index() -> IndexFile {
        let id = |byte| ObjectId::from_bytes([byte; ID]);
        let entry = |path: &[u8], size| IndexEntry {
            path: path.to_vec(),
            mode: 0o100_644,
            id: id(1),
            state: FileState { size, inode: 7, ..FileState::default() },
        };
        let long = vec![b'x'; LONGEST + 3];
        let tree = |name: &[u8], files, folders| CachedTree {
            name: name.to_vec(),
            id: id(2),
            files,
            folders,
        };
        let folders = vec![tree(b"b", 1, Vec::new())];
        IndexFile {
            entries: vec![entry(b"a", 1), entry(b"b/c", 2), entry(&long, 3)],
            root: tree(b"", 3, folders),
        }
    }

    #[test]
    fn what_was_written_is_read_again() {
        let index = index();
        assert_eq!(IndexFile::parse(&index.to_bytes()), Some(index));
    }

    #[test]
    fn an_index_that_is_damaged_or_marked_is_not_known() {
        let bytes = index().to_bytes();
        for place in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[place] ^= 0x80;
            assert_eq!(IndexFile::parse(&damaged), None, "at {place}");
            assert_eq!(IndexFile::parse(&bytes[..place]), None, "cut at {place}");
        }
        // The same with a sum that is right: `assume-unchanged` on the first entry.
        let mut marked = bytes[..bytes.len() - ID].to_vec();
        marked[12 + 60] |= 0x80;
        marked.extend([0; ID]);
        assert_eq!(IndexFile::parse(&marked), None);
    }
}
