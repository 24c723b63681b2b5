//! Puts new files in the place of old ones in a checkout, step by step, so that every step can be
//! taken back and nothing that a person wrote is lost.
//!
//! A file is replaced by swapping two names, so the path is never missing and what was displaced is
//! still there to be looked at: if it is not what was checked, an editor was faster, and it is swapped
//! back. Additions never replace anything. Removals are moves into the staging folder.
//!
//! Taking back works from the disk and the steps' signatures alone, never from memory, so it can be
//! begun again after a crash. A path that is not as the step left it is the person's and stays.

use super::ground::{Exchanged, Ground, Signature, parents};
use super::staging::Staging;
use super::survey::{Act, Step};
use super::tree_diff::Change;
use crate::disk::sync_folder;
use crate::error::{Attempt, Error, Result};
use crate::path::RepoPath;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The three folders between which files move.
pub(super) struct Swap {
    checkout: Ground,
    tree: Ground,
    old: Ground,
}

impl Swap {
    /// Opens the checkout and its staging folder.
    pub(super) fn open(staging: &Staging) -> Result<Self> {
        Ok(Self {
            checkout: Ground::open(&staging.checkout.root)?,
            tree: Ground::open(&staging.tree())?,
            old: Ground::open(&staging.old())?,
        })
    }

    /// Notes what new file is ready for each step, and makes them durable. Answers the paths to be
    /// replaced for which git has written none, and drops their steps.
    pub(super) fn note_staged(&self, steps: &mut Vec<Step>) -> Result<Vec<RepoPath>> {
        let mut files = Vec::new();
        let mut without = Vec::new();
        for step in steps.iter_mut().filter(|s| matches!(s.act, Act::Replace | Act::Add)) {
            step.staged = self.tree.signature(&step.path)?;
            match step.staged {
                Some(_) => files.push(self.tree.place().join(step.path.as_path())),
                None if step.act == Act::Replace => without.push(step.path.clone()),
                None => {}
            }
        }
        steps.retain(|step| step.act != Act::Replace || step.staged.is_some());
        make_durable(self.tree.place(), &files)?;
        Ok(without)
    }

    /// Carries out every step; where one cannot be, the error says why and the rest is not begun.
    ///
    /// # Errors
    /// `dirty` when a file changed since it was checked.
    pub(super) fn carry_out(&self, steps: &[Step]) -> Result<()> {
        for (number, step) in steps.iter().enumerate() {
            match step.act {
                Act::Remove => self.remove(number, step)?,
                Act::Replace => self.replace(number, step)?,
                Act::Add if step.staged.is_some() => self.add(step)?,
                // Outside the sparse checkout: only the index has it.
                Act::Add => {}
                Act::AddFolder => self.checkout.make_folder(&step.path)?,
                Act::RemoveFolder => {
                    if self.checkout.remove_if_empty(&step.path) {
                        self.checkout.remove_empty_parents(&step.path, usize::MAX);
                    }
                }
            }
        }
        // Whoever had a displaced file open may have written to it since.
        for (number, step) in steps.iter().enumerate() {
            self.verify_displaced(number, step)?;
        }
        Ok(())
    }

    /// Makes durable what the steps did to the checkout's folders, before the target moves.
    pub(super) fn make_folders_durable(&self, steps: &[Step]) -> Result<()> {
        let root = self.checkout.place();
        let place = |folder: RepoPath| root.join(folder.as_path());
        let above = |step: &Step| parents(&step.path).map(place).find(|folder| folder.is_dir());
        let folders: BTreeSet<_> = steps.iter().filter_map(above).collect();
        make_durable(root, &folders.into_iter().collect::<Vec<_>>())
    }

    /// Takes back whatever was done of the steps; answers the paths that it could not.
    pub(super) fn take_back(&self, steps: &[Step]) -> Result<Vec<RepoPath>> {
        let mut left = Vec::new();
        for (number, step) in steps.iter().enumerate().rev() {
            let done = match step.act {
                Act::Remove => self.put_back(number, step)?,
                Act::Replace => self.swap_back(number, step)?,
                Act::Add => self.take_out(step)?,
                Act::AddFolder => {
                    self.checkout.remove_if_empty(&step.path);
                    self.checkout.remove_empty_parents(&step.path, step.new_parents);
                    true
                }
                Act::RemoveFolder => {
                    self.checkout.make_folder(&step.path)?;
                    true
                }
            };
            if !done {
                left.push(step.path.clone());
            }
        }
        Ok(left)
    }

    /// After a crash: removes the empty folders that a removal was cut off before.
    pub(super) fn tidy(&self, changes: &[Change]) {
        for change in changes.iter().filter(|change| change.new.is_none()) {
            self.checkout.remove_empty_parents(&change.path, usize::MAX);
        }
    }

    /// After a crash: puts back what a person wrote and a step displaced before it could be verified.
    /// What cannot be put back because there is something newer is answered and must be kept.
    pub(super) fn rescue(&self, steps: &[Step]) -> Result<Vec<RepoPath>> {
        let mut kept = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let Some((_, displaced)) = self.displaced(number, step)? else { continue };
            // Without an exchange, a replacement may be cut off while its path is missing.
            let missing =
                step.act == Act::Replace && self.checkout.signature(&step.path)?.is_none();
            if Some(displaced) == step.checked && !missing {
                continue;
            }
            let done = match step.act {
                Act::Remove => self.put_back(number, step)?,
                Act::Replace => self.swap_back(number, step)?,
                Act::Add | Act::AddFolder | Act::RemoveFolder => true,
            };
            if !done {
                kept.push(step.path.clone());
            }
        }
        Ok(kept)
    }

    fn remove(&self, number: usize, step: &Step) -> Result<()> {
        self.verify_unchanged(step)?;
        self.checkout.move_to(&step.path, &self.old, &Staging::old_name(number))?;
        self.verify_displaced(number, step)?;
        self.checkout.remove_empty_parents(&step.path, usize::MAX);
        Ok(())
    }

    fn replace(&self, number: usize, step: &Step) -> Result<()> {
        self.verify_unchanged(step)?;
        match self.checkout.exchange(&step.path, &self.tree, &step.path)? {
            Exchanged::Yes => {}
            Exchanged::Impossible => {
                self.checkout.move_to(&step.path, &self.old, &Staging::old_name(number))?;
                self.tree.move_to(&step.path, &self.checkout, &step.path)?;
            }
        }
        self.verify_displaced(number, step)
    }

    fn add(&self, step: &Step) -> Result<()> {
        if self.checkout.signature(&step.path)?.is_some_and(|found| found.is_folder()) {
            self.checkout.remove_empty_folders(&step.path)?;
        }
        if !self.checkout.has_room(&step.path)? {
            return Err(faster(step));
        }
        self.tree.move_to(&step.path, &self.checkout, &step.path)
    }

    fn put_back(&self, number: usize, step: &Step) -> Result<bool> {
        let name = Staging::old_name(number);
        let Some(displaced) = self.old.signature(&name)? else { return Ok(true) };
        let here = self.checkout.signature(&step.path)?;
        if here.is_some_and(Signature::is_folder) {
            self.checkout.remove_empty_folders(&step.path)?;
        }
        if here != Some(displaced) && !self.checkout.has_room(&step.path)? {
            return Ok(false);
        }
        self.old.move_to(&name, &self.checkout, &step.path).map(|()| true)
    }

    fn swap_back(&self, number: usize, step: &Step) -> Result<bool> {
        let Some((at, displaced)) = self.displaced(number, step)? else { return Ok(true) };
        let here = self.checkout.signature(&step.path)?;
        let name = Staging::old_name(number);
        let (ground, slot) = match at {
            Slot::Tree => (&self.tree, &step.path),
            Slot::Old => (&self.old, &name),
        };
        if here == Some(displaced) || self.checkout.has_room(&step.path)? {
            ground.move_to(slot, &self.checkout, &step.path)?;
        } else if here != step.staged {
            return Ok(false);
        } else if self.checkout.exchange(&step.path, ground, slot)? == Exchanged::Impossible {
            self.checkout.move_to(&step.path, &self.tree, &step.path)?;
            ground.move_to(slot, &self.checkout, &step.path)?;
        }
        Ok(true)
    }

    fn take_out(&self, step: &Step) -> Result<bool> {
        let here = self.checkout.signature(&step.path)?;
        if here.is_some() && step.staged.is_some() {
            if here == step.staged {
                self.checkout.move_to(&step.path, &self.tree, &step.path)?;
            } else if self.tree.signature(&step.path)?.is_none() {
                return Ok(false);
            }
        }
        self.checkout.remove_empty_parents(&step.path, step.new_parents);
        Ok(true)
    }

    fn verify_unchanged(&self, step: &Step) -> Result<()> {
        if self.checkout.signature(&step.path)? == step.checked {
            Ok(())
        } else {
            Err(faster(step))
        }
    }

    fn verify_displaced(&self, number: usize, step: &Step) -> Result<()> {
        match self.displaced(number, step)? {
            Some((_, found)) if Some(found) != step.checked => Err(faster(step)),
            _ => Ok(()),
        }
    }

    /// Where the file lies that a step moved out of the checkout.
    fn displaced(&self, number: usize, step: &Step) -> Result<Option<(Slot, Signature)>> {
        if !matches!(step.act, Act::Remove | Act::Replace) {
            return Ok(None);
        }
        if let Some(found) = self.old.signature(&Staging::old_name(number))? {
            return Ok(Some((Slot::Old, found)));
        }
        if step.act == Act::Remove {
            return Ok(None);
        }
        let found = self.tree.signature(&step.path)?;
        Ok(found.filter(|_| found != step.staged).map(|found| (Slot::Tree, found)))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    Tree,
    Old,
}

fn faster(step: &Step) -> Error {
    Error::dirty(format!("`{}` was changed while the result was being put in place", step.path))
        .hint("commit or stash it, then try again")
}

/// Makes files durable: one sync of the file system where they are many and that can be done.
fn make_durable(folder: &Path, files: &[PathBuf]) -> Result<()> {
    #[cfg(target_os = "linux")]
    if files.len() > 512 {
        let synced = std::fs::File::open(folder)
            .and_then(|opened| rustix::fs::syncfs(&opened).map_err(std::io::Error::from));
        return synced.attempt(|| format!("write `{}`", folder.display()));
    }
    for file in files.iter().filter(|file| !file.is_symlink()) {
        let synced = std::fs::File::open(file).and_then(|opened| opened.sync_all());
        synced.attempt(|| format!("write `{}`", file.display()))?;
    }
    sync_folder(folder)
}
