//! Everything that descends from a process: found, signalled, waited for.
//!
//! With a subreaper at the root, children that daemonise or call `setsid` stay in the tree. A process
//! that is excluded is left alone with all that descends from it (a task dispatched inside a task has
//! a supervisor of its own).

use super::identity::{self, Stat, stands_still};
use crate::clock::{Clock, Deadline};
use crate::error::{Attempt, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::HashMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// How often a tree is looked at until all of it is stopped; a process in an uninterruptible call
/// stops only when that returns.
const STOP_ROUNDS: usize = 200;

/// How long such a look waits for the last one's signals to arrive.
const STOP_PAUSE: Duration = Duration::from_millis(5);

/// A signal for a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeSignal {
    /// Please end; stopped processes are woken so that they can.
    Terminate,
    /// End now.
    Kill,
    /// Stand still.
    Stop,
    /// Go on.
    Continue,
}

/// The processes below one, or those that carry a mark in their environment.
#[derive(Clone, Copy)]
pub struct ProcessTree<'a> {
    root: Root<'a>,
    excluded: &'a dyn Fn(i32) -> bool,
}

#[derive(Clone, Copy)]
enum Root<'a> {
    Below(i32),
    Carrying(&'a str),
}

impl<'a> ProcessTree<'a> {
    /// The tree below `root` (which is not part of it), without what `excluded` names.
    #[must_use]
    pub fn below(root: i32, excluded: &'a dyn Fn(i32) -> bool) -> Self {
        Self { root: Root::Below(root), excluded }
    }

    /// The processes whose environment holds `variable` (`NAME=value`): how a tree is found whose
    /// root is gone.
    #[must_use]
    pub fn carrying(variable: &'a str, excluded: &'a dyn Fn(i32) -> bool) -> Self {
        Self { root: Root::Carrying(variable), excluded }
    }

    /// The processes that are running or stopped in the tree now, each held by a descriptor.
    fn members(&self) -> Vec<OwnedFd> {
        self.found().into_iter().filter_map(|(pid, start_time)| open(pid, start_time)).collect()
    }

    fn pids(&self) -> Vec<i32> {
        self.found().into_iter().map(|(pid, _)| pid).collect()
    }

    /// The processes with their start times.
    fn found(&self) -> Vec<(i32, u64)> {
        let root = match self.root {
            Root::Below(root) => root,
            Root::Carrying(variable) => return self.carriers(variable),
        };
        let mut children: HashMap<i32, Vec<(i32, u64)>> = HashMap::new();
        for pid in pids() {
            if let Some(stat) = Stat::read(pid)
                && !stat.is_zombie()
            {
                children.entry(stat.parent).or_default().push((pid, stat.start_time));
            }
        }
        let (mut members, mut parents) = (Vec::new(), vec![root]);
        while let Some(parent) = parents.pop() {
            for (pid, start_time) in children.remove(&parent).unwrap_or_default() {
                if (self.excluded)(pid) {
                    continue;
                }
                parents.push(pid);
                members.push((pid, start_time));
            }
        }
        members
    }

    fn carriers(&self, variable: &str) -> Vec<(i32, u64)> {
        let living = pids().filter_map(|pid| Some((pid, Stat::read(pid)?)));
        living
            .filter(|(pid, stat)| {
                !stat.is_zombie() && !(self.excluded)(*pid) && carries(*pid, variable)
            })
            .map(|(pid, stat)| (pid, stat.start_time))
            .collect()
    }

    /// Whether nothing is left in the tree.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.members().is_empty()
    }

    /// Signals every process of the tree; returns how many there were.
    #[must_use]
    pub fn signal(&self, signal: TreeSignal) -> usize {
        let members = self.members();
        for member in &members {
            // One that ended meanwhile is what we want anyway.
            let signals: &[Signal] = match signal {
                TreeSignal::Terminate => &[Signal::TERM, Signal::CONT],
                TreeSignal::Kill => &[Signal::KILL],
                TreeSignal::Stop => &[Signal::STOP],
                TreeSignal::Continue => &[Signal::CONT],
            };
            for signal in signals {
                let _ = pidfd_send_signal(member, *signal);
            }
        }
        members.len()
    }

    /// Stops the whole tree. A process may be born between the look and its parent's stop, so it is
    /// repeated until every process that is there is seen to be stopped.
    pub fn stop(&self) {
        for _ in 0..STOP_ROUNDS {
            let _ = self.signal(TreeSignal::Stop);
            if self.pids().into_iter().all(stands_still) {
                return;
            }
            std::thread::sleep(STOP_PAUSE);
        }
    }

    /// Waits until the tree is empty or the deadline has passed; says whether it is empty.
    ///
    /// # Errors
    /// `io` when the kernel refuses to wait.
    pub fn wait_until_empty(&self, deadline: Deadline) -> Result<bool> {
        loop {
            let members = self.members();
            let Some(first) = members.first() else { return Ok(true) };
            if deadline.has_passed() {
                return Ok(false);
            }
            // Children that are born meanwhile are seen on the next round, when this one has ended.
            wait_for(first, Some(deadline))?;
        }
    }

    /// Ends the whole tree: asks, waits for `grace`, then kills until nothing is left. Says how many
    /// processes there were.
    ///
    /// # Errors
    /// `io` when the kernel refuses to wait.
    pub fn end(&self, grace: Duration) -> Result<usize> {
        let count = self.signal(TreeSignal::Terminate);
        if count == 0 || self.wait_until_empty(Clock.deadline(grace))? {
            return Ok(count);
        }
        self.kill()?;
        Ok(count)
    }

    /// Kills until nothing is left.
    ///
    /// # Errors
    /// `io` when the kernel refuses to wait.
    pub fn kill(&self) -> Result<()> {
        while self.signal(TreeSignal::Kill) > 0 {
            self.wait_until_empty(Clock.deadline(Duration::from_millis(100)))?;
        }
        Ok(())
    }
}

/// Waits until a process has ended or the deadline has passed; says whether it has ended.
///
/// # Errors
/// `io` when the kernel refuses to wait.
pub fn wait_until_ended(pid: i32, deadline: Option<Deadline>) -> Result<bool> {
    match hold(pid) {
        Some(process) => wait_for(&process, deadline),
        None => Ok(true),
    }
}

/// Whether a process was started with `variable` (`NAME=value`) in its environment.
#[must_use]
pub fn carries(pid: i32, variable: &str) -> bool {
    let environment = identity::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|kept| kept == variable.as_bytes())
}

pub(super) fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// A descriptor of the process that has this number now; readable once it has ended.
#[must_use]
pub fn hold(pid: i32) -> Option<OwnedFd> {
    pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()
}

/// Holds a process, if the one that has the number is still the one that was seen.
fn open(pid: i32, start_time: u64) -> Option<OwnedFd> {
    let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
    (Stat::read(pid)?.start_time == start_time).then_some(process)
}

fn wait_for(process: &OwnedFd, deadline: Option<Deadline>) -> Result<bool> {
    loop {
        let timeout = deadline.map(|deadline| {
            Timespec::try_from(deadline.left()).expect("invariant: a deadline is near enough")
        });
        let mut watched = [PollFd::new(process, PollFlags::IN)];
        match poll(&mut watched, timeout.as_ref()) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::INTR) => {}
            Err(cause) => return Err(cause.into()).attempt(|| "wait for a process"),
        }
    }
}
