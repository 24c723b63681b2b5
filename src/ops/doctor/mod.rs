//! `doctor`: say what is inconsistent, and mend it when asked to.
//!
//! The checks only look: unlike other verbs this one takes up nothing by itself, or there would be
//! nothing left to tell. What is seen once may be somebody's work in the middle of a step, so only
//! what is still there after a moment is told. A check that cannot be made is a finding too. Mending
//! goes through what the other verbs use, under the same locks, and decides anew from what is there.
//!
//! Deliberately absent: deleting any folder with files of a person or an agent, or any record.

mod finding;
mod leftovers;
mod mend;
mod records;
mod surroundings;
mod work;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::names::TaskId;
use crate::task::Task;
use crate::view::FindingView;
use finding::{Finding, Mend};
use std::time::Duration;

/// What a step of another process may take.
const A_MOMENT: Duration = Duration::from_millis(300);

/// Whether anything is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// No.
    Look,
    /// What can be mended from here is.
    Fix,
}

/// A check: what it finds is told in this order, and mended in this order.
type Check = fn(&Look<'_>) -> Result<Vec<Finding>>;

const CHECKS: [Check; 24] = [
    surroundings::git_is_too_old,
    surroundings::locks_are_not_kept,
    surroundings::others_may_look,
    surroundings::worktrees_are_elsewhere,
    surroundings::clock_was_set_back,
    records::cannot_be_read,
    records::journal_is_newer,
    records::dispatch_died,
    records::entries_lead_nowhere,
    records::indexes_are_out_of_line,
    records::names_are_forgotten,
    records::supervisor_is_gone,
    leftovers::landings_were_cut_off,
    leftovers::landings_are_not_recorded,
    records::release_was_cut_off,
    leftovers::pins_of_bases,
    leftovers::pins_of_landings,
    work::result_is_missing,
    work::branch_is_elsewhere,
    work::worktree_is_gone,
    leftovers::worktrees_without_task,
    leftovers::released_unrecorded,
    leftovers::pool_is_untidy,
    leftovers::locks_of_git,
];

/// What there is to look at, read once.
struct Look<'a> {
    context: &'a Context,
    tasks: Vec<Task>,
    unreadable: Vec<(TaskId, Error)>,
}

/// Finds what is inconsistent, and mends it where that is asked for.
///
/// # Errors
/// `io` when the records cannot be listed.
pub fn doctor(context: &Context, mode: Mode) -> Result<Vec<FindingView>> {
    let findings = lasting(context)?;
    if mode == Mode::Fix && !findings.is_empty() {
        // Somebody may have been cut off before there were any; what mends takes locks in there.
        context.store.make_folders()?;
    }
    Ok(findings.into_iter().map(|finding| view(context, finding, mode)).collect())
}

/// What is found now and a moment later.
fn lasting(context: &Context) -> Result<Vec<Finding>> {
    let first = look(context)?;
    if first.is_empty() {
        return Ok(first);
    }
    std::thread::sleep(A_MOMENT);
    let mut second = look(context)?;
    second.retain(|finding| first.contains(finding));
    Ok(second)
}

fn look(context: &Context) -> Result<Vec<Finding>> {
    let look = Look::new(context)?;
    let mut findings = Vec::new();
    for check in CHECKS {
        match check(&look) {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(Finding::cannot_check(&error)),
        }
    }
    let folders = leftovers::folders_of_nobody(&look);
    findings.extend(folders.unwrap_or_else(|error| vec![Finding::cannot_check(&error)]));
    Ok(findings)
}

impl<'a> Look<'a> {
    fn new(context: &'a Context) -> Result<Self> {
        let (mut tasks, mut unreadable) = (Vec::new(), Vec::new());
        for id in context.store.all_ids()? {
            match context.store.read(id) {
                Ok(task) => tasks.push(task),
                Err(error) => unreadable.push((id, error)),
            }
        }
        tasks.sort_by_key(|task| task.spec.sequence);
        unreadable.sort_by_key(|(id, _)| id.to_string());
        Ok(Self { context, tasks, unreadable })
    }

    fn task(&self, id: TaskId) -> Option<&Task> {
        self.tasks.iter().find(|task| task.id() == id)
    }
}

fn view(context: &Context, finding: Finding, mode: Mode) -> FindingView {
    let (fix, ours) = match finding.mend {
        Mend::Ours(fix) => (Some(fix.words()), Some(fix)),
        Mend::Person(command) => (Some(command), None),
        Mend::Nobody => (None, None),
    };
    let mendable = ours.is_some();
    let done = ours.filter(|_| mode == Mode::Fix).map(|fix| fix.carry_out(context));
    FindingView {
        kind: finding.kind,
        message: finding.message,
        fix,
        mendable,
        fixed: matches!(done, Some(Ok(()))),
        error: done.and_then(Result::err),
    }
}

/// Whether a record was written by a version that knows more.
fn is_newer(error: &Error) -> bool {
    error.kind == ErrorKind::Unsupported
}
