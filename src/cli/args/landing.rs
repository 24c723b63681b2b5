//! `merge` and `rebase`: from the command line to the one request of landing.

use crate::landing::Strategy;
use crate::ops::land::{LandRequest, Mode, Verify};
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
    /// Run this on exactly the tree that would land; land only if it exits 0
    #[arg(long, value_name = "CMD", value_parser = super::verify_command)]
    verify: Option<String>,
    /// Land without running any verify command
    #[arg(long, conflicts_with = "verify")]
    no_verify_cmd: bool,
    /// Keep the worktree and the branch
    #[arg(long)]
    keep: bool,
}

impl LandArgs {
    fn into_request(self, strategy: Strategy) -> LandRequest {
        LandRequest {
            tasks: self.tasks,
            strategy,
            into: self.into,
            mode: if self.dry_run { Mode::DryRun } else { Mode::Land },
            verify: match (self.verify, self.no_verify_cmd) {
                (_, true) => Verify::Never,
                (Some(command), false) => Verify::With(command),
                (None, false) => Verify::AsConfigured,
            },
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
