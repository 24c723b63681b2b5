//! Advisory locks (`flock`) as guards: held while the guard lives, released by the kernel when its
//! last descriptor closes, `kill -9` included.
//!
//! Lock files are never deleted, because a lock on a deleted file excludes nobody. Every descriptor
//! is close-on-exec, or a leaked child would keep the lock. Waiting is an argument.

use crate::clock::{Clock, Deadline};
use crate::error::{Attempt, Error, Result};
use fs4::{FileExt, TryLockError};
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a taker tries before it says "busy": somebody's shared probe may hold the lock for a
/// moment.
pub const BRIEFLY: Duration = Duration::from_millis(100);

/// Whether to wait for a lock that somebody holds.
#[derive(Debug, Clone, Copy)]
pub enum Wait {
    /// One try.
    No,
    /// Until then.
    Until(Deadline),
    /// As long as it takes; for locks that are only ever held for moments.
    Forever,
}

impl Wait {
    /// As long as a probe may take, no longer.
    #[must_use]
    pub fn briefly() -> Self {
        Self::Until(Clock.deadline(BRIEFLY))
    }
}

/// A held lock.
#[derive(Debug)]
#[must_use = "the lock is released when the guard is dropped"]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock on `path`, making the file if need be; `None` when somebody else holds it.
    ///
    /// # Errors
    /// `io` when the file cannot be opened or this file system cannot lock.
    pub fn take(path: &Path, wait: Wait) -> Result<Option<Self>> {
        let file = open(path)?;
        let attempt = || format!("lock `{}`", path.display());
        let mut pause = Duration::from_millis(1);
        loop {
            let taken = match wait {
                Wait::Forever => FileExt::lock(&file).map(|()| true).attempt(attempt)?,
                Wait::No | Wait::Until(_) => match FileExt::try_lock(&file) {
                    Ok(()) => true,
                    Err(TryLockError::WouldBlock) => false,
                    Err(TryLockError::Error(cause)) => return Err(Error::io(attempt(), &cause)),
                },
            };
            if taken {
                return Ok(Some(Self { file, path: path.to_owned() }));
            }
            match wait {
                Wait::Until(deadline) if !deadline.has_passed() => {
                    std::thread::sleep(pause.min(deadline.left()));
                    pause = (pause * 2).min(Duration::from_millis(20));
                }
                _ => return Ok(None),
            }
        }
    }

    /// Whether anybody holds the lock on `path`. Asks with a shared lock, so that two who ask do not
    /// take each other for a holder.
    ///
    /// # Errors
    /// `io` when the file is there and cannot be opened or locked.
    pub fn is_held(path: &Path) -> Result<bool> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            Err(cause) => return Err(Error::io(format!("open `{}`", path.display()), &cause)),
        };
        match FileExt::try_lock_shared(&file) {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(cause)) => {
                Err(Error::io(format!("lock `{}`", path.display()), &cause))
            }
        }
    }

    /// A second descriptor of the same held lock, to hand to a child as one of its standard streams.
    ///
    /// # Errors
    /// `io` when no descriptor is left.
    pub fn hand_over(&self) -> Result<OwnedFd> {
        let copy = self.file.try_clone();
        copy.map(OwnedFd::from).attempt(|| format!("hand over `{}`", self.path.display()))
    }

    /// Becomes the holder of a lock that came by [`hand_over`](Self::hand_over), and proves it: a second open of the file
    /// must fail to lock.
    ///
    /// # Errors
    /// `internal` when `descriptor` holds no lock on `path`, `unsupported` when this file system does
    /// not keep locks across processes.
    pub fn accept(descriptor: OwnedFd, path: &Path) -> Result<Self> {
        // Duplicating through the standard library sets close-on-exec; the stream itself lacks it.
        let file = File::from(descriptor).try_clone().attempt(|| "accept a lock")?;
        let same = {
            use std::os::unix::fs::MetadataExt;
            let (ours, named) = (file.metadata(), std::fs::metadata(path));
            let (ours, named) =
                (ours.attempt(|| "accept a lock")?, named.attempt(|| "accept a lock")?);
            (ours.dev(), ours.ino()) == (named.dev(), named.ino())
        };
        if !same {
            return Err(Error::internal(format!(
                "was handed another lock than `{}`",
                path.display()
            )));
        }
        match FileExt::try_lock(&file) {
            Ok(()) => {}
            Err(_) => return Err(Error::internal(format!("`{}` is not ours", path.display()))),
        }
        if Self::is_held(path)? {
            Ok(Self { file, path: path.to_owned() })
        } else {
            Err(Error::unsupported(format!(
                "the file system of `{}` does not keep locks",
                path.display()
            )))
        }
    }

    /// The file that is locked.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .attempt(|| format!("open `{}`", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_excludes_a_second_taker_until_it_is_dropped() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("lock");
        let held = FileLock::take(&path, Wait::No).expect("locks").expect("is free");
        assert!(FileLock::is_held(&path).expect("asks"));
        assert!(FileLock::take(&path, Wait::briefly()).expect("tries").is_none());
        drop(held);
        assert!(!FileLock::is_held(&path).expect("asks"));
    }

    #[test]
    fn a_handed_over_lock_stays_held_when_the_giver_lets_go() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("lock");
        let giver = FileLock::take(&path, Wait::No).expect("locks").expect("is free");
        let taker = FileLock::accept(giver.hand_over().expect("copies"), &path).expect("accepts");
        drop(giver);
        assert!(FileLock::is_held(&path).expect("asks"));
        drop(taker);
        assert!(!FileLock::is_held(&path).expect("asks"));
    }
}
