//! One move of a branch: numbered, its ends pinned, carried out under a journal, and taken back whole
//! when it fails.

use super::PINS;
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::git::{Expected, Landing as Move, Purpose};
use crate::landing::Strategy;
use crate::names::{BranchName, CommitId};
use crate::store::TaskLock;
use crate::task::Task;

/// A move that is to be made.
pub(in crate::ops) struct Journey<'a> {
    pub(in crate::ops) branch: &'a BranchName,
    pub(in crate::ops) before: CommitId,
    pub(in crate::ops) after: CommitId,
    pub(in crate::ops) strategy: Strategy,
    pub(in crate::ops) purpose: Purpose,
    /// What the reflog says about it.
    pub(in crate::ops) reflog: String,
}

/// Moves a branch, and every checkout of it, under the landing lock; answers the landing's number.
/// `None` when the branch moved by itself since it was looked at: nothing has changed then. The task
/// stays marked as being changed, until whoever calls has recorded what came of it.
pub(in crate::ops) fn move_branch(
    context: &Context,
    lock: &TaskLock,
    journey: &Journey<'_>,
) -> Result<Option<u64>> {
    let folder = context.store.layout().landings();
    let number = context.repo.next_landing_number(&folder)?;
    context.store.begin(lock)?;
    // Kept from `git gc` while the landing goes on, and afterwards for taking it back.
    let mut pins = vec![("before", journey.before), ("after", journey.after)];
    match journey.purpose {
        Purpose::Undo { again: Some(again), .. } => pins.push(("again", again)),
        Purpose::Part { rest, .. } => pins.push(("rest", rest)),
        Purpose::Land { .. } | Purpose::Undo { again: None, .. } | Purpose::Own { .. } => {}
    }
    let pins: Vec<_> =
        pins.into_iter().map(|(end, at)| (format!("{PINS}{number}/{end}"), at)).collect();
    for (pin, commit) in &pins {
        let expected = context.repo.read_ref(pin)?.map_or(Expected::Absent, Expected::At);
        context.repo.set_ref(pin, expected, *commit, "offshoot: landing")?;
    }
    let landed = context.repo.land(
        &folder,
        &Move {
            number,
            task: lock.id().to_string(),
            target: journey.branch.clone(),
            before: journey.before,
            after: journey.after,
            strategy: journey.strategy,
            reflog: journey.reflog.clone(),
            purpose: journey.purpose,
        },
    );
    let Err(error) = landed else { return Ok(Some(number)) };
    if context.repo.is_landing_unfinished(&folder)? {
        return Err(error);
    }
    for (pin, commit) in &pins {
        context.repo.delete_ref(pin, *commit)?;
    }
    let moved = context.repo.read_ref(&journey.branch.full_ref())? != Some(journey.before);
    if moved && error.kind == ErrorKind::Refused { Ok(None) } else { Err(error) }
}

/// Says that a task is not being changed any more: a move of its came to nothing. Where something of
/// the move is left, the mark stays and the next command clears it away.
pub(in crate::ops) fn unmark(context: &Context, lock: &TaskLock, task: &Task) -> Result<()> {
    let folder = context.store.layout().landings();
    let next = context.repo.next_landing_number(&folder)?;
    let pins = context.repo.refs_below(&format!("{PINS}{next}/"))?;
    let is_clear = pins.is_empty() && context.repo.leftover_stagings()?.is_empty();
    if is_clear && !context.repo.is_landing_unfinished(&folder)? {
        context.store.settle(lock, task)?;
    }
    Ok(())
}
