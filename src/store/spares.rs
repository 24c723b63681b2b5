//! Records of spare worktrees (`pool/<name>/`: what it is, and its index). One is ready to be taken while
//! its record has its name, and whoever renames the record first has it: a task takes the record into
//! its own folder, whoever tidies it up hides it (`.making-<name>`) until it is ready again.

use super::{Store, files};
use crate::disk::sync_folder;
use crate::error::{Attempt, Result};
use crate::task::Spare;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What the name of a record begins with whose worktree is not ready.
const MAKING: &str = ".making-";

/// The index of a spare worktree, in the folder of its record.
pub const SPARE_INDEX: &str = "index";

impl Store {
    /// The spare worktrees that are ready, the one used last first. What cannot be read is none.
    ///
    /// # Errors
    /// `io` when they cannot be listed.
    pub fn spares(&self) -> Result<Vec<Spare>> {
        let names = files::names_in(&self.layout.pool())?.into_iter();
        let names = names.filter(|name| !name.starts_with('.'));
        let read = |name: String| {
            let spare: Spare = files::read_json(&record(&self.spare(&name))).ok()??;
            (spare.name == name).then_some(spare)
        };
        let mut spares: Vec<Spare> = names.filter_map(read).collect();
        spares.sort_by_key(|spare| std::cmp::Reverse(spare.since));
        Ok(spares)
    }

    /// Where the record of a spare worktree lies.
    #[must_use]
    pub fn spare(&self, name: &str) -> PathBuf {
        self.layout.pool().join(name)
    }

    /// Begins to make a spare worktree, whose folder comes to its place only after this; answers the
    /// folder in which its index is to be written.
    ///
    /// # Errors
    /// `io` when it cannot be noted.
    pub fn begin_spare(&self, spare: &Spare) -> Result<PathBuf> {
        let hidden = self.hidden_spare(&spare.name);
        files::make_folder(&hidden)?;
        files::replace(&record(&hidden), &files::to_json(spare)?, files::Durability::PowerCut)?;
        sync_folder(&self.layout.pool())?;
        Ok(hidden)
    }

    /// Lets a spare worktree be taken, whose index is written.
    ///
    /// # Errors
    /// `io` when that cannot be recorded.
    pub fn finish_spare(&self, spare: &Spare) -> Result<()> {
        let hidden = self.hidden_spare(&spare.name);
        files::replace(&record(&hidden), &files::to_json(spare)?, files::Durability::PowerCut)?;
        let place = self.spare(&spare.name);
        std::fs::rename(&hidden, &place).attempt(|| format!("write `{}`", place.display()))?;
        sync_folder(&self.layout.pool())
    }

    /// Keeps a spare worktree from being taken; answers where its record is now, or none when somebody
    /// has it already.
    ///
    /// # Errors
    /// `io` when it cannot be moved.
    pub fn withdraw_spare(&self, name: &str) -> Result<Option<PathBuf>> {
        let (place, hidden) = (self.spare(name), self.hidden_spare(name));
        match std::fs::rename(&place, &hidden) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
            moved => {
                moved.map(|()| Some(hidden)).attempt(|| format!("move `{}` away", place.display()))
            }
        }
    }

    /// The spare worktrees that are not ready: by name, and what they were to be where that is known.
    ///
    /// # Errors
    /// `io` when they cannot be listed.
    pub fn unready_spares(&self) -> Result<Vec<(String, Option<Spare>)>> {
        let names = files::names_in(&self.layout.pool())?;
        let names = names.iter().filter_map(|name| name.strip_prefix(MAKING));
        let read = |name: &str| files::read_json(&record(&self.hidden_spare(name))).ok()?;
        Ok(names.map(|name| (name.to_owned(), read(name))).collect())
    }

    /// Forgets a spare worktree that is not ready, whose folder is gone.
    ///
    /// # Errors
    /// `io` when its record cannot be removed.
    pub fn forget_spare(&self, name: &str) -> Result<()> {
        let hidden = self.hidden_spare(name);
        match std::fs::remove_dir_all(&hidden) {
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed.attempt(|| format!("remove `{}`", hidden.display())),
        }
    }

    fn hidden_spare(&self, name: &str) -> PathBuf {
        self.layout.pool().join(format!("{MAKING}{name}"))
    }
}

fn record(folder: &Path) -> PathBuf {
    folder.join("spare.json")
}
