//! Copies of this process: fork(2) without exec, since to start this program anew takes longer than all
//! that such a process does before it waits.

use super::arguments::rename;
use super::identity;
use super::spawn::become_ourselves;
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use rustix::process::Signal;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The exit status of a copy that went wrong.
const WENT_WRONG: i32 = 101;

/// Starts a copy of this process that does `work`, and ends with the exit status it answers. To be called
/// while this process has one thread only, since the copy has just the calling one.
///
/// # Errors
/// `io` when the system refuses.
pub(super) fn fork(work: impl FnOnce() -> i32) -> Result<i32> {
    #[expect(unsafe_code, reason = "there is no safe call for a process that is no program yet")]
    // SAFETY: with one thread no lock is held by another, so the copy may do whatever we may.
    let pid = unsafe { libc::fork() };
    match pid {
        0 => {
            // Nothing may come back to where this was called: there would be two of what we are.
            let status = catch_unwind(AssertUnwindSafe(work)).unwrap_or(WENT_WRONG);
            std::process::exit(status)
        }
        pid if pid > 0 => Ok(pid),
        _ => Err(Error::io("start a process", &std::io::Error::last_os_error())),
    }
}

/// A copy of this process in a session of its own, and the pipes that lead to it.
#[derive(Debug)]
pub struct Double {
    /// Its number; it is a child, to be reaped.
    pub pid: i32,
    /// What it hears.
    pub words: PipeWriter,
    /// What it has to say.
    pub reports: PipeReader,
}

impl Double {
    /// Starts it; others see it as if it had been started with the arguments `seen_as`. Of what this
    /// process has open it keeps only the ends of its pipes and the standard streams. To be called
    /// while this process has one thread only.
    ///
    /// # Errors
    /// `io` when the system refuses.
    pub fn start(
        seen_as: &[&OsStr],
        work: impl FnOnce(PipeReader, PipeWriter) -> i32,
    ) -> Result<Self> {
        let (hears, words) = std::io::pipe().attempt(|| "make a pipe")?;
        let (reports, says) = std::io::pipe().attempt(|| "make a pipe")?;
        let pid = fork(|| {
            close_all_but(&[hears.as_raw_fd(), says.as_raw_fd()]);
            // Where a process cannot be renamed it looks like its parent.
            let _ = rename(seen_as);
            if leave().is_err() {
                return WENT_WRONG;
            }
            work(hears, says)
        })?;
        Ok(Self { pid, words, reports })
    }
}

/// What a copy of this process goes on with that stands for a new process of ours: nothing else of what
/// this one has open, and neither its session nor its folder nor its standard streams.
#[derive(Debug)]
pub struct Heritage<'a> {
    /// Its arguments, as others see them.
    pub seen_as: &'a [&'a OsStr],
    /// Its environment; see [`is_as_started`].
    pub environment: &'a Environment,
    /// What it is given; by the way of a new process, its standard input.
    pub descriptor: OwnedFd,
    /// Its standard error.
    pub complaints: File,
}

impl Heritage<'_> {
    /// Starts the copy. Where it cannot be made to look like a new process, it becomes one.
    ///
    /// # Errors
    /// `io` when the system refuses.
    pub fn start(self, work: impl FnOnce(OwnedFd) -> i32) -> Result<()> {
        fork(|| {
            let mut kept = open_for_good();
            kept.extend([self.descriptor.as_raw_fd(), self.complaints.as_raw_fd()]);
            close_all_but(&kept);
            if take_place(self.complaints).is_err() {
                return WENT_WRONG;
            }
            match rename(self.seen_as) {
                Ok(()) => work(self.descriptor),
                Err(_) => {
                    let _ = become_ourselves(self.seen_as, self.environment, self.descriptor);
                    WENT_WRONG
                }
            }
        })
        .map(drop)
    }
}

/// A session of one's own, no folder, and nobody's standard streams.
fn take_place(complaints: File) -> std::io::Result<()> {
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(complaints)?;
    Ok(())
}

/// Whether a copy of this process is as good as a new one of ours with that environment: it was started
/// with the very same, it has one thread, and no signal means anything special to it. The standard library
/// alone listens for two, in a new process too.
#[must_use]
pub fn is_as_started(environment: &Environment) -> bool {
    let status = identity::read_text("/proc/self/status").unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let caught = field("SigCgt:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
    let of_ours = [Signal::SEGV, Signal::BUS].map(|signal| 1u64 << (signal.as_raw() - 1));
    let is_plain = caught.is_some_and(|caught| caught & !(of_ours[0] | of_ours[1]) == 0);
    is_plain && field("Threads:") == Some("1") && own_environment().as_ref() == Some(environment)
}

/// What this process was started with (proc_pid_environ(5)); nothing of ours changes it.
fn own_environment() -> Option<Environment> {
    let bytes = identity::read("/proc/self/environ").ok()?;
    let pairs = bytes.split(|byte| *byte == 0).filter_map(|variable| {
        let middle = variable.iter().position(|byte| *byte == b'=')?;
        let text = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        Some((text(&variable[..middle]), text(&variable[middle + 1..])))
    });
    Some(Environment::new(pairs))
}

/// A session of one's own, and nobody's log to complain to.
fn leave() -> std::io::Result<()> {
    rustix::process::setsid()?;
    let null = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(null.as_fd())?;
    Ok(())
}

/// What libraries know by its number for as long as a process lives, a copy of it included: libgit2 the packs
/// from which it maps what it has not read yet, and getrandom, where it finds no call of that name, the device.
fn open_for_good() -> Vec<RawFd> {
    let is_kept = |number: &RawFd| {
        let file = std::fs::read_link(format!("/proc/self/fd/{number}")).unwrap_or_default();
        // The kernel says of one that was replaced that it is deleted.
        let name = file.to_string_lossy();
        name == "/dev/urandom" || name.trim_end_matches(" (deleted)").ends_with(".pack")
    };
    super::spawn::inherited_descriptors().into_iter().filter(is_kept).collect()
}

/// Closes what a copy has of its original: a lock is held as long as somebody has it open, a pipe ends
/// only when nobody has.
fn close_all_but(kept: &[RawFd]) {
    for number in super::spawn::inherited_descriptors() {
        if !kept.contains(&number) {
            #[expect(
                unsafe_code,
                reason = "their owners are on a stack that is never gone back to"
            )]
            // SAFETY: this copy never returns to what owns these, so nobody uses or closes them again;
            // what libraries keep for the whole process is among the kept. The one by which they were listed is closed already, which is an error and no harm.
            unsafe {
                libc::close(number);
            }
        }
    }
}
