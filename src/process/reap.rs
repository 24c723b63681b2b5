//! Learning how children ended, and letting go of their numbers only when that is recorded.

use super::identity::Stat;
use super::tree::pids;
use crate::error::{Attempt, Error, Result};
use rustix::process::{Pid, WaitId, WaitIdOptions, WaitOptions, waitid, waitpid};
use serde::{Deserialize, Serialize};

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

/// Lets go of every ended child but `kept`: orphans that this process adopted.
pub fn reap_others(kept: i32) {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    for pid in pids().filter(|pid| *pid != kept) {
        if Stat::read(pid).is_some_and(|stat| stat.parent == me && stat.is_zombie()) {
            reap(pid);
        }
    }
}
