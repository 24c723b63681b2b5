//! Which process it is: number, start time, boot and PID namespace.

use super::tree::carries;
use crate::error::{Attempt, Error, Result};
use crate::task::ProcessIdentity;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The id of this boot.
///
/// # Errors
/// `unsupported` where the system does not tell (`/proc` is missing).
pub fn boot_id() -> Result<String> {
    static BOOT: OnceLock<String> = OnceLock::new();
    if let Some(known) = BOOT.get() {
        return Ok(known.clone());
    }
    read_text("/proc/sys/kernel/random/boot_id")
        .map(|text| BOOT.get_or_init(|| text.trim().to_owned()).clone())
        .map_err(|cause| Error::unsupported(format!("cannot tell this boot from another: {cause}")))
}

/// This process.
///
/// # Errors
/// As [`of`].
pub fn current() -> Result<ProcessIdentity> {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    of(pid)?.ok_or_else(|| Error::internal("this process is not in /proc"))
}

/// The process that has this number now, zombies included; `None` when there is none.
///
/// # Errors
/// `unsupported` where `/proc` is missing.
pub fn of(pid: i32) -> Result<Option<ProcessIdentity>> {
    let Some(stat) = Stat::read(pid) else { return Ok(None) };
    let namespace = fs::metadata("/proc/self/ns/pid").attempt(|| "read the PID namespace")?;
    Ok(Some(ProcessIdentity {
        pid,
        start_time: stat.start_time,
        boot_id: boot_id()?,
        pid_namespace: namespace.ino(),
    }))
}

/// Whether this very process still runs; a zombie does not.
///
/// # Errors
/// `refused` when it belongs to another PID namespace, where nobody here can tell.
pub fn is_alive(process: &ProcessIdentity) -> Result<bool> {
    if boot_id()? != process.boot_id {
        return Ok(false);
    }
    let namespace = fs::metadata("/proc/self/ns/pid").attempt(|| "read the PID namespace")?.ino();
    if namespace != process.pid_namespace {
        return Err(Error::refused(format!(
            "cannot tell whether process {} still runs: it belongs to another container",
            process.pid
        )));
    }
    Ok(Stat::read(process.pid)
        .is_some_and(|stat| stat.start_time == process.start_time && !stat.is_zombie()))
}

/// The process that started this one, unless it has ended already.
#[must_use]
pub fn parent() -> Option<i32> {
    rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get())
}

/// The process that gave `variable` (`NAME=value`) to those below it: the nearest one above this
/// process that was started without it. `None` when all of them were started with it.
#[must_use]
pub fn giver_of(variable: &str) -> Option<i32> {
    let mut next = parent()?;
    while carries(next, variable) {
        next = Stat::read(next)?.parent;
    }
    (next > 0).then_some(next)
}

/// The process that started another one.
#[must_use]
pub fn parent_of(pid: i32) -> Option<i32> {
    Some(Stat::read(pid)?.parent).filter(|parent| *parent > 0)
}

/// The file of a process's program, as long as it is the one that was seen.
#[must_use]
pub fn program(process: &ProcessIdentity) -> Option<PathBuf> {
    let file = fs::read_link(format!("/proc/{}/exe", process.pid)).ok()?;
    is_alive(process).is_ok_and(|alive| alive).then_some(file)
}

/// Whether a process has this very file open.
#[must_use]
pub fn has_open(pid: i32, file: &Path) -> bool {
    let inode = |path: &Path| fs::metadata(path).map(|found| (found.dev(), found.ino())).ok();
    let Some(wanted) = inode(file) else { return false };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.into_iter().any(|descriptor| inode(&descriptor.path()) == Some(wanted))
}

/// The file mode bits that this process takes away from new files.
#[must_use]
pub fn umask() -> Option<u32> {
    let status = read_text("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(line.trim(), 8).ok()
}

/// Whether a process is stopped, or will be before it runs another instruction: the parent of vfork(2)
/// sleeps in the kernel until its child, stopped before it could start its program, goes on. One that is gone
/// stands still.
pub(super) fn stands_still(pid: i32) -> bool {
    Stat::read(pid).is_none_or(|stat| stat.is_stopped() || (stat.state == b'D' && must_stop(pid)))
}

/// Whether `SIGSTOP` waits for a process to leave the kernel.
fn must_stop(pid: i32) -> bool {
    let status = read_text(format!("/proc/{pid}/status")).unwrap_or_default();
    let pending = status
        .lines()
        .filter_map(|line| line.strip_prefix("SigPnd:").or_else(|| line.strip_prefix("ShdPnd:")));
    let stop = 1u64 << (rustix::process::Signal::STOP.as_raw() - 1);
    let mut masks = pending.filter_map(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    masks.any(|mask| mask & stop != 0)
}

/// What a file of `/proc` holds. These say that they are empty, whereupon `fs::read` begins with 32 bytes and
/// takes seven steps to a thousand.
pub(super) fn read(path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    // What is limited is not asked for its size.
    File::open(path)?.take(u64::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same of one that holds text.
pub(super) fn read_text(path: impl AsRef<Path>) -> io::Result<String> {
    String::from_utf8(read(path)?).map_err(io::Error::other)
}

/// The fields of a `/proc/PID/stat` from the third one on, the state (proc_pid_stat(5)).
pub(super) fn stat_fields(text: &[u8]) -> Option<Vec<&str>> {
    // The name in parentheses may hold anything, parentheses and spaces included.
    let end = text.iter().rposition(|byte| *byte == b')')?;
    Some(std::str::from_utf8(&text[end + 1..]).ok()?.split_ascii_whitespace().collect())
}

/// The fields of `/proc/PID/stat` that matter here (proc(5)).
pub(super) struct Stat {
    pub(super) parent: i32,
    pub(super) start_time: u64,
    state: u8,
}

impl Stat {
    pub(super) fn read(pid: i32) -> Option<Self> {
        let text = read(format!("/proc/{pid}/stat")).ok()?;
        let fields = stat_fields(&text)?;
        Some(Self {
            state: *fields.first()?.as_bytes().first()?,
            parent: fields.get(1)?.parse().ok()?,
            start_time: fields.get(19)?.parse().ok()?,
        })
    }

    fn is_stopped(&self) -> bool {
        matches!(self.state, b'T' | b't' | b'Z' | b'X')
    }

    pub(super) fn is_zombie(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_alive_only_with_its_own_start_time_and_boot() {
        let me = current().expect("this process is there");
        assert!(is_alive(&me).expect("tells"));
        let reused = ProcessIdentity { start_time: me.start_time + 1, ..me.clone() };
        assert!(!is_alive(&reused).expect("tells"));
        let rebooted = ProcessIdentity { boot_id: "another".into(), ..me.clone() };
        assert!(!is_alive(&rebooted).expect("tells"));
        let elsewhere = ProcessIdentity { pid_namespace: 1, ..me };
        assert!(is_alive(&elsewhere).is_err());
    }
}
