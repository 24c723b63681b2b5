//! Worktrees of tasks: made at a commit on a branch, found again, released and brought back.
//!
//! The caller holds `repo.lock`: parallel `git worktree add` calls fail each other. A folder is taken
//! for a task's only if the id in git's worktree entry is the task's; anything else at its place is
//! left alone. Nothing is deleted on release: folder and entry are moved, and put back by `restore`.
//! What a checkout looks like (filters, line endings, sparse checkouts) is git's business; where it
//! looks like the tree itself, we make it (`fresh.rs`).

use super::pool::{PoolOffer, linked};
use super::refs::Expected;
use super::repo::{Checkout, Repo, worktree_root_of};
use super::stock::Stock;
use super::trash::next_name;
use crate::error::{Attempt, Error, Result};
use crate::names::{BranchName, CommitId, TaskId};
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The file in git's worktree entry that says whose worktree it is.
pub(super) const OWNER: &str = "offshoot-task";

/// The file in it that says that the worktree was made ready for an agent.
const SET_UP: &str = "offshoot-set-up";

/// The file in it that says that the worktree's folder may serve other tasks.
const RECYCLED: &str = "offshoot-recycled";

/// The file in it that says that something in the worktree is nowhere else.
const ONLY_COPY: &str = "offshoot-only-copy";

impl Checkout {
    /// Whether it was made ready for an agent.
    #[must_use]
    pub fn is_set_up(&self) -> bool {
        self.git_dir.join(SET_UP).exists()
    }

    /// Notes that it is ready for an agent, for as long as the worktree lives.
    ///
    /// # Errors
    /// `io` when that cannot be written.
    pub fn mark_set_up(&self) -> Result<()> {
        let mark = self.git_dir.join(SET_UP);
        fs::write(&mark, "this worktree was made ready for its agent\n")
            .attempt(|| format!("write `{}`", mark.display()))
    }

    /// Writes the file by which git finds the repository from inside.
    ///
    /// # Errors
    /// `io` when that cannot be written.
    pub fn mend_git_file(&self) -> Result<()> {
        put_git_file(&self.root, &self.git_dir)
            .attempt(|| format!("write `{}`", self.root.join(".git").display()))
    }

    /// Notes that the worktree is released with work that could not be recorded.
    ///
    /// # Errors
    /// `io` when that cannot be written.
    pub fn mark_only_copy(&self) -> Result<()> {
        let mark = self.git_dir.join(ONLY_COPY);
        // Not empty, so that it needs room as the record would have.
        fs::write(&mark, "what is in this worktree is nowhere else\n")
            .attempt(|| format!("write `{}`", mark.display()))
    }
}

/// Whether a released worktree, by its entry, holds work that is nowhere else.
#[must_use]
pub fn is_only_copy(entry: &Path) -> bool {
    entry.join(ONLY_COPY).exists()
}

/// Notes of a released worktree, by its entry, that its folder is given to others; what is nowhere else
/// was moved aside.
///
/// # Errors
/// `io` when that cannot be written.
pub fn mark_recycled(entry: &Path) -> Result<()> {
    let mark = entry.join(RECYCLED);
    fs::write(&mark, "the folder was given to others\n")
        .attempt(|| format!("write `{}`", mark.display()))
}

/// Whether the folder of a released worktree was given to others.
#[must_use]
pub fn is_recycled(entry: &Path) -> bool {
    entry.join(RECYCLED).exists()
}

/// A worktree to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewWorktree<'a> {
    /// Whose it is.
    pub task: TaskId,
    /// Its folder; must not be there.
    pub root: &'a Path,
    /// Its branch; made if it is not there.
    pub branch: &'a BranchName,
    /// Where the branch starts.
    pub base: CommitId,
    /// A file that exists while the worktree is being made, so that a half-made one is known as ours.
    pub intent: &'a Path,
    /// Out of which it may be made, if other tasks are to have its folder after it.
    pub pool: Option<&'a PoolOffer<'a>>,
    /// Where contents may lie ready to be written.
    pub stock: Option<&'a Stock>,
}

/// A worktree taken from its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReleasedWorktree {
    /// Where its folder is now.
    pub folder: Option<PathBuf>,
    /// Where its entry is now.
    pub entry: Option<PathBuf>,
}

impl Repo {
    /// Makes a task's branch and worktree; one that was finished before is returned as it is, one
    /// that was interrupted is made anew.
    ///
    /// # Errors
    /// `refused` when something that is not the task's is in the way, `git` when git fails.
    pub fn create_worktree(&self, new: &NewWorktree<'_>) -> Result<Checkout> {
        if let Some(made) = self.worktree_at(new)? {
            // Cut off after the last step but one; the mark must not outlive the making.
            return forget(new.intent).map(|()| made);
        }
        if new.intent.exists() {
            self.take_back_linked(new)?;
            self.take_back_filling(new)?;
        } else {
            self.drop_dangling(new.root)?;
        }
        if new.root.symlink_metadata().is_ok() {
            return Err(Error::refused(format!("`{}` is there already", new.root.display())));
        }
        let attempt = || format!("make `{}`", new.root.display());
        fs::write(new.intent, "").attempt(attempt)?;
        if let Some(parent) = new.root.parent() {
            fs::create_dir_all(parent).attempt(attempt)?;
        }
        self.create_branch(new)?;
        let checkout = match self.take_spare(new)? {
            Some(taken) => taken,
            None => self.make_anew(new)?,
        };
        // Whole at once: an empty one would tell neither whose the worktree is nor that it is half-made.
        let owner = checkout.git_dir.join(OWNER);
        put_line(&owner, &new.task.to_string(), &checkout.git_dir).attempt(attempt)?;
        forget(new.intent)?;
        Ok(checkout)
    }

    fn make_anew(&self, new: &NewWorktree<'_>) -> Result<Checkout> {
        let place = new.pool.map(|_| self.place_in_pool(new)).transpose()?;
        let new = NewWorktree { root: place.as_deref().unwrap_or(new.root), ..*new };
        match self.make_fresh(&new) {
            Some(checkout) => Ok(checkout),
            None => self.add_by_git(&new),
        }
    }

    fn add_by_git(&self, new: &NewWorktree<'_>) -> Result<Checkout> {
        // By commit and detached first: a tag of the branch's name would be checked out instead.
        let checkout = self.make_scratch(new.root, new.base)?;
        self.attach_head(&checkout, new.branch)?;
        Ok(checkout)
    }

    fn create_branch(&self, new: &NewWorktree<'_>) -> Result<()> {
        let name = new.branch.full_ref();
        match self.read_ref(&name)? {
            Some(tip) if tip == new.base => {
                // Who made it may have died before they let go of its lock.
                self.sweep_ref_lock(&name, Some(new.base));
                Ok(())
            }
            Some(_) => Err(Error::refused(format!("the branch `{}` is there already", new.branch))),
            None => self.set_ref(&name, Expected::Absent, new.base, "offshoot: dispatch"),
        }
    }

    /// Points a worktree's HEAD at a branch, whatever its files are.
    ///
    /// # Errors
    /// `git` when HEAD cannot be written.
    pub fn attach_head(&self, checkout: &Checkout, branch: &BranchName) -> Result<()> {
        let name = branch.full_ref();
        let attach = || {
            let command = self.git.at(&checkout.git_dir, "symbolic-ref");
            let command = command.args(["-m", "offshoot: on the task's branch", "HEAD"]);
            command.arg(&name).run().map(drop)
        };
        attach().or_else(|_| {
            // Git may have died with the lock.
            self.sweep_branch_locks(&name, Some(checkout));
            attach()
        })
    }

    /// The worktree that git's entry says is the task's, if its folder is there too.
    ///
    /// # Errors
    /// `io` when the entries cannot be listed.
    pub fn worktree_of(&self, task: TaskId) -> Result<Option<Checkout>> {
        let entry = self.entry_of(task)?;
        Ok(entry.and_then(|git_dir| Some(Checkout { root: worktree_root_of(&git_dir)?, git_dir })))
    }

    /// The worktree that was made before; where there is no folder there is none, and a thousand
    /// entries of other tasks need not be looked at.
    fn worktree_at(&self, new: &NewWorktree<'_>) -> Result<Option<Checkout>> {
        if new.root.symlink_metadata().is_err() {
            return Ok(None);
        }
        self.worktree_near(new.task, new.root)
    }

    /// As [`worktree_of`](Self::worktree_of), but looked for first where the entry of a worktree at
    /// `root` should be: among a thousand the right one is not found by reading all.
    ///
    /// # Errors
    /// `io` when the entries cannot be listed.
    pub fn worktree_near(&self, task: TaskId, root: &Path) -> Result<Option<Checkout>> {
        let entry = self.entry_near(task, root)?;
        Ok(entry.and_then(|git_dir| Some(Checkout { root: worktree_root_of(&git_dir)?, git_dir })))
    }

    /// As [`entry_of`](Self::entry_of), looked for first where it should be.
    ///
    /// # Errors
    /// `io` when the entries cannot be listed.
    pub fn entry_near(&self, task: TaskId, root: &Path) -> Result<Option<PathBuf>> {
        let root = linked(root).unwrap_or_else(|| root.to_owned());
        let likely = self.common_dir().join("worktrees").join(entry_name(&root));
        if owner_of(&likely) == Some(task) {
            return Ok(Some(likely));
        }
        self.entry_of(task)
    }

    /// Git's entry for the task's worktree, whether or not the folder is still there.
    ///
    /// # Errors
    /// `io` when the entries cannot be listed.
    pub fn entry_of(&self, task: TaskId) -> Result<Option<PathBuf>> {
        Ok(self.entries()?.into_iter().find(|entry| owner_of(entry) == Some(task)))
    }

    pub(super) fn entry_at(&self, root: &Path) -> Result<Option<Checkout>> {
        let root = fs::canonicalize(root).attempt(|| format!("find `{}`", root.display()))?;
        let found =
            self.entries()?.into_iter().find(|e| worktree_root_of(e).as_ref() == Some(&root));
        Ok(found.map(|git_dir| Checkout { root, git_dir }))
    }

    pub(super) fn entries(&self) -> Result<Vec<PathBuf>> {
        let folder = self.common_dir().join("worktrees");
        let attempt = || format!("list `{}`", folder.display());
        match fs::read_dir(&folder) {
            Ok(entries) => entries.map(|e| e.map(|e| e.path()).attempt(attempt)).collect(),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(cause) => Err(Error::io(attempt(), &cause)),
        }
    }

    /// Moves a task's worktree and its entry out of the way, into `trash` beside the worktrees and
    /// `entries`; both keep everything. What is gone already is told by `None`.
    ///
    /// # Errors
    /// `io` when something cannot be moved; then it is where it was.
    pub fn release_worktree(
        &self,
        task: TaskId,
        trash: &Path,
        entries: &Path,
    ) -> Result<ReleasedWorktree> {
        let Some(entry) = self.entry_of(task)? else {
            return Ok(ReleasedWorktree { folder: None, entry: None });
        };
        let folder = match worktree_root_of(&entry) {
            Some(root) => Some(move_into(&root, trash, task)?),
            None => None,
        };
        let entry = move_into(&entry, entries, task)?;
        Ok(ReleasedWorktree { folder, entry: Some(entry) })
    }

    /// Puts a released worktree back at `root`.
    ///
    /// # Errors
    /// `refused` when `root` is taken, `io` when something cannot be moved.
    pub fn bring_back_worktree(
        &self,
        task: TaskId,
        released: &ReleasedWorktree,
        root: &Path,
    ) -> Result<Option<Checkout>> {
        let (Some(folder), Some(entry)) = (&released.folder, &released.entry) else {
            return Ok(None);
        };
        if !folder.is_dir() {
            return Ok(None);
        }
        if root.symlink_metadata().is_ok() {
            return Err(Error::refused(format!("`{}` is there already", root.display())));
        }
        let attempt = || format!("bring back `{}`", root.display());
        // The folder goes last: while it is not there, everything else can be done again. An entry
        // that was put back before this was cut off still says whose it is.
        let place = match self.entry_of(task)? {
            Some(place) => place,
            None if entry.is_dir() => {
                // It is tried again when the worktree is released again.
                forget(&entry.join(ONLY_COPY))?;
                let entries = self.common_dir().join("worktrees");
                fs::create_dir_all(&entries).attempt(attempt)?;
                let place = entries.join(free_name(&entries, entry_name(root)));
                fs::rename(entry, &place).attempt(attempt)?;
                place
            }
            None => return Ok(None),
        };
        put_line(&place.join("gitdir"), &format!("{}\n", root.join(".git").display()), &place)
            .attempt(attempt)?;
        put_git_file(folder, &place).attempt(attempt)?;
        fs::rename(folder, root).attempt(attempt)?;
        Ok(Some(Checkout { root: root.to_owned(), git_dir: place }))
    }
}

/// Replaces the file in a worktree's folder by which git finds its entry. Cut off on the way it may be
/// empty, but only where the folder is on another file system than the entry.
fn put_git_file(folder: &Path, entry: &Path) -> std::io::Result<()> {
    let (file, line) = (folder.join(".git"), format!("gitdir: {}\n", entry.display()));
    match put_line(&file, &line, entry) {
        Err(cause) if cause.kind() == ErrorKind::CrossesDevices => write_anew(&file, &line),
        other => other,
    }
}

/// Replaces a file of one line whole, if it holds another. It is made in git's entry, since whatever an
/// agent has put beside the file is not ours to replace.
fn put_line(file: &Path, line: &str, entry: &Path) -> std::io::Result<()> {
    let is_file = file.symlink_metadata().is_ok_and(|found| found.is_file());
    if is_file && fs::read(file).is_ok_and(|there| there == line.as_bytes()) {
        return Ok(());
    }
    let fresh = entry.join("offshoot-new");
    write_anew(&fresh, line)?;
    fs::rename(&fresh, file)
}

/// Writes a file in the place of whatever was there: no link is followed, and no pipe waited for.
pub(super) fn write_anew(file: &Path, text: &str) -> std::io::Result<()> {
    match fs::remove_file(file) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => return Err(cause),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).open(file)?.write_all(text.as_bytes())
}

/// The task that a worktree entry says it was made for.
#[must_use]
pub fn owner_of(entry: &Path) -> Option<TaskId> {
    fs::read_to_string(entry.join(OWNER)).ok()?.trim().parse().ok()
}

/// Whether an entry names `root`, be it there or not.
pub(super) fn names_root(entry: &Path, root: &Path) -> bool {
    fs::read_to_string(entry.join("gitdir")).is_ok_and(|text| {
        entry.join(text.trim_end()).parent().map(resolved) == Some(resolved(root))
    })
}

/// A path without symbolic links and `..` in the folder that it lies in, as git writes it.
pub(super) fn resolved(path: &Path) -> PathBuf {
    match (path.parent().map(fs::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}

fn forget(mark: &Path) -> Result<()> {
    match fs::remove_file(mark) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("remove `{}`", mark.display()), &cause))
        }
        _ => Ok(()),
    }
}

pub(super) fn entry_name(root: &Path) -> String {
    root.file_name().map_or_else(|| "task".to_owned(), |name| name.to_string_lossy().into_owned())
}

fn move_into(path: &Path, folder: &Path, task: TaskId) -> Result<PathBuf> {
    let attempt = || format!("move `{}` away", path.display());
    fs::create_dir_all(folder).attempt(attempt)?;
    let place = folder.join(next_name(folder, task)?);
    fs::rename(path, &place).attempt(attempt)?;
    Ok(place)
}

pub(super) fn free_name(folder: &Path, wanted: String) -> String {
    let taken = |name: &str| folder.join(name).symlink_metadata().is_ok();
    if !taken(&wanted) {
        return wanted;
    }
    let numbered = (1u32..).map(|number| format!("{wanted}-{number}"));
    numbered.into_iter().find(|name| !taken(name)).expect("invariant: some number is free")
}
