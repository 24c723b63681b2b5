//! Waiting for the ends of children and for words from others at once, without a runtime.

use crate::error::{Attempt, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Readable as soon as a child of this process has ended (`SIGCHLD`).
#[derive(Debug)]
pub struct ChildEnds {
    told: UnixStream,
}

impl ChildEnds {
    /// Watches all children, from now on and as long as this process lives.
    ///
    /// # Errors
    /// `io` when the system refuses.
    pub fn watch() -> Result<Self> {
        let attempt = || "watch for the ends of processes";
        let (told, tells) = UnixStream::pair().attempt(attempt)?;
        told.set_nonblocking(true).attempt(attempt)?;
        signal_hook::low_level::pipe::register(signal_hook::consts::SIGCHLD, tells)
            .attempt(attempt)?;
        Ok(Self { told })
    }

    /// Forgets what was told: whoever looks now sees it.
    pub fn forget(&mut self) {
        let mut words = [0; 64];
        while self.told.read(&mut words).is_ok_and(|length| length == words.len()) {}
    }
}

impl AsFd for ChildEnds {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.told.as_fd()
    }
}

/// Waits until one of these can be read, or at most so long; says which can be.
///
/// # Errors
/// `io` when the kernel refuses to wait.
pub fn wait_for_any<const N: usize>(
    descriptors: [Option<BorrowedFd<'_>>; N],
    limit: Option<Duration>,
) -> Result<[bool; N]> {
    let present = descriptors.iter().flatten();
    let mut watched: Vec<_> = present.map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
    let limit = limit.map(|limit| {
        Timespec::try_from(limit).expect("invariant: nobody waits for longer than that")
    });
    match poll(&mut watched, limit.as_ref()) {
        Ok(_) | Err(Errno::INTR) => {}
        Err(cause) => return Err(cause.into()).attempt(|| "wait for a process"),
    }
    let mut results = watched.iter().map(|watched| !watched.revents().is_empty());
    Ok(descriptors.map(|present| present.is_some() && results.next().unwrap_or(false)))
}
