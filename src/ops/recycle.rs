//! The pool: folders of released worktrees are made ready for the next tasks, in the background.
//!
//! Only a folder that holds exactly the kept tip of its task is taken, that no process uses and whose
//! ties to git are as they were made. What else is in it stays in the trash, for `restore`. From the
//! moment in which it leaves the trash it is nobody's, and while its record is not ready it is only there
//! to be deleted.

use super::release::kept_refs;
use super::restore;
use super::upkeep;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{self, FitRequest, ReleasedWorktree, StripRequest};
use crate::lock::Wait;
use crate::names::{CommitId, TaskId};
use crate::process;
use crate::store::{Chore, SPARE_INDEX};
use crate::supervisor::planted_programs;
use crate::task::{Custody, Landing, SCHEMA, Spare, Task, WarningKind};
use std::path::{Path, PathBuf};

/// Has the folder of a task that was just released made ready for others, if there is to be a pool.
pub(super) fn later(context: &Context, task: &Task) -> Result<()> {
    if !context.config.pool.is_on() || custody(task).is_none_or(|it| it.folder.is_none()) {
        return Ok(());
    }
    context.store.note_chore(&Chore::recycle(task.id()))?;
    upkeep::start(context)
}

/// Makes the folder of a released task a spare worktree, if it may be one.
///
/// # Errors
/// `busy` when somebody is changing the task; others when something goes wrong on the way.
pub(super) fn recycle(context: &Context, id: TaskId) -> Result<()> {
    let store = &context.store;
    let Some(lock) = store.lock_task(id, Wait::briefly())? else {
        return Err(Error::busy("somebody else is changing the task"));
    };
    let task = store.read(id)?;
    let home = git::home_of(&task.spec.worktree);
    let Some(found) = recyclable(context, &task)? else { return Ok(()) };
    let Found { folder, entry, name, tip, umask } = found;
    let place = git::spare_folder(home, &name);
    let bytes = git::size_of(&folder);
    if !fits(context, bytes)? || process::is_in_use(&folder) {
        return Ok(());
    }
    let keep = context.config.pool.keep.clone();
    let request = StripRequest {
        folder: &folder,
        commit: tip,
        index: &store.layout().task(id).index(),
        umask,
        keep: &keep,
        rest: &git::rest_of(&folder),
    };
    let Some(stripped) = context.repo.strip(&request)? else { return Ok(()) };
    // Somebody may have come while it was looked at.
    if process::is_in_use(&folder) {
        return Ok(());
    }
    let follows = task.spec.target.clone().or(task.spec.base.branch.clone());
    let spare = Spare {
        schema: SCHEMA,
        name,
        task: id,
        folder: place,
        commit: tip,
        follows,
        umask,
        keep,
        keeps: stripped.keeps,
        bytes,
        since: context.now(),
    };
    let spare = Spare { commit: present_base(context, &spare), ..spare };
    let index = store.begin_spare(&spare)?.join(SPARE_INDEX);
    git::mark_recycled(&entry)?;
    git::shelve(&folder, &spare.folder)?;
    drop(lock);
    process::set_umask(umask);
    if context.repo.fit_stripped(&stripped, &fit(&spare, &index))? {
        return store.finish_spare(&spare);
    }
    sweep(context)
}

/// Moves spare worktrees to where their branches are by now.
pub(super) fn refresh(context: &Context) -> Result<()> {
    let store = &context.store;
    for spare in store.spares()? {
        let commit = present_base(context, &spare);
        if context.repo.tree_of(commit)? == context.repo.tree_of(spare.commit)? {
            continue;
        }
        let Some(record) = store.withdraw_spare(&spare.name)? else { continue };
        let spare = Spare { commit, ..spare };
        process::set_umask(spare.umask);
        let index = record.join(SPARE_INDEX);
        // Where it cannot be, it is of no use.
        if let Ok(true) = context.repo.fit_again(&fit(&spare, &index)) {
            store.finish_spare(&spare)?;
        } else {
            sweep(context)?;
        }
    }
    Ok(())
}

/// Deletes the folders of spare worktrees that are not ready, and forgets those whose folder is gone. No
/// other folder is touched: others may keep theirs in the same place. The caller does chores, so nobody
/// is at work on one.
pub(super) fn sweep(context: &Context) -> Result<()> {
    let store = &context.store;
    for spare in store.spares()?.iter().filter(|spare| !spare.folder.is_dir()) {
        // Where it is being taken in this moment, the record is gone too.
        store.withdraw_spare(&spare.name)?;
    }
    for (name, spare) in store.unready_spares()? {
        if let Some(spare) = spare {
            git::delete(&spare.folder)?;
        }
        store.forget_spare(&name)?;
    }
    Ok(())
}

/// The spare worktrees that are beyond what is configured, or were not used for as long as folders
/// are kept.
pub(super) fn superfluous(context: &Context) -> Result<Vec<Spare>> {
    let (pool, period) = (&context.config.pool, context.config.keep.folders);
    let (mut count, mut bytes) = (0, 0);
    let mut spares = context.store.spares()?;
    spares.retain(|spare| {
        count += 1;
        bytes += spare.bytes;
        let age = context.now().as_millis().saturating_sub(spare.since.as_millis()).max(0);
        let is_old = u128::try_from(age).unwrap_or(0) >= period.as_millis();
        count > pool.size || bytes > pool.bytes || spare.keep != pool.keep || is_old
    });
    Ok(spares)
}

/// Takes a spare worktree out of the pool; whoever does chores next deletes its folder.
pub(super) fn drop_spare(context: &Context, spare: &Spare) -> Result<()> {
    context.store.withdraw_spare(&spare.name).map(drop)
}

/// A folder that may serve others.
struct Found {
    folder: PathBuf,
    entry: PathBuf,
    name: String,
    tip: CommitId,
    umask: u32,
}

/// The folder of a task, if all of its work is kept and nobody tampered with its ties to git.
fn recyclable(context: &Context, task: &Task) -> Result<Option<Found>> {
    let repo = &context.repo;
    let (Some(custody), Some(umask)) = (custody(task), task.spec.umask) else { return Ok(None) };
    let (Some(folder), Some(entry)) = (custody.folder.clone(), custody.entry.clone()) else {
        return Ok(None);
    };
    let tampered =
        |kind| matches!(kind, WarningKind::WorktreeChanged | WarningKind::SnapshotFailed);
    if !context.config.pool.is_on()
        || !task.is_released()
        || task.record.releasing
        || task.record.warnings.iter().any(|warning| tampered(warning.kind))
        || git::is_only_copy(&entry)
        || !planted_programs(&context.store, repo, task)?.is_empty()
    {
        return Ok(None);
    }
    let tip = restore::tip(task, custody);
    let mut is_kept = false;
    for name in repo.refs_below(&kept_refs(task))? {
        is_kept |= repo.read_ref(&name)? == Some(tip);
    }
    let released = ReleasedWorktree { folder: Some(folder.clone()), entry: Some(entry.clone()) };
    let Some(root) = repo.untouched_root(&released).filter(|_| is_kept) else { return Ok(None) };
    // The name that it had while it was in use, so that its path will be the same.
    let had = git::home_of(&root) != root.parent().unwrap_or(&root);
    let had = root.file_name().filter(|_| had).and_then(|name| name.to_str()).map(str::to_owned);
    let name = had.unwrap_or_else(|| task.id().short());
    let name = if git::is_in_pool(&root, &name) { task.id().to_string() } else { name };
    Ok(Some(Found { folder, entry, name, tip, umask }))
}

fn custody(task: &Task) -> Option<&Custody> {
    match &task.record.landing {
        Landing::Landed { custody, .. } | Landing::Discarded { custody, .. } => Some(custody),
        Landing::Open | Landing::Empty { .. } => None,
    }
}

fn fits(context: &Context, bytes: u64) -> Result<bool> {
    let (spares, pool) = (context.store.spares()?, &context.config.pool);
    let taken: u64 = spares.iter().map(|spare| spare.bytes).sum();
    Ok(spares.len() < pool.size && taken + bytes <= pool.bytes)
}

/// Where the branch is that a spare worktree follows.
fn present_base(context: &Context, spare: &Spare) -> CommitId {
    let follows = spare.follows.as_ref();
    let tip = follows.and_then(|branch| context.repo.read_ref(&branch.full_ref()).ok()?);
    tip.unwrap_or(spare.commit)
}

fn fit<'a>(spare: &'a Spare, index: &'a Path) -> FitRequest<'a> {
    FitRequest { folder: &spare.folder, commit: spare.commit, keeps: spare.keeps, index }
}
