//! Copying ignored files of the main checkout (`.env`, caches) into a fresh worktree.
//!
//! Git says which files are meant. Each is opened folder by folder without following a symbolic link,
//! on either side, so that a link that somebody planted leads neither out of the checkout nor out of
//! the worktree. What is there already stays; a file appears whole, under its name, or not at all.
//! Data is shared where the file system can (`FICLONE`). Links are copied as links if they stay inside.

use super::repo::{Checkout, Repo};
use crate::error::{Attempt, Error, Result};
use crate::path::RepoPath;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags, Timestamps};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

/// A copy that is not whole yet, at the worktree's root.
const UNFINISHED: &str = ".offshoot-copying.tmp";

impl Repo {
    /// Copies what is ignored in the main checkout and matches one of the patterns. What is not there
    /// is skipped; a bare repository has nothing to copy.
    ///
    /// # Errors
    /// `refused` when a symbolic link of the worktree is in the way, `io` when something cannot be
    /// written.
    pub fn copy_ignored(&self, patterns: &[String], checkout: &Checkout) -> Result<()> {
        let Some(main) = self.main_worktree().filter(|_| !patterns.is_empty()) else {
            return Ok(());
        };
        let files = self
            .git
            .at(self.common_dir(), "ls-files")
            .work_tree(main)
            .args(["-z", "--others", "--ignored", "--exclude-standard", "--"])
            .args(patterns.iter().map(|pattern| format!(":(glob){pattern}")))
            .run()?;
        let (from, to) = (open_root(main)?, open_root(&checkout.root)?);
        // One that a copy which was cut off has left.
        let _ = rustix::fs::unlinkat(&to, UNFINISHED, AtFlags::empty());
        // A path that ends in a slash is a repository inside this one.
        for path in files.fields().filter(|path| !path.ends_with(b"/")) {
            let path = RepoPath::new(path);
            copy(&from, &to, path.as_path())
                .map_err(|error| error.while_trying(format!("copy `{path}`")))?;
        }
        Ok(())
    }
}

fn open_root(path: &Path) -> Result<OwnedFd> {
    open_folder(rustix::fs::CWD, path.as_os_str())
        .map_err(std::io::Error::from)
        .attempt(|| format!("open `{}`", path.display()))
}

fn open_folder(
    parent: impl std::os::fd::AsFd,
    name: &OsStr,
) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(parent, name, flags, Mode::empty())
}

/// Copies one file; nothing when it is gone, or no file or link any more.
fn copy(from: &OwnedFd, to: &OwnedFd, path: &Path) -> Result<()> {
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    let names = folder.components().map(|part| match part {
        Component::Normal(name) => Ok(name),
        _ => Err(Error::refused("it leaves the repository")),
    });
    let root = |fd: &OwnedFd| fd.try_clone().attempt(|| "open a folder");
    let (mut source, mut target) = (root(from)?, root(to)?);
    for name in names {
        let name = name?;
        source = match open_folder(&source, name) {
            Ok(folder) => folder,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(()),
            Err(cause) => return Err(fault("open a folder", cause)),
        };
        let mode = rustix::fs::fstat(&source).map_err(|cause| fault("read a folder", cause))?;
        match rustix::fs::mkdirat(&target, name, Mode::from_raw_mode(mode.st_mode) | Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(cause) => return Err(fault("make a folder", cause)),
        }
        target = open_folder(&target, name).map_err(|cause| match cause {
            Errno::NOTDIR | Errno::LOOP => {
                let name = crate::escape::line(&name.to_string_lossy());
                Error::refused(format!("`{name}` is no folder in the worktree"))
            }
            cause => fault("open a folder", cause),
        })?;
    }
    let Ok(found) = rustix::fs::statat(&source, name, AtFlags::SYMLINK_NOFOLLOW) else {
        return Ok(());
    };
    match FileType::from_raw_mode(found.st_mode) {
        FileType::Symlink => copy_link(&source, &target, (folder, name)),
        FileType::RegularFile => copy_file(&source, (to, &target), name),
        _ => Ok(()),
    }
}

/// Makes the same link, unless it leads out of the repository.
fn copy_link(source: &OwnedFd, target: &OwnedFd, (folder, name): (&Path, &OsStr)) -> Result<()> {
    let Ok(leads_to) = rustix::fs::readlinkat(source, name, Vec::new()) else { return Ok(()) };
    let mut depth = folder.components().count();
    for part in Path::new(OsStr::from_bytes(leads_to.as_bytes())).components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return Ok(()),
        }
    }
    match rustix::fs::symlinkat(leads_to.as_c_str(), target, name) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(cause) => Err(fault("make a link", cause)),
    }
}

fn copy_file(source: &OwnedFd, (root, target): (&OwnedFd, &OwnedFd), name: &OsStr) -> Result<()> {
    // A pipe that took the file's place meanwhile must not keep us waiting.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut source = match rustix::fs::openat(source, name, flags, Mode::empty()) {
        Ok(source) => File::from(source),
        Err(Errno::NOENT | Errno::LOOP) => return Ok(()),
        Err(cause) => return Err(fault("open it", cause)),
    };
    let found = rustix::fs::fstat(&source).map_err(|cause| fault("read it", cause))?;
    if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile {
        return Ok(());
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fresh = rustix::fs::openat(root, UNFINISHED, flags, Mode::RUSR | Mode::WUSR);
    let mut fresh = File::from(fresh.map_err(|cause| fault("write it", cause))?);
    let placed = fill(&mut source, &mut fresh, &found).and_then(|()| {
        let flags = RenameFlags::NOREPLACE;
        Ok(rustix::fs::renameat_with(root, UNFINISHED, target, name, flags)?)
    });
    if let Err(cause) = placed {
        let _ = rustix::fs::unlinkat(root, UNFINISHED, AtFlags::empty());
        // What the commit brought, or an earlier try, stays.
        if cause.kind() != std::io::ErrorKind::AlreadyExists {
            return Err(Error::io("write it", &cause));
        }
    }
    Ok(())
}

fn fill(source: &mut File, fresh: &mut File, found: &rustix::fs::Stat) -> std::io::Result<()> {
    if !share(source, fresh) {
        std::io::copy(source, fresh)?;
    }
    // The bits that run something as somebody else are nobody's to copy.
    let permissions = Mode::RWXU | Mode::RWXG | Mode::RWXO;
    rustix::fs::fchmod(&*fresh, Mode::from_raw_mode(found.st_mode) & permissions)?;
    // Build tools judge a cache by its times.
    let moment = |seconds, nanoseconds: u64| rustix::fs::Timespec {
        tv_sec: seconds,
        tv_nsec: i64::try_from(nanoseconds).unwrap_or(0),
    };
    let times = Timestamps {
        last_access: moment(found.st_atime, found.st_atime_nsec),
        last_modification: moment(found.st_mtime, found.st_mtime_nsec),
    };
    Ok(rustix::fs::futimens(&*fresh, &times)?)
}

/// Whether the file system let both files share their data.
fn share(source: &File, fresh: &File) -> bool {
    #[cfg(target_os = "linux")]
    return rustix::fs::ioctl_ficlone(fresh, source).is_ok();
    #[cfg(not(target_os = "linux"))]
    return false;
}

fn fault(attempt: &str, cause: Errno) -> Error {
    Error::io(attempt, &cause.into())
}
