//! A folder for the objects of merges that are only tried, so that a forecast leaves no garbage and
//! nothing that was never fsynced can become part of a landing.

use crate::error::{Attempt, Error, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A folder for objects that nobody keeps, gone with its owner; after a kill with the next one.
#[derive(Debug)]
pub(super) struct Quarantine(PathBuf);

impl Quarantine {
    /// Removes what killed processes left below a folder.
    pub(super) fn sweep(scratch: &Path) {
        for entry in fs::read_dir(scratch).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let pid =
                name.to_str().and_then(|name| name.strip_prefix("objects-")?.split('-').next());
            let is_stale = |pid: &str| !Path::new("/proc").join(pid).exists();
            if pid.is_some_and(is_stale) {
                drop(fs::remove_dir_all(entry.path()));
            }
        }
    }

    pub(super) fn below(scratch: &Path) -> Result<Self> {
        let attempt = || format!("make a folder in `{}`", scratch.display());
        fs::create_dir_all(scratch).attempt(attempt)?;
        for number in 0u32.. {
            let own = scratch.join(format!("objects-{}-{number}", std::process::id()));
            match fs::create_dir(&own) {
                Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return made.attempt(attempt).map(|()| Self(own)),
            }
        }
        Err(Error::internal("no number is free"))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Quarantine {
    fn drop(&mut self) {
        // What stays is removed by the next forecast.
        drop(fs::remove_dir_all(&self.0));
    }
}
