//! `events`: the journal, from some place on.

use super::logs::Follow;
use super::recover::recover_if_possible;
use crate::context::Context;
use crate::error::Result;
use crate::event::Event;
use crate::watch::Watch;

/// Gives every event after the cursor `since` to `sink`; following never ends by itself.
///
/// # Errors
/// `io` when the journal cannot be read; whatever `sink` refuses.
pub fn events(
    context: &Context,
    since: u64,
    follow: Follow,
    sink: &mut dyn FnMut(&Event) -> Result<()>,
) -> Result<()> {
    let mut reader = context.store.journal_after(since);
    let watch = Watch::on(&[context.store.layout().root(), &context.store.layout().journal()]);
    loop {
        recover_if_possible(context);
        for event in reader.read_new()? {
            sink(&event)?;
        }
        match follow {
            Follow::No => return Ok(()),
            Follow::UntilEnd => watch.wait(None)?,
        }
    }
}
