//! Learning how children ended, and letting go of their numbers only when that is recorded.

use super::identity::Stat;
use super::tree::pids;
use crate::error::{Attempt, Error, Result};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};
use serde::{Deserialize, Serialize};
use std::fs;

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// It exited with this status.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
}

/// How a child ended; `None` while it runs. It stays a zombie, so that its number is not used again
/// and whoever adopts it can ask once more.
///
/// # Errors
/// `io` when it is no child of this process.
pub fn peek(child: i32) -> Result<Option<Ending>> {
    let pid = Pid::from_raw(child).ok_or_else(|| Error::internal("0 is no child"))?;
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    let status = waitid(WaitId::Pid(pid), options)
        .map_err(std::io::Error::from)
        .attempt(|| format!("wait for process {child}"))?;
    Ok(status.and_then(|status| {
        let code = status.exit_status().map(Ending::Code);
        code.or_else(|| status.terminating_signal().map(Ending::Signal))
    }))
}

/// Lets go of a child that has ended.
pub fn reap(child: i32) {
    if let Some(pid) = Pid::from_raw(child) {
        // It may have been reaped already; there is nothing to do then.
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}

/// Waits until a child has ended, and lets go of it.
pub fn wait_and_reap(child: i32) {
    if let Some(pid) = Pid::from_raw(child) {
        // It may have been reaped already; there is nothing to do then.
        let _ = rustix::io::retry_on_intr(|| waitpid(Some(pid), WaitOptions::empty()));
    }
}

/// Lets go of every ended child but `kept`: orphans that this process adopted.
pub fn reap_others(kept: i32) {
    for pid in children().into_iter().filter(|pid| *pid != kept) {
        if Stat::read(pid).is_some_and(|stat| stat.is_zombie()) {
            reap(pid);
        }
    }
}

/// Whether this process has no child but this one, dead or alive. For a subreaper it means that
/// nothing is left of what the child has started.
#[must_use]
pub fn is_only_child(child: i32) -> bool {
    children() == [child]
}

/// The children of this process, those that have ended and are not reaped included.
fn children() -> Vec<i32> {
    listed_children().unwrap_or_else(|| {
        let me = rustix::process::getpid().as_raw_nonzero().get();
        pids().filter(|pid| Stat::read(*pid).is_some_and(|stat| stat.parent == me)).collect()
    })
}

/// The same as the kernel lists them (proc_pid_task(5)), which a kernel may be built without. Such a
/// list is whole as long as nobody reaps meanwhile, and only this process reaps its children.
fn listed_children() -> Option<Vec<i32>> {
    let mut children = Vec::new();
    for thread in fs::read_dir("/proc/self/task").ok()? {
        let listed = fs::read_to_string(thread.ok()?.path().join("children")).ok()?;
        children.extend(listed.split_ascii_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    Some(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_are_listed_as_they_are_found_by_looking_at_every_process() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("starts");
        let pid = i32::try_from(child.id()).expect("a number");
        assert!(children().contains(&pid));
        child.kill().expect("ends");
        while peek(pid).expect("is ours").is_none() {
            std::thread::yield_now();
        }
        assert!(children().contains(&pid), "it is not reaped yet");
        child.wait().expect("reaps");
        assert!(!children().contains(&pid));
    }
}
