//! Chores: what nobody should have to wait for, noted until it is done, each in a file of its own
//! (`chores/`). Whoever notes one has it done by a process in the background; when that dies, the next
//! verb starts another one.

use super::{Store, files};
use crate::error::Result;
use crate::lock::{FileLock, Wait};
use crate::names::TaskId;
use crate::task::SCHEMA;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Something to be done about a released task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chore {
    schema: u32,
    /// Whose it is.
    pub task: TaskId,
    /// What is to be done.
    pub what: What,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// This folder, of which nobody needs anything, is to be deleted. It may get its name only after
    /// the chore was noted, by whoever holds the task's lock.
    Delete(PathBuf),
    /// The task's folder is to be made ready for others.
    Recycle,
}

impl Chore {
    /// The deletion of a folder.
    #[must_use]
    pub fn delete(task: TaskId, folder: &Path) -> Self {
        Self { schema: SCHEMA, task, what: What::Delete(folder.to_owned()) }
    }

    /// Making the folder of a released task ready for others.
    #[must_use]
    pub fn recycle(task: TaskId) -> Self {
        Self { schema: SCHEMA, task, what: What::Recycle }
    }

    /// The name of its file: a UUID, since a path may be any text.
    fn name(&self) -> String {
        let text = match &self.what {
            What::Delete(folder) => format!("delete:{}", folder.display()),
            What::Recycle => format!("recycle:{}", self.task),
        };
        TaskId::named_by(&text).to_string()
    }
}

impl Store {
    /// Notes a chore. A power cut may lose it; then `gc` finds what was to be done.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn note_chore(&self, chore: &Chore) -> Result<()> {
        files::make_folder(&self.layout.chores())?;
        let path = self.layout.chores().join(chore.name());
        files::replace(&path, &files::to_json(chore)?, files::Durability::Crash)
    }

    /// What is still to be done. What cannot be read, or has another's name, is no chore.
    ///
    /// # Errors
    /// `io` when the chores cannot be listed.
    pub fn chores(&self) -> Result<Vec<Chore>> {
        let folder = self.layout.chores();
        let names = files::names_in(&folder)?.into_iter();
        let read = |name: String| {
            let chore: Chore = files::read_json(&folder.join(&name)).ok()??;
            (chore.name() == name).then_some(chore)
        };
        Ok(names.filter_map(read).collect())
    }

    /// Forgets a chore that is done, or that cannot be.
    ///
    /// # Errors
    /// `io` when its file cannot be removed.
    pub fn forget_chore(&self, chore: &Chore) -> Result<()> {
        files::remove(&self.layout.chores().join(chore.name()))
    }

    /// The right to do chores; `None` when somebody is at it.
    ///
    /// # Errors
    /// `io` when it cannot be asked.
    pub fn lock_chores(&self) -> Result<Option<FileLock>> {
        FileLock::take(&self.layout.upkeep(), Wait::briefly())
    }

    /// Whether somebody does chores right now.
    ///
    /// # Errors
    /// `io` when it cannot be asked.
    pub fn is_kept_up(&self) -> Result<bool> {
        FileLock::is_held(&self.layout.upkeep())
    }
}
