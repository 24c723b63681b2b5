//! Long text through the person's pager, as git pages: only on a terminal, and git's own choice of
//! pager. Without one the text is printed as it is.

use super::output::Output;
use super::paint::Destination;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops;
use std::io::{ErrorKind, Write};
use std::sync::atomic::Ordering;

/// Shows a text.
///
/// # Errors
/// When it cannot be written.
pub(super) fn show(context: &Context, output: &Output, text: &str) -> Result<()> {
    let command = context.pager_command().filter(|_| output.destination() == Destination::Terminal);
    let Some(command) = command.filter(|_| !text.is_empty()) else {
        return output.write(text.as_bytes());
    };
    // Ctrl-C in a pager is the pager's: it stops a search, and we must not vanish behind it.
    let flag = output.interrupt_ends.clone();
    flag.store(false, Ordering::SeqCst);
    let handler = signal_hook::flag::register_conditional_default(
        signal_hook::consts::SIGINT,
        output.interrupt_ends.clone(),
    );
    let shown = through(context, output, &command, text);
    flag.store(true, Ordering::SeqCst);
    // The handler stays: from now on it does what would happen without it.
    handler.map_err(|cause| Error::io("listen for Ctrl-C", &cause)).and(shown)
}

fn through(context: &Context, output: &Output, command: &str, text: &str) -> Result<()> {
    let Some(mut child) = ops::pager::start(context, command) else {
        return output.write(text.as_bytes());
    };
    let written = match child.stdin.take() {
        Some(mut pipe) => pipe.write_all(text.as_bytes()),
        None => Ok(()),
    };
    let ended = child.wait();
    match written.and(ended.map(|_| ())) {
        Err(cause) if cause.kind() != ErrorKind::BrokenPipe => {
            Err(Error::io(format!("show the text through `{command}`"), &cause))
        }
        _ => Ok(()),
    }
}
