//! `merge --resolve` and `merge --continue`: conflicts with the target are resolved in the task's own
//! worktree, where the merge is opened as git opens one, and lands once it is resolved.
//!
//! Git's own notes in the worktree say whether it is open, so a person may resolve, commit or give it
//! up there with git alone. Until `MERGE_HEAD` is written a mark in the task's folder says what is
//! being done.

use super::{
    Candidate, Extent, Hooks, LandRequest, Leftovers, Mode, Verify, finish_under, lock_landings,
    refuse_planted_programs, tip, unmark,
};
use crate::context::Context;
use crate::error::Attempt;
use crate::error::{Error, Result};
use crate::git::{
    Checkout, Conflicted, Expected, NewCommit, NewWorktree, OpenMerge, Signing, SnapshotRequest,
    SnapshotStart, copy_index,
};
use crate::landing::{Strategy, Verdict};
use crate::layout::RepoLock;
use crate::names::{BranchName, CommitId};
use crate::ops::base::require_branch;
use crate::ops::describe::measure;
use crate::ops::recover::take;
use crate::ops::release;
use crate::ops::several::each;
use crate::store::TaskLock;
use crate::task::{Afterwards, Change, Moved, MovedWork, Task};
use crate::view::LandingView;

impl Candidate<'_> {
    /// Opens the merge with the target in the task's worktree.
    pub(super) fn open(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
    ) -> Result<LandingView> {
        let (name, ours) = (self.task.name(), self.settled.tip);
        if self.task.snapshot().is_some() {
            return Err(Error::refused(format!(
                "`{name}` was dispatched with uncommitted work, which a merge would land"
            ))
            .hint(format!("offshoot rebase --no-land {name}")));
        }
        let theirs = require_branch(context, &self.target)?;
        let Some(conflicted) = context.repo.conflicted_merge(ours, theirs)? else {
            return Err(Error::refused(format!(
                "`{name}` does not conflict with `{}`",
                self.target
            ))
            .hint(format!("offshoot merge {name}")));
        };
        let conflicts = conflicted.conflicts.clone();
        if request.mode == Mode::DryRun {
            return Ok(self.conflicts(request, theirs, conflicts));
        }
        context.store.begin(lock)?;
        let opening = self.checkout(context, lock).and_then(|(task, checkout)| {
            self.settled.adopt(context, &task)?;
            refuse_elsewhere(context, &task, &checkout, ours)?;
            context.store.note_merge(lock, (ours, theirs))?;
            let folder = context.store.layout().landings();
            let message = message(&task, self.target.as_str());
            let merge = OpenMerge { checkout: &checkout, ours, theirs, message: &message };
            context.repo.open_merge(&folder, &merge, &conflicted)
        });
        let task = context.store.read(self.task.id())?;
        if let Err(error) = opening {
            // Whatever was done is finished or told as not done; else the next command does it.
            if finish_opening(context, lock, &task).is_ok() {
                unmark(context, lock, &task)?;
            }
            return Err(error);
        }
        context.store.forget_merge(lock)?;
        context.store.settle(lock, &task)?;
        let view = self.view(request, theirs, (theirs, Verdict::Resolving));
        Ok(LandingView { conflicts, ..view })
    }

    /// The task's worktree; one that is gone is made anew at the result.
    fn checkout(&self, context: &Context, lock: &TaskLock) -> Result<(Task, Checkout)> {
        let task = self.task;
        if let Some(there) = context.repo.worktree_of(task.id())? {
            return Ok((task.clone(), there));
        }
        let made = {
            let _repo = context.store.lock(RepoLock::Repo)?;
            let entries = context.store.layout().trash();
            // Git's entry of a folder that is gone would be in the way.
            context.repo.release_worktree(task.id(), &entries, &entries)?;
            context.repo.create_worktree(&NewWorktree {
                task: task.id(),
                root: &task.spec.worktree,
                branch: &task.spec.branch,
                base: self.settled.tip,
                intent: &context.store.layout().task(task.id()).intent(),
                pool: None,
                stock: None,
            })?
        };
        let moved =
            Moved { by: task.record.last_landing(), work: None, worktree: Some(made.root.clone()) };
        Ok((context.store.commit(lock, task, Change::Moved(moved))?, made))
    }
}

/// Puts the worktree on the task's branch, if it is where the branch is.
fn refuse_elsewhere(
    context: &Context,
    task: &Task,
    checkout: &Checkout,
    ours: CommitId,
) -> Result<()> {
    let (head, branch) = (context.repo.head_of(&checkout.git_dir)?, &task.spec.branch);
    if head.commit == Some(ours) && head.branch.as_ref() == Some(branch) {
        return Ok(());
    }
    let there = context.repo.read_ref(&branch.full_ref())?;
    if head.commit == Some(ours) && there == Some(ours) {
        return context.repo.attach_head(checkout, branch);
    }
    let place = context.relative(&checkout.root);
    Err(Error::refused(format!(
        "the worktree of `{}` is not on its branch `{branch}`",
        task.name()
    ))
    .hint(format!("git -C {place} switch {branch}")))
}

fn message(task: &Task, target: &str) -> String {
    format!("Merge branch '{target}' into {}\n", task.spec.branch)
}

/// Goes on with a merge that was cut off while it was opened, or finds that nothing was done.
pub(super) fn finish_opening(context: &Context, lock: &TaskLock, task: &Task) -> Result<()> {
    let Some((ours, theirs)) = context.store.noted_merge(task.id())? else { return Ok(()) };
    if let Some(checkout) = context.repo.worktree_of(task.id())?
        && context.repo.merge_in_progress(&checkout)? != Some(theirs)
        && release::snapshot(context, task, &checkout, ours)? != context.repo.tree_of(ours)?
        && let Some(conflicted) = context.repo.conflicted_merge(ours, theirs)?
    {
        let target = task.spec.target.as_ref().map_or("the target", |target| target.as_str());
        let message = message(task, target);
        let merge = OpenMerge { checkout: &checkout, ours, theirs, message: &message };
        let folder = context.store.layout().landings();
        context.repo.open_merge_again(&folder, &merge, &conflicted)?;
    }
    context.store.forget_merge(lock)
}

/// Commits the merges that somebody resolved, task by task; the first refusal ends it.
pub(super) fn conclude_each(context: &Context, request: &LandRequest) -> Result<()> {
    let concluded = each(context, &request.tasks, |id| {
        let landing = lock_landings(context)?;
        finish_under(&landing, context)?;
        let (lock, task) = take(context, id)?;
        let (task, target) = Candidate::destination(context, request, &task)?;
        conclude(context, &lock, (task, &target), request.leftovers)
    })?;
    concluded.stopped.map_or(Ok(()), Err)
}

/// Commits the merge that somebody resolved in the task's worktree.
fn conclude(
    context: &Context,
    lock: &TaskLock,
    (task, target): (&Task, &BranchName),
    leftovers: Leftovers,
) -> Result<()> {
    let name = task.name();
    let Some(checkout) = context.repo.worktree_of(task.id())? else {
        return Err(Error::refused(format!("the worktree of `{name}` is gone"))
            .hint(format!("offshoot merge --resolve {name}")));
    };
    let (theirs, merged) = match context.repo.merge_in_progress(&checkout)? {
        Some(theirs) => {
            context.store.begin(lock)?;
            let merged = commit(context, task, (&checkout, theirs), leftovers);
            (theirs, merged.or_else(|error| unmark(context, lock, task).and(Err(error)))?)
        }
        None => {
            let tip = tip(context, task)?;
            match merged_into(context, target, tip)? {
                // Somebody committed it with git, or whoever did it here died then.
                Some(theirs) if task.record.head != Some(tip) => (theirs, tip),
                None if task.record.head == Some(tip) => {
                    let place = checkout.root.display();
                    return Err(Error::refused(format!(
                        "no merge is open in `{place}`: it was given up, or never opened"
                    ))
                    .hint(format!("offshoot merge --resolve {name}")));
                }
                // It could not land then, or more came on top of it.
                _ => return Ok(()),
            }
        }
    };
    context.store.begin(lock)?;
    context.repo.close_merge(&checkout)?;
    let diff = measure(context, task, (theirs, merged))?;
    let work = Some(MovedWork { base: theirs, head: merged, diff });
    let moved = Moved { by: task.record.last_landing(), work, worktree: None };
    let task = context.store.commit(lock, task, Change::Moved(moved))?;
    context.store.settle(lock, &task)
}

/// What a tip merged in of the target, where it is such a merge.
fn merged_into(context: &Context, target: &BranchName, tip: CommitId) -> Result<Option<CommitId>> {
    let Some(merged) = context.repo.second_parent_of(tip)? else { return Ok(None) };
    let is_of_target = context.repo.is_ancestor(merged, require_branch(context, target)?)?;
    Ok(is_of_target.then_some(merged))
}

/// Moves the task's branch to the commit of a resolved merge; one that was committed already stays.
fn commit(
    context: &Context,
    task: &Task,
    (checkout, theirs): (&Checkout, CommitId),
    leftovers: Leftovers,
) -> Result<CommitId> {
    let name = task.name();
    let head = context.repo.head_of(&checkout.git_dir)?;
    let (branch, Some(ours)) = (&task.spec.branch, head.commit) else {
        return Err(Error::refused(format!("the worktree of `{name}` has no commit")));
    };
    refuse_elsewhere(context, task, checkout, ours)?;
    if context.repo.is_ancestor(theirs, ours)? {
        return Ok(ours);
    }
    let merged = commit_resolved(context, task, checkout, (ours, theirs), leftovers)?;
    let message = format!("offshoot: merge resolved in {name}");
    let step = (Expected::At(ours), merged);
    context.repo.set_ref_from(checkout, &branch.full_ref(), step, &message)?;
    if leftovers == Leftovers::Take {
        let layout = context.store.layout().task(task.id());
        let (sibling, index) =
            (checkout.git_dir.join("index.offshoot"), checkout.git_dir.join("index"));
        copy_index(&layout.snapshot_index(), &sibling)?;
        std::fs::rename(&sibling, &index).attempt(|| format!("write `{}`", index.display()))?;
    }
    Ok(merged)
}

/// The commit of a resolved merge; no ref has moved for it.
fn commit_resolved(
    context: &Context,
    task: &Task,
    checkout: &Checkout,
    (ours, theirs): (CommitId, CommitId),
    leftovers: Leftovers,
) -> Result<CommitId> {
    let (name, place) = (task.name(), context.relative(&checkout.root));
    let unmerged = context.repo.unmerged_in(checkout)?;
    if !unmerged.is_empty() {
        let listed: Vec<_> = unmerged.iter().take(10).map(|path| format!("`{path}`")).collect();
        let more = if unmerged.len() > 10 { " and more" } else { "" };
        return Err(Error::refused(format!(
            "not resolved yet in the worktree of `{name}`: {}{more}",
            listed.join(", ")
        ))
        .hint(format!("git -C {place} add PATH  once a path is resolved"))
        .hint(format!("git -C {place} merge --abort  gives the merge up")));
    }
    let layout = context.store.layout().task(task.id());
    let tree = context
        .repo
        .snapshot(&SnapshotRequest {
            checkout,
            index: &layout.snapshot_index(),
            start: SnapshotStart::Index(&checkout.git_dir.join("index")),
        })?
        .tree;
    if leftovers == Leftovers::Refuse
        && tree != context.repo.staged_tree(checkout, &layout.part_index())?
    {
        return Err(Error::dirty(format!(
            "not all that was changed in the worktree of `{name}` is staged"
        ))
        .hint(format!("git -C {place} status"))
        .hint(format!("git -C {place} add --all")));
    }
    context.repo.create_commit(&NewCommit {
        tree,
        parents: &[ours, theirs],
        message: &context.repo.merge_message(checkout)?,
        author_of: None,
        signing: Signing::AsConfigured,
    })
}

/// A merge that is open in a task's worktree.
pub(in crate::ops) struct Opened {
    pub(in crate::ops) target: BranchName,
    pub(in crate::ops) theirs: CommitId,
    pub(in crate::ops) conflicted: Conflicted,
}

/// Opens the merge of a task with its target in its worktree; one that is open already goes on. The
/// caller holds the landing lock.
pub(in crate::ops) fn open_for_agent(
    context: &Context,
    lock: &TaskLock,
    task: &Task,
) -> Result<Opened> {
    let request = LandRequest {
        tasks: Vec::new(),
        strategy: Strategy::Merge,
        into: None,
        mode: Mode::Land,
        verify: Verify::Never,
        worktree: Afterwards::Keep,
        leftovers: Leftovers::Refuse,
        extent: Extent::Resolve,
        hooks: Hooks::Skip,
    };
    let (task, target) = Candidate::destination(context, &request, task)?;
    refuse_planted_programs(context, task)?;
    let open = |task: &Task| match context.repo.worktree_of(task.id())? {
        Some(checkout) => context.repo.merge_in_progress(&checkout),
        None => Ok(None),
    };
    let mut theirs = open(task)?;
    if theirs.is_none() {
        Candidate::examine(context, &request, task)?.open(context, &request, lock)?;
        theirs = open(task)?;
    }
    let conflicted = match theirs {
        Some(theirs) => context.repo.conflicted_merge(tip(context, task)?, theirs)?,
        None => None,
    };
    let (Some(theirs), Some(conflicted)) = (theirs, conflicted) else {
        let name = task.name();
        return Err(Error::refused(format!(
            "the merge that is open in the worktree of `{name}` has no conflicts"
        ))
        .hint(format!("offshoot merge --continue {name}")));
    };
    Ok(Opened { target, theirs, conflicted })
}

impl LandRequest {
    /// The same with all of the work.
    pub(super) fn whole(&self) -> Self {
        Self { extent: Extent::Whole, ..self.clone() }
    }
}
