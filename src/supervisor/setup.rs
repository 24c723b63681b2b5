//! Making a fresh worktree ready: ignored files are copied, then the set-up command runs. Once for a
//! worktree, whichever attempt; one that was cut off begins again.
//!
//! The command carries the task's mark like everything the agent starts, so whatever it leaves running
//! is found and ended, by this supervisor or its successor. It may be cancelled; a pause waits until
//! the agent is there.

use super::Life;
use super::launch::lives_apart;
use super::protocol::MARK;
use super::readable::{readable, wait_readable};
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::git::Checkout;
use crate::process::{self, ProcessTree, Spawn};
use crate::task::{Change, StopReason};
use crate::watch::LOOK;
use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

/// How long a set-up command may take when nothing else is configured.
const LIMIT: Duration = Duration::from_secs(600);

/// How many lines of its log a failure shows, and how many bytes of it are read for them.
const SHOWN: (usize, u64) = (5, 2000);

/// Why waiting for the command is over.
enum Waited {
    /// It has ended.
    Ended,
    /// Its own time is over.
    TooLong,
    /// The task is to end.
    Stopping,
}

impl Life {
    /// Makes the worktree ready, unless it is. When the task is to end meanwhile, that is recorded.
    ///
    /// # Errors
    /// What went wrong, in words for the outcome.
    pub(super) fn set_up(&mut self, checkout: &Checkout) -> Result<()> {
        let setup = self.task.spec.setup.clone();
        let nothing_to_do = setup.copy.is_empty() && setup.command.is_none();
        if nothing_to_do || checkout.is_set_up() {
            return Ok(());
        }
        self.repo.copy_ignored(&setup.copy, checkout)?;
        if let Some(command) = &setup.command {
            let limit = setup.timeout_seconds.map_or(LIMIT, Duration::from_secs);
            self.run_set_up(checkout, command, limit)?;
        }
        if self.is_stopping() { Ok(()) } else { checkout.mark_set_up() }
    }

    fn run_set_up(&mut self, checkout: &Checkout, command: &str, limit: Duration) -> Result<()> {
        let mark = format!("{MARK}={}", self.task.id());
        let task = self.task.id();
        let excluded = |pid: i32| lives_apart(Some(task), pid);
        let tree = ProcessTree::carrying(&mark, &excluded);
        // What a supervisor that died has left would work in the same folder.
        tree.end(self.config.grace)?;
        let log = self.store.layout().task(self.task.id()).setup_log();
        let attempt = || format!("write `{}`", log.display());
        let mut options = OpenOptions::new();
        let output = options.create(true).write(true).truncate(true).mode(0o600).open(&log);
        let output = output.attempt(attempt)?;
        let environment = self.agent_environment(checkout, checkout.root.clone());
        let mut child = Spawn::shell(command, &environment)
            .in_folder(&checkout.root)
            .writing(output.try_clone().attempt(attempt)?)
            .complaining(output)
            .start()?;
        let pid = i32::try_from(child.id()).expect("invariant: a process number is an i32");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .attempt(|| "watch the set-up command")?;
        let waited = runtime.block_on(self.wait_for_set_up(pid, limit));
        tree.end(self.config.grace)?;
        let status = child.wait().attempt(|| "wait for the set-up command")?;
        process::reap_others(pid);
        match waited? {
            Waited::Ended if status.success() => Ok(()),
            Waited::Ended => Err(failed(&ended(status), &log)),
            Waited::TooLong => {
                Err(failed(&format!("took longer than {} s and was ended", limit.as_secs()), &log))
            }
            Waited::Stopping => Ok(()),
        }
    }

    async fn wait_for_set_up(&mut self, pid: i32, limit: Duration) -> Result<Waited> {
        let requested = self.new_requests()?;
        let Some(command) = process::hold(pid).map(readable).transpose()? else {
            return Ok(Waited::Ended);
        };
        let limit = tokio::time::Instant::now() + limit;
        loop {
            self.requests.forget();
            self.take_cancellation()?;
            if self.is_stopping() {
                return Ok(Waited::Stopping);
            }
            let left = self.time_left().unwrap_or(Duration::MAX);
            tokio::select! {
                ready = wait_readable(Some(&command)) => return ready.map(|()| Waited::Ended),
                ready = wait_readable(requested.as_ref()) => ready?,
                () = tokio::time::sleep_until(limit) => return Ok(Waited::TooLong),
                () = tokio::time::sleep(left) => {
                    self.commit(Change::StopAsked(StopReason::TimedOut))?;
                }
                // Where notification is not to be had, requests are looked for.
                () = tokio::time::sleep(LOOK), if requested.is_none() => {}
            }
        }
    }
}

fn ended(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exited {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "failed".to_owned(),
    }
}

fn failed(how: &str, log: &Path) -> Error {
    let end = end_of(log).unwrap_or_default();
    let end =
        if end.is_empty() { "its log is empty".to_owned() } else { format!("its log ends: {end}") };
    Error::refused(format!("the set-up command {how}; {end} (`{}`)", log.display()))
}

/// The last lines of a log, in one line.
fn end_of(log: &Path) -> std::io::Result<String> {
    let (lines, bytes) = SHOWN;
    let mut file = fs::File::open(log)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut text = Vec::new();
    file.take(bytes).read_to_end(&mut text)?;
    let text = String::from_utf8_lossy(&text);
    let shown: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &shown[shown.len().saturating_sub(lines)..];
    Ok(last.iter().map(|line| escape::line(line)).collect::<Vec<_>>().join(" | "))
}
