//! `merge` and `rebase`: from the command line to the one request of landing.

use crate::landing::Strategy;
use crate::ops::land::{LandRequest, Mode};
use crate::ops::undo::{Manner, UndoRequest};
use crate::task::Afterwards;
use clap::Args;

/// Options of `merge`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MergeArgs {
    #[command(flatten)]
    land: LandArgs,
    /// One commit with the whole change instead of a merge commit
    #[arg(long, conflicts_with = "ff_only")]
    squash: bool,
    /// Only move the target forward, and only where it has not moved on
    #[arg(long)]
    ff_only: bool,
}

/// Options of `rebase`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RebaseArgs {
    #[command(flatten)]
    land: LandArgs,
}

#[derive(Debug, Args)]
struct LandArgs {
    /// Names of tasks, or the first four or more characters of their ids
    #[arg(value_name = "TASK", required = true)]
    tasks: Vec<String>,
    /// Land on this branch instead of the task's target
    #[arg(long, value_name = "BRANCH")]
    into: Option<String>,
    /// Say what would happen, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep the worktree and the branch
    #[arg(long)]
    keep: bool,
}

/// Options of `undo`.
#[derive(Debug, Args)]
pub(in crate::cli) struct UndoArgs {
    /// The number of a landing, or its task; the last landing that stands when not given
    landing: Option<String>,
    /// Land a commit that takes the change out again, instead of moving the target back
    #[arg(long)]
    revert: bool,
}

impl UndoArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self) -> UndoRequest {
        let manner = if self.revert { Manner::Revert } else { Manner::GoBack };
        UndoRequest { landing: self.landing, manner }
    }
}

impl LandArgs {
    fn into_request(self, strategy: Strategy) -> LandRequest {
        LandRequest {
            tasks: self.tasks,
            strategy,
            into: self.into,
            mode: if self.dry_run { Mode::DryRun } else { Mode::Land },
            worktree: if self.keep { Afterwards::Keep } else { Afterwards::Release },
        }
    }
}

impl MergeArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self) -> LandRequest {
        let strategy = match (self.squash, self.ff_only) {
            (true, _) => Strategy::Squash,
            (_, true) => Strategy::FastForward,
            (false, false) => Strategy::Merge,
        };
        self.land.into_request(strategy)
    }
}

impl RebaseArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self) -> LandRequest {
        self.land.into_request(Strategy::Rebase)
    }
}
