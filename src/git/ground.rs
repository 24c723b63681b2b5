//! A folder in which files are moved without ever following a symbolic link below it.
//!
//! Paths are walked one component at a time through folder descriptors, so a folder that somebody
//! replaces by a symbolic link in the middle of a landing leads to an error and not outside. Nothing
//! here overwrites or truncates: files come and go by rename, and a rename never replaces.

use crate::error::{Attempt, Error, Result};
use crate::path::RepoPath;
use rustix::fs::{AtFlags, Mode, OFlags, RenameFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What tells one state of a file from another without reading it. A rename changes none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signature {
    inode: u64,
    size: u64,
    seconds: i64,
    nanoseconds: i64,
    mode: u32,
}

impl Signature {
    pub(super) fn is_folder(self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
}

/// What became of an attempt to swap two files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub(super) enum Exchanged {
    Yes,
    /// This file system or kernel cannot do it.
    Impossible,
}

/// A folder whose contents are moved.
pub(super) struct Ground {
    root: OwnedFd,
    place: PathBuf,
}

/// A name in an opened folder.
struct Spot<'a> {
    folder: OwnedFd,
    name: &'a OsStr,
}

impl Ground {
    /// Opens a folder.
    pub(super) fn open(place: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = rustix::fs::open(place, flags, Mode::empty()).map_err(io::Error::from);
        let root = root.attempt(|| format!("open `{}`", place.display()))?;
        Ok(Self { root, place: place.to_owned() })
    }

    /// Where it is.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// What lies at `path`; none when nothing does, or when a parent is no real folder.
    pub(super) fn signature(&self, path: &RepoPath) -> Result<Option<Signature>> {
        let looked = self.spot(path).and_then(|spot| {
            rustix::fs::statat(&spot.folder, spot.name, AtFlags::SYMLINK_NOFOLLOW)
        });
        match looked {
            Ok(stat) => Ok(Some(signature_of(&stat))),
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            Err(cause) => Err(self.cannot("look at", path, cause)),
        }
    }

    /// Whether a file can be put at `path`: nothing is there, and nothing but folders leads there.
    pub(super) fn has_room(&self, path: &RepoPath) -> Result<bool> {
        if self.signature(path)?.is_some() {
            return Ok(false);
        }
        for parent in parents(path) {
            if let Some(found) = self.signature(&parent)? {
                return Ok(found.is_folder());
            }
        }
        Ok(true)
    }

    /// Swaps the file at `path` with the one at `other_path` of `other`.
    pub(super) fn exchange(
        &self,
        path: &RepoPath,
        other: &Self,
        other_path: &RepoPath,
    ) -> Result<Exchanged> {
        let swapped = self.spot(path).and_then(|here| {
            let there = other.spot(other_path)?;
            let flags = RenameFlags::EXCHANGE;
            rustix::fs::renameat_with(&here.folder, here.name, &there.folder, there.name, flags)
        });
        match swapped {
            Ok(()) => Ok(Exchanged::Yes),
            Err(cause) if is_unsupported(cause) => Ok(Exchanged::Impossible),
            Err(cause) => Err(self.cannot("replace", path, cause)),
        }
    }

    /// Moves the file at `path` to `to_path` of `to`, where nothing may be yet; makes the folders
    /// that lead there. A move that was cut off between its two names is finished.
    pub(super) fn move_to(&self, path: &RepoPath, to: &Self, to_path: &RepoPath) -> Result<()> {
        let there = to.made_spot(to_path).map_err(|cause| to.cannot("make", to_path, cause))?;
        let here = self.spot(path).map_err(|cause| self.cannot("move", path, cause))?;
        move_without_replacing(&here, &there)
            .map_err(|cause| to.cannot("put a file at", to_path, cause))
    }

    /// Makes a folder and those that lead there; one that is there already is fine.
    pub(super) fn make_folder(&self, path: &RepoPath) -> Result<()> {
        let made = self.made_spot(path).and_then(|spot| make(&spot.folder, spot.name));
        made.map_err(|cause| self.cannot("make", path, cause))
    }

    /// Removes a folder if it is empty; answers whether it is gone.
    pub(super) fn remove_if_empty(&self, path: &RepoPath) -> bool {
        let removed = self
            .spot(path)
            .and_then(|spot| rustix::fs::unlinkat(&spot.folder, spot.name, AtFlags::REMOVEDIR));
        matches!(removed, Ok(()) | Err(Errno::NOENT))
    }

    /// Removes up to `most` folders above `path`, innermost first, as long as they are empty.
    pub(super) fn remove_empty_parents(&self, path: &RepoPath, most: usize) {
        for parent in parents(path).take(most) {
            if !self.remove_if_empty(&parent) {
                return;
            }
        }
    }

    /// Removes a folder that holds nothing but empty folders.
    pub(super) fn remove_empty_folders(&self, path: &RepoPath) -> Result<()> {
        for child in self.children(path)? {
            if self.signature(&child)?.is_some_and(Signature::is_folder) {
                self.remove_empty_folders(&child)?;
            }
        }
        self.remove_if_empty(path);
        Ok(())
    }

    /// Every file (whatever is no folder) below the folder at `path`.
    pub(super) fn files_below(&self, path: &RepoPath) -> Result<Vec<RepoPath>> {
        let mut files = Vec::new();
        for child in self.children(path)? {
            if self.signature(&child)?.is_some_and(Signature::is_folder) {
                files.extend(self.files_below(&child)?);
            } else {
                files.push(child);
            }
        }
        Ok(files)
    }

    fn children(&self, path: &RepoPath) -> Result<Vec<RepoPath>> {
        let place = self.place.join(path.as_path());
        let list = || format!("list `{}`", place.display());
        let mut children = Vec::new();
        for entry in std::fs::read_dir(&place).attempt(list)? {
            let name = entry.attempt(list)?.file_name();
            children.push(RepoPath::new([path.as_bytes(), b"/", name.as_bytes()].concat()));
        }
        Ok(children)
    }

    fn spot<'a>(&self, path: &'a RepoPath) -> Result<Spot<'a>, Errno> {
        self.walk(path, |_, _| Ok(()))
    }

    fn made_spot<'a>(&self, path: &'a RepoPath) -> Result<Spot<'a>, Errno> {
        self.walk(path, make)
    }

    fn walk<'a>(
        &self,
        path: &'a RepoPath,
        before_entering: impl Fn(&OwnedFd, &OsStr) -> Result<(), Errno>,
    ) -> Result<Spot<'a>, Errno> {
        let mut folder = rustix::io::fcntl_dupfd_cloexec(&self.root, 3)?;
        let mut components = path.as_bytes().split(|byte| *byte == b'/').peekable();
        while let Some(component) = components.next() {
            let name = OsStr::from_bytes(component);
            if components.peek().is_none() {
                return Ok(Spot { folder, name });
            }
            before_entering(&folder, name)?;
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            folder = rustix::fs::openat(&folder, name, flags, Mode::empty())?;
        }
        Err(Errno::INVAL)
    }

    fn cannot(&self, verb: &str, path: &RepoPath, cause: Errno) -> Error {
        let place = self.place.join(path.as_path());
        let shown = crate::escape::line(&place.to_string_lossy());
        Error::io(format!("{verb} `{shown}`"), &cause.into())
    }
}

/// The folders above `path`, innermost first, the root left out.
pub(super) fn parents(path: &RepoPath) -> impl Iterator<Item = RepoPath> {
    let bytes = path.as_bytes();
    let slashes = bytes.iter().enumerate().rev().filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| RepoPath::new(&bytes[..at]))
}

fn move_without_replacing(here: &Spot<'_>, there: &Spot<'_>) -> Result<(), Errno> {
    let flags = RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(&here.folder, here.name, &there.folder, there.name, flags) {
        Err(cause) if is_unsupported(cause) || cause == Errno::EXIST => {}
        other => return other,
    }
    // A hard link does not replace either; for a moment the file has both names.
    let flags = AtFlags::empty();
    match rustix::fs::linkat(&here.folder, here.name, &there.folder, there.name, flags) {
        Err(Errno::EXIST) if is_one_file(here, there)? => {}
        other => other?,
    }
    rustix::fs::unlinkat(&here.folder, here.name, AtFlags::empty())
}

fn is_one_file(one: &Spot<'_>, other: &Spot<'_>) -> Result<bool, Errno> {
    let identity = |spot: &Spot<'_>| {
        let stat = rustix::fs::statat(&spot.folder, spot.name, AtFlags::SYMLINK_NOFOLLOW)?;
        Ok((stat.st_dev, stat.st_ino))
    };
    Ok(identity(one)? == identity(other)?)
}

fn make(folder: &OwnedFd, name: &OsStr) -> Result<(), Errno> {
    match rustix::fs::mkdirat(folder, name, Mode::from_raw_mode(0o777)) {
        Err(Errno::EXIST) => Ok(()),
        other => other,
    }
}

fn is_unsupported(cause: Errno) -> bool {
    cause == Errno::INVAL
        || cause == Errno::NOSYS
        || cause == Errno::NOTSUP
        || cause == Errno::OPNOTSUPP
}

#[expect(clippy::unnecessary_cast, reason = "the widths of these fields differ between platforms")]
fn signature_of(stat: &rustix::fs::Stat) -> Signature {
    Signature {
        inode: stat.st_ino as u64,
        size: stat.st_size as u64,
        seconds: stat.st_mtime as i64,
        nanoseconds: stat.st_mtime_nsec as i64,
        mode: stat.st_mode as u32,
    }
}
