//! Which contents of a repository's `.offshoot.toml` the person has accepted.
//!
//! Kept outside the repository, in `$XDG_STATE_HOME/offshoot/trusted` (else `~/.local/state/…`), a file
//! for each accepted content. The file's name is a hash of the repository and the content, and it
//! holds both, which are compared whole: what changed by a byte has to be accepted again.

use crate::environment::Environment;
use crate::error::{Attempt, Result};
use crate::names::TaskId;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The contents that one person accepted.
#[derive(Debug)]
pub struct Trust {
    folder: PathBuf,
}

impl Trust {
    /// What the person whose environment this is has accepted.
    ///
    /// # Errors
    /// `refused` without a home to keep it in.
    pub fn of(environment: &Environment) -> Result<Self> {
        let state = environment.state_home("what is trusted")?;
        Ok(Self { folder: state.join("offshoot/trusted") })
    }

    /// Whether this content was accepted for the repository with this common directory.
    #[must_use]
    pub fn holds(&self, common_dir: &Path, content: &str) -> bool {
        fs::read(self.file(common_dir, content))
            .is_ok_and(|kept| kept == whole(common_dir, content))
    }

    /// Accepts a content for a repository.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn accept(&self, common_dir: &Path, content: &str) -> Result<()> {
        let file = self.file(common_dir, content);
        let attempt = || format!("write `{}`", file.display());
        let mut folders = fs::DirBuilder::new();
        folders.recursive(true).mode(0o700).create(&self.folder).attempt(attempt)?;
        let fresh = self.folder.join(format!(".{}", TaskId::random()));
        let mut options = fs::File::options();
        let written = options.write(true).create_new(true).mode(0o600).open(&fresh);
        let written = written
            .and_then(|mut open| {
                std::io::Write::write_all(&mut open, &whole(common_dir, content))?;
                open.sync_all()
            })
            .and_then(|()| fs::rename(&fresh, &file));
        if written.is_err() {
            drop(fs::remove_file(&fresh));
        }
        written.attempt(attempt)
    }

    fn file(&self, common_dir: &Path, content: &str) -> PathBuf {
        let whole = whole(common_dir, content);
        self.folder.join(TaskId::named_by(&String::from_utf8_lossy(&whole)).to_string())
    }
}

fn whole(common_dir: &Path, content: &str) -> Vec<u8> {
    [common_dir.as_os_str().as_bytes(), b"\0", content.as_bytes()].concat()
}
