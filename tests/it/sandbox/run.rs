//! Programs run to their end, and what they left behind.

use super::Sandbox;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc;
use std::time::Duration;

/// How long one run of the binary may take; far above anything but a hang.
const LONGEST_RUN: Duration = Duration::from_secs(60);

/// What a finished program left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    /// The command line, for messages.
    pub(crate) what: String,
    /// The exit status; 128 and the signal's number where a signal ended it.
    pub(crate) code: i32,
    /// The answer.
    pub(crate) stdout: String,
    /// The narration.
    pub(crate) stderr: String,
}

impl Ran {
    /// Asserts that it exited 0.
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.exits(0)
    }

    /// Asserts its exit status.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Asserts a part of what it said on standard error.
    #[track_caller]
    pub(crate) fn says(self, words: &str) -> Self {
        assert!(self.stderr.contains(words), "`{words}` was not said: {self}");
        self
    }

    /// All of it as one normalised text for a snapshot.
    pub(crate) fn snapshot(&self, sandbox: &Sandbox) -> String {
        let Self { code, stdout, stderr, .. } = self;
        let text = format!("exit {code}\n--- stdout\n{stdout}--- stderr\n{stderr}");
        sandbox.normalise(&text)
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, code, stdout, stderr } = self;
        write!(f, "`{what}` exited {code}\n--- stdout\n{stdout}\n--- stderr\n{stderr}")
    }
}

/// Waits for a started program. One that ends but whose output stays open (a background process
/// inherited it, so that `$(offshoot …)` would hang) fails the test as a hang does.
pub(crate) fn finish(child: Child, what: impl Into<String>) -> Ran {
    let (what, pid) = (what.into(), child.id());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    let Ok(output) = receiver.recv_timeout(LONGEST_RUN) else {
        panic!("`{what}` (process {pid}) or its output did not end within {LONGEST_RUN:?}");
    };
    let output = output.unwrap_or_else(|cause| panic!("wait for `{what}`: {cause}"));
    let status = output.status;
    Ran {
        what,
        code: status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default()),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A command as people write it, the program without its folder.
pub(super) fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
