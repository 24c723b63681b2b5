//! Makes a folder that holds the files of one tree hold those of another. Only what differs is touched.
//!
//! Folders are entered through the descriptor of the one they lie in and never through a symbolic link,
//! and a file is made only where nothing is: what is in the way of it is an error. Whoever calls knows
//! what is there, and that nobody else is at work there.

use super::error::GitAttempt;
use super::index_file::{FileState, IndexEntry, IndexFile};
use super::repo::{Repo, oid};
use super::tree_plan::{LINK, PROGRAM};
use crate::error::{Attempt, Error, Result};
use rustix::fs::{AtFlags, Mode, OFlags, Timespec, Timestamps};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A file that is there.
#[derive(Debug, Clone)]
pub(super) struct There {
    pub(super) entry: IndexEntry,
    /// Whether it is the very file that was made for its entry, untouched since.
    pub(super) is_untouched: bool,
}

/// Makes `root`, which holds `there` (sorted by path), hold `wanted`; answers it with the states of the
/// files. Written files are dated as told, else now.
///
/// # Errors
/// `io` or `git` when something cannot be read, removed or written.
pub(super) fn refit(
    repo: &Repo,
    root: &OwnedFd,
    (there, mut wanted): (&[There], IndexFile),
    dated: Option<Timespec>,
) -> Result<IndexFile> {
    let (mut gone, mut fresh): (Vec<&[u8]>, Vec<usize>) = (Vec::new(), Vec::new());
    let mut others = there.iter().peekable();
    for (place, entry) in wanted.entries.iter_mut().enumerate() {
        while let Some(other) = others.next_if(|other| other.entry.path < entry.path) {
            gone.push(&other.entry.path);
        }
        match others.next_if(|other| other.entry.path == entry.path) {
            Some(same)
                if same.is_untouched
                    && (same.entry.mode, same.entry.id) == (entry.mode, entry.id) =>
            {
                entry.state = same.entry.state;
            }
            found => {
                gone.extend(found.map(|found| &*found.entry.path));
                fresh.push(place);
            }
        }
    }
    gone.extend(others.map(|other| &*other.entry.path));
    remove(root, &gone)?;
    let mut folders = Folders { root, open: Vec::new(), make: true };
    let objects = repo.inner.odb().git_attempt(|| "open the object database")?;
    for place in fresh {
        let entry = &mut wanted.entries[place];
        let attempt = || format!("write `{}`", OsStr::from_bytes(&entry.path).display());
        let object = objects.read(oid(entry.id)).git_attempt(attempt)?;
        if object.kind() != git2::ObjectType::Blob {
            return Err(Error::git(format!("`{}` is no file", entry.id)));
        }
        let (folder, name) =
            folders.enter(&entry.path).map_err(io::Error::from).attempt(attempt)?;
        let state =
            write_file(folder, name, (entry.mode, object.data()), dated).attempt(attempt)?;
        entry.state = state;
    }
    Ok(wanted)
}

/// Removes files, and the folders that are empty then.
fn remove(root: &OwnedFd, paths: &[&[u8]]) -> Result<()> {
    let attempt = |path: &[u8]| format!("remove `{}`", OsStr::from_bytes(path).display());
    let mut folders = Folders { root, open: Vec::new(), make: false };
    for path in paths {
        let (folder, name) =
            folders.enter(path).map_err(io::Error::from).attempt(|| attempt(path))?;
        let removed = rustix::fs::unlinkat(folder, name, AtFlags::empty());
        removed.map_err(io::Error::from).attempt(|| attempt(path))?;
    }
    // Backwards: what is below a folder comes behind it.
    for path in paths.iter().rev() {
        let mut path = *path;
        while let Some(end) = path.iter().rposition(|byte| *byte == b'/') {
            path = &path[..end];
            let mut folders = Folders { root, open: Vec::new(), make: false };
            let removed = folders
                .enter(path)
                .and_then(|(folder, name)| rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR));
            match removed {
                Ok(()) => {}
                Err(Errno::NOTEMPTY | Errno::EXIST) => break,
                // With another file of it.
                Err(Errno::NOENT) => {}
                Err(cause) => return Err(Error::io(attempt(path), &cause.into())),
            }
        }
    }
    Ok(())
}

/// The folders on the way to a path; those that the next path shares stay open.
struct Folders<'a> {
    root: &'a OwnedFd,
    open: Vec<(Vec<u8>, OwnedFd)>,
    /// Whether those that are not there are made.
    make: bool,
}

impl Folders<'_> {
    /// The folder of a path, and the last part of its name.
    fn enter<'p>(
        &mut self,
        path: &'p [u8],
    ) -> std::result::Result<(BorrowedFd<'_>, &'p OsStr), Errno> {
        let mut parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
        let name = OsStr::from_bytes(parts.pop().unwrap_or_default());
        let same = self.open.iter().zip(&parts).take_while(|((open, _), part)| open == *part);
        let same = same.count();
        self.open.truncate(same);
        for part in &parts[same..] {
            let parent = self.open.last().map_or(self.root.as_fd(), |(_, folder)| folder.as_fd());
            let name = OsStr::from_bytes(part);
            if self.make {
                match rustix::fs::mkdirat(parent, name, Mode::from_bits_truncate(0o777)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(cause) => return Err(cause),
                }
            }
            let folder = open_folder(parent, name)?;
            self.open.push((part.to_vec(), folder));
        }
        Ok((self.open.last().map_or(self.root.as_fd(), |(_, folder)| folder.as_fd()), name))
    }
}

pub(super) fn open_folder(parent: impl AsFd, name: &OsStr) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

pub(super) fn open_root(root: &Path) -> Result<OwnedFd> {
    let opened = open_folder(rustix::fs::CWD, root.as_os_str()).map_err(io::Error::from);
    opened.attempt(|| format!("open `{}`", root.display()))
}

fn write_file(
    folder: BorrowedFd<'_>,
    name: &OsStr,
    (mode, content): (u32, &[u8]),
    dated: Option<Timespec>,
) -> io::Result<FileState> {
    let times = dated.map(|dated| Timestamps { last_access: dated, last_modification: dated });
    let stat = if mode == LINK {
        rustix::fs::symlinkat(OsStr::from_bytes(content), folder, name)?;
        if let Some(times) = times {
            rustix::fs::utimensat(folder, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?
    } else {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let bits = Mode::from_bits_truncate(if mode == PROGRAM { 0o777 } else { 0o666 });
        let file = rustix::fs::openat(folder, name, flags | OFlags::NOFOLLOW, bits)?;
        let mut file = std::fs::File::from(file);
        file.write_all(content)?;
        if let Some(times) = times {
            rustix::fs::futimens(&file, &times)?;
        }
        rustix::fs::fstat(&file)?
    };
    Ok(FileState::of(&stat))
}
