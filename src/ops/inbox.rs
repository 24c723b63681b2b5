//! `inbox`: completions that nobody has acknowledged.

use super::recover::recover_if_possible;
use crate::agent;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lock::Wait;
use crate::task::Change;
use crate::watch::Watch;
use std::time::Duration;

/// Whose completions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Those of the caller's session, and those of no session.
    Mine,
    /// All of them.
    All,
}

/// What nobody has acknowledged, oldest first.
///
/// # Errors
/// `io` when the journal cannot be read.
pub fn inbox(context: &Context, sessions: Sessions) -> Result<Vec<Event>> {
    recover_if_possible(context);
    let me = agent::parent_session(&context.environment);
    let mut entries = context.store.inbox()?;
    if sessions == Sessions::Mine && me.is_some() {
        entries.retain(|entry| entry.draft.parent.is_none() || entry.draft.parent == me);
    }
    Ok(entries)
}

/// Acknowledges the entries with these cursors, or all of the caller's when there are none; answers
/// those that were acknowledged.
///
/// # Errors
/// `not_found` when an entry is not there.
pub fn acknowledge(context: &Context, cursors: &[u64]) -> Result<Vec<Event>> {
    let entries = if cursors.is_empty() {
        inbox(context, Sessions::Mine)?
    } else {
        let mut entries = inbox(context, Sessions::All)?;
        entries.retain(|entry| cursors.contains(&entry.cursor));
        entries
    };
    if let Some(missing) =
        cursors.iter().find(|cursor| !entries.iter().any(|entry| entry.cursor == **cursor))
    {
        return Err(
            Error::not_found(format!("the inbox has no entry {missing}")).hint("offshoot inbox")
        );
    }
    let cursors: Vec<u64> = entries.iter().map(|entry| entry.cursor).collect();
    context.store.acknowledge(&cursors)?;
    for entry in &entries {
        close_empty(context, entry)?;
    }
    Ok(entries)
}

/// A task without work needs nobody any more once its end was noted.
fn close_empty(context: &Context, entry: &Event) -> Result<()> {
    let store = &context.store;
    if let Some(lock) = store.lock_task(entry.draft.task.id, Wait::briefly())? {
        let task = store.read(lock.id())?;
        if task.ended().is_some() {
            store.begin(&lock)?;
            let task = store.commit(&lock, &task, Change::Acknowledged)?;
            store.settle(&lock, &task)?;
        }
    }
    Ok(())
}

/// Waits until there is an entry, or until `limit` has passed; then the answer is empty.
///
/// # Errors
/// `io` when the journal cannot be read.
pub fn wait_for_entry(
    context: &Context,
    sessions: Sessions,
    limit: Option<Duration>,
) -> Result<Vec<Event>> {
    let deadline = limit.map(|limit| context.clock.deadline(limit));
    let watch = Watch::on(&[context.store.layout().root(), &context.store.layout().journal()]);
    loop {
        let entries = inbox(context, sessions)?;
        if !entries.is_empty() || deadline.is_some_and(|deadline| deadline.has_passed()) {
            return Ok(entries);
        }
        watch.wait(deadline)?;
    }
}
