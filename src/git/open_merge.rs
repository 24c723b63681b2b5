//! A merge that waits in a worktree for somebody to resolve it, as `git merge` leaves one: conflict
//! markers in the files, the three versions in the index, `MERGE_HEAD`.
//!
//! Not made by `git merge` itself, which leaves half-updated files when it is killed and overwrites
//! ignored ones: the files come by [`apply_uncommitted`](Repo::apply_uncommitted), all or none, then
//! the index takes its place, and `MERGE_HEAD` is the last word. Everything after the files may be
//! repeated.

use super::command::Output;
use super::error::GitAttempt;
use super::merge_tree::{Merged, Merger};
use super::private_index::PrivateIndex;
use super::repo::{Checkout, Repo, oid};
use super::snapshot::{copy_index, forget_index};
use super::staging::Staging;
use crate::error::{Attempt, Error, Result};
use crate::landing::Conflict;
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// What git keeps of a merge in progress, the file that says so first.
const NOTES: [&str; 4] = ["MERGE_HEAD", "MERGE_MODE", "MERGE_MSG", "AUTO_MERGE"];

/// A merge to be opened.
#[derive(Debug, Clone, Copy)]
pub struct OpenMerge<'a> {
    /// Where.
    pub checkout: &'a Checkout,
    /// The commit that its HEAD is at.
    pub ours: CommitId,
    /// The commit that is merged in.
    pub theirs: CommitId,
    /// What the commit will say unless somebody changes it.
    pub message: &'a str,
}

/// A merge with conflicts.
#[derive(Debug)]
pub struct Conflicted {
    /// The files with conflict markers in them.
    pub tree: ObjectId,
    /// What conflicts.
    pub conflicts: Vec<Conflict>,
    /// The versions of each conflicting path, as `update-index --index-info` takes them.
    stages: Vec<Vec<u8>>,
}

impl Conflicted {
    pub(super) fn of(output: &Output, conflicts: Vec<Conflict>) -> Result<Self> {
        let mut fields = output.stdout.split(|byte| *byte == 0);
        let tree = fields.next().and_then(|field| std::str::from_utf8(field).ok());
        let tree = tree.ok_or_else(|| Error::git("`git merge-tree` answered something unknown"))?;
        let stages = fields.take_while(|field| !field.is_empty()).map(<[u8]>::to_vec).collect();
        Ok(Self { tree: tree.parse()?, conflicts, stages })
    }

    /// Lines that put the conflicting versions in the place of what the index has.
    fn index_info(&self) -> Vec<u8> {
        let path = |stage: &[u8]| stage.splitn(2, |byte| *byte == b'\t').nth(1).map(<[u8]>::to_vec);
        let paths: BTreeSet<_> = self.stages.iter().filter_map(|stage| path(stage)).collect();
        let removals = paths
            .into_iter()
            .map(|path| [format!("0 {}\t", ObjectId::ZERO).into_bytes(), path].concat());
        let lines = removals.chain(self.stages.iter().cloned());
        lines.flat_map(|line| [line, vec![0]].concat()).collect()
    }
}

impl Repo {
    /// What merging `theirs` into `ours` would leave to be resolved; `None` when there is nothing.
    ///
    /// # Errors
    /// `unsupported` when git is too old.
    pub fn conflicted_merge(&self, ours: CommitId, theirs: CommitId) -> Result<Option<Conflicted>> {
        Merger::new(self, theirs)?.conflicted(ours, theirs)
    }

    /// Opens a merge in a checkout whose HEAD is at `ours` and where nothing else was changed. The
    /// caller holds the landing lock.
    ///
    /// # Errors
    /// `dirty` when a file there is in the way, `busy` when somebody holds the index. Nothing has
    /// changed then.
    pub fn open_merge(
        &self,
        journal_dir: &Path,
        merge: &OpenMerge<'_>,
        conflicted: &Conflicted,
    ) -> Result<()> {
        self.with_index(journal_dir, merge, conflicted, || {
            self.apply_uncommitted(merge.checkout, merge.ours, conflicted.tree).map(drop)
        })
    }

    /// Goes on with a merge whose files are in place.
    ///
    /// # Errors
    /// As [`open_merge`](Self::open_merge).
    pub fn open_merge_again(
        &self,
        journal_dir: &Path,
        merge: &OpenMerge<'_>,
        conflicted: &Conflicted,
    ) -> Result<()> {
        if self.unmerged_in(merge.checkout)?.is_empty() {
            return self.with_index(journal_dir, merge, conflicted, || Ok(()));
        }
        note(merge, &conflicted.conflicts)
    }

    /// Makes the index ready, puts the files in place, then the index, then git's notes.
    fn with_index(
        &self,
        journal_dir: &Path,
        merge: &OpenMerge<'_>,
        conflicted: &Conflicted,
        files: impl FnOnce() -> Result<()>,
    ) -> Result<()> {
        let number = self.next_landing_number(journal_dir)?;
        let staging = Staging::of_landing(merge.checkout, number)?;
        staging.make()?;
        let opened = staging.take_lock().and_then(|()| {
            let index = PrivateIndex::copy(self, &staging)?;
            index.advance(merge.ours.0, conflicted.tree)?;
            index.put(conflicted.index_info())?;
            files()?;
            index.install()?;
            note(merge, &conflicted.conflicts)
        });
        staging.remove()?;
        opened
    }

    /// The commit that a merge in progress in a checkout merges in.
    ///
    /// # Errors
    /// `io` when git's note of it cannot be read.
    pub fn merge_in_progress(&self, checkout: &Checkout) -> Result<Option<CommitId>> {
        let file = checkout.git_dir.join("MERGE_HEAD");
        match fs::read_to_string(&file) {
            Ok(text) => Ok(Some(text.lines().next().unwrap_or_default().parse()?)),
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            other => other.map(|_| None).attempt(|| format!("read `{}`", file.display())),
        }
    }

    /// The paths of a checkout that are not resolved.
    ///
    /// # Errors
    /// `git` when the index cannot be read.
    pub fn unmerged_in(&self, checkout: &Checkout) -> Result<Vec<RepoPath>> {
        // Only the index is read; comparing files could run filters.
        let command = self.git.at(&checkout.git_dir, "ls-files").work_tree(&checkout.root);
        let output = command.args(["--unmerged", "-z"]).run()?;
        let path = |stage: &[u8]| stage.splitn(2, |byte| *byte == b'\t').nth(1).map(RepoPath::new);
        let mut paths: Vec<_> = output.fields().filter_map(path).collect();
        paths.dedup();
        Ok(paths)
    }

    /// The unmerged paths of a checkout with a merge in progress about which nothing was decided, its
    /// files being those of `tree`: they are as git left them, or conflict markers are still in them.
    ///
    /// # Errors
    /// `git` when the index cannot be read or git is too old.
    pub fn undecided_in(
        &self,
        checkout: &Checkout,
        (ours, theirs): (CommitId, CommitId),
        tree: ObjectId,
    ) -> Result<Vec<RepoPath>> {
        let unmerged = self.unmerged_in(checkout)?;
        if unmerged.is_empty() {
            return Ok(unmerged);
        }
        let opened = self.conflicted_merge(ours, theirs)?;
        let is_undecided = |path: &RepoPath| -> Result<bool> {
            let file = self.file_in(tree, path)?;
            if file.as_deref().is_some_and(has_markers) {
                return Ok(true);
            }
            match &opened {
                Some(opened) => Ok(self.file_in(opened.tree, path)? == file),
                None => Ok(false),
            }
        };
        let mut undecided = Vec::new();
        for path in unmerged {
            if is_undecided(&path)? {
                undecided.push(path);
            }
        }
        Ok(undecided)
    }

    /// The content of a file of a tree; none where there is no file of that path.
    ///
    /// # Errors
    /// `git` when the tree or the file cannot be read.
    pub fn file_in(&self, tree: ObjectId, path: &RepoPath) -> Result<Option<Vec<u8>>> {
        let attempt = || format!("read `{path}` of `{tree}`");
        let tree = self.inner.find_tree(oid(tree)).git_attempt(attempt)?;
        let entry = match tree.get_path(path.as_path()) {
            Err(cause) if cause.code() == git2::ErrorCode::NotFound => return Ok(None),
            entry => entry.git_attempt(attempt)?,
        };
        if entry.kind() != Some(git2::ObjectType::Blob) {
            return Ok(None);
        }
        let blob = self.inner.find_blob(entry.id()).git_attempt(attempt)?;
        Ok(Some(blob.content().to_vec()))
    }

    /// What is staged in a checkout, as a tree; nothing may be unmerged there.
    ///
    /// # Errors
    /// `git` when the index cannot be read.
    pub fn staged_tree(&self, checkout: &Checkout, scratch: &Path) -> Result<ObjectId> {
        forget_index(scratch)?;
        copy_index(&checkout.git_dir.join("index"), scratch)?;
        let command = self.git.at(&checkout.git_dir, "write-tree").index(scratch);
        let tree = command.run().and_then(|output| output.line().parse());
        forget_index(scratch)?;
        tree
    }

    /// What the commit of a merge in progress is to say.
    ///
    /// # Errors
    /// `io` when git's note of it cannot be read.
    pub fn merge_message(&self, checkout: &Checkout) -> Result<String> {
        let file = checkout.git_dir.join("MERGE_MSG");
        let text = fs::read(&file).attempt(|| format!("read `{}`", file.display()))?;
        let command = self.git.at(&checkout.git_dir, "stripspace").arg("--strip-comments");
        Ok(String::from_utf8_lossy(&command.input(text).run()?.stdout).into_owned())
    }

    /// Forgets a merge that was committed.
    ///
    /// # Errors
    /// `io` when git's notes of it cannot be removed.
    pub fn close_merge(&self, checkout: &Checkout) -> Result<()> {
        for name in NOTES {
            let file = checkout.git_dir.join(name);
            match fs::remove_file(&file) {
                Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(format!("remove `{}`", file.display()), &cause));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

impl Merger<'_> {
    fn conflicted(&self, ours: CommitId, theirs: CommitId) -> Result<Option<Conflicted>> {
        let arguments = [ours.to_string(), theirs.to_string()];
        let output = self.output(&arguments)?;
        match super::merge_tree::parse(&output, &arguments)? {
            Merged::Clean(_) => Ok(None),
            Merged::Conflicts(conflicts) => Conflicted::of(&output, conflicts).map(Some),
        }
    }
}

/// Whether an end of a conflict is marked in a text, as git marks them: seven signs, or as many more as
/// an attribute wants. One end alone is left where somebody edited without looking.
fn has_markers(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').any(|line| {
        [b'<', b'>'].into_iter().any(|sign| {
            let signs = line.iter().take_while(|byte| **byte == sign).count();
            signs >= 7 && line.get(signs) == Some(&b' ')
        })
    })
}

/// Writes git's notes of a merge in progress.
fn note(merge: &OpenMerge<'_>, conflicts: &[Conflict]) -> Result<()> {
    let mut message = format!("{}\n# Conflicts:\n", merge.message);
    for conflict in conflicts {
        message.push_str(&format!("#\t{}\n", conflict.path));
    }
    let head = format!("{}\n", merge.theirs);
    for (name, text) in [("MERGE_MSG", &*message), ("MERGE_MODE", ""), ("MERGE_HEAD", &*head)] {
        let file = merge.checkout.git_dir.join(name);
        let fresh = merge.checkout.git_dir.join(format!("{name}.offshoot"));
        let written = fs::write(&fresh, text).and_then(|()| fs::rename(&fresh, &file));
        written.attempt(|| format!("write `{}`", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_counts_even_where_the_other_end_is_gone() {
        for text in ["a\n<<<<<<< ours\nb\n", "=======\n>>>>>>> theirs", "<<<<<<<<<< ours"] {
            assert!(has_markers(text.as_bytes()), "{text}");
        }
        for text in ["", "Title\n=======\n", "<<<<<< six", "<<<<<<<", " <<<<<<< in", ">>>>>>>>"] {
            assert!(!has_markers(text.as_bytes()), "{text}");
        }
    }
}
