//! Mending, under the locks that other verbs take, decided anew from what is there by then.

use super::finding::Fix;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::Expected;
use crate::layout::RepoLock;
use crate::names::{CommitId, TaskId};
use crate::ops::land;
use crate::ops::recover::{forget, forget_pin, recover, take};
use crate::ops::recycle::sweep;
use crate::ops::release::{base_pin, keep_commit, release};
use crate::task::Task;

impl Fix {
    pub(super) fn carry_out(&self, context: &Context) -> Result<()> {
        let store = &context.store;
        match self {
            Self::Settle(id) => settle(context, *id),
            Self::Remember(id) => store.remember_again(&store.read(*id)?),
            Self::ForgetEntry(entry) => store.forget_entry(entry),
            Self::ForgetDispatch(id) => forget(context, *id),
            Self::TakeUp => recover(context),
            Self::Release(id) => {
                let (lock, task) = take(context, *id)?;
                if !task.record.releasing {
                    return Ok(());
                }
                release(context, &lock, &task).map(drop)
            }
            Self::FinishLandings => land::finish_all(context),
            Self::DropBasePin(id) => drop_base_pin(context, *id),
            Self::PinBase(id) => {
                let (_lock, task) = take(context, *id)?;
                let (pin, base) = (base_pin(*id), task.spec.base.commit);
                set_if_absent(context, &task, &pin, (base, "offshoot: base of a task"))
            }
            Self::DropLandingPins(number) => drop_landing_pins(context, *number),
            Self::MakeBranch(id, head) => {
                let (_lock, task) = take(context, *id)?;
                let name = task.spec.branch.full_ref();
                set_if_absent(context, &task, &name, (*head, "offshoot: doctor"))
            }
            Self::KeepResult(id, head) => {
                let (_lock, task) = take(context, *id)?;
                keep_commit(context, &task, *head)
            }
            Self::PutEntryAway(id) => put_entry_away(context, *id),
            Self::SweepPool => match store.lock_chores()? {
                Some(_chores) => sweep(context),
                // Whoever does chores tidies up.
                None => Ok(()),
            },
            Self::Close(place) => store.close_to_others(place),
        }
    }
}

/// A task whose supervisor holds its lock is filed by that one; the marks by which it is found are
/// made again all the same.
fn settle(context: &Context, id: TaskId) -> Result<()> {
    let store = &context.store;
    match store.lock_task(id, crate::lock::Wait::briefly())? {
        Some(lock) => store.settle(&lock, &store.read(id)?),
        None => store.mark(&store.read(id)?),
    }
}

fn set_if_absent(
    context: &Context,
    task: &Task,
    name: &str,
    (to, message): (CommitId, &str),
) -> Result<()> {
    if task.is_released() || context.repo.read_ref(name)?.is_some() {
        return Ok(());
    }
    context.repo.set_ref(name, Expected::Absent, to, message)
}

/// Of a task that was released, or of none.
fn drop_base_pin(context: &Context, id: TaskId) -> Result<()> {
    if !context.store.has_folder(id) {
        return forget_pin(context, id);
    }
    let (_lock, task) = take(context, id)?;
    match context.repo.read_ref(&base_pin(id))? {
        Some(base) if task.is_released() => context.repo.delete_ref(&base_pin(id), base),
        _ => Ok(()),
    }
}

fn drop_landing_pins(context: &Context, number: u64) -> Result<()> {
    let _landing = land::lock_landings(context)?;
    let landings = context.repo.landings(&context.store.layout().landings())?;
    if landings.iter().any(|(landing, _)| landing.number == number) {
        return Ok(());
    }
    land::drop_landing_pins(context, number)
}

fn put_entry_away(context: &Context, id: TaskId) -> Result<()> {
    let _repo = context.store.lock(RepoLock::Repo)?;
    if let Some(there) = context.repo.worktree_of(id)? {
        return Err(Error::refused(format!("`{}` is there again", there.root.display()))
            .hint("offshoot doctor"));
    }
    let entries = context.store.layout().trash();
    // There is no folder to move, so nothing comes into a trash beside it.
    context.repo.release_worktree(id, &entries, &entries).map(drop)
}
