//! A person's desktop (`org.freedesktop.Notifications` on the session bus) and terminal.

use super::within;
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Shows a notification on the desktop.
///
/// # Errors
/// `unsupported` where there is no session bus, or nobody on it who shows notifications.
pub fn desktop(title: &str, text: &str, environment: &Environment, limit: Duration) -> Result<()> {
    if environment.get("DBUS_SESSION_BUS_ADDRESS").is_none() {
        return Err(Error::unsupported("there is no desktop here (`DBUS_SESSION_BUS_ADDRESS`)"));
    }
    let mut notification = notify_rust::Notification::new();
    notification.appname("offshoot").summary(title).body(&escape::lines(text));
    within(limit, move || {
        let shown = notification.show().map(drop);
        shown.map_err(|cause| {
            let cause = escape::line(&cause.to_string());
            Error::unsupported(format!("cannot show a notification: {cause}"))
        })
    })
}

/// The terminal that a command's standard error goes to, by which its bell can be rung later.
#[must_use]
pub fn terminal() -> Option<PathBuf> {
    let path = std::fs::read_link("/proc/self/fd/2").ok()?;
    is_terminal(&path).then_some(path)
}

/// Rings a terminal's bell; one that is not there any more, or is not the person's, is an error.
///
/// # Errors
/// `io` when it cannot be written to.
pub fn bell(terminal: &Path) -> Result<()> {
    let attempt = || format!("ring the bell of `{}`", terminal.display());
    if !is_terminal(terminal) {
        return Err(Error::unsupported(format!("`{}` is no terminal", terminal.display())));
    }
    let flags = (rustix::fs::OFlags::NOCTTY | rustix::fs::OFlags::NONBLOCK).bits();
    let flags = i32::try_from(flags).expect("invariant: open flags are an int");
    let opened = OpenOptions::new().write(true).custom_flags(flags).open(terminal);
    opened.and_then(|mut terminal| terminal.write_all(b"\x07")).attempt(attempt)
}

fn is_terminal(path: &Path) -> bool {
    let place = path.starts_with("/dev/pts") || path.to_string_lossy().starts_with("/dev/tty");
    place && std::fs::metadata(path).is_ok_and(|found| found.file_type().is_char_device())
}
