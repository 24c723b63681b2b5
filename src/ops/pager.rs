//! The person's pager, started the way git starts it.

use crate::context::Context;
use crate::process;
use std::process::Child;

/// Starts `command`, which reads what is written to its standard input; `None` when it cannot be
/// started.
#[must_use]
pub fn start(context: &Context, command: &str) -> Option<Child> {
    process::pager(command, &context.environment)
}
