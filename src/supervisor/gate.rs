//! The agent's process before it is the agent: it waits at a pipe until its supervisor has recorded
//! it durably, and becomes the agent only then. The pipe's end without the word means that it never
//! will, so no task starts twice.

use super::protocol::{GO, GatePlan};
use crate::error::{Attempt, Error, Result};
use crate::process;
use std::io::{BufRead, BufReader, Read};

/// The exit status of a gate that was never opened.
pub(super) const NEVER_OPENED: u8 = 125;

/// The exit status of a gate whose command could not be run.
const CANNOT_RUN: u8 = 127;

/// Waits for the word, then turns into the agent. Returns an exit status when it does not.
///
/// # Errors
/// `internal` when its plan makes no sense.
pub fn gate() -> Result<u8> {
    let mut input = BufReader::new(std::io::stdin());
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line).attempt(|| "read the plan")?;
    let plan: GatePlan = serde_json::from_slice(&line)
        .map_err(|cause| Error::internal(format!("cannot read the plan: {cause}")))?;
    let mut word = [0];
    if input.read_exact(&mut word).is_err() || word[0] != GO {
        return Ok(NEVER_OPENED);
    }
    // Whoever finds this file knows that the agent may have begun.
    std::fs::write(&plan.started, "").attempt(|| format!("write `{}`", plan.started.display()))?;
    let cause = process::become_program(&plan.command);
    let program = plan.command.first().map_or("", String::as_str);
    let message = Error::io(format!("run `{}`", crate::escape::line(program)), &cause).message;
    std::fs::write(&plan.spawn_error, message)
        .attempt(|| format!("write `{}`", plan.spawn_error.display()))?;
    Ok(CANNOT_RUN)
}
