//! What this program is when it is not a command: a task's supervisor, its shim, or its gate.

use crate::environment::Environment;
use crate::error::Result;
use crate::names::TaskId;
use std::io::Write;
use std::path::Path;

/// Supervises a task; see [`crate::supervisor::supervise`].
///
/// # Errors
/// When the task cannot be supervised by this process.
pub fn supervise(state: &Path, id: TaskId) -> Result<()> {
    crate::supervisor::supervise(state, id)
}

/// Tells of a task's end; see [`crate::ops::tell::tell`].
///
/// # Errors
/// When the record cannot be read.
pub fn tell(state: &Path, id: TaskId, environment: &Environment) -> Result<()> {
    crate::ops::tell::tell(state, id, environment.clone())
}

/// Watches over an agent; see [`crate::supervisor::shim`].
///
/// # Errors
/// When the agent's process cannot be made or watched.
pub fn shim(environment: &Environment, reports: impl Write) -> Result<()> {
    crate::supervisor::shim(environment, reports)
}

/// Becomes an agent; see [`crate::supervisor::gate`]. Returns an exit status when it does not.
///
/// # Errors
/// When the plan makes no sense.
pub fn gate() -> Result<u8> {
    crate::supervisor::gate()
}
