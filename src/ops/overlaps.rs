//! The overlap radar: what running tasks have both changed so far, before either of them ends.
//!
//! Git is asked only when at least two tasks run. A worktree that cannot be read just now has nothing
//! to tell: this is a hint, and the forecast of ended tasks is what decides.

use crate::context::Context;
use crate::git::LiveRequest;
use crate::names::{TaskId, TaskName};
use crate::path::RepoPath;
use crate::task::{Task, TaskState};
use crate::view::{OverlapView, TaskView};
use std::collections::BTreeSet;

/// What one running task has changed so far.
struct Live {
    id: TaskId,
    name: TaskName,
    changed: BTreeSet<RepoPath>,
}

/// Adds to the views of running tasks what others have changed too.
pub(super) fn tell_overlaps(context: &Context, views: &mut [TaskView]) {
    let Ok(active) = context.store.active_ids() else { return };
    let tasks = active.into_iter().filter_map(|id| context.store.read(id).ok());
    let running: Vec<Task> = tasks
        .filter(|task| matches!(task.record.state, TaskState::Running(_)))
        .filter(|task| task.record.worktree.is_some())
        .collect();
    let is_shown = |view: &TaskView| running.iter().any(|task| task.id() == view.id);
    if running.len() < 2 || !views.iter().any(is_shown) {
        return;
    }
    let mut live: Vec<Live> = running.iter().filter_map(|task| look(context, task)).collect();
    live.sort_by(|one, other| one.name.cmp(&other.name));
    for view in views {
        let Some(own) = live.iter().find(|live| live.id == view.id) else { continue };
        for other in live.iter().filter(|live| live.id != view.id) {
            let paths: Vec<_> = own.changed.intersection(&other.changed).cloned().collect();
            if !paths.is_empty() {
                view.overlaps.push(OverlapView { task: other.name.clone(), paths });
            }
        }
    }
}

fn look(context: &Context, task: &Task) -> Option<Live> {
    let checkout = context.repo.worktree_of(task.id()).ok()??;
    let layout = context.store.layout().task(task.id());
    let base = task.record.base;
    // What came from the target by a merge is no change of the task's.
    let head = context.repo.head_of(&checkout.git_dir).ok().and_then(|head| head.commit);
    let target = task.spec.target.as_ref();
    let target = target.and_then(|target| context.repo.read_ref(&target.full_ref()).ok()?);
    let from = head.and_then(|head| context.repo.diff_base(base, head, target).ok());
    let request = LiveRequest {
        checkout: &checkout,
        from: from.unwrap_or(base),
        seed: &layout.index(),
        index: &layout.live_index(std::process::id()),
    };
    let changed = context.repo.live_changes(&request).ok()?;
    Some(Live { id: task.id(), name: task.name().clone(), changed })
}
