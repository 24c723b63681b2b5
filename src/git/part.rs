//! A part of a task's change: some of its paths, or some of its hunks, as commits of their own.
//!
//! ```text
//! base ── part          the base with the part alone
//!           ╲
//! target ──── result ── rest     what the task did besides, on top of the result
//! ```
//! A patch counts as a part when the rest on top of it gives the task's result and nothing else: each
//! of its hunks is one of the task's then. Worked out in the object database and in an index of our
//! own; no checkout is read.

use super::merge_tree::{Merged, Merger};
use super::objects::{NewCommit, Signing};
use super::repo::Repo;
use super::snapshot::forget_index;
use super::tree_check::refuse_unsafe_paths;
use crate::error::{Error, ErrorKind, Result};
use crate::names::{CommitId, ObjectId};
use crate::path::RepoPath;
use std::collections::HashSet;
use std::path::Path;

/// A task's change, of which a part is wanted.
#[derive(Debug, Clone, Copy)]
pub struct WholeChange<'a> {
    /// What it is taken against.
    pub base: CommitId,
    /// The task's last commit.
    pub tip: CommitId,
    /// An index file of our own to work in.
    pub index: &'a Path,
}

/// Which part.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// What these pathspecs match, relative to the repository's root.
    Paths(&'a [String]),
    /// What this patch does to the base.
    Patch(&'a [u8]),
}

impl Repo {
    /// A commit on the base with the wanted part of the change alone; its message is for nobody.
    ///
    /// # Errors
    /// `refused` when nothing is wanted of what the task did, when the patch does not apply to the base,
    /// or when it does something that the task did not.
    pub fn part_of(&self, whole: &WholeChange<'_>, wanted: &Wanted<'_>) -> Result<CommitId> {
        forget_index(whole.index)?;
        let tree = self.tree_with_part(whole, wanted);
        forget_index(whole.index)?;
        let tree = tree?;
        let base = self.tree_of(whole.base)?;
        refuse_unsafe_paths(&self.changes_between(base, tree)?)?;
        if tree == base {
            return Err(nothing_wanted(wanted));
        }
        let part = self.unlanded(tree, whole.base, whole.tip, "A part of a task\n")?;
        if matches!(wanted, Wanted::Patch(_)) {
            let merger = Merger::new(self, whole.base)?;
            match merger.merge_from(whole.base, part, whole.tip)? {
                Merged::Clean(tree) if tree == self.tree_of(whole.tip)? => {}
                _ => return Err(not_a_part()),
            }
        }
        Ok(part)
    }

    /// What the task did besides the part, as a commit on the result that holds the part. `None` where
    /// the two contradict each other.
    ///
    /// # Errors
    /// `git` when a commit is missing.
    pub fn rest_on(
        &self,
        result: CommitId,
        (part, tip): (CommitId, CommitId),
        message: &str,
    ) -> Result<Option<CommitId>> {
        match Merger::new(self, result)?.merge_from(part, result, tip)? {
            Merged::Conflicts(_) => Ok(None),
            Merged::Clean(tree) => self.unlanded(tree, result, tip, message).map(Some),
        }
    }

    /// A commit with this tree that nobody refers to yet, in the name of the author of `tip`.
    ///
    /// # Errors
    /// `git` when it cannot be written.
    pub fn unlanded(
        &self,
        tree: ObjectId,
        parent: CommitId,
        tip: CommitId,
        message: &str,
    ) -> Result<CommitId> {
        self.create_commit(&NewCommit {
            tree,
            parents: &[parent],
            message,
            author_of: Some(tip),
            signing: Signing::Never,
        })
    }

    fn tree_with_part(&self, whole: &WholeChange<'_>, wanted: &Wanted<'_>) -> Result<ObjectId> {
        let git = |verb| self.git.at(self.common_dir(), verb).index(whole.index);
        git("read-tree").arg(whole.base.to_string()).run()?;
        match wanted {
            Wanted::Paths(paths) => {
                let lines = self.entries_of(whole, paths)?;
                let command = git("update-index").args(["--replace", "-z", "--index-info"]);
                command.input(lines).run()?;
            }
            Wanted::Patch(patch) => {
                let command = git("apply").args(["--cached", "--whitespace=nowarn", "-"]);
                command.input(*patch).run().map_err(|error| {
                    Error::new(ErrorKind::Refused, format!("the patch does not fit: {error}"))
                })?;
            }
        }
        git("write-tree").run()?.line().parse()
    }

    /// The tip's entries at the paths that differ and match, for `update-index --index-info`.
    fn entries_of(&self, whole: &WholeChange<'_>, paths: &[String]) -> Result<Vec<u8>> {
        let command = self.git.at(self.common_dir(), "diff-tree");
        let command = command.args(["-r", "--name-only", "-z", "--no-renames", "--no-ext-diff"]);
        let command = command.args([whole.base.to_string(), whole.tip.to_string()]);
        let output = command.arg("--").args(paths).run().map_err(|error| Error {
            kind: ErrorKind::Refused,
            ..error.hint(
                "`git help glossary` explains pathspecs; they count from the repository's root",
            )
        })?;
        let matched: HashSet<RepoPath> = output.fields().map(RepoPath::new).collect();
        let mut lines = Vec::new();
        for change in self.changes_between(whole.base.0, whole.tip.0)? {
            if matched.contains(&change.path) {
                let (mode, id) = change.new.map_or((0, ObjectId::ZERO), |new| (new.mode, new.id));
                lines.extend(format!("{mode:o} {id}\t").into_bytes());
                lines.extend_from_slice(change.path.as_bytes());
                lines.push(0);
            }
        }
        Ok(lines)
    }
}

fn nothing_wanted(wanted: &Wanted<'_>) -> Error {
    let message = match wanted {
        Wanted::Paths(paths) => {
            let shown: Vec<_> =
                paths.iter().map(|path| format!("`{}`", crate::escape::line(path))).collect();
            format!("nothing that the task changed matches {}", shown.join(", "))
        }
        Wanted::Patch(_) => "the patch changes nothing".to_owned(),
    };
    Error::refused(message)
}

fn not_a_part() -> Error {
    Error::refused("the patch does something that the task did not")
}
