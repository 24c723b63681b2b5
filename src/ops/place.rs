//! Where a new task's branch and worktree go, and what is in their way.

use crate::context::Context;
use crate::error::{Error, Result};
use crate::escape;
use crate::names::BranchName;
use crate::store::Placing;
use crate::task::TaskSpec;
use std::path::{Component, Path, PathBuf};

/// Settles branch and folder for a name, or says what is in their way.
pub(super) fn place(context: &Context, spec: &mut TaskSpec) -> Result<Placing> {
    let branch = BranchName::new(format!("{}{}", context.config.branch_prefix, spec.name))?;
    let taken =
        |text: String| Ok(Placing::Taken(Error::refused(text).hint("choose another `--name`")));
    for (end, _) in branch.as_str().match_indices('/') {
        let outer = &branch.as_str()[..end];
        if context.repo.read_ref(&format!("refs/heads/{outer}"))?.is_some() {
            return Err(Error::refused(format!(
                "cannot make the branch `{branch}`: there is a branch `{outer}`"
            ))
            .hint("choose another `branch_prefix` in the configuration"));
        }
    }
    if context.repo.read_ref(&branch.full_ref())?.is_some()
        || !context.repo.refs_below(&format!("{}/", branch.full_ref()))?.is_empty()
    {
        return taken(format!("the branch `{branch}` is there already"));
    }
    let root = worktree_root(context);
    if context.repo.main_worktree().is_some_and(|main| root.starts_with(main)) {
        return Err(Error::usage(format!(
            "cannot make worktrees in `{}`: it lies inside the main worktree, where git would see them",
            root.display()
        ))
        .hint("choose another `worktree_root` in the configuration"));
    }
    spec.worktree = root.join(spec.name.as_str());
    let paths = [spec.worktree.as_path(), &spec.subdirectory, context.store.layout().root()];
    if let Some(odd) = paths.into_iter().find(|path| path.to_str().is_none()) {
        return Err(Error::unsupported(format!(
            "cannot record the path `{}`: it is not UTF-8",
            escape::line(&odd.to_string_lossy())
        ))
        .hint("rename the folder, or use another `worktree_root`"));
    }
    if spec.worktree.symlink_metadata().is_ok() {
        return taken(format!("`{}` is there already", spec.worktree.display()));
    }
    spec.branch = branch;
    Ok(Placing::Free)
}

/// The folder that holds worktrees: as configured, else `<repo>.offshoots` beside the repository.
pub(super) fn worktree_root(context: &Context) -> PathBuf {
    let home = context.repo.home();
    match &context.config.worktree_root {
        Some(root) => normal(&home.join(root)),
        None => {
            let mut name = home.file_name().unwrap_or("repository".as_ref()).to_owned();
            name.push(".offshoots");
            home.with_file_name(name)
        }
    }
}

/// The same path without `.` and `..`; nothing needs to be there yet.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                normal.pop();
            }
            Component::Normal(_) | Component::RootDir | Component::Prefix(_) => normal.push(part),
        }
    }
    normal
}
