//! What this program is when it is not a command: a task's supervisor, who tells of ends, who does
//! chores; and a command that it gives to itself.

use crate::environment::Environment;
use crate::error::Result;
use crate::names::TaskId;
use crate::process;
pub use crate::process::{Orphaned, Spoken};
use std::ffi::OsString;
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

/// Does what nobody waits for; see [`crate::ops::upkeep::upkeep`].
///
/// # Errors
/// When it cannot be told what is to be done.
pub fn upkeep(state: &Path, environment: &Environment) -> Result<()> {
    crate::ops::upkeep::upkeep(state, environment.clone())
}

/// Before the verb of a command line: every argument of it is written as `--name=value`. Only
/// offshoot itself says it.
pub const AS_TOOL: &str = "as-tool";

/// Carries out a verb in a process of its own, its arguments written behind [`AS_TOOL`]; see
/// [`crate::process::verb`].
///
/// # Errors
/// `io` when no process can be started.
pub async fn verb(
    arguments: &[OsString],
    environment: &Environment,
    orphaned: Orphaned,
) -> Result<Spoken> {
    let arguments: Vec<OsString> =
        std::iter::once(AS_TOOL.into()).chain(arguments.iter().cloned()).collect();
    process::verb(&arguments, environment, orphaned).await
}
