//! Checks of what we stand on: git, the file systems, modes, the clock.

use super::Look;
use super::finding::{Finding, Fix, Mend};
use crate::error::{Attempt, Result};
use crate::ops::place::worktree_root;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// From which version of git on what works.
const NEEDS: [((u32, u32), &str); 2] = [
    ((2, 38), "no task can be landed"),
    ((2, 40), "`rebase` does not work, nor does landing a task dispatched `--with-changes`"),
];

/// How far ahead of the clock a record may be: clocks are set back by a little now and then.
const TOLERANCE_MS: i64 = 60 * 60 * 1000;

/// A git that cannot do what landing needs.
pub(super) fn git_is_too_old(look: &Look<'_>) -> Result<Vec<Finding>> {
    let version = look.context.repo.git.version()?;
    let lacking = NEEDS.into_iter().find(|(needed, _)| version < *needed);
    let found = lacking.map(|((major, minor), what)| {
        let message =
            format!("git {}.{} is too old: {what} before {major}.{minor}", version.0, version.1);
        Finding::new("old_git", message, Mend::Person("install git 2.40 or newer".to_owned()))
    });
    Ok(found.into_iter().collect())
}

/// A file system on which two processes may hold one lock.
pub(super) fn locks_are_not_kept(look: &Look<'_>) -> Result<Vec<Finding>> {
    let store = &look.context.store;
    if !store.exists() || store.keeps_locks()? {
        return Ok(Vec::new());
    }
    let place = store.layout().root().display();
    let message = format!("the file system of `{place}` does not keep locks across processes");
    Ok(vec![Finding::new("no_locks", message, Mend::Nobody)])
}

/// State that others than its owner may look into.
pub(super) fn others_may_look(look: &Look<'_>) -> Result<Vec<Finding>> {
    let found = look.context.store.open_to_others().into_iter().map(|place| {
        let message = format!("others may look into `{}`", place.path.display());
        Finding::new("open_to_others", message, Mend::Ours(Fix::Close(place)))
    });
    Ok(found.collect())
}

/// Worktrees on another file system than the repository.
pub(super) fn worktrees_are_elsewhere(look: &Look<'_>) -> Result<Vec<Finding>> {
    let root = worktree_root(look.context);
    let Some(there) = root.ancestors().find(|place| place.is_dir()) else { return Ok(Vec::new()) };
    let device = |place: &Path| {
        place
            .metadata()
            .map(|found| found.dev())
            .attempt(|| format!("look at `{}`", place.display()))
    };
    if device(there)? == device(look.context.repo.common_dir())? {
        return Ok(Vec::new());
    }
    let message = format!(
        "worktrees in `{}` are on another file system than the repository: making them takes longer",
        root.display()
    );
    let command = "choose another `worktree_root` in the configuration".to_owned();
    Ok(vec![Finding::new("other_file_system", message, Mend::Person(command))])
}

/// A clock that is behind our own records, so that nothing seems to grow old.
pub(super) fn clock_was_set_back(look: &Look<'_>) -> Result<Vec<Finding>> {
    let now = look.context.now();
    let latest = look.tasks.iter().max_by_key(|task| task.spec.created_at);
    let ahead = latest.filter(|task| {
        task.spec.created_at.as_millis().saturating_sub(now.as_millis()) > TOLERANCE_MS
    });
    let found = ahead.map(|task| {
        let (name, at) = (task.name(), task.spec.created_at);
        // Without the present time: what is found twice must be told in the same words.
        let message = format!(
            "the clock was set back: `{name}` was dispatched at {at}, which is still to come, so `gc` \
             takes what is kept for younger than it is"
        );
        Finding::new("clock_set_back", message, Mend::Person("set the clock right".to_owned()))
    });
    Ok(found.into_iter().collect())
}
