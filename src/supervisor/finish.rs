//! Recording what an ended agent left: leftovers committed, the branch moved to the result, the
//! change measured. Whatever goes wrong here is a warning; the work itself stays where it is.

use super::Life;
use super::verify::{Laboratory, Proposal};
use crate::clock::Clock;
use crate::diff::{DiffSummary, figures};
use crate::error::{Attempt, Result};
use crate::escape;
use crate::git::{
    Checkout, DiffRange, Expected, Snapshot, SnapshotRequest, SnapshotStart, copy_index,
    worktree_root_of,
};
use crate::names::CommitId;
use crate::outcome::Outcome;
use crate::process;
use crate::store::Subject;
use crate::task::{
    Change, ControlAction, FinishedWork, FollowUp, Phase, Then, Verification, Warning, WarningKind,
};
use std::path::{Path, PathBuf};

/// The result of a task while it is being put together.
pub(super) struct Work {
    pub(super) checkout: Option<Checkout>,
    pub(super) head: CommitId,
    pub(super) leftovers_committed: bool,
    /// Whether `head` is a commit of leftovers, of which the worktree's own index knows nothing.
    pub(super) of_leftovers: bool,
    /// Whether a merge in progress in the worktree is part of `head`.
    pub(super) merged: bool,
    pub(super) warnings: Vec<Warning>,
}

impl Life {
    /// Records the work of the agent that has ended.
    pub(super) fn finish(&mut self) -> Result<()> {
        let seen = self.look_around();
        let shrunk = seen.as_ref().and_then(|seen| seen.shrunk());
        let (work, main) = self.beside_main(|| self.gather());
        let mut work = work?;
        if self.stragglers > 0 {
            let message =
                format!("{} processes outlived the agent and were ended", self.stragglers);
            work.warnings.push(Warning::new(WarningKind::Stragglers, message));
        }
        work.warnings.extend(self.judge((seen, main), work.head));
        let diff = self.measure(&work)?;
        let words = self.agents_words();
        let then = self.what_follows(words.session.as_deref());
        let verify = match then {
            Then::End if diff.figures.files > 0 => self.verify_result(&mut work),
            Then::End | Then::TryAgain | Then::GoOn(_) => None,
        };
        self.commit(Change::Finished(FinishedWork {
            worktree: work.checkout.map(|checkout| checkout.root),
            head: work.head,
            diff,
            verify,
            warnings: work.warnings,
            tick_ms: Clock.tick_ms(),
            boot_id: process::boot_id()?,
            then,
            words,
        }))?;
        if let Some(note) = shrunk.filter(|_| self.task.ended().is_some()) {
            self.shrink_note(&note);
        }
        self.forget_taken_message()
    }

    /// Its file would count no more, but it would lie around.
    fn forget_taken_message(&self) -> Result<()> {
        match &self.task.record.last_message {
            Some(message) => self.store.remove_message(&self.lock, message),
            None => Ok(()),
        }
    }

    /// What the task's verify command says of its result. While it runs, a cancellation breaks it off;
    /// the task has ended as its agent did, and is not verified.
    fn verify_result(&mut self, work: &mut Work) -> Option<Verification> {
        let command = self.task.spec.verify.clone()?;
        let Some(Phase::Finishing { outcome }) = self.running().map(|running| &running.phase)
        else {
            return None;
        };
        // Somebody wants it to be over, or there was no agent.
        if !matches!(outcome, Outcome::Exited { .. } | Outcome::AgentError { .. }) {
            return None;
        }
        match self.try_result(command, work.head) {
            Ok(verification) => Some(verification),
            Err(error) => {
                let message = format!("the result could not be verified: {error}");
                work.warnings.push(Warning::new(WarningKind::NotVerified, message));
                None
            }
        }
    }

    fn try_result(&self, command: String, commit: CommitId) -> Result<Verification> {
        let spec = &self.task.spec;
        let (tree, setup) = (self.repo.tree_of(commit)?, spec.setup.clone());
        let beside = spec.worktree.parent().unwrap_or(&spec.worktree);
        let proposal = Proposal {
            subject: Subject { tree, command, setup },
            commit,
            environment: self.task_environment(),
            beside,
            log: self.store.layout().task(spec.id).verify_log(),
        };
        let laboratory = Laboratory { store: &self.store, repo: &self.repo, config: &self.config };
        let mut is_over = || {
            let requests = self.store.requests(spec.id)?;
            Ok(requests.iter().any(|request| request.action == ControlAction::Cancel))
        };
        laboratory.verify(&proposal, &mut is_over)
    }

    /// A failed attempt is followed by another one while there are any left, then comes what somebody
    /// sent meanwhile; a cancelled attempt is the last.
    fn what_follows(&self, session: Option<&str>) -> Then {
        let Some(Phase::Finishing { outcome }) = self.running().map(|running| &running.phase)
        else {
            return Then::End;
        };
        let left = self.task.record.attempt <= self.task.spec.retries;
        match outcome {
            Outcome::Cancelled => Then::End,
            outcome if left && !outcome.is_success() => Then::TryAgain,
            // One that cannot be read keeps no task from ending.
            _ => match self.store.next_message(&self.lock, &self.task) {
                Ok(Some(message)) => {
                    let conversation = self.task.conversation_after(session);
                    let follow_up = self.task.spec.follow_up(message.text, conversation);
                    Then::GoOn(FollowUp { message: Some(message.id), ..follow_up })
                }
                Ok(None) | Err(_) => Then::End,
            },
        }
    }

    fn gather(&self) -> Result<Work> {
        let spec = &self.task.spec;
        // An agent may have made anything of its branch and its HEAD; what leads to no commit that
        // is there counts as nothing, or the task could never end.
        let tip = self.repo.read_ref(&spec.branch.full_ref()).ok().flatten();
        let tip = tip.filter(|tip| self.repo.tree_of(*tip).is_ok());
        let Some(git_dir) = self.repo.entry_near(spec.id, &spec.worktree)? else {
            let mut warnings = Vec::new();
            if self.task.record.worktree.is_some() {
                warnings.push(missing(&spec.worktree));
            }
            let head = tip.unwrap_or(spec.base.commit);
            let (leftovers_committed, of_leftovers, merged) = Default::default();
            let checkout = None;
            return Ok(Work {
                checkout,
                head,
                leftovers_committed,
                of_leftovers,
                merged,
                warnings,
            });
        };
        let head = self.repo.head_of(&git_dir).ok().and_then(|head| head.commit);
        let head = head.filter(|head| self.repo.tree_of(*head).is_ok());
        let mut work = Work {
            checkout: worktree_root_of(&git_dir).map(|root| Checkout { root, git_dir }),
            head: head.or(tip).unwrap_or(spec.base.commit),
            leftovers_committed: false,
            of_leftovers: false,
            merged: false,
            warnings: Vec::new(),
        };
        match work.checkout.clone() {
            None => work.warnings.push(missing(&spec.worktree)),
            Some(checkout) => {
                self.look_under_the_files(&checkout, &mut work, tip);
                let mended = mend_git_file(&checkout).map(|moved| work.warnings.extend(moved));
                // What was cut off (a git killed for want of memory) is done anew, once.
                let snapshot = || self.snapshot(&checkout, work.head);
                match mended.and_then(|()| snapshot().or_else(|_| snapshot())) {
                    Ok(snapshot) => self.commit_leftovers(&mut work, snapshot, tip)?,
                    Err(error) => work.warnings.push(Warning::new(
                        WarningKind::SnapshotFailed,
                        format!("uncommitted work stays in the worktree only: {error}"),
                    )),
                }
            }
        }
        self.move_branch(&mut work, tip)?;
        if let (true, Some(checkout)) = (work.merged, &work.checkout) {
            self.repo.close_merge(checkout)?;
        }
        Ok(work)
    }

    /// Somebody may have moved the branch from outside, under the feet of the agent. The files belong
    /// to where the worktree itself last went; taken for a change of anything else, they would revert
    /// what the branch was moved to.
    fn look_under_the_files(&self, checkout: &Checkout, work: &mut Work, tip: Option<CommitId>) {
        let Some(logged) = self.repo.last_logged_head(checkout) else { return };
        if logged == work.head || self.repo.tree_of(logged).is_err() {
            return;
        }
        // Who moved it may have died before the log told of that, or before HEAD followed.
        let by_us = match tip == Some(logged) {
            true => self.is_of_leftovers(logged, work.head),
            false => self.is_of_leftovers(work.head, logged),
        };
        if by_us.unwrap_or(false) {
            return;
        }
        work.warnings.push(Warning::new(
            WarningKind::BranchDiverged,
            format!(
                "the branch was moved to {} from outside while the task ran",
                work.head.short()
            ),
        ));
        work.head = logged;
    }

    fn snapshot(&self, checkout: &Checkout, head: CommitId) -> Result<Snapshot> {
        let layout = self.store.layout().task(self.task.id());
        self.repo.snapshot(&SnapshotRequest {
            checkout,
            index: &layout.snapshot_index(),
            start: SnapshotStart::Commit { head, seed: &layout.index() },
        })
    }

    /// Fast-forwards the task's branch to the result. Where that cannot be (the agent went on from
    /// somewhere else), both are kept.
    fn move_branch(&self, work: &mut Work, tip: Option<CommitId>) -> Result<()> {
        let spec = &self.task.spec;
        let name = spec.branch.full_ref();
        let message = format!("offshoot: result of {}", spec.name);
        let expected = match tip {
            Some(tip) if tip == work.head => {
                self.attach(work);
                return Ok(());
            }
            Some(tip) if self.repo.is_ancestor(tip, work.head)? => Some(Expected::At(tip)),
            Some(_) => None,
            None => Some(Expected::Absent),
        };
        let moved = expected.map(|expected| match &work.checkout {
            Some(checkout) => {
                self.repo.set_ref_from(checkout, &name, (expected, work.head), &message)
            }
            None => self.repo.set_ref(&name, expected, work.head, &message),
        });
        if let Some(Ok(())) = moved {
            self.attach(work);
            return Ok(());
        }
        self.keep_result(work.head, &message)?;
        work.warnings.push(Warning::new(
            WarningKind::BranchDiverged,
            format!(
                "`{}` does not lead to the result {}; both are kept",
                spec.branch,
                work.head.short()
            ),
        ));
        Ok(())
    }

    /// A ref for a result to which no branch leads; an earlier try may have left one for another.
    fn keep_result(&self, head: CommitId, message: &str) -> Result<()> {
        let first = format!("refs/offshoot/kept/{}/result", self.task.id());
        let others = (2u32..).map(|number| format!("{first}-{number}"));
        for name in std::iter::once(first.clone()).chain(others) {
            match self.repo.read_ref(&name)? {
                Some(there) if there == head => return Ok(()),
                Some(_) => {}
                None => return self.repo.set_ref(&name, Expected::Absent, head, message),
            }
        }
        Ok(())
    }

    /// Puts the worktree on the task's branch, whose tip its files are, so that a person who enters
    /// it finds a clean checkout. A lock that an agent left there is no reason not to end.
    fn attach(&self, work: &mut Work) {
        if let Err(error) = self.put_on_branch(work).or_else(|_| self.put_on_branch(work)) {
            let message = format!("the worktree is not on `{}`: {error}", self.task.spec.branch);
            work.warnings.push(Warning::new(WarningKind::BranchDiverged, message));
        }
    }

    fn put_on_branch(&self, work: &Work) -> Result<()> {
        let Some(checkout) = &work.checkout else { return Ok(()) };
        let in_use = ["rebase-merge", "rebase-apply", "BISECT_START", "index.lock"];
        if in_use.iter().any(|name| checkout.git_dir.join(name).exists()) {
            return Ok(());
        }
        let head = self.repo.head_of(&checkout.git_dir).ok().and_then(|head| head.branch);
        if head.as_ref() != Some(&self.task.spec.branch) {
            self.repo.attach_head(checkout, &self.task.spec.branch)?;
        } else if !work.of_leftovers && !work.merged {
            return Ok(());
        }
        let index = self.store.layout().task(self.task.id()).snapshot_index();
        let sibling = checkout.git_dir.join("index.offshoot");
        copy_index(&index, &sibling)?;
        let place = checkout.git_dir.join("index");
        std::fs::rename(&sibling, &place).attempt(|| format!("write `{}`", place.display()))
    }

    fn measure(&self, work: &Work) -> Result<DiffSummary> {
        let target = self.task.spec.target.as_ref();
        let target = target.and_then(|target| self.repo.read_ref(&target.full_ref()).ok()?);
        let from = self.repo.diff_base(self.task.record.base, work.head, target)?;
        let changes = self.repo.changes(&DiffRange { from, to: work.head, paths: &[] })?;
        Ok(DiffSummary {
            figures: figures(&changes),
            commits: self.repo.count_commits(from, work.head)?,
            leftovers_committed: work.leftovers_committed,
        })
    }
}

fn missing(worktree: &Path) -> Warning {
    let message = format!("the worktree `{}` was gone at the end", worktree.display());
    Warning::new(WarningKind::WorktreeMissing, message)
}

/// An agent may have deleted the file by which git finds the repository from inside, and a person may
/// have moved the repository meanwhile; then nobody could be told how the agent ended.
fn mend_git_file(checkout: &Checkout) -> Result<Option<Warning>> {
    let path = checkout.root.join(".git");
    match std::fs::symlink_metadata(&path) {
        Ok(found) if !found.is_file() => Ok(None),
        Ok(found) if found.len() > 0 => match moved_from(&path, checkout) {
            Some(old) => {
                let message = format!(
                    "the repository was moved away from `{}` while the task ran",
                    escape::line(&old.to_string_lossy())
                );
                checkout
                    .mend_git_file()
                    .map(|()| Some(Warning::new(WarningKind::RepositoryMoved, message)))
            }
            None => Ok(None),
        },
        // It is gone, or whoever wrote it died over it.
        _ => checkout.mend_git_file().map(|()| None),
    }
}

/// The git directory where this worktree's entry was once, if none is there any more.
fn moved_from(git_file: &Path, checkout: &Checkout) -> Option<PathBuf> {
    let text = std::fs::read_to_string(git_file).ok()?;
    let entry = Path::new(text.strip_prefix("gitdir: ")?.trim_end());
    let (entries, old) = (entry.parent()?, entry.parent()?.parent()?);
    let ours = entry.is_absolute() && entry.file_name() == checkout.git_dir.file_name();
    (ours && entries.ends_with("worktrees") && !old.exists()).then(|| old.to_owned())
}
