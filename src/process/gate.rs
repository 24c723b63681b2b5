//! A process that waits at a pipe before it becomes its program.

use super::arguments::rename;
use super::fork::fork;
use super::spawn::become_program;
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::AsFd;
use std::path::Path;

/// The word that opens a gate.
const GO: u8 = b'g';

/// The exit status of a gate that was never opened.
pub const NEVER_OPENED: i32 = 125;

/// The exit status of a gate whose program could not be run, when that is on record.
const CANNOT_RUN: i32 = 127;

/// The exit status of a gate that fails before its program: the number of the cause. Where a full disk
/// is the cause, nothing else would be left of it.
fn status_of(cause: &std::io::Error) -> i32 {
    let number = cause.raw_os_error().filter(|number| (1..NEVER_OPENED).contains(number));
    number.unwrap_or(CANNOT_RUN)
}

/// Why a gate failed before its program, by its exit status.
#[must_use]
pub fn cause_of(status: i32) -> Option<std::io::Error> {
    (1..NEVER_OPENED).contains(&status).then(|| std::io::Error::from_raw_os_error(status))
}

/// What a gated process becomes, and what it leaves on the way.
#[derive(Debug)]
pub struct Gated<'a> {
    /// The arguments that others see while it waits.
    pub seen_as: &'a [&'a OsStr],
    /// The program and its arguments.
    pub command: &'a [String],
    /// Its environment.
    pub environment: &'a Environment,
    /// Where it starts.
    pub folder: &'a Path,
    /// Its standard output.
    pub output: File,
    /// Its standard error.
    pub errors: File,
    /// The file to make before the program is run: whoever finds it knows that it may have begun.
    pub started: &'a Path,
    /// The file that says why the program could not be run.
    pub spawn_error: &'a Path,
}

/// A process at its gate. Dropped unopened, it ends with [`NEVER_OPENED`].
#[derive(Debug)]
pub struct Gate {
    pid: i32,
    opener: PipeWriter,
}

impl Gate {
    /// The process's number, which it keeps as the program.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Lets the process become its program. One that has died is noticed by its end.
    pub fn open(mut self) {
        let _ = self.opener.write_all(&[GO]);
    }
}

impl Gated<'_> {
    /// Makes the process, in a session of its own. To be called while this process has one thread only.
    ///
    /// # Errors
    /// `io` when the system refuses.
    pub fn fork(self) -> Result<Gate> {
        let (waiting, opener) = std::io::pipe().attempt(|| "make a pipe")?;
        let mut opener = Some(opener);
        let pid = fork(|| {
            // Its own copy would keep the gate from ever noticing that nobody opens it.
            drop(opener.take());
            self.wait_and_become(waiting)
        })?;
        let opener = opener.ok_or_else(|| Error::internal("a gate was taken away"))?;
        Ok(Gate { pid, opener })
    }

    /// Returns an exit status when it does not become the program.
    fn wait_and_become(&self, mut waiting: PipeReader) -> i32 {
        // Where a process cannot be renamed it looks like its parent for a moment.
        let _ = rename(self.seen_as);
        if let Err(cause) = self.take_place() {
            return status_of(&cause);
        }
        let mut word = [0];
        if waiting.read_exact(&mut word).is_err() || word[0] != GO {
            return NEVER_OPENED;
        }
        if let Err(cause) = std::fs::write(self.started, "") {
            return status_of(&cause);
        }
        let cause = become_program(self.command, self.environment, self.folder);
        let program = self.command.first().map_or("", String::as_str);
        let error = Error::io(format!("run `{}`", crate::escape::line(program)), &cause);
        let _ = std::fs::write(self.spawn_error, error.message);
        CANNOT_RUN
    }

    /// Leaves what it shares with its parent: the session, the standard streams.
    fn take_place(&self) -> std::io::Result<()> {
        rustix::process::setsid()?;
        rustix::stdio::dup2_stdin(File::open("/dev/null")?.as_fd())?;
        rustix::stdio::dup2_stdout(self.output.as_fd())?;
        rustix::stdio::dup2_stderr(self.errors.as_fd())?;
        Ok(())
    }
}
