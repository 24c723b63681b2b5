//! A copy of a checkout's index that git itself changes, until it takes the index's place.
//!
//! Git's own index is only ever replaced whole, by a rename, while its lock is held. The copy is made
//! to fit the result by git's two-way merge (`read-tree -m -u`), which keeps every entry that the
//! landing does not concern together with its stat data, knows sparse checkouts and split indexes, and
//! writes the new contents, filters and line endings applied, into a folder of ours instead of the
//! checkout. Whether files are modified is asked of git too, by an index that holds only the paths in
//! question and no stat data, so that `assume-unchanged` and stale stat data cannot mislead.

use super::command::GitCommand;
use super::repo::Repo;
use super::snapshot::copy_index;
use super::staging::Staging;
use super::tree_diff::Entry;
use crate::disk::sync_folder;
use crate::error::{Attempt, Error, Result};
use crate::names::ObjectId;
use crate::path::RepoPath;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::Path;

/// A checkout's index, copied into a staging folder.
pub(super) struct PrivateIndex<'a> {
    repo: &'a Repo,
    staging: &'a Staging,
}

impl<'a> PrivateIndex<'a> {
    /// Copies the checkout's index; an index that does not exist is an empty one.
    pub(super) fn copy(repo: &'a Repo, staging: &'a Staging) -> Result<Self> {
        Self::copy_of(repo, staging, &staging.checkout.git_dir.join("index"))
    }

    /// Copies another index of the checkout's files, which is to become its own.
    pub(super) fn copy_of(repo: &'a Repo, staging: &'a Staging, from: &Path) -> Result<Self> {
        for stale in [staging.index(), lock_of(&staging.index())] {
            remove_file(&stale)?;
        }
        if from.exists() {
            copy_index(from, &staging.index())?;
        }
        Ok(Self { repo, staging })
    }

    /// The paths whose entry is not what `tree` holds.
    pub(super) fn differs_from(&self, tree: ObjectId) -> Result<HashSet<RepoPath>> {
        let command =
            self.git("diff-index").args(["--cached", "--name-only", "-z", "--no-renames"]);
        let command = command.args(["--no-ext-diff", "--ignore-submodules=none"]);
        Ok(paths(command.arg(tree.to_string()).run()?.fields()))
    }

    /// The paths with an unresolved conflict.
    pub(super) fn unmerged(&self) -> Result<Vec<RepoPath>> {
        let output = self.git("ls-files").args(["-u", "-z"]).run()?;
        let mut found: Vec<_> = output
            .fields()
            .filter_map(|field| Some(&field[field.iter().position(|byte| *byte == b'\t')? + 1..]))
            .map(RepoPath::new)
            .collect();
        found.dedup();
        Ok(found)
    }

    /// The paths that the checkout leaves out (`skip-worktree`, sparse checkouts).
    pub(super) fn skipped(&self) -> Result<HashSet<RepoPath>> {
        let output = self.git("ls-files").args(["-t", "-z"]).run()?;
        Ok(paths(output.fields().filter_map(|field| field.strip_prefix(b"S "))))
    }

    /// Whose files in the checkout are not what `entries` say (missing ones among them).
    pub(super) fn files_that_differ(
        &self,
        entries: &[(&RepoPath, Entry)],
    ) -> Result<HashSet<RepoPath>> {
        if entries.is_empty() {
            return Ok(HashSet::new());
        }
        let scratch = self.staging.scratch_index();
        for stale in [&scratch, &lock_of(&scratch)] {
            remove_file(stale)?;
        }
        let git = |verb| {
            let command = self.repo.git.at(&self.staging.checkout.git_dir, verb);
            command.work_tree(&self.staging.checkout.root).index(&scratch)
        };
        let info = entries.iter().map(|(path, entry)| (*path, Some(*entry)));
        git("update-index").args(["-z", "--index-info"]).input(index_info(info)).run()?;
        git("update-index").args(["-q", "--refresh"]).run_allowing(&[0, 1])?;
        let command =
            git("diff-files").args(["--name-only", "-z", "--no-ext-diff", "--no-renames"]);
        Ok(paths(command.arg("--ignore-submodules=all").run()?.fields()))
    }

    /// Moves the copy from `before` to `after`, and writes what changed into the staging's `tree`.
    pub(super) fn advance(&self, before: ObjectId, after: ObjectId) -> Result<()> {
        self.git("read-tree")
            .work_tree(&self.staging.tree())
            .args(["-m", "-u", "--no-recurse-submodules"])
            .args([before.to_string(), after.to_string()])
            .run()?;
        self.keep_time()
    }

    /// The same for some paths only: where a person has staged something else since.
    pub(super) fn advance_only(
        &self,
        entries: &[(&RepoPath, Option<Entry>)],
        span: (ObjectId, ObjectId),
    ) -> Result<()> {
        let mine = self.staging.index();
        let set_aside = mine.with_extension("aside");
        remove_file(&set_aside)?;
        if mine.exists() {
            fs::rename(&mine, &set_aside).attempt(|| format!("move `{}`", mine.display()))?;
        }
        self.git("read-tree").arg(span.0.to_string()).run()?;
        self.advance(span.0, span.1)?;
        remove_file(&mine)?;
        if set_aside.exists() {
            fs::rename(&set_aside, &mine).attempt(|| format!("move `{}`", set_aside.display()))?;
        }
        let info = index_info(entries.iter().copied());
        self.git("update-index").args(["-z", "--index-info"]).input(info).run()?;
        self.keep_time()
    }

    /// Gives the copy the time of the index that it is made from. Git compares a file with its entry
    /// only if it is not older than the index, and here it could not mark those entries, since it
    /// looked for the files in a folder of ours: an edit that followed at once on `git add` would be
    /// taken for unchanged.
    fn keep_time(&self) -> Result<()> {
        let (mine, theirs) = (self.staging.index(), self.staging.checkout.git_dir.join("index"));
        if !mine.exists() || !theirs.exists() {
            return Ok(());
        }
        fs::metadata(&theirs)
            .and_then(|metadata| metadata.modified())
            .and_then(|time| File::options().append(true).open(&mine)?.set_modified(time))
            .attempt(|| format!("write `{}`", mine.display()))
    }

    /// Puts entries into the copy, in the form of `update-index --index-info`.
    pub(super) fn put(&self, lines: Vec<u8>) -> Result<()> {
        self.git("update-index").args(["-z", "--index-info"]).input(lines).run().map(drop)
    }

    /// Takes the stat data of the checkout's files into the copy, then puts it in the index's place.
    /// The caller holds the index's lock.
    pub(super) fn install(&self) -> Result<()> {
        let command = self.git("update-index").work_tree(&self.staging.checkout.root);
        command.args(["-q", "--refresh"]).run_allowing(&[0, 1])?;
        let (mine, theirs) = (self.staging.index(), self.staging.checkout.git_dir.join("index"));
        let synced = File::open(&mine).and_then(|file| file.sync_all());
        synced.attempt(|| format!("write `{}`", mine.display()))?;
        let kept = self.staging.index_before();
        remove_file(&kept)?;
        match fs::hard_link(&theirs, &kept) {
            Err(cause) if cause.kind() != ErrorKind::NotFound => {
                return Err(Error::io(format!("keep `{}`", theirs.display()), &cause));
            }
            _ => {}
        }
        fs::rename(&mine, &theirs).attempt(|| format!("replace `{}`", theirs.display()))?;
        sync_folder(&self.staging.checkout.git_dir)
    }

    fn git(&self, verb: &str) -> GitCommand {
        let command = self.repo.git.at(&self.staging.checkout.git_dir, verb);
        command.work_tree(&self.staging.checkout.root).index(&self.staging.index())
    }
}

/// Puts the index back that [`PrivateIndex::install`] replaced, if it did. The caller holds the lock.
pub(super) fn restore_index(staging: &Staging) -> Result<()> {
    let kept = staging.index_before();
    let index = staging.checkout.git_dir.join("index");
    match fs::rename(&kept, &index) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("restore `{}`", index.display()), &cause))
        }
        _ => remove_file(&kept),
    }
}

/// Lines for `update-index -z --index-info`; no entry means that the path goes.
fn index_info<'a>(entries: impl Iterator<Item = (&'a RepoPath, Option<Entry>)>) -> Vec<u8> {
    let mut lines = Vec::new();
    for (path, entry) in entries {
        let (mode, id) = entry.map_or((0, ObjectId::ZERO), |entry| (entry.mode, entry.id));
        lines.extend(format!("{mode:o} {id}\t").into_bytes());
        lines.extend_from_slice(path.as_bytes());
        lines.push(0);
    }
    lines
}

fn paths<'a>(fields: impl Iterator<Item = &'a [u8]>) -> HashSet<RepoPath> {
    fields.map(RepoPath::new).collect()
}

fn lock_of(index: &Path) -> std::path::PathBuf {
    index.with_extension("lock")
}

fn remove_file(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("remove `{}`", file.display()), &cause))
        }
        _ => Ok(()),
    }
}
