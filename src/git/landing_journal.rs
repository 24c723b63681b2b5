//! The journal of one landing, `<n>.json`: what is being done, durable before it is done.
//!
//! It is replaced whole, never appended to, and fsynced with its folder. A finished one stays as the
//! record that `undo` works from; one that was taken back is removed. Readers refuse newer schemas.

use super::repo::Checkout;
use super::staging::Staging;
use super::survey::Step;
use crate::disk::sync_folder;
use crate::error::{Attempt, Error, ErrorKind, Result};
use crate::landing::Strategy;
use crate::names::{BranchName, CommitId};
use crate::path::RepoPath;
use crate::task::Afterwards;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const SCHEMA: u32 = 1;

/// One landing: the target moves from one commit to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Landing {
    /// Its number and the name of its journal; one that was taken back gives its number back.
    pub number: u64,
    /// The task it lands.
    pub task: String,
    /// The branch that moves.
    pub target: BranchName,
    /// Where it is.
    pub before: CommitId,
    /// Where it goes.
    pub after: CommitId,
    /// How the result was made.
    pub strategy: Strategy,
    /// What the reflog says about it.
    pub reflog: String,
    /// What the move is for.
    #[serde(default)]
    pub purpose: Purpose,
}

/// What a branch is moved for. With it whoever comes after a crash can record what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Purpose {
    /// A task's work lands.
    Land {
        /// What becomes of its worktree, should somebody else have to finish this.
        #[serde(default)]
        worktree: Afterwards,
    },
    /// A part of a task's work lands.
    Part {
        /// What the task goes on with.
        rest: CommitId,
        /// What its change is taken against then.
        base: CommitId,
    },
    /// A landing is taken back.
    Undo {
        /// Its number.
        landing: u64,
        /// Where the task's work is to go on; its own tip when none.
        again: Option<CommitId>,
    },
    /// The task's own branch goes elsewhere; nothing lands.
    Own {
        /// What the task's change is taken against then; none where this is a part of something else.
        base: Option<CommitId>,
    },
}

impl Default for Purpose {
    fn default() -> Self {
        Self::Land { worktree: Afterwards::default() }
    }
}

/// How far a landing has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Phase {
    /// Locks are being taken; no file of a checkout is touched.
    Preparing,
    /// Files, index and ref are being moved.
    Applying,
    /// They are being moved back.
    Reverting,
    /// The target has moved; the record for `undo`.
    Done,
}

/// A journal and where it lies.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    pub(super) record: Record,
}

/// What the journal's file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    schema: u32,
    pub(super) phase: Phase,
    #[serde(flatten)]
    pub(super) landing: Landing,
    /// The checkouts that are moved along.
    #[serde(default)]
    pub(super) checkouts: Vec<Place>,
}

/// A checkout that is moved along, and what is done there. The absolute paths borrow the JSON form of
/// [`RepoPath`], which keeps bytes that are not UTF-8.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Place {
    root: RepoPath,
    git_dir: RepoPath,
    token: RepoPath,
    token_inode: Option<u64>,
    pub(super) steps: Vec<Step>,
}

impl Place {
    pub(super) fn of(staging: &Staging, steps: Vec<Step>) -> Self {
        let path = |path: &Path| RepoPath::new(path.as_os_str().as_bytes());
        Self {
            root: path(&staging.checkout.root),
            git_dir: path(&staging.checkout.git_dir),
            token: path(&staging.token()),
            token_inode: staging.token_inode(),
            steps,
        }
    }

    pub(super) fn checkout(&self) -> Checkout {
        let path = |path: &RepoPath| path.as_path().to_owned();
        Checkout { root: path(&self.root), git_dir: path(&self.git_dir) }
    }
}

impl Journal {
    /// A journal that is not written yet.
    ///
    /// # Errors
    /// `internal` when the number is taken.
    pub(super) fn new(folder: &Path, landing: &Landing) -> Result<Self> {
        let record = Record {
            schema: SCHEMA,
            phase: Phase::Preparing,
            landing: landing.clone(),
            checkouts: Vec::new(),
        };
        let journal = Self { folder: folder.to_owned(), record };
        if journal.file().exists() {
            return Err(Error::internal(format!("landing {} exists already", landing.number)));
        }
        fs::create_dir_all(folder).attempt(|| format!("make `{}`", folder.display()))?;
        Ok(journal)
    }

    /// Reads the journal of landing `number`.
    pub(super) fn read(folder: &Path, number: u64) -> Result<Self> {
        let file = folder.join(format!("{number}.json"));
        let bytes = fs::read(&file).attempt(|| format!("read `{}`", file.display()))?;
        let record: Record = serde_json::from_slice(&bytes).map_err(|cause| {
            Error::new(ErrorKind::Io, format!("cannot read `{}`: {cause}", file.display()))
        })?;
        if record.schema > SCHEMA {
            return Err(Error::unsupported(format!(
                "`{}` was written by a newer offshoot",
                file.display()
            ))
            .hint("use that version, or a newer one"));
        }
        Ok(Self { folder: folder.to_owned(), record })
    }

    /// The numbers of all journals, lowest first.
    pub(super) fn numbers(folder: &Path) -> Result<Vec<u64>> {
        let mut numbers = Vec::new();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(numbers),
            Err(cause) => return Err(Error::io(format!("list `{}`", folder.display()), &cause)),
        };
        for entry in entries {
            let name = entry.attempt(|| format!("list `{}`", folder.display()))?.file_name();
            let number: Option<u64> =
                name.to_str().and_then(|name| name.strip_suffix(".json")?.parse().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// Records a phase durably.
    pub(super) fn enter(&mut self, phase: Phase) -> Result<()> {
        let record = Record { phase, ..self.record.clone() };
        let bytes = serde_json::to_vec_pretty(&record)
            .map_err(|cause| Error::internal(format!("cannot write a journal: {cause}")))?;
        let file = self.file();
        let fresh = self.folder.join(format!(".{}.json.new", self.record.landing.number));
        let written = File::create(&fresh)
            .and_then(|mut open| open.write_all(&bytes).and_then(|()| open.sync_all()))
            .and_then(|()| fs::rename(&fresh, &file));
        written.attempt(|| format!("write `{}`", file.display()))?;
        sync_folder(&self.folder)?;
        self.record = record;
        Ok(())
    }

    /// Removes the journal: the landing has not happened.
    pub(super) fn remove(&self) -> Result<()> {
        match fs::remove_file(self.file()) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io(format!("remove `{}`", self.file().display()), &cause))
            }
            _ => Ok(()),
        }
    }

    /// When the journal was last written, if it was.
    pub(super) fn written_at(&self) -> Option<std::time::SystemTime> {
        fs::metadata(self.file()).and_then(|metadata| metadata.modified()).ok()
    }

    fn file(&self) -> PathBuf {
        self.folder.join(format!("{}.json", self.record.landing.number))
    }
}
