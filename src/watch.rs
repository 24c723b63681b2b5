//! Waiting for a file to change: file notification (inotify(7)), with a look every second besides,
//! because notification instances are limited and a supervisor's death changes no file.

use crate::clock::Deadline;
use crate::error::{Attempt, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// The longest a change may stay unnoticed where notification is not to be had.
pub const LOOK: Duration = Duration::from_secs(1);

/// Whether somebody still reads what is written to a pipe or socket; of a file nobody can tell, and the
/// answer is yes.
#[must_use]
pub fn has_reader(output: &impl AsFd) -> bool {
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut watched = [PollFd::new(output, PollFlags::empty())];
    let gone = PollFlags::ERR | PollFlags::HUP;
    !poll(&mut watched, Some(&now)).is_ok_and(|_| watched[0].revents().intersects(gone))
}

/// What becomes readable when one of some paths changes.
#[derive(Debug)]
pub struct Watch {
    notification: Option<OwnedFd>,
}

impl Watch {
    /// Watches files or folders. Paths that are not there are left to the look every second.
    #[must_use]
    pub fn on(paths: &[&Path]) -> Self {
        let Ok(descriptor) = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) else {
            return Self { notification: None };
        };
        let changes =
            WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::DELETE;
        for path in paths {
            match inotify::add_watch(&descriptor, *path, changes) {
                Ok(_) | Err(rustix::io::Errno::NOENT) => {}
                // Too many watches: better none than one that never tells.
                Err(_) => return Self { notification: None },
            }
        }
        Self { notification: Some(descriptor) }
    }

    /// Returns when something changed, a second has passed, or the deadline has.
    ///
    /// # Errors
    /// `io` when the kernel refuses to wait.
    pub fn wait(&self, deadline: Option<Deadline>) -> Result<()> {
        let limit = deadline.map_or(LOOK, |deadline| deadline.left().min(LOOK));
        let limit = Timespec::try_from(limit).expect("invariant: a second is a time span");
        let mut watched: Vec<PollFd<'_>> =
            self.notification.iter().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
        match poll(&mut watched, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(cause) => {
                return Err(std::io::Error::from(cause)).attempt(|| "wait for a change");
            }
        }
        self.forget();
        Ok(())
    }

    /// The descriptor that becomes readable, for an event loop; [`forget`](Self::forget) makes it unreadable again.
    /// Where there is none, the loop has to look every [`LOOK`] itself.
    #[must_use]
    pub fn descriptor(&self) -> Option<&OwnedFd> {
        self.notification.as_ref()
    }

    /// Forgets what has been noticed so far.
    pub fn forget(&self) {
        let mut buffer = [0u8; 4096];
        if let Some(descriptor) = &self.notification {
            while rustix::io::read(descriptor, &mut buffer).is_ok_and(|length| length > 0) {}
        }
    }
}
