//! A worktree made without the git executable, for repositories whose files git would write just as
//! they are stored; others are git's business.
//!
//! Git's entry is filled elsewhere and renamed into its place, so no half-made one is ever seen, and it
//! is there before the first file, so that what was cut off is found. It is locked until it is whole:
//! `git worktree prune` by anybody leaves it alone. The caller holds `repo.lock`.

use super::pack::Packs;
use super::repo::{Checkout, Repo, oid};
use super::stock::Stock;
use super::tree_plan::{Objects, TreePlan};
use super::worktree::{NewWorktree, entry_name, free_name, resolved};
use crate::error::{Attempt, Result};
use rustix::fs::{CWD, RenameFlags};
use std::fs;
use std::path::Path;

/// Who moved HEAD where nobody has told git who they are.
const NOBODY: &str = "offshoot <offshoot@localhost>";

impl Repo {
    /// Makes the worktree of a task whose branch is there; none if git has to. What stands in the way
    /// of it is for git to tell: then nothing is left either, and none is answered.
    pub(super) fn make_fresh(&self, new: &NewWorktree<'_>) -> Option<Checkout> {
        if !self.writes_plainly() {
            return None;
        }
        let packs = Packs::open(self.common_dir(), new.stock.and_then(Stock::pack));
        let mut objects = Objects::of(&packs);
        let plan = TreePlan::read(&mut objects, self.tree_of(new.base).ok()?).ok()??;
        let made = self.put_together(new, plan, &packs);
        if made.is_err() {
            // What cannot be taken back now is in git's way, which says so.
            let _ = self.take_back_filling(new);
        }
        made.ok()
    }

    fn put_together(
        &self,
        new: &NewWorktree<'_>,
        plan: TreePlan,
        packs: &Packs,
    ) -> Result<Checkout> {
        let attempt = || format!("make `{}`", new.root.display());
        let root = resolved(new.root);
        let entries = self.common_dir().join("worktrees");
        let entry = entries.join(free_name(&entries, entry_name(&root)));
        let filling = new.filling();
        self.fill_entry(new, &root)?;
        fs::create_dir_all(&entries).attempt(attempt)?;
        // The folder first: an entry for one that somebody else made meanwhile would make it ours.
        fs::create_dir(&root).attempt(attempt)?;
        rustix::fs::renameat_with(CWD, &filling, CWD, &entry, RenameFlags::NOREPLACE)
            .map_err(std::io::Error::from)
            .attempt(attempt)?;

        fs::write(root.join(".git"), format!("gitdir: {}\n", entry.display())).attempt(attempt)?;
        let (index, stocked) = plan.write(self.main_worktree(), packs, &root)?;
        // Whole at once: somebody's `git gc` reads the indexes of all worktrees.
        let sibling = entry.join("index.lock");
        fs::write(&sibling, index.to_bytes()).attempt(attempt)?;
        fs::rename(&sibling, entry.join("index")).attempt(attempt)?;
        fs::remove_file(entry.join("locked")).attempt(attempt)?;
        if let Some(stock) = new.stock {
            stock.served(stocked, &index);
        }
        Ok(Checkout { root, git_dir: entry })
    }

    /// Fills git's entry of a worktree at `root`, locked, elsewhere.
    pub(super) fn fill_entry(&self, new: &NewWorktree<'_>, root: &Path) -> Result<()> {
        let filling = new.filling();
        let attempt = || format!("make `{}`", new.root.display());
        fs::create_dir_all(filling.join("logs")).attempt(attempt)?;
        let write = |name: &str, text: &str| fs::write(filling.join(name), text).attempt(attempt);
        write("HEAD", &format!("ref: {}\n", new.branch.full_ref()))?;
        write("commondir", "../..\n")?;
        write("gitdir", &format!("{}\n", root.join(".git").display()))?;
        write("locked", "it is being made\n")?;
        write("logs/HEAD", &self.first_move(new))
    }

    /// The first line of the worktree's own reflog of HEAD.
    fn first_move(&self, new: &NewWorktree<'_>) -> String {
        let signature = self.inner.signature().ok();
        let fallback = || git2::Signature::now("offshoot", "offshoot@localhost").ok();
        let when = signature.as_ref().map(git2::Signature::when);
        let when = when.or_else(|| fallback().map(|signature| signature.when()));
        let named = |part: &str| self.git.environment().text(&format!("GIT_COMMITTER_{part}"));
        let who = match (named("NAME"), named("EMAIL"), signature) {
            (Some(name), Some(mail), _) => format!("{name} <{mail}>"),
            (_, _, Some(signature)) => signature.to_string(),
            _ => NOBODY.to_owned(),
        };
        let (seconds, minutes) =
            when.map_or((0, 0), |when| (when.seconds(), when.offset_minutes()));
        let (sign, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.abs());
        let zone = format!("{sign}{:02}{:02}", minutes / 60, minutes % 60);
        let none = git2::Oid::ZERO_SHA1;
        let base = oid(new.base.0);
        format!("{none} {base} {who} {seconds} {zone}\toffshoot: on the task's branch\n")
    }
}

impl NewWorktree<'_> {
    /// Where git's entry is filled before it is one.
    pub(super) fn filling(&self) -> std::path::PathBuf {
        self.intent.with_extension("entry")
    }
}

/// Removes a folder with all in it; one that is not there is fine.
pub(super) fn remove_folder(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}
