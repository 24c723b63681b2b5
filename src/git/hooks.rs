//! The person's commit hooks, run on a result before it lands: in a scratch worktree that holds
//! exactly the result's tree, with HEAD at the target's commit and the result in the index.
//!
//! The hooks are those of the person's repository and configuration; a relative `core.hooksPath` means
//! the main checkout's folder, never one in the result, which an agent may have written. What a hook
//! changes of the message or stages is part of the result, as with `git commit`. Nothing else runs a
//! hook.

use super::repo::{Checkout, Repo};
use super::tree_check::refuse_unsafe_paths;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::names::{CommitId, ObjectId};
use std::fs;
use std::path::{Path, PathBuf};

/// A result that hooks are to look at.
#[derive(Debug, Clone, Copy)]
pub struct HookedResult<'a> {
    /// The target's commit.
    pub target: CommitId,
    /// The commit that is merged, where it is a merge.
    pub merged: Option<CommitId>,
    /// What the commit says.
    pub message: &'a str,
    /// The hooks in their order, with their arguments; `MESSAGE` stands for the message's file.
    pub hooks: &'a [&'a [&'a str]],
}

/// In the arguments of a hook: the file with the message.
pub const MESSAGE: &str = "MESSAGE";

impl Repo {
    /// Runs hooks on a result in a scratch worktree of it; answers the tree and the message that they
    /// leave.
    ///
    /// # Errors
    /// `refused` when a hook fails, with what it said; `unsupported` when git is older than 2.36.
    pub fn run_hooks(
        &self,
        scratch: &Checkout,
        result: &HookedResult<'_>,
    ) -> Result<(ObjectId, String)> {
        if self.git.version()? < (2, 36) {
            return Err(Error::unsupported("running hooks needs git 2.36 or newer"));
        }
        // Of the result there is to be no commit yet, as when git asks its hooks.
        let command = self.git.at(&scratch.git_dir, "update-ref");
        command.args(["--no-deref", "HEAD", &result.target.to_string()]).run()?;
        let write = |name: &str, text: &str| {
            let file = scratch.git_dir.join(name);
            fs::write(&file, text).attempt(|| format!("write `{}`", file.display())).map(|()| file)
        };
        if let Some(merged) = result.merged {
            write("MERGE_HEAD", &format!("{merged}\n"))?;
        }
        let name = if result.merged.is_some() { "MERGE_MSG" } else { "COMMIT_EDITMSG" };
        let file = write(name, result.message)?;
        let folder = self.hooks_folder();
        for hook in result.hooks {
            self.run_hook(scratch, &folder, hook, &file)?;
        }
        let command = self.git.at(&scratch.git_dir, "write-tree");
        let tree = command.run()?.line().parse()?;
        refuse_unsafe_paths(&self.changes_between(result.target.0, tree)?)?;
        let message = fs::read(&file).attempt(|| format!("read `{}`", file.display()))?;
        let message = match message == result.message.as_bytes() {
            true => message,
            false => {
                let command = self.git.at(&scratch.git_dir, "stripspace");
                command.arg("--strip-comments").input(message).run()?.stdout
            }
        };
        Ok((tree, String::from_utf8_lossy(&message).into_owned()))
    }

    fn run_hook(
        &self,
        scratch: &Checkout,
        folder: &Path,
        hook: &[&str],
        message: &Path,
    ) -> Result<()> {
        let (name, arguments) = hook.split_first().expect("invariant: a hook has a name");
        let mut command = self.git.with_hooks(&scratch.git_dir, folder, "hook");
        command = command.work_tree(&scratch.root).index(&scratch.git_dir.join("index"));
        command = command.args(["run", "--ignore-missing", name, "--"]);
        for argument in arguments {
            command = match *argument {
                MESSAGE => command.arg(message),
                other => command.arg(other),
            };
        }
        let ran = command.run_allowing(&(0..=255).collect::<Vec<_>>())?;
        if ran.code == 0 {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&ran.stderr);
        Err(Error::refused(format!(
            "the hook `{name}` refused the result (exit status {}): {}",
            ran.code,
            escape::lines(said.trim())
        ))
        .hint("without `--hooks` no hook is run"))
    }

    fn hooks_folder(&self) -> PathBuf {
        match self.config("core.hooksPath") {
            None => self.common_dir().join("hooks"),
            Some(configured) => match configured.strip_prefix("~/") {
                Some(below) => PathBuf::from(self.git.home().unwrap_or_default()).join(below),
                None => self.home().join(configured),
            },
        }
    }
}
