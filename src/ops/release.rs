//! Letting go of a task's worktree and branch without losing anything: first refs that keep the
//! work, then the folder is moved, then the branch goes.
//!
//! Every step may be repeated, so a release that was cut off is simply done again.

use super::{recycle, restore};
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::git::{
    Checkout, Expected, NewCommit, Signing, SnapshotRequest, SnapshotStart, home_of, last_trashed,
};
use crate::layout::RepoLock;
use crate::names::{CommitId, TaskId};
use crate::store::TaskLock;
use crate::supervisor::planted_programs;
use crate::task::{Change, Custody, Landing, Task};
use std::path::PathBuf;

/// Takes a task's worktree and branch away, everything in them kept, so that it can begin anew.
pub(super) fn put_aside(context: &Context, task: &Task) -> Result<()> {
    keep(context, task)?;
    move_worktree(context, task)?;
    drop_branch(context, task)
}

/// Releases a task whose record says that it is to be released.
pub(super) fn release(context: &Context, lock: &TaskLock, task: &Task) -> Result<Task> {
    let tip = branch_tip(context, task)?;
    let custody = Custody {
        refs: keep(context, task)?,
        tip,
        released_at: Some(context.now()),
        ..move_worktree(context, task)?
    };
    drop_branch(context, task)?;
    let_go(context, lock, task, custody)
}

/// Takes back what a restore has done that did not come to its end: what is kept stays as it was.
pub(super) fn release_again(context: &Context, lock: &TaskLock, task: &Task) -> Result<Task> {
    let Landing::Discarded { custody, .. } = &task.record.landing else { return Ok(task.clone()) };
    let moved = move_worktree(context, task)?;
    let tip = restore::tip(task, custody);
    context.repo.sweep_ref_lock(&task.spec.branch.full_ref(), Some(tip));
    // A branch of that name elsewhere is somebody else's.
    if tip_of_branch(context, task) == Some(tip) {
        drop_branch(context, task)?;
    }
    let custody = Custody {
        folder: moved.folder.or_else(|| custody.folder.clone()),
        entry: moved.entry.or_else(|| custody.entry.clone()),
        ..custody.clone()
    };
    let_go(context, lock, task, custody)
}

/// Removes the locks that somebody who died left on the refs of a task.
pub(super) fn sweep_ref_locks(context: &Context, task: &Task) {
    context.repo.sweep_ref_locks_below(&kept_refs(task));
    context.repo.sweep_ref_lock(&base_pin(task.id()), None);
    context.repo.sweep_ref_lock(&task.spec.branch.full_ref(), None);
}

fn let_go(context: &Context, lock: &TaskLock, task: &Task, custody: Custody) -> Result<Task> {
    sweep_ref_locks(context, task);
    let pin = base_pin(task.id());
    if let Some(base) = context.repo.read_ref(&pin)? {
        context.repo.delete_ref(&pin, base)?;
    }
    context.store.forget_environment(lock)?;
    let task = context.store.commit(lock, task, Change::Released(custody))?;
    context.store.settle(lock, &task)?;
    // Without it the folder stays in the trash.
    let _ = recycle::later(context, &task);
    Ok(task)
}

/// Where the task's branch is; when it is gone already, where a release that was cut off found it.
fn branch_tip(context: &Context, task: &Task) -> Result<Option<CommitId>> {
    match tip_of_branch(context, task) {
        Some(tip) => Ok(Some(tip)),
        None => context.repo.read_ref(&kept_tip(task)),
    }
}

/// Where the task's branch is; one that leads to no commit counts as gone.
fn tip_of_branch(context: &Context, task: &Task) -> Option<CommitId> {
    context.repo.read_ref(&task.spec.branch.full_ref()).ok().flatten()
}

/// The ref that keeps where the task's branch was when it was released.
fn kept_tip(task: &Task) -> String {
    format!("{}tip", kept_refs(task))
}

/// What the refs begin with that keep the bases of open tasks.
pub(super) const BASES: &str = "refs/offshoot/base/";

/// The ref that keeps a task's base while the task is open.
pub(super) fn base_pin(task: TaskId) -> String {
    format!("{BASES}{task}")
}

/// Makes refs for every tip of the task's work, and for what is in its worktree besides.
fn keep(context: &Context, task: &Task) -> Result<Vec<String>> {
    let mut tips: Vec<CommitId> = Vec::new();
    tips.extend(task.record.head);
    if let Some(checkout) = context.repo.worktree_of(task.id())? {
        let head = context.repo.head_of(&checkout.git_dir).ok().and_then(|head| head.commit);
        tips.extend(head);
        if let Some(head) = head.or(task.record.head) {
            let record = || changes_since(context, task, &checkout, head);
            // Once more, since a fault may pass; on a disk that takes nothing the mark fails as well,
            // and the next command goes on from here.
            match record().or_else(|_| record()) {
                Ok(changes) => tips.extend(changes),
                // It stays in the folder, which is moved, and which `gc` leaves alone for this mark.
                Err(_) => checkout.mark_only_copy()?,
            }
        }
    }
    if let Some(tip) = tip_of_branch(context, task) {
        tips.push(tip);
        let last = context.repo.read_ref(&kept_tip(task))?;
        if let Some(last) = last.filter(|last| *last != tip) {
            // An attempt that was put aside: nothing else may keep it.
            keep_commit(context, task, last)?;
        }
        let expected = last.map_or(Expected::Absent, Expected::At);
        context.repo.set_ref(&kept_tip(task), expected, tip, "offshoot: kept")?;
    }
    keep_commits(context, task, &tips)
}

/// Makes a ref for a commit of a task's, unless one keeps it already.
pub(super) fn keep_commit(context: &Context, task: &Task, commit: CommitId) -> Result<()> {
    keep_commits(context, task, &[commit]).map(drop)
}

/// Makes refs for those commits that have none; answers every ref that keeps something of the task.
fn keep_commits(context: &Context, task: &Task, tips: &[CommitId]) -> Result<Vec<String>> {
    let folder = kept_refs(task);
    let mut refs = context.repo.refs_below(&folder)?;
    let tip = tip_of_branch(context, task);
    let mut kept = Vec::new();
    for name in &refs {
        let commit = context.repo.read_ref(name)?;
        // The ref of the tip follows the branch, so it keeps nothing else for long.
        let goes_on = *name == kept_tip(task) && tip.is_some() && tip != commit;
        kept.extend(commit.filter(|_| !goes_on));
    }
    for tip in tips.iter().copied() {
        if kept.contains(&tip) {
            continue;
        }
        let free = (1u32..).map(|number| format!("{folder}{number}"));
        let name = free
            .into_iter()
            .find(|name| !refs.contains(name))
            .expect("invariant: some number is free");
        context.repo.set_ref(&name, Expected::Absent, tip, "offshoot: kept")?;
        refs.push(name);
        kept.push(tip);
    }
    Ok(refs)
}

/// What somebody did in the worktree after the task had ended, as a commit.
fn changes_since(
    context: &Context,
    task: &Task,
    checkout: &Checkout,
    head: CommitId,
) -> Result<Option<CommitId>> {
    // Recording would run programs that came while the task did; the folder has it all anyway.
    if !planted_programs(&context.store, &context.repo, task)?.is_empty() {
        return Ok(None);
    }
    let snapshot = snapshot(context, task, checkout, head)?;
    if snapshot == context.repo.tree_of(head)? {
        return Ok(None);
    }
    let commit = context.repo.create_commit(&NewCommit {
        tree: snapshot,
        parents: &[head],
        message: "What was in the worktree when it was released\n",
        author_of: None,
        signing: Signing::Never,
    })?;
    Ok(Some(commit))
}

/// The present content of a task's worktree as a tree.
pub(super) fn snapshot(
    context: &Context,
    task: &Task,
    checkout: &Checkout,
    head: CommitId,
) -> Result<crate::names::ObjectId> {
    let layout = context.store.layout().task(task.id());
    let index = layout.snapshot_index();
    let snapshot = context.repo.snapshot(&SnapshotRequest {
        checkout,
        index: &index,
        start: SnapshotStart::Commit { head, seed: &layout.index() },
    })?;
    Ok(snapshot.tree)
}

fn move_worktree(context: &Context, task: &Task) -> Result<Custody> {
    let trash = trash(context, task)?;
    let entries = context.store.layout().trash();
    let released = {
        let _repo = context.store.lock(RepoLock::Repo)?;
        context.repo.unlink_worktree(task.id(), &task.spec.worktree)?;
        context.repo.release_worktree(task.id(), &trash, &entries)?
    };
    // A release that was cut off after moving finds nothing to move, but what it moved.
    let moved_before = |folder: PathBuf| last_trashed(&folder, task.id());
    Ok(Custody {
        refs: Vec::new(),
        released_at: None,
        tip: None,
        folder: released.folder.or_else(|| moved_before(trash)),
        entry: released.entry.or_else(|| moved_before(entries)),
    })
}

/// What the refs begin with that keep a released task's work.
pub(super) fn kept_refs(task: &Task) -> String {
    format!("refs/offshoot/kept/{}/", task.id())
}

/// Beside the worktree, on its file system; a person may have moved it elsewhere (`git worktree move`).
fn trash(context: &Context, task: &Task) -> Result<PathBuf> {
    let place = context.repo.worktree_of(task.id())?.map(|checkout| checkout.root);
    Ok(home_of(place.as_ref().unwrap_or(&task.spec.worktree)).join(".trash"))
}

/// Where the task's branch is checked out besides its own worktree, if it is.
pub(super) fn checked_out_elsewhere(context: &Context, task: &Task) -> Result<Option<Checkout>> {
    let own = context.repo.worktree_of(task.id())?.map(|checkout| checkout.git_dir);
    Ok(context.repo.checkouts()?.into_iter().find(|checkout| {
        // One whose HEAD cannot be read is on no branch.
        let head = context.repo.head_of(&checkout.git_dir);
        Some(&checkout.git_dir) != own.as_ref()
            && head.is_ok_and(|head| head.branch.as_ref() == Some(&task.spec.branch))
    }))
}

/// The branch goes if it is where its work is kept; one that is checked out elsewhere stays.
fn drop_branch(context: &Context, task: &Task) -> Result<()> {
    let name = task.spec.branch.full_ref();
    let Some(tip) = tip_of_branch(context, task) else { return Ok(()) };
    if checked_out_elsewhere(context, task)?.is_some() {
        return Ok(());
    }
    match context.repo.delete_ref(&name, tip) {
        // It moved in this instant, or is no plain ref but stands for another branch: not ours.
        Err(error) if error.kind == ErrorKind::Refused => Ok(()),
        other => other,
    }
}
