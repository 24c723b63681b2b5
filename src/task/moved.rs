//! What landings make of a task's work besides landing it whole: moved, landed in part, taken back.

use super::{Landing, TaskRecord};
use crate::diff::DiffSummary;
use crate::event::EventKind;
use crate::landing::LandingRef;
use crate::names::CommitId;
use std::path::PathBuf;

/// Where a task's work is once its branch was moved.
#[derive(Debug, Clone, PartialEq)]
pub struct MovedWork {
    /// What its change is taken against from now on.
    pub base: CommitId,
    /// The result.
    pub head: CommitId,
    /// The size of its change.
    pub diff: DiffSummary,
}

/// Work that was moved without being landed.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// The number of the last landing that this tells of.
    pub by: u64,
    /// Where the work is, if that is not where it was.
    pub work: Option<MovedWork>,
    /// Its worktree, where it was made anew.
    pub worktree: Option<PathBuf>,
}

/// A part of the work that has landed; the rest is open.
#[derive(Debug, Clone, PartialEq)]
pub struct PartLanded {
    /// The landing.
    pub landing: LandingRef,
    /// The rest.
    pub rest: Moved,
}

/// A landing that was taken back.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenBack {
    /// Which.
    pub landing: LandingRef,
    /// The number of the landing that did it.
    pub by: u64,
    /// Its worktree, where it was brought back.
    pub worktree: Option<PathBuf>,
    /// Where its work is, if that is not where it was.
    pub work: Option<MovedWork>,
}

impl TaskRecord {
    /// The number of the last landing that this record knows of.
    #[must_use]
    pub fn last_landing(&self) -> u64 {
        match &self.landing {
            Landing::Landed { id, .. } => self.last_landing.max(*id),
            _ => self.last_landing,
        }
    }

    pub(super) fn take_back(&mut self, taken: TakenBack) -> EventKind {
        if let Some(work) = taken.work {
            self.move_work(work);
        }
        self.landing = self.landing_of_work();
        self.worktree = taken.worktree.or_else(|| self.worktree.take());
        self.releasing = false;
        self.last_landing = taken.by;
        EventKind::Undone
    }

    pub(super) fn move_to(&mut self, moved: Moved) {
        if let Some(work) = moved.work {
            self.move_work(work);
        }
        self.worktree = moved.worktree.or_else(|| self.worktree.take());
        self.last_landing = moved.by;
    }

    fn move_work(&mut self, work: MovedWork) {
        (self.base, self.head, self.diff) = (work.base, Some(work.head), Some(work.diff));
    }
}
