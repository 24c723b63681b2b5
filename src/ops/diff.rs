//! `diff`: what a task changed.

use super::base::require_branch;
use super::describe::ends;
use super::recover::{find, recover_if_possible};
use crate::context::Context;
use crate::diff::{DiffSummary, FilePatch, figures};
use crate::error::{Error, Result};
use crate::git::DiffRange;
use crate::names::TaskName;
use crate::task::Task;
use crate::view::{DiffEnds, DiffView};

/// What a task's result is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// Where it started.
    Base,
    /// The target as it is now.
    Target,
}

/// A look at a diff.
#[derive(Debug, Clone)]
pub struct DiffRequest {
    /// Whose.
    pub task: String,
    /// Pathspecs; none means everything.
    pub paths: Vec<String>,
    /// Compared with what.
    pub against: Against,
}

/// A task's diff.
#[derive(Debug, Clone)]
pub struct DiffAnswer {
    /// Whose.
    pub task: TaskName,
    /// Between what.
    pub ends: DiffEnds,
    /// Its size and files.
    pub diff: DiffView,
    /// Its hunks.
    pub patches: Vec<FilePatch>,
}

/// A task's diff, file by file and hunk by hunk.
///
/// # Errors
/// `not_found` when no task is meant, `refused` when it has no result yet.
pub fn diff(context: &Context, request: &DiffRequest) -> Result<DiffAnswer> {
    let (task, ends) = compared(context, request)?;
    let range = DiffRange { from: ends.from, to: ends.to, paths: &request.paths };
    let patches = context.repo.patches(&range)?;
    let changes: Vec<_> = patches.iter().map(|patch| patch.change.clone()).collect();
    let summary = DiffSummary {
        figures: figures(&changes),
        commits: context.repo.count_commits(ends.from, ends.to)?,
        leftovers_committed: task.record.diff.is_some_and(|diff| diff.leftovers_committed),
    };
    let diff = DiffView { summary, changes };
    Ok(DiffAnswer { task: task.spec.name, ends, diff, patches })
}

/// A task's diff as git writes it, ready for `git apply`.
///
/// # Errors
/// As [`diff`].
pub fn patch(context: &Context, request: &DiffRequest) -> Result<Vec<u8>> {
    let (_, ends) = compared(context, request)?;
    context.repo.raw_patch(&DiffRange { from: ends.from, to: ends.to, paths: &request.paths })
}

fn compared(context: &Context, request: &DiffRequest) -> Result<(Task, DiffEnds)> {
    recover_if_possible(context);
    let task = find(context, &request.task)?;
    let ends = ends(context, &task)?.ok_or_else(|| {
        let name = task.name();
        Error::refused(format!("`{name}` has no result yet: it is {}", task.record.state.name()))
            .hint(format!("offshoot wait {name}"))
    })?;
    match (request.against, &task.spec.target) {
        (Against::Base, _) => Ok((task, ends)),
        (Against::Target, Some(target)) => {
            let from = require_branch(context, target)?;
            Ok((task, DiffEnds { from, to: ends.to }))
        }
        (Against::Target, None) => Err(Error::refused(format!("`{}` has no target", task.name()))),
    }
}
