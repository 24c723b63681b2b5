//! Where a new task starts and where it is to land.

use super::dispatch::{DispatchRequest, StartFrom};
use super::recover::{ended, find};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::git::{NewCommit, Signing, SnapshotRequest, SnapshotStart};
use crate::names::{BranchName, CommitId};
use crate::supervisor::Laboratory;
use crate::task::{Base, Task};

/// The commit that the task's branch is to start at, with the caller's uncommitted work on top where
/// that is asked for.
pub(super) fn settle_base(context: &Context, request: &DispatchRequest) -> Result<Base> {
    let base = match &request.base {
        Some(revision) => {
            let branch = BranchName::new(revision.clone()).ok();
            let tip = branch.as_ref().map(|branch| context.repo.read_ref(&branch.full_ref()));
            match (branch, tip.transpose()?.flatten()) {
                (Some(branch), Some(commit)) => {
                    Base { branch: Some(branch), commit, snapshot_of: None }
                }
                _ => {
                    let commit = context.repo.resolve(revision)?;
                    Base { branch: None, commit, snapshot_of: None }
                }
            }
        }
        None => {
            let head = context.repo.head_here()?;
            let commit = head.commit.ok_or_else(|| {
                Error::refused("there is no commit to start from yet")
                    .hint("git commit --allow-empty -m \"first commit\"")
            })?;
            Base { branch: head.branch, commit, snapshot_of: None }
        }
    };
    match request.start {
        StartFrom::Commit => Ok(base),
        StartFrom::WithChanges => with_changes(context, request, base),
    }
}

/// Makes the caller's uncommitted work the base, without touching the caller's index or files.
fn with_changes(context: &Context, request: &DispatchRequest, base: Base) -> Result<Base> {
    if request.base.is_some() {
        return Err(Error::usage(
            "`--with-changes` starts from the caller's checkout, so `--base` makes no sense",
        ));
    }
    let Some(checkout) = context.repo.here() else {
        return Err(Error::usage("`--with-changes` needs a checkout, and this repository is bare"));
    };
    let staged = checkout.git_dir.join("index");
    let start = if staged.exists() {
        SnapshotStart::Index(&staged)
    } else {
        SnapshotStart::Commit { head: base.commit, seed: &staged }
    };
    let Context { store, repo, config, .. } = context;
    let snapshot = Laboratory { store, repo, config }.in_folder(|folder| {
        let index = folder.join("index");
        repo.snapshot(&SnapshotRequest { checkout, index: &index, start })
    });
    let snapshot = snapshot.map_err(|error| {
        error
            .while_trying("take the uncommitted work along")
            .hint("git status  shows whether a merge is in progress")
    })?;
    if snapshot.tree == context.repo.tree_of(base.commit)? {
        return Ok(base);
    }
    let commit = context.repo.create_commit(&NewCommit {
        tree: snapshot.tree,
        parents: &[base.commit],
        message: "Uncommitted work of the dispatcher\n\nA task started from it; it is not to be landed.\n",
        author_of: None,
        signing: Signing::Never,
    })?;
    Ok(Base { branch: base.branch, commit, snapshot_of: Some(base.commit) })
}

/// The branch that the task is to land on; none where its base is no branch.
pub(super) fn settle_target(
    context: &Context,
    request: &DispatchRequest,
    base: &Base,
    parent: Option<&Task>,
) -> Result<Option<BranchName>> {
    match (&request.target, parent) {
        (Some(target), _) => {
            let target = BranchName::new(target.clone())?;
            require_branch(context, &target).map(|_| Some(target))
        }
        // A task's branch is no target, since it goes when the task lands: what starts from it lands
        // where it does.
        (None, Some(parent)) if base.branch.as_ref() == Some(&parent.spec.branch) => {
            Ok(parent.spec.target.clone())
        }
        (None, _) => match task_on(context, base.branch.as_ref())? {
            Some(task) => Ok(task.spec.target),
            None => Ok(base.branch.clone()),
        },
    }
}

/// Refuses to move the branch of a task that goes on, unless that task asks: its agent would find other files
/// under its hands.
pub(super) fn refuse_under_way(context: &Context, target: &BranchName) -> Result<()> {
    let Some(owner) = task_on(context, Some(target))? else { return Ok(()) };
    let asks = context.environment.text("OFFSHOOT_TASK_ID");
    if asks.is_some_and(|id| id == owner.id().to_string()) {
        return Ok(());
    }
    let refused = |error: Error| error.while_trying(format!("move `{target}`"));
    ended(&owner).map(drop).map_err(refused)
}

/// The task whose own branch this is.
fn task_on(context: &Context, branch: Option<&BranchName>) -> Result<Option<Task>> {
    let prefix = context.config.branch_prefix.as_str();
    let Some(name) = branch.and_then(|branch| branch.as_str().strip_prefix(prefix)) else {
        return Ok(None);
    };
    match find(context, name) {
        Ok(task) => Ok((Some(&task.spec.branch) == branch).then_some(task)),
        Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The tip of a branch that must be there.
pub(super) fn require_branch(context: &Context, branch: &BranchName) -> Result<CommitId> {
    context.repo.read_ref(&branch.full_ref())?.ok_or_else(|| {
        Error::not_found(format!("there is no branch `{branch}`"))
            .hint(format!("git branch -- {branch}"))
    })
}
