//! The locks on paths: one small file, replaced as a whole under its own lock. Who reads it leaves out
//! what has fallen; who writes it next drops that from the file.

use super::{Store, files};
use crate::error::Result;
use crate::layout::RepoLock;
use crate::lock::FileLock;
use crate::path_lock::PathLock;
use crate::task::SCHEMA;
use serde::{Deserialize, Serialize};

/// The file's content.
#[derive(Serialize, Deserialize)]
struct PathLocks {
    schema: u32,
    locks: Vec<PathLock>,
}

/// The right to change the locks on paths. While somebody has it no task with claims is started, so
/// what was read stays true.
#[derive(Debug)]
pub struct PathsLock {
    _lock: FileLock,
}

impl Store {
    /// Takes the right to change the locks on paths; it is only ever held for moments.
    ///
    /// # Errors
    /// `io` when the lock file cannot be opened.
    pub fn lock_paths(&self) -> Result<PathsLock> {
        Ok(PathsLock { _lock: self.lock(RepoLock::Paths)? })
    }

    /// The locks on paths as they were written, those that have fallen since among them.
    ///
    /// # Errors
    /// `io` when they cannot be read.
    pub fn path_locks(&self) -> Result<Vec<PathLock>> {
        let kept = files::read_json::<PathLocks>(&self.layout.path_locks())?;
        Ok(kept.map_or_else(Vec::new, |kept| kept.locks))
    }

    /// Writes the locks on paths. After a power cut they have fallen anyway, but a file that was cut off
    /// could not be read.
    ///
    /// # Errors
    /// `io` when they cannot be written.
    pub fn keep_path_locks(&self, _right: &PathsLock, locks: Vec<PathLock>) -> Result<()> {
        let bytes = files::to_json(&PathLocks { schema: SCHEMA, locks })?;
        files::replace(&self.layout.path_locks(), &bytes, files::Durability::PowerCut)
    }
}
