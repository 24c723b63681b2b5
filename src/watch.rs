//! Waiting for a file to change: file notification (inotify(7)), with a look every second besides,
//! because notification instances are limited and a supervisor's death changes no file.

use crate::clock::Deadline;
use crate::error::{Attempt, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use std::cell::OnceCell;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
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
///
/// Whoever closes a notification instance waits until the kernel has let go of all that it watched
/// (`fsnotify_destroy_group`, an RCU grace period: some 10 ms), and a process that has one open does so when it
/// exits. So there is none before somebody waits, and who watches again and again keeps one.
#[derive(Debug, Default)]
pub struct Watch {
    paths: Vec<PathBuf>,
    instance: OnceCell<Option<Instance>>,
}

#[derive(Debug)]
struct Instance {
    notification: OwnedFd,
    /// The numbers by which the kernel knows what is watched.
    watched: Vec<i32>,
}

impl Instance {
    fn on(paths: &[PathBuf]) -> Option<Self> {
        let notification = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok()?;
        let mut made = Self { notification, watched: Vec::new() };
        made.add(paths)?;
        Some(made)
    }

    /// Too many watches: better none than one that never tells.
    fn add(&mut self, paths: &[PathBuf]) -> Option<()> {
        let changes =
            WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVED_TO | WatchFlags::DELETE;
        for path in paths {
            match inotify::add_watch(&self.notification, path, changes) {
                Ok(number) => self.watched.push(number),
                Err(rustix::io::Errno::NOENT) => {}
                Err(_) => return None,
            }
        }
        Some(())
    }
}

impl Watch {
    /// Watches files or folders, from the first [`wait`](Self::wait) on. Paths that are not there are left to
    /// the look every second.
    #[must_use]
    pub fn on(paths: &[&Path]) -> Self {
        let paths = paths.iter().map(|path| path.to_path_buf()).collect();
        Self { paths, instance: OnceCell::new() }
    }

    /// Watches these from now on, and what it watched before no more.
    pub fn turn_to(&mut self, paths: &[&Path]) {
        self.paths = paths.iter().map(|path| path.to_path_buf()).collect();
        let Some(instance) = self.instance.take().flatten() else { return };
        let mut kept = instance;
        for number in std::mem::take(&mut kept.watched) {
            // One that is gone already has nothing to be taken away.
            let _ = inotify::remove_watch(&kept.notification, number);
        }
        let kept = kept.add(&self.paths).map(|()| kept);
        self.instance = OnceCell::from(kept);
        self.forget();
    }

    fn instance(&self) -> Option<&Instance> {
        self.instance.get_or_init(|| Instance::on(&self.paths)).as_ref()
    }

    /// Returns when something changed, a second has passed, or the deadline has. The first time at once:
    /// before that nobody watched, so whoever waits has to look again.
    ///
    /// # Errors
    /// `io` when the kernel refuses to wait.
    pub fn wait(&self, deadline: Option<Deadline>) -> Result<()> {
        if self.instance.get().is_none() && self.instance().is_some() {
            return Ok(());
        }
        let limit = deadline.map_or(LOOK, |deadline| deadline.left().min(LOOK));
        let limit = Timespec::try_from(limit).expect("invariant: a second is a time span");
        let mut watched: Vec<PollFd<'_>> =
            self.descriptor().map(|fd| PollFd::new(fd, PollFlags::IN)).into_iter().collect();
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
        self.instance().map(|instance| &instance.notification)
    }

    /// Forgets what has been noticed so far.
    pub fn forget(&self) {
        let mut buffer = [0u8; 4096];
        if let Some(Some(instance)) = self.instance.get() {
            let told = &instance.notification;
            while rustix::io::read(told, &mut buffer).is_ok_and(|length| length > 0) {}
        }
    }
}
