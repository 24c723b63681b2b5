//! Copies of this process: fork(2) without exec, since to start this program anew takes longer than all
//! that such a process does before it waits.

use super::identity::rename;
use crate::error::{Attempt, Error, Result};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{PipeReader, PipeWriter};
use std::os::fd::{AsFd, AsRawFd, RawFd};
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

/// A session of one's own, and nobody's log to complain to.
fn leave() -> std::io::Result<()> {
    rustix::process::setsid()?;
    let null = File::options().write(true).open("/dev/null")?;
    rustix::stdio::dup2_stderr(null.as_fd())?;
    Ok(())
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
            // SAFETY: this copy never returns to what owns these, so nobody uses or closes them again.
            // The one by which they were listed is closed already, which is an error and no harm.
            unsafe {
                libc::close(number);
            }
        }
    }
}
