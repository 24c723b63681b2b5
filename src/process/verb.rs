//! One verb of ours in a process of its own, for a caller that lives longer than a verb does.
//!
//! Verbs are written for a process that ends: the supervisors they start are then adopted by init,
//! locks fall, memory goes, and a crash takes nobody along. A server that carried them out itself
//! would have to be as careful as init.

use super::spawn::OURSELVES;
use crate::environment::Environment;
use crate::error::{Attempt, Result};
use rustix::process::{Signal, set_parent_process_death_signal};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// What becomes of the verb when the caller is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Orphaned {
    /// It is ended: nobody is left to hear the answer.
    Ends,
    /// It carries out what it began, such as a landing.
    GoesOn,
}

/// What a verb said, and how it left.
#[derive(Debug, Clone)]
pub struct Spoken {
    /// Its standard output.
    pub answer: Vec<u8>,
    /// Its standard error.
    pub narration: Vec<u8>,
    /// Its exit status; `None` when a signal ended it.
    pub status: Option<i32>,
}

/// Carries out a verb (`arguments` without the program's name) with nothing on its standard input,
/// and collects what it says. Dropping the future is the caller's going away.
///
/// # Errors
/// `io` when no process can be started.
pub async fn verb(
    arguments: &[OsString],
    environment: &Environment,
    orphaned: Orphaned,
) -> Result<Spoken> {
    let mut command = Command::new(OURSELVES);
    command.arg0("offshoot").args(arguments).env_clear().envs(environment.iter());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // What is typed at our terminal is not meant for a landing under way.
    command.process_group(0);
    if orphaned == Orphaned::Ends {
        #[expect(unsafe_code, reason = "there is no safe call for a parent's death signal")]
        // SAFETY: prctl(2) is a plain system call, allowed between fork and exec.
        unsafe {
            command.pre_exec(|| {
                set_parent_process_death_signal(Some(Signal::TERM)).map_err(Into::into)
            });
        }
    }
    let mut command = tokio::process::Command::from(command);
    command.kill_on_drop(orphaned == Orphaned::Ends);
    let output = command.output().await.attempt(|| "start a process")?;
    Ok(Spoken { answer: output.stdout, narration: output.stderr, status: output.status.code() })
}
