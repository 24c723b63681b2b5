//! How much room a file system has; what outlives a power cut; giving back the room of a log's middle, and
//! reading around it.

use crate::error::{Attempt, Error, Result};
use rustix::fs::{Advice, FallocateFlags, SeekFrom, fadvise, fallocate, statvfs};
use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What a file takes on disk is counted in blocks of this size (stat(2)), in bytes.
const BLOCK: u64 = 512;

/// The bytes that an ordinary user may still write to the file system that holds `path`, or the
/// nearest folder above it that is there.
///
/// # Errors
/// `io` when the system does not tell.
pub fn free_bytes(path: &Path) -> Result<u64> {
    let there = path.ancestors().find(|folder| folder.exists()).unwrap_or(path);
    let found = statvfs(there).map_err(std::io::Error::from);
    let found = found.attempt(|| format!("ask how full `{}` is", there.display()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

/// A new file on its way to the device, which goes again unless it is kept. Whoever writes several waits for all
/// of them together, and a journal has them in one commit.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    file: File,
    is_kept: bool,
}

impl NewFile {
    /// Writes a file where there is none, with these permissions as far as the umask lets it have them.
    ///
    /// # Errors
    /// `io` when there is one, or it cannot be written.
    pub fn write(path: PathBuf, mode: u32, bytes: &[u8]) -> Result<Self> {
        let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&path);
        let file = file.attempt(|| format!("write `{}`", path.display()))?;
        let mut new = Self { path, file, is_kept: false };
        new.file.write_all(bytes).attempt(|| format!("write `{}`", new.path.display()))?;
        // What is not needed in memory is written out first (Linux, `mm/fadvise.c`). It promises nothing, and
        // nothing is lost where it does nothing.
        let _ = fadvise(&new.file, 0, None, Advice::DontNeed);
        Ok(new)
    }

    /// Waits until its content outlives a power cut; its name does when the folder is synced.
    ///
    /// # Errors
    /// `io` when the device refuses.
    pub fn wait(&self) -> Result<()> {
        self.file.sync_data().attempt(|| format!("write `{}`", self.path.display()))
    }

    /// The folder that holds it, open: git removes one of refs that it finds empty, and it is synced none the less.
    ///
    /// # Errors
    /// `io` when it cannot be opened.
    pub fn folder(&self) -> Result<File> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        File::open(folder).attempt(|| format!("open `{}`", folder.display()))
    }

    /// Keeps it, where it is.
    pub fn keep(mut self) {
        self.is_kept = true;
    }

    /// Keeps it by another name.
    ///
    /// # Errors
    /// `io` when the file system refuses.
    pub fn keep_as(self, name: &Path) -> Result<()> {
        fs::rename(&self.path, name).attempt(|| format!("write `{}`", name.display()))?;
        self.keep();
        Ok(())
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.is_kept {
            // It helps nobody, and on a full disk its space does. After a crash it stays, as one that cannot
            // be removed does.
            drop(fs::remove_file(&self.path));
        }
    }
}

/// Makes what was renamed, made or removed in a folder outlive a power cut.
///
/// # Errors
/// `io` when the device refuses.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.attempt(|| format!("write `{}`", folder.display()))
}

/// Keeps what a file takes on disk below `limit` bytes: its beginning and its end stay, what lies
/// between becomes a hole, which reads as zeros and takes no room. Whoever appends to the file notices
/// nothing.
///
/// # Errors
/// `unsupported` where the file system has no holes.
pub fn cap(path: &Path, limit: u64) -> Result<()> {
    let attempt = || format!("shorten `{}`", path.display());
    let file = match File::options().write(true).open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(cause) => return Err(Error::io(attempt(), &cause)),
    };
    let facts = file.metadata().attempt(attempt)?;
    if facts.blocks() * BLOCK <= limit {
        return Ok(());
    }
    // Less than the limit is left, so that not every line that follows makes a new hole.
    let kept = limit / 4;
    // Whole blocks of the file system only: of others the bytes would stay, as zeros.
    let block = facts.blksize().max(1);
    let start = kept.next_multiple_of(block);
    let end = facts.len().saturating_sub(kept) / block * block;
    if end <= start {
        return Ok(());
    }
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(&file, flags, start, end - start).map_err(|cause| {
        Error::unsupported(format!("cannot {}: {}", attempt(), std::io::Error::from(cause)))
    })
}

/// How much of a log is read at once, in bytes.
const PIECE: usize = 64 * 1024;

/// What comes next in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Bytes of it.
    Bytes(&'a [u8]),
    /// So many bytes are not there any more.
    LeftOut(u64),
}

/// Reads a log from `offset` to where it ends at present, and returns that place. One that is not there
/// is empty.
///
/// # Errors
/// `io` when it cannot be read; whatever `sink` refuses.
pub fn read_log(
    path: &Path,
    mut offset: u64,
    sink: &mut dyn FnMut(Piece<'_>) -> Result<()>,
) -> Result<u64> {
    let attempt = || format!("read `{}`", path.display());
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(offset),
        Err(cause) => return Err(Error::io(attempt(), &cause)),
    };
    let mut piece = vec![0; PIECE];
    loop {
        let data = behind_hole(&file, offset);
        if data > offset {
            sink(Piece::LeftOut(data - offset))?;
            offset = data;
        }
        file.seek(std::io::SeekFrom::Start(offset)).attempt(attempt)?;
        let length = file.read(&mut piece).attempt(attempt)?;
        if length == 0 {
            return Ok(offset);
        }
        sink(Piece::Bytes(&piece[..length]))?;
        offset += length as u64;
    }
}

/// Where the next byte that is on disk lies, from `offset` on: behind a hole, or `offset` itself.
#[must_use]
pub fn behind_hole(file: &File, offset: u64) -> u64 {
    match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(found) => found,
        // No more data, or a file system that knows no holes.
        Err(_) => offset,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_stays_only_where_it_is_kept() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = |name: &str| folder.path().join(name);
        let write = |name: &str| NewFile::write(at(name), 0o600, name.as_bytes());
        drop(write("dropped").expect("writes"));
        write("kept").expect("writes").keep();
        let renamed = write("first").expect("writes");
        renamed.wait().expect("the device has it");
        renamed.keep_as(&at("last")).expect("renames");
        write("kept").expect_err("there is one");
        let found =
            ["dropped", "kept", "first", "last"].map(|name| fs::read_to_string(at(name)).ok());
        assert_eq!(found, [None, Some("kept".into()), None, Some("first".into())]);
    }

    #[test]
    fn a_capped_file_keeps_its_beginning_its_end_and_its_length() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let mut file = File::create(&path).expect("makes");
        file.write_all(b"first\n").expect("writes");
        for _ in 0..1024 {
            file.write_all(&[b'x'; 1024]).expect("writes");
        }
        file.write_all(b"last\n").expect("writes");
        file.sync_all().expect("writes");
        cap(&path, 64 * 1024).expect("shortens");
        let facts = path.metadata().expect("is there");
        assert!(facts.blocks() * BLOCK <= 64 * 1024, "{} blocks", facts.blocks());
        assert_eq!(facts.len(), 1024 * 1024 + 11);
        let hole = File::open(&path).expect("opens");
        assert_eq!(behind_hole(&hole, 10), 10);
        assert!(behind_hole(&hole, 500_000) > 900_000);
        let mut text = Vec::new();
        File::open(&path).expect("opens").read_to_end(&mut text).expect("reads");
        let hole = behind_hole(&hole, 500_000) as usize;
        assert!(!text[hole..].contains(&0), "what is left of the end is whole");
        assert!(text.starts_with(b"first\nxxx") && text.ends_with(b"xxxlast\n"));
    }

    #[test]
    fn free_room_is_told_for_a_folder_that_is_not_there_yet() {
        let folder = tempfile::tempdir().expect("temporary folder");
        assert!(free_bytes(&folder.path().join("a/b")).expect("tells") > 0);
    }
}
