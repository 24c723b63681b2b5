//! The folder beside a checkout's index in which a landing makes everything ready.
//!
//! ```text
//! <git dir>/offshoot-landing-<n>/   token          hard-linked as index.lock
//!                                   index          the private copy that becomes the index
//!                                   index.before   the index as it was, to go back to
//!                                   tree/          new contents; after an exchange, the displaced
//!                                   old/<i>        what step i removed
//! ```
//! `tree` and `old` must be on the checkout's device, since files are only ever renamed; where the git
//! directory is on another one, they lie in `<checkout>/.offshoot-landing-<n>` for that moment.
//!
//! Invariant: what `tree` and `old` hold is either new content or was displaced by a rename; the
//! journal's signatures tell which.

use super::repo::Checkout;
use crate::error::{Attempt, Error, Result};
use crate::path::RepoPath;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What the folders' names begin with.
pub(super) const PREFIX: &str = "offshoot-landing-";

/// How often somebody else's `index.lock` is tried again, 20 ms apart.
const TRIES: u32 = 50;

/// The places of one landing in one checkout.
#[derive(Debug, Clone)]
pub(super) struct Staging {
    pub(super) checkout: Checkout,
    private: PathBuf,
    shelf: PathBuf,
}

impl Staging {
    /// The places for landing `number` in `checkout`; makes nothing.
    pub(super) fn of_landing(checkout: &Checkout, number: u64) -> Result<Self> {
        Self::named(checkout, &format!("{PREFIX}{number}"))
    }

    /// The places under another name.
    pub(super) fn named(checkout: &Checkout, name: &str) -> Result<Self> {
        let device = |place: &Path| {
            fs::metadata(place)
                .map(|m| m.dev())
                .attempt(|| format!("look at `{}`", place.display()))
        };
        let private = checkout.git_dir.join(name);
        let shelf = if device(&checkout.git_dir)? == device(&checkout.root)? {
            private.clone()
        } else {
            checkout.root.join(format!(".{name}"))
        };
        Ok(Self { checkout: checkout.clone(), private, shelf })
    }

    /// Makes the folders and the token; those that are there already stay.
    pub(super) fn make(&self) -> Result<()> {
        for folder in [&self.private, &self.shelf, &self.tree(), &self.old()] {
            fs::create_dir_all(folder).attempt(|| format!("make `{}`", folder.display()))?;
        }
        match File::create_new(self.token()) {
            Err(cause) if cause.kind() != ErrorKind::AlreadyExists => {
                Err(Error::io(format!("make `{}`", self.token().display()), &cause))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.shelf.join("tree")
    }

    pub(super) fn old(&self) -> PathBuf {
        self.shelf.join("old")
    }

    /// Where step `number` puts what it removes, within [`Staging::old`].
    pub(super) fn old_name(number: usize) -> RepoPath {
        RepoPath::new(number.to_string())
    }

    pub(super) fn token(&self) -> PathBuf {
        self.private.join("token")
    }

    pub(super) fn index(&self) -> PathBuf {
        self.private.join("index")
    }

    pub(super) fn index_before(&self) -> PathBuf {
        self.private.join("index.before")
    }

    pub(super) fn scratch_index(&self) -> PathBuf {
        self.private.join("scratch")
    }

    /// What an application without a journal does.
    pub(super) fn steps(&self) -> PathBuf {
        self.private.join("steps")
    }

    /// The inode of the token, if there is one.
    pub(super) fn token_inode(&self) -> Option<u64> {
        fs::symlink_metadata(self.token()).ok().map(|metadata| metadata.ino())
    }

    /// Empties `tree` and `old`.
    pub(super) fn clear_shelf(&self) -> Result<()> {
        for folder in [self.tree(), self.old()] {
            remove_folder(&folder)?;
            if self.shelf.is_dir() {
                fs::create_dir(&folder).attempt(|| format!("make `{}`", folder.display()))?;
            }
        }
        Ok(())
    }

    /// Keeps what `tree` and `old` hold under another name, where nothing of ours removes it.
    pub(super) fn set_shelf_aside(&self) -> Result<()> {
        let kept = (1..).map(|number| self.shelf.with_extension(format!("kept-{number}")));
        let kept = kept.into_iter().find(|kept| !kept.exists());
        let kept = kept.expect("invariant: some number is free");
        fs::create_dir(&kept).attempt(|| format!("make `{}`", kept.display()))?;
        for (folder, name) in [(self.tree(), "tree"), (self.old(), "old")] {
            fs::rename(&folder, kept.join(name))
                .attempt(|| format!("move `{}`", folder.display()))?;
        }
        self.clear_shelf()
    }

    /// Removes everything. The token goes last, so that a lock of ours is known as ours until then.
    pub(super) fn remove(&self) -> Result<()> {
        if self.shelf != self.private {
            remove_folder(&self.shelf)?;
        }
        for folder in [self.tree(), self.old()] {
            remove_folder(&folder)?;
        }
        self.release_lock()?;
        remove_folder(&self.private)
    }

    /// Takes the checkout's `index.lock`, or finds that this landing holds it already.
    ///
    /// # Errors
    /// `busy` when somebody else keeps holding it; their lock is never touched.
    pub(super) fn take_lock(&self) -> Result<()> {
        let lock = self.lock_file();
        for _ in 0..TRIES {
            match fs::hard_link(self.token(), &lock) {
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => {}
                other => return other.attempt(|| format!("make `{}`", lock.display())),
            }
            if self.holds_lock() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(Error::busy(format!("`{}` is held by another git process", lock.display()))
            .hint("let that process end (an editor with a commit message?) and try again")
            .hint("if no git is running there, it was left by one that died: remove the file"))
    }

    /// Whether the checkout's `index.lock` is this landing's own.
    pub(super) fn holds_lock(&self) -> bool {
        let identity = |file: &Path| fs::symlink_metadata(file).ok().map(|m| (m.dev(), m.ino()));
        let token = identity(&self.token());
        token.is_some() && token == identity(&self.lock_file())
    }

    /// Gives the checkout's `index.lock` back; does nothing to anybody else's.
    fn release_lock(&self) -> Result<()> {
        let lock = self.lock_file();
        if self.holds_lock() {
            fs::remove_file(&lock).attempt(|| format!("remove `{}`", lock.display()))?;
        }
        Ok(())
    }

    fn lock_file(&self) -> PathBuf {
        self.checkout.git_dir.join("index.lock")
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("remove `{}`", folder.display()), &cause))
        }
        _ => Ok(()),
    }
}
