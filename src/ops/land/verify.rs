//! Which verify command a landing has to pass, and passing it: on exactly the tree that would land.

use super::LandRequest;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::escape;
use crate::names::{CommitId, ObjectId};
use crate::ops::place::worktree_root;
use crate::ops::trust;
use crate::store::Subject;
use crate::supervisor::{Laboratory, Proposal};
use crate::task::{Judgement, Task, Verification};
use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// What has to agree before something lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verify {
    /// The command that the task was dispatched with, else the configured one, if there is any.
    AsConfigured,
    /// This command.
    With(String),
    /// Nothing.
    Never,
}

/// Whoever waits for a landing.
pub struct Attendance<'a> {
    /// Set when it is to be broken off.
    pub interrupted: &'a AtomicBool,
    /// Is told what is being waited for.
    pub say: &'a dyn Fn(&str),
}

impl LandRequest {
    /// The command that a task's result has to pass, if any.
    pub(super) fn command_for(&self, context: &Context, task: &Task) -> Option<String> {
        match &self.verify {
            Verify::Never => None,
            Verify::With(command) => Some(command.clone()),
            Verify::AsConfigured => {
                task.spec.verify.clone().or_else(|| context.config.verify.clone())
            }
        }
    }
}

/// Tries trees with one command. Each is tried once at most, whatever came of it.
pub(super) struct Judge<'a> {
    context: &'a Context,
    command: &'a str,
    attendance: &'a Attendance<'a>,
    rejected: BTreeMap<ObjectId, Verification>,
}

impl<'a> Judge<'a> {
    /// A judge with this command.
    ///
    /// # Errors
    /// `untrusted` while the person has not accepted what the repository's own file runs.
    pub(super) fn new(
        context: &'a Context,
        command: &'a str,
        attendance: &'a Attendance<'a>,
    ) -> Result<Self> {
        // The set-up may be that file's, even where the command is the person's own.
        trust::require(context)
            .map_err(|error| error.hint("`--no-verify-cmd` lands without running anything"))?;
        Ok(Self { context, command, attendance, rejected: BTreeMap::new() })
    }

    fn subject(&self, tree: ObjectId) -> Subject {
        let setup = self.context.config.setup.clone();
        Subject { tree, command: self.command.to_owned(), setup }
    }

    /// Whether a tree is known to pass.
    pub(super) fn has_passed(&self, tree: ObjectId) -> bool {
        self.context.store.has_passed(&self.subject(tree))
    }

    /// Why a commit's tree does not pass; `None` when it does.
    ///
    /// # Errors
    /// `refused` when it was broken off.
    pub(super) fn rejects(&mut self, commit: CommitId) -> Result<Option<Verification>> {
        let context = self.context;
        let tree = context.repo.tree_of(commit)?;
        if let Some(known) = self.rejected.get(&tree) {
            return Ok(Some(known.clone()));
        }
        let subject = self.subject(tree);
        if context.store.has_passed(&subject) {
            return Ok(None);
        }
        (self.attendance.say)(&format!("verifying by `{}`", escape::line(self.command)));
        let log = context.store.trial_log(&subject)?;
        let proposal = Proposal {
            subject,
            commit,
            environment: context.environment.without_git_location(),
            beside: &worktree_root(context),
            log,
        };
        let interrupted = self.attendance.interrupted;
        let mut is_over = || Ok(interrupted.load(Ordering::Relaxed));
        let Context { store, repo, config, .. } = context;
        let said = Laboratory { store, repo, config }.verify(&proposal, &mut is_over)?;
        match said.verdict {
            Some(Judgement::Green) => Ok(None),
            Some(Judgement::Red) => {
                self.rejected.insert(tree, said.clone());
                Ok(Some(said))
            }
            None => Err(Error::refused("the verify command was broken off; nothing was landed")
                .hint("the same command again starts it anew")),
        }
    }
}

/// The last lines of what a verify command wrote; empty where that cannot be read.
#[must_use]
pub fn end_of_log(log: &Path, lines: usize) -> String {
    const BYTES: u64 = 16 * 1024;
    let read = || {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(BYTES)))?;
        let mut bytes = Vec::new();
        file.take(BYTES).read_to_end(&mut bytes)?;
        Ok::<_, std::io::Error>(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
