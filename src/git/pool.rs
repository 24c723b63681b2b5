//! Worktrees out of folders that other tasks had before. Only the folder is used again: git's entry,
//! with HEAD, index, logs and all else that a task could leave there, is made anew.
//!
//! A spare folder lies in `.pool` while nobody uses it and in `.trees` while a task does, under the same
//! name, so that build caches stay valid; the task's name is a symbolic link to it. Whoever renames the
//! record of a spare has it. What was cut off is found by that link, which is there first, and taken
//! back. The caller holds `repo.lock`.

use super::fresh::remove_folder;
use super::index_file::IndexFile;
use super::pack::Packs;
use super::refit::{There, open_root, refit};
use super::repo::{Checkout, Repo};
use super::strip::Stripped;
use super::tree_plan::{Objects, TreePlan};
use super::unchanged::holds_just;
use super::worktree::{
    NewWorktree, ReleasedWorktree, entry_name, free_name, names_root, owner_of, resolved,
    write_anew,
};
use crate::error::{Attempt, Error, Result};
use crate::names::{CommitId, TaskId};
use crate::task::Spare;
use rustix::fs::{CWD, RenameFlags, Timespec};
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The folder of worktrees that are in use, beside the links that lead to them.
const TREES: &str = ".trees";

/// The folder of those that nobody uses.
const POOL: &str = ".pool";

/// How far files are dated back, in seconds, so that git does not take them for younger than the index.
const BACK: i64 = 2;

/// More than the clock of a file system takes to go on.
const A_TICK: Duration = Duration::from_millis(20);

/// The spare worktrees that a task may take.
#[derive(Debug, Clone, Copy)]
pub struct PoolOffer<'a> {
    /// Each with the folder of its record.
    pub spares: &'a [(Spare, PathBuf)],
    /// The mode bits that the task's files are made without.
    pub umask: Option<u32>,
    /// The ignored paths that may stay.
    pub keep: &'a [String],
}

/// A folder that is to be made ready for the next task.
#[derive(Debug, Clone, Copy)]
pub struct FitRequest<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// The commit that it is to hold.
    pub commit: CommitId,
    /// Whether ignored files are in it.
    pub keeps: bool,
    /// Where its index is written.
    pub index: &'a Path,
}

impl Repo {
    /// The files of a commit as an index; none where git alone writes them as they should be. What is
    /// the same in `known`, an index that was made so before, is not read again.
    pub(super) fn plain_index(
        &self,
        commit: CommitId,
        known: Option<&IndexFile>,
    ) -> Result<Option<IndexFile>> {
        if !self.writes_plainly() {
            return Ok(None);
        }
        let packs = Packs::open(self.common_dir(), None);
        let mut objects = Objects::of(&packs);
        TreePlan::read_index(&mut objects, self.tree_of(commit)?, known)
    }

    /// Makes a stripped folder hold a commit; says whether it is ready then.
    ///
    /// # Errors
    /// `io` or `git` when something cannot be read or written.
    pub fn fit_stripped(&self, stripped: &Stripped, request: &FitRequest<'_>) -> Result<bool> {
        let wanted = self.plain_index(request.commit, None)?;
        wanted.map_or(Ok(false), |wanted| self.fit((&stripped.there, wanted), request))
    }

    /// Makes a spare folder, which holds what `index` says, hold another commit; says whether it is
    /// ready then.
    ///
    /// # Errors
    /// As [`fit_stripped`](Self::fit_stripped).
    pub fn fit_again(&self, request: &FitRequest<'_>) -> Result<bool> {
        let Some(known) = index_of(request.index) else { return Ok(false) };
        let wanted = self.plain_index(request.commit, Some(&known))?;
        wanted.map_or(Ok(false), |wanted| self.fit((&untouched(known), wanted), request))
    }

    fn fit(&self, files: (&[There], IndexFile), request: &FitRequest<'_>) -> Result<bool> {
        let FitRequest { folder, keeps, index, .. } = *request;
        let tree = files.1.root.id;
        // Nothing in it is a repository's while nobody uses it.
        let now = renew_git_file(folder, "")?;
        let dated = dated(now, keeps);
        let fitted = refit(self, &open_root(folder)?, files, dated)?;
        if dated.is_none() {
            // Files that are as young as the index would be taken for changed.
            std::thread::sleep(A_TICK);
        }
        fs::write(index, fitted.to_bytes()).attempt(|| format!("write `{}`", index.display()))?;
        if !keeps {
            return Ok(holds_just(folder, index, tree));
        }
        // What stays must be ignored, or it would be taken for the next task's work.
        let list = self.git.at(self.common_dir(), "ls-files").work_tree(folder).index(index);
        let others = list.args(["-z", "--others", "--exclude-standard"]).run()?;
        Ok(others.stdout.is_empty())
    }

    /// Makes a task's worktree out of a spare one, if there is one that can be.
    pub(super) fn take_spare(&self, new: &NewWorktree<'_>) -> Result<Option<Checkout>> {
        let Some(pool) = new.pool.filter(|pool| !pool.spares.is_empty()) else { return Ok(None) };
        if !self.writes_plainly() {
            return Ok(None);
        }
        let wanted = self.tree_of(new.base)?;
        let holds_it =
            |spare: &Spare| self.tree_of(spare.commit).is_ok_and(|there| there == wanted);
        // Those that need no change come first, else the one that was used last.
        let mut spares: Vec<_> = pool.spares.iter().map(|it| (!holds_it(&it.0), it)).collect();
        spares.sort_by_key(|(differs, _)| *differs);
        let home = new.root.parent();
        for (differs, (spare, record)) in spares {
            let is_beside = spare.folder.parent().and_then(Path::parent) == home;
            let fits = Some(spare.umask) == pool.umask && spare.keep == pool.keep && is_beside;
            if !fits || !spare.folder.is_dir() {
                continue;
            }
            match self.take(new, (spare, record), differs) {
                Ok(Some(taken)) => return Ok(Some(taken)),
                Ok(None) => {}
                // Whatever is wrong with it; the next one, or git, tells what is wrong with all.
                Err(_) => self.take_back_linked(new)?,
            }
        }
        Ok(None)
    }

    fn take(
        &self,
        new: &NewWorktree<'_>,
        (spare, record): (&Spare, &Path),
        differs: bool,
    ) -> Result<Option<Checkout>> {
        let attempt = || format!("take `{}`", spare.folder.display());
        let mut change = None;
        if differs {
            let Some(before) = index_of(&record.join("index")) else { return Ok(None) };
            let wanted = self.plain_index(new.base, Some(&before))?;
            let wanted = wanted.filter(|wanted| !spare.keeps || !rules_differ(&before, wanted));
            let Some(wanted) = wanted else { return Ok(None) };
            change = Some((before, wanted));
        }
        let place = self.link(new, &spare.name)?;
        let ours = new.claimed();
        if fs::rename(record, &ours).is_err() {
            // Somebody else was faster.
            return Ok(None);
        }
        let entries = self.common_dir().join("worktrees");
        let entry = entries.join(free_name(&entries, entry_name(&place)));
        self.fill_entry(new, &place)?;
        fs::create_dir_all(&entries).attempt(attempt)?;
        // The entry first: from here on git leaves the folder alone, and it is known as half-made.
        rename(&new.filling(), &entry).attempt(attempt)?;
        rename(&spare.folder, &place).attempt(attempt)?;
        let now = renew_git_file(&place, &format!("gitdir: {}\n", entry.display()))?;
        let (index, lock) = (ours.join("index"), entry.join("index.lock"));
        match change {
            None => fs::rename(index, &lock).attempt(attempt)?,
            Some((before, wanted)) => {
                let (files, dated) = ((&*untouched(before), wanted), dated(now, spare.keeps));
                let fitted = refit(self, &open_root(&place)?, files, dated)?;
                fs::write(&lock, fitted.to_bytes()).attempt(attempt)?;
            }
        }
        fs::rename(&lock, entry.join("index")).attempt(attempt)?;
        fs::remove_file(entry.join("locked")).attempt(attempt)?;
        remove_folder(&ours).attempt(attempt)?;
        Ok(Some(Checkout { root: place, git_dir: entry }))
    }

    /// Where a task's worktree is made that others will have after it: the link to it is there then.
    pub(super) fn place_in_pool(&self, new: &NewWorktree<'_>) -> Result<PathBuf> {
        let short = new.task.short();
        let is_taken = is_in_pool(new.root, &short);
        self.link(new, &if is_taken { new.task.to_string() } else { short })
    }

    /// Makes the link by which a worktree has its task's name, and the folder around it.
    fn link(&self, new: &NewWorktree<'_>, name: &str) -> Result<PathBuf> {
        let attempt = || format!("make `{}`", new.root.display());
        let leads_to = Path::new(TREES).join(name);
        let home = resolved(new.root).parent().map(Path::to_owned).unwrap_or_default();
        fs::create_dir_all(home.join(TREES)).attempt(attempt)?;
        if linked(new.root).is_some() {
            fs::remove_file(new.root).attempt(attempt)?;
        }
        symlink(&leads_to, new.root).attempt(attempt)?;
        Ok(home.join(leads_to))
    }

    /// Takes back what was made for a task whose name is a link by now, whatever of it there is.
    pub(super) fn take_back_linked(&self, new: &NewWorktree<'_>) -> Result<()> {
        let attempt = || format!("take back the half-made `{}`", new.root.display());
        if let Some(place) = linked(new.root) {
            self.take_back_filling(&NewWorktree { root: &place, ..*new }).or_else(|error| {
                // Nobody but us makes anything there, so what no entry names is half-made too.
                if self.entries()?.iter().any(|entry| names_root(entry, &place)) {
                    return Err(error);
                }
                remove_folder(&place).attempt(attempt)
            })?;
            if new.claimed().is_dir()
                && let Some(name) = place.file_name()
            {
                // It may not have been moved from there.
                let home = place.parent().and_then(Path::parent).unwrap_or(&place);
                remove_folder(&home.join(POOL).join(name)).attempt(attempt)?;
            }
            fs::remove_file(new.root).attempt(attempt)?;
        }
        remove_folder(&new.claimed()).attempt(attempt)
    }

    /// Takes the link away by which a task's worktree has its name; the folder goes next.
    ///
    /// # Errors
    /// `io` when it cannot be removed.
    pub fn unlink_worktree(&self, task: TaskId, link: &Path) -> Result<()> {
        let Some(place) = linked(link) else { return Ok(()) };
        // A later task of the name may have a link of its own by now.
        let is_its = self
            .entries()?
            .iter()
            .any(|entry| owner_of(entry) == Some(task) && names_root(entry, &place));
        if is_its {
            fs::remove_file(link).attempt(|| format!("remove `{}`", link.display()))?;
        }
        Ok(())
    }

    /// Where a released worktree was, if folder and entry are still tied to each other as we tied them.
    #[must_use]
    pub fn untouched_root(&self, released: &ReleasedWorktree) -> Option<PathBuf> {
        let (folder, entry) = (released.folder.as_ref()?, released.entry.as_ref()?);
        let git_file = folder.join(".git");
        let is_file = git_file.symlink_metadata().is_ok_and(|found| found.is_file());
        let tie = fs::read_to_string(git_file).ok().filter(|_| is_file)?;
        let named = Path::new(tie.strip_prefix("gitdir: ")?.strip_suffix('\n')?);
        let back = fs::read_to_string(entry.join("gitdir")).ok()?;
        let root = Path::new(back.strip_suffix("/.git\n")?);
        let common = fs::read_to_string(entry.join("commondir")).ok()?;
        let is_ours = named.parent()? == self.common_dir().join("worktrees")
            && common == "../..\n"
            && !entry.join("config.worktree").exists();
        is_ours.then(|| root.to_owned())
    }

    /// Takes a link away that leads nowhere and whose worktree git does not know either.
    pub(super) fn drop_dangling(&self, link: &Path) -> Result<()> {
        match linked(link) {
            Some(place)
                if !place.exists()
                    && !self.entries()?.iter().any(|entry| names_root(entry, &place)) =>
            {
                fs::remove_file(link).attempt(|| format!("remove `{}`", link.display()))
            }
            _ => Ok(()),
        }
    }
}

impl NewWorktree<'_> {
    /// The record of the spare worktree that was taken for it, until it is made.
    fn claimed(&self) -> PathBuf {
        self.intent.with_extension("spare")
    }
}

/// The folder that a link which we made for a task's name leads to.
pub(super) fn linked(link: &Path) -> Option<PathBuf> {
    let leads_to = fs::read_link(link).ok()?;
    let name = leads_to.strip_prefix(TREES).ok()?;
    let is_name = name.components().count() == 1 && name.file_name().is_some();
    is_name.then(|| resolved(link).with_file_name(TREES).join(name))
}

/// The folder in which a worktree, or the link to it, lies beside others.
#[must_use]
pub fn home_of(worktree: &Path) -> &Path {
    let around = worktree.parent().unwrap_or(worktree);
    if around.ends_with(TREES) || around.ends_with(POOL) {
        around.parent().unwrap_or(around)
    } else {
        around
    }
}

/// Whether beside a worktree some folder has this name, be it used or not.
#[must_use]
pub fn is_in_pool(worktree: &Path, name: &str) -> bool {
    let home = home_of(worktree);
    [TREES, POOL].iter().any(|folder| home.join(folder).join(name).symlink_metadata().is_ok())
}

/// Where the folder of a spare worktree lies while nobody uses it.
#[must_use]
pub fn spare_folder(home: &Path, name: &str) -> PathBuf {
    home.join(POOL).join(name)
}

fn index_of(file: &Path) -> Option<IndexFile> {
    IndexFile::parse(&fs::read(file).ok()?)
}

/// What an index of ours says of a folder in which nothing was touched since.
fn untouched(index: IndexFile) -> Vec<There> {
    let entries = index.entries.into_iter();
    entries.map(|entry| There { entry, is_untouched: true }).collect()
}

/// Whether what is ignored may be other than it was.
fn rules_differ(before: &IndexFile, wanted: &IndexFile) -> bool {
    let is_rule = |path: &[u8]| path == b".gitignore" || path.ends_with(b"/.gitignore");
    let [there, wanted] = [before, wanted].map(|index| {
        let rules = index.entries.iter().filter(|entry| is_rule(&entry.path));
        rules.map(|entry| (&entry.path, entry.id))
    });
    !there.eq(wanted)
}

/// How written files are dated. Build tools compare them with what they made, which may be in there: a
/// file that was written anew must be younger than that.
fn dated(now: Timespec, keeps: bool) -> Option<Timespec> {
    (!keeps).then_some(Timespec { tv_sec: now.tv_sec - BACK, ..now })
}

/// Replaces the file by which git finds the repository; answers the time by the file system's clock.
fn renew_git_file(folder: &Path, text: &str) -> Result<Timespec> {
    let (file, sibling) = (folder.join(".git"), folder.join(".git.offshoot-new"));
    let put = || -> std::io::Result<Timespec> {
        write_anew(&sibling, text)?;
        let written = sibling.metadata()?;
        fs::rename(&sibling, &file)?;
        Ok(Timespec { tv_sec: written.mtime(), tv_nsec: written.mtime_nsec() })
    };
    put().attempt(|| format!("write `{}`", file.display()))
}

fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(Into::into)
}

/// Moves the folder of a released worktree to where spare ones lie.
///
/// # Errors
/// `refused` when something is there, `io` when it cannot be moved.
pub fn shelve(folder: &Path, place: &Path) -> Result<()> {
    let attempt = || format!("move `{}` away", folder.display());
    fs::create_dir_all(place.parent().unwrap_or(place)).attempt(attempt)?;
    match rename(folder, place) {
        Err(cause) if cause.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::refused(format!("`{}` is there already", place.display())))
        }
        moved => moved.attempt(attempt),
    }
}
