//! `merge` and `rebase`: from the command line to the one request of landing.

use crate::error::{Attempt, Result};
use crate::landing::Strategy;
use crate::ops::land::{Extent, Hooks, LandRequest, Leftovers, Mode, Part, Verify};
use crate::ops::undo::{Manner, UndoRequest};
use crate::task::Afterwards;
use clap::Args;
use clap::builder::NonEmptyStringValueParser;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Options of `merge`.
#[derive(Debug, Args)]
pub(in crate::cli) struct MergeArgs {
    #[command(flatten)]
    land: LandArgs,
    /// One commit with the whole change instead of a merge commit
    #[arg(long, conflicts_with_all = ["ff_only", "cherry_pick"])]
    squash: bool,
    /// Only move the target forward, and only where it has not moved on
    #[arg(long, conflicts_with = "cherry_pick")]
    ff_only: bool,
    /// The task's commits one by one, each naming the original as `git cherry-pick -x` does
    #[arg(long)]
    cherry_pick: bool,
    /// Land only what these pathspecs match, from the repository's root; the rest stays with the task
    #[arg(long, value_name = "PATHSPEC", num_args = 1.., conflicts_with_all = PARTS_CONFLICT, value_parser = NonEmptyStringValueParser::new())]
    only: Vec<String>,
    /// Land only what this patch does, some hunks of the task's diff (`-`: standard input)
    #[arg(long, value_name = "FILE", conflicts_with_all = PARTS_CONFLICT, conflicts_with = "only")]
    patch_file: Option<PathBuf>,
    /// Open the merge with its conflicts in the task's worktree, to be resolved there
    #[arg(long, conflicts_with_all = PARTS_CONFLICT, conflicts_with_all = ["squash", "only", "patch_file"])]
    resolve: bool,
    /// Commit the merge that was resolved in the task's worktree, and land it
    #[arg(long = "continue", conflicts_with_all = ["resolve", "cherry_pick", "only", "patch_file", "dry_run"])]
    resolved: bool,
    /// Run the commit hooks that git would run, on the result
    #[arg(long, conflicts_with_all = ["ff_only", "cherry_pick", "resolve"])]
    hooks: bool,
}

fn hooks(run: bool) -> Hooks {
    if run { Hooks::Run } else { Hooks::Skip }
}

/// What makes no sense where a part lands, which is one commit and leaves the task open.
const PARTS_CONFLICT: [&str; 3] = ["ff_only", "cherry_pick", "keep"];

/// Options of `rebase`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RebaseArgs {
    #[command(flatten)]
    land: LandArgs,
    /// Only bring the task's branch and worktree up to date with the target
    #[arg(long, conflicts_with = "keep")]
    no_land: bool,
    /// Run the hook pre-rebase, on the result
    #[arg(long, conflicts_with = "no_land")]
    hooks: bool,
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
    /// What was changed in the worktree after the end is part of the work
    #[arg(long)]
    take_leftovers: bool,
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
            verify: match (self.verify, self.no_verify_cmd) {
                (_, true) => Verify::Never,
                (Some(command), false) => Verify::With(command),
                (None, false) => Verify::AsConfigured,
            },
            worktree: if self.keep { Afterwards::Keep } else { Afterwards::Release },
            leftovers: if self.take_leftovers { Leftovers::Take } else { Leftovers::Refuse },
            extent: Extent::Whole,
            hooks: Hooks::Skip,
        }
    }
}

impl MergeArgs {
    /// The request; `input` is standard input, and paths are relative to `directory`.
    ///
    /// # Errors
    /// `io` when the patch cannot be read.
    pub(in crate::cli) fn into_request(
        self,
        input: &mut dyn Read,
        directory: &Path,
    ) -> Result<LandRequest> {
        let strategy = match (self.squash, self.ff_only, self.cherry_pick) {
            (true, _, _) => Strategy::Squash,
            (_, true, _) => Strategy::FastForward,
            (_, _, true) => Strategy::CherryPick,
            (false, false, false) => Strategy::Merge,
        };
        let extent = match self.patch_file {
            Some(file) => Extent::Part(Part::Patch(read_patch(&file, input, directory)?)),
            None if !self.only.is_empty() => Extent::Part(Part::Paths(self.only)),
            None if self.resolve => Extent::Resolve,
            None if self.resolved => Extent::Resolved,
            None => Extent::Whole,
        };
        let hooks = hooks(self.hooks);
        Ok(LandRequest { extent, hooks, ..self.land.into_request(strategy) })
    }
}

fn read_patch(file: &Path, input: &mut dyn Read, directory: &Path) -> Result<Vec<u8>> {
    let attempt = || format!("read the patch `{}`", file.display());
    if file == Path::new("-") {
        let mut patch = Vec::new();
        input.read_to_end(&mut patch).attempt(attempt)?;
        return Ok(patch);
    }
    std::fs::read(directory.join(file)).attempt(attempt).map_err(|error| {
        error.hint(
            "`offshoot diff TASK > part.diff` writes the patch of which whole hunks may be taken",
        )
    })
}

impl RebaseArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self) -> LandRequest {
        let extent = if self.no_land { Extent::OwnBranch } else { Extent::Whole };
        LandRequest { extent, hooks: hooks(self.hooks), ..self.land.into_request(Strategy::Rebase) }
    }
}
