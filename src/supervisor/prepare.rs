//! From a slot to an agent: worktree, shim, gate. The agent begins only when its process is recorded.

use super::Life;
use super::protocol::{DONE, GO, MARK, Plan, Report};
use super::shim;
use crate::disk;
use crate::environment::Environment;
use crate::error::{Attempt, Error, ErrorKind, Result};
use crate::git::{Checkout, NewWorktree, PoolOffer, Stock, copy_index};
use crate::layout::RepoLock;
use crate::outcome::Outcome;
use crate::process::{self, Double};
use crate::task::{Change, ProcessIdentity, Spare};
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::path::PathBuf;

/// How often a shim that dies before it has reported is replaced.
const TRIES: usize = 3;

/// A disk with less room than this is full, in bytes: git takes back what it could not finish.
const FULL: u64 = 1024 * 1024;

/// The shim that this process started, and the way to it.
pub(super) struct ShimHandle {
    pid: i32,
    words: PipeWriter,
    pub(super) reports: BufReader<PipeReader>,
}

impl Life {
    /// Makes the worktree and the agent's process and lets the agent begin. A failure is an ending.
    pub(super) fn prepare(&mut self) -> Result<()> {
        self.take_cancellation()?;
        if self.is_stopping() {
            return self.commit(Change::AgentEnded(Outcome::Cancelled));
        }
        self.store.clear_start(&self.lock, self.task.record.attempt)?;
        // One that was cut off (a git killed for want of memory) is made anew, once.
        let made = self.make_worktree().or_else(|error| match error.kind {
            ErrorKind::Git => self.make_worktree(),
            _ => Err(error),
        });
        let checkout = match made {
            Ok(checkout) => checkout,
            Err(error) => {
                let message = self.with_cause(error);
                return self.commit(Change::AgentEnded(Outcome::SetupFailed { message }));
            }
        };
        if let Err(error) = self.set_up(&checkout) {
            let message = error.message;
            return self.commit(Change::AgentEnded(Outcome::SetupFailed { message }));
        }
        if self.is_stopping() {
            return self.commit(Change::AgentEnded(Outcome::Cancelled));
        }
        match self.start_agent(&checkout) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.shim = None;
                let message = error.message;
                self.commit(Change::AgentEnded(Outcome::SpawnFailed { message }))
            }
        }
    }

    /// Git does not always say that it is the disk.
    fn with_cause(&self, error: Error) -> String {
        let free = disk::free_bytes(&self.task.spec.worktree);
        match (error.kind, free) {
            (ErrorKind::Git, Ok(free)) if free < FULL => {
                format!("{} (no space left on device)", error.message)
            }
            _ => error.message,
        }
    }

    fn make_worktree(&self) -> Result<Checkout> {
        let spec = &self.task.spec;
        let layout = self.store.layout().task(spec.id);
        // Without a folder there is none, and git's entries need not be looked through.
        let is_new = spec.worktree.symlink_metadata().is_err()
            || self.repo.worktree_near(spec.id, &spec.worktree)?.is_none();
        let checkout = {
            let _repo = self.store.lock(RepoLock::Repo)?;
            let spares = self.spares()?;
            let keep = &self.config.pool.keep;
            let offer = PoolOffer { spares: &spares, umask: spec.umask, keep };
            let offer = self.config.pool.is_on().then_some(offer);
            let folder = self.store.layout().stock();
            let stock = Stock { folder, most: self.config.pool.stock_bytes };
            self.repo.create_worktree(&NewWorktree {
                task: spec.id,
                root: &spec.worktree,
                branch: &spec.branch,
                // A worktree that was lost is made again where its work had come to.
                base: self.task.record.head.unwrap_or(spec.base.commit),
                intent: &layout.intent(),
                pool: offer.as_ref(),
                stock: Some(&stock),
            })?
        };
        if is_new {
            // Before any agent was in it: later its index is not to be trusted.
            copy_index(&checkout.git_dir.join("index"), &layout.index())?;
        }
        Ok(checkout)
    }

    /// The worktrees that other tasks had and that this one may take.
    fn spares(&self) -> Result<Vec<(Spare, PathBuf)>> {
        if !self.config.pool.is_on() {
            return Ok(Vec::new());
        }
        let spares = self.store.spares()?.into_iter();
        Ok(spares.map(|spare| (spare.clone(), self.store.spare(&spare.name))).collect())
    }

    fn start_agent(&mut self, checkout: &Checkout) -> Result<()> {
        let look = &mut || self.note_surroundings(checkout, self.look_at_main());
        let (mut shim, (watcher, agent)) = self.start_shim(checkout, look)?;
        self.take_cancellation()?;
        if self.is_stopping() {
            // Dropping the pipe closes the gate for good.
            return self.commit(Change::AgentEnded(Outcome::Cancelled));
        }
        let worktree = checkout.root.clone();
        self.commit(Change::AgentReady { worktree, shim: watcher, agent })?;
        // Recorded durably; if the shim died in between, its end is noticed as every end is.
        let _ = shim.words.write_all(&[GO]);
        self.shim = Some(shim);
        Ok(())
    }

    /// Starts the shim; `meanwhile` is done while that makes the agent's process.
    fn start_shim(
        &self,
        checkout: &Checkout,
        meanwhile: &mut dyn FnMut(),
    ) -> Result<(ShimHandle, (ProcessIdentity, ProcessIdentity))> {
        let spec = &self.task.spec;
        let layout = self.store.layout().task(spec.id);
        let folder = self.agent_folder(checkout);
        let plan = Plan {
            task: spec.id,
            folder: folder.clone(),
            command: self.task.present_command(),
            environment: self.agent_environment(checkout, folder),
            output: layout.output(),
            errors: if spec.agent.is_some() { layout.stderr() } else { layout.output() },
            grace: self.config.grace,
        };
        for _ in 0..TRIES {
            let Double { pid, words, reports } = shim::start(&self.store, &plan)?;
            let mut shim = ShimHandle { pid, words, reports: BufReader::new(reports) };
            meanwhile();
            match shim.read_report()? {
                Some(Report::Ready { shim: watcher, agent }) => {
                    return Ok((shim, (watcher, agent)));
                }
                Some(Report::Failed { message }) => return Err(Error::refused(message)),
                Some(Report::Ended) | None => {}
            }
        }
        Err(Error::internal("what should watch over the agent died at once"))
    }

    /// Commands start where the dispatcher stood, presets at the root.
    fn agent_folder(&self, checkout: &Checkout) -> PathBuf {
        let spec = &self.task.spec;
        // Put together from its parts, since joining nothing would add a slash.
        let inner: PathBuf =
            checkout.root.components().chain(spec.subdirectory.components()).collect();
        if spec.agent.is_none() && inner.is_dir() { inner } else { checkout.root.clone() }
    }

    pub(super) fn agent_environment(&self, checkout: &Checkout, folder: PathBuf) -> Environment {
        let mut environment = self.task_environment();
        environment.set("OFFSHOOT_WORKTREE", checkout.root.clone());
        environment.set("PWD", folder);
        environment
    }

    /// The environment of everything that runs for the task, wherever it runs.
    pub(super) fn task_environment(&self) -> Environment {
        let spec = &self.task.spec;
        let mut environment = self.environment.clone();
        for (name, value) in &spec.setup.env {
            environment.set(name, value);
        }
        if let Ok(Some(base)) = self.store.port_base(spec.id) {
            environment.set("OFFSHOOT_PORT_BASE", base.to_string());
        }
        environment.set(MARK, spec.id.to_string());
        environment.set("OFFSHOOT_TASK_NAME", spec.name.as_str());
        environment.set("OFFSHOOT_BASE", spec.base.commit.to_string());
        if let Some(prompt) = self.task.present_prompt() {
            environment.set("OFFSHOOT_PROMPT", prompt);
        }
        environment
    }
}

impl ShimHandle {
    /// Tells the shim that everything is recorded, and waits for its end.
    pub(super) fn let_go(mut self) {
        // One that is gone already needs no word.
        let _ = self.words.write_all(&[DONE]);
        drop(self.words);
        process::wait_and_reap(self.pid);
    }

    /// Lets go of a shim that has died.
    pub(super) fn reap(&mut self) {
        process::wait_and_reap(self.pid);
    }

    /// What the shim says next; `None` when it has died.
    pub(super) fn read_report(&mut self) -> Result<Option<Report>> {
        let mut line = Vec::new();
        self.reports.read_until(b'\n', &mut line).attempt(|| "hear from the shim")?;
        if line.last() != Some(&b'\n') {
            return Ok(None);
        }
        serde_json::from_slice(&line)
            .map(Some)
            .map_err(|cause| Error::internal(format!("cannot read a report: {cause}")))
    }
}
