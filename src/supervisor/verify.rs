//! Trying a verify command on exactly one tree, in a worktree of its own that is made ready as a task's
//! is and goes away afterwards. Used at the end of a task and before a landing.
//!
//! The commit was made before, so nothing that the command does to its worktree changes what lands. Its
//! processes carry a mark, by which they are ended when the trial is over, is broken off, or is found
//! to have died with whoever ran it.

use super::launch::lives_apart;
use crate::clock::Clock;
use crate::config::Config;
use crate::environment::Environment;
use crate::error::{Attempt, ErrorKind, Result};
use crate::git::{self, Checkout, Repo};
use crate::layout::RepoLock;
use crate::names::{CommitId, TaskId};
use crate::process::{self, ProcessTree, Spawn};
use crate::store::{Store, Subject, Trial};
use crate::task::{Judgement, SCHEMA, Verification};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// The variable by which the processes of a trial are known.
const MARK: &str = "OFFSHOOT_VERIFY_ID";

/// How often somebody who wants a trial to end is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How long a set-up command may take when nothing else is configured.
const SETUP_LIMIT: Duration = Duration::from_secs(600);

/// Something to be tried.
pub struct Proposal<'a> {
    /// The tree, the command, and what makes the worktree ready.
    pub subject: Subject,
    /// A commit with that tree.
    pub commit: CommitId,
    /// The environment of the command; the set-up's variables are added.
    pub environment: Environment,
    /// The folder in which the worktree is made.
    pub beside: &'a Path,
    /// Where the output goes.
    pub log: PathBuf,
}

/// Whoever tries something: what it needs besides.
#[derive(Clone, Copy)]
pub struct Laboratory<'a> {
    /// The records.
    pub store: &'a Store,
    /// The repository.
    pub repo: &'a Repo,
    /// The settings.
    pub config: &'a Config,
}

/// How a command ended.
enum Step {
    Exited(ExitStatus),
    TooLong(Duration),
    BrokenOff,
}

impl Laboratory<'_> {
    /// Tries a proposal. While it goes on, `is_over` is asked whether it is to be broken off; then the
    /// verdict is none. What passed is noted.
    ///
    /// # Errors
    /// When there can be no trial: no worktree can be made, no process started.
    pub fn verify(
        self,
        proposal: &Proposal<'_>,
        is_over: &mut dyn FnMut() -> Result<bool>,
    ) -> Result<Verification> {
        self.sweep()?;
        let trial = self.begin(proposal.beside)?;
        let step = self.try_in(&trial, proposal, is_over);
        self.clear_away(&trial)?;
        let (verdict, code) = match step? {
            Step::Exited(status) if status.success() => (Some(Judgement::Green), Some(0)),
            Step::Exited(status) => (Some(Judgement::Red), status.code()),
            Step::TooLong(_) => (Some(Judgement::Red), None),
            Step::BrokenOff => (None, None),
        };
        if verdict == Some(Judgement::Green) {
            self.store.note_passed(&proposal.subject)?;
        }
        Ok(Verification {
            command: proposal.subject.command.clone(),
            tree: proposal.subject.tree,
            verdict,
            code,
            log: proposal.log.clone(),
        })
    }

    /// Lets something work in a worktree of a commit, made in the folder `beside` and gone afterwards.
    /// What a kill leaves of it goes with the next command.
    ///
    /// # Errors
    /// Those of the work, and when there can be no worktree.
    pub fn in_scratch<T>(
        self,
        beside: &Path,
        commit: CommitId,
        work: impl FnOnce(&Checkout) -> Result<T>,
    ) -> Result<T> {
        let trial = self.begin(beside)?;
        let done = self.worktree(&trial, commit).and_then(|checkout| work(&checkout));
        self.clear_away(&trial)?;
        done
    }

    /// Lets something work with files in a folder that is gone afterwards, or with the next command.
    ///
    /// # Errors
    /// Those of the work, and when there can be no folder.
    pub fn in_folder<T>(self, work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
        self.store.make_folders()?;
        let trial = self.begin(&self.store.layout().scratch())?;
        let folder = &trial.worktree;
        let made = fs::create_dir(folder).attempt(|| format!("make `{}`", folder.display()));
        let done = made.and_then(|()| work(folder));
        let removed = git::delete(folder).and_then(|()| self.store.end_trial(&trial));
        // The next command tries that again.
        drop(removed);
        done
    }

    fn begin(self, beside: &Path) -> Result<Trial> {
        let name = TaskId::random();
        let trial = Trial {
            schema: SCHEMA,
            name: name.to_string(),
            owner: process::current()?,
            // No task's name holds a `~`, so nobody else's folder is ever there.
            worktree: beside.join(format!("verify~{}", name.short())),
        };
        self.store.begin_trial(&trial)?;
        Ok(trial)
    }

    fn worktree(self, trial: &Trial, commit: CommitId) -> Result<Checkout> {
        let _repo = self.store.lock(RepoLock::Repo)?;
        self.repo.make_scratch(&trial.worktree, commit)
    }

    fn try_in(
        self,
        trial: &Trial,
        proposal: &Proposal<'_>,
        is_over: &mut dyn FnMut() -> Result<bool>,
    ) -> Result<Step> {
        let setup = &proposal.subject.setup;
        let attempt = || format!("write `{}`", proposal.log.display());
        let mut options = OpenOptions::new();
        let log = options.create(true).write(true).truncate(true).mode(0o600).open(&proposal.log);
        let mut log = log.attempt(attempt)?;
        let checkout = self.worktree(trial, proposal.commit)?;
        self.repo.copy_ignored(&setup.copy, &checkout)?;
        let mut environment = proposal.environment.clone();
        for (name, value) in &setup.env {
            environment.set(name, value);
        }
        environment.set(MARK, trial.name.as_str());
        environment.set("PWD", checkout.root.clone());
        let setup_limit = setup.timeout_seconds.map_or(SETUP_LIMIT, Duration::from_secs);
        let first = setup.command.as_deref().map(|command| (command, setup_limit));
        let second = (proposal.subject.command.as_str(), self.config.verify_limit);
        let mut last = Step::BrokenOff;
        for (command, limit) in first.into_iter().chain([second]) {
            writeln!(log, "$ {command}").attempt(attempt)?;
            let step = self.run(&checkout, (command, limit), (&environment, &log), is_over);
            // Whatever it left running would work on, in a folder that goes away.
            self.end_processes(trial)?;
            last = step?;
            if !matches!(&last, Step::Exited(status) if status.success()) {
                writeln!(log, "offshoot: `{command}` {}", words(&last)).attempt(attempt)?;
                break;
            }
        }
        Ok(last)
    }

    fn run(
        self,
        checkout: &Checkout,
        (command, limit): (&str, Duration),
        (environment, log): (&Environment, &File),
        is_over: &mut dyn FnMut() -> Result<bool>,
    ) -> Result<Step> {
        let attempt = || "share the log";
        let mut child = Spawn::shell(command, environment)
            .in_folder(&checkout.root)
            .writing(log.try_clone().attempt(attempt)?)
            .complaining(log.try_clone().attempt(attempt)?)
            .start()?;
        let pid = i32::try_from(child.id()).expect("invariant: a process number is an i32");
        let deadline = Clock.deadline(limit);
        let early = loop {
            if process::wait_until_ended(pid, Some(Clock.deadline(LOOK)))? {
                break None;
            }
            if is_over()? {
                break Some(Step::BrokenOff);
            }
            if deadline.has_passed() {
                break Some(Step::TooLong(limit));
            }
        };
        if early.is_some() {
            // What does not carry the mark but descends from it goes too.
            ProcessTree::below(pid, &|pid| lives_apart(None, pid)).end(Duration::ZERO)?;
            let mark = format!("{MARK}={}", environment.text(MARK).unwrap_or_default());
            ProcessTree::carrying(&mark, &|pid| lives_apart(None, pid)).end(self.config.grace)?;
        }
        let status = child.wait().attempt(|| "wait for the verify command")?;
        Ok(early.unwrap_or(Step::Exited(status)))
    }

    /// Ends what is left of trials whose owner has died, and removes their worktrees.
    ///
    /// # Errors
    /// `io` when something cannot be ended or removed; the next call goes on.
    pub fn sweep(self) -> Result<()> {
        for trial in self.store.trials()? {
            // Of another container's nobody here can tell.
            if !process::is_alive(&trial.owner).unwrap_or(true) {
                self.clear_away(&trial)?;
                // Git may have died with it, which makes worktrees for it.
                self.repo.outwait_packed_lock();
            }
        }
        Ok(())
    }

    fn clear_away(self, trial: &Trial) -> Result<()> {
        self.end_processes(trial)?;
        let removed = {
            let _repo = self.store.lock(RepoLock::Repo)?;
            self.repo.remove_scratch(&trial.worktree)
        };
        match removed {
            // Gone already: two verbs may sweep at the same time.
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            _ => self.store.end_trial(trial),
        }
    }

    fn end_processes(self, trial: &Trial) -> Result<usize> {
        let mark = format!("{MARK}={}", trial.name);
        ProcessTree::carrying(&mark, &|pid| lives_apart(None, pid)).end(self.config.grace)
    }
}

fn words(step: &Step) -> String {
    use std::os::unix::process::ExitStatusExt;
    match step {
        Step::BrokenOff => "was broken off".to_owned(),
        Step::TooLong(limit) => format!("took longer than {} s and was ended", limit.as_secs()),
        Step::Exited(status) => match (status.code(), status.signal()) {
            (Some(code), _) => format!("exited {code}"),
            (None, Some(signal)) => format!("was ended by signal {signal}"),
            (None, None) => "failed".to_owned(),
        },
    }
}
