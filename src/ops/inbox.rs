//! `inbox`: completions that nobody has acknowledged, and whose they are.
//!
//! An entry belongs to the session that dispatched the task. A session is closed when the process that
//! told of it has ended; then its entries are anybody's, so that the next session in the repository
//! gets them. So are entries that have waited for an hour, which covers sessions of which no
//! process is known and those that were left inside a process that lives on.

use super::describe::describe_in_full;
use super::questions::{is_closed, questions};
use super::recover::recover_if_possible;
use crate::agent;
use crate::clock::Deadline;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::lock::Wait;
use crate::notice;
use crate::task::{Change, TaskState};
use crate::view::{Addressee, InboxEntryView, QuestionView};
use crate::watch::{self, Watch};
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::time::Duration;

/// How long an entry may wait for its own session before it is anybody's.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// Ends of siblings within this time are told together.
pub(super) const TOGETHER: Duration = Duration::from_secs(1);

/// Whose completions are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Those of the caller's session, of closed ones, and of no session; a caller without a session
    /// gets all.
    Mine,
    /// Those that the caller's session has to be told: its own, and those of closed ones.
    Owed,
    /// All of them.
    All,
}

impl Sessions {
    /// Whether news of that addressee is among them.
    pub(super) fn want(self, addressee: Addressee, context: &Context) -> bool {
        match (self, addressee) {
            // What others left is no business of an agent that works on a task.
            (Self::Owed, Addressee::Anybody) => {
                context.environment.get("OFFSHOOT_TASK_ID").is_none()
            }
            (Self::All, _) | (_, Addressee::You | Addressee::Anybody) => true,
            (Self::Mine, Addressee::Person) => true,
            (Self::Mine, Addressee::Other) => agent::parent_session(&context.environment).is_none(),
            (Self::Owed, Addressee::Person | Addressee::Other) => false,
        }
    }
}

/// What nobody has acknowledged, oldest first.
///
/// # Errors
/// `io` when the journal cannot be read.
pub fn inbox(context: &Context, sessions: Sessions) -> Result<Vec<InboxEntryView>> {
    recover_if_possible(context);
    addressed(context, sessions, context.store.inbox()?)
}

/// Those of some entries that are wanted, with whose they are.
fn addressed(
    context: &Context,
    sessions: Sessions,
    entries: Vec<Event>,
) -> Result<Vec<InboxEntryView>> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let me = agent::parent_session(&context.environment);
    let mut wanted = Vec::new();
    for event in entries {
        let parent = event.draft.parent.as_deref();
        let addressee = addressee(parent, me.as_deref(), || is_anybodys(context, &event));
        if sessions.want(addressee, context) {
            wanted.push(InboxEntryView { event, addressee, text: None });
        }
    }
    Ok(wanted)
}

/// Whose the news is of a task that `parent` dispatched, as `me` sees it.
pub(super) fn addressee(
    parent: Option<&str>,
    me: Option<&str>,
    is_anybodys: impl FnOnce() -> bool,
) -> Addressee {
    match parent {
        None => Addressee::Person,
        Some(_) if parent == me => Addressee::You,
        Some(_) if is_anybodys() => Addressee::Anybody,
        Some(_) => Addressee::Other,
    }
}

fn is_anybodys(context: &Context, event: &Event) -> bool {
    let waited = context.now().as_millis().saturating_sub(event.draft.at.as_millis());
    if u128::try_from(waited).is_ok_and(|waited| waited >= LONGEST.as_millis()) {
        return true;
    }
    match context.store.read(event.draft.task.id) {
        Ok(task) => is_closed(&task),
        Err(_) => true,
    }
}

/// Acknowledges the entries with these cursors, or, when there are none, all of the caller's; answers
/// those that were acknowledged. Those of other sessions that live are never the caller's.
///
/// # Errors
/// `not_found` when an entry is not there.
pub fn acknowledge(context: &Context, cursors: &[u64]) -> Result<Vec<InboxEntryView>> {
    let entries = if cursors.is_empty() {
        let mut entries = inbox(context, Sessions::Mine)?;
        entries.retain(|entry| entry.addressee != Addressee::Other);
        entries
    } else {
        let mut entries = inbox(context, Sessions::All)?;
        entries.retain(|entry| cursors.contains(&entry.event.cursor));
        entries
    };
    if let Some(missing) =
        cursors.iter().find(|cursor| !entries.iter().any(|entry| entry.event.cursor == **cursor))
    {
        return Err(
            Error::not_found(format!("the inbox has no entry {missing}")).hint("offshoot inbox")
        );
    }
    take_note(context, &entries)?;
    Ok(entries)
}

/// Acknowledges entries that the caller was told.
pub(super) fn take_note(context: &Context, entries: &[InboxEntryView]) -> Result<()> {
    let cursors: Vec<u64> = entries.iter().map(|entry| entry.event.cursor).collect();
    context.store.acknowledge(&cursors)?;
    entries.iter().try_for_each(|entry| close_empty(context, &entry.event))
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

/// Waits until there is an entry, or until `limit` has passed; then the answer is empty. Siblings that
/// end within a second of it come with it.
///
/// # Errors
/// `io` when the journal cannot be read.
pub fn wait_for_entry(
    context: &Context,
    sessions: Sessions,
    limit: Option<Duration>,
) -> Result<Vec<InboxEntryView>> {
    let deadline = limit.map(|limit| context.clock.deadline(limit));
    let watch = watch(context);
    loop {
        let entries = gather(context, sessions, &|_| true, &watch)?;
        if !entries.is_empty() || deadline.is_some_and(|deadline| deadline.has_passed()) {
            return Ok(entries);
        }
        watch.wait(deadline)?;
    }
}

/// Gets what a follower is given: entries, and what agents ask.
pub type Sink<'a> = &'a mut dyn FnMut(&[InboxEntryView], &[QuestionView]) -> Result<()>;

/// Gives entries to `sink` as they come, each once, siblings together, and what agents ask meanwhile,
/// until nobody reads `output` any more. Nothing is acknowledged: whoever reads does that once it was told.
///
/// # Errors
/// `io` when the journal cannot be read; whatever `sink` refuses.
pub fn follow(
    context: &Context,
    sessions: Sessions,
    output: &impl AsFd,
    sink: Sink<'_>,
) -> Result<()> {
    let (mut told, mut heard) = (BTreeSet::new(), BTreeSet::new());
    let watch = watch(context);
    while watch::has_reader(output) {
        let mut entries = gather(context, sessions, &|entry| !told.contains(&key(entry)), &watch)?;
        let mut asked = questions(context, sessions)?;
        asked.retain(|asked| heard.insert((asked.task.id, asked.attempt)));
        if !entries.is_empty() || !asked.is_empty() {
            told.extend(entries.iter().map(key));
            for entry in &mut entries {
                entry.text = Some(text(context, std::slice::from_ref(entry)));
            }
            sink(&entries, &asked)?;
        }
        watch.wait(None)?;
    }
    Ok(())
}

/// By what an entry is known to have been told: one that becomes anybody's is told once more.
fn key(entry: &InboxEntryView) -> (u64, bool) {
    (entry.event.cursor, entry.addressee == Addressee::Anybody)
}

/// The entries in words.
pub(super) fn text(context: &Context, entries: &[InboxEntryView]) -> String {
    let ids = entries.iter().map(|entry| entry.event.draft.task.id);
    let tasks: Vec<_> = ids.filter_map(|id| context.store.read(id).ok()).collect();
    let views = describe_in_full(context, &tasks).unwrap_or_default();
    notice::text(&views)
}

/// What changes when something comes in.
pub(super) fn watch(context: &Context) -> Watch {
    let layout = context.store.layout();
    Watch::on(&[layout.root(), &layout.journal()])
}

/// What is new now. When there is something, and siblings of it are still running, they are given a
/// second to end too.
pub(super) fn gather(
    context: &Context,
    sessions: Sessions,
    is_new: &dyn Fn(&InboxEntryView) -> bool,
    watch: &Watch,
) -> Result<Vec<InboxEntryView>> {
    let mut until: Option<Deadline> = None;
    let new = || -> Result<Vec<_>> {
        let mut entries = inbox(context, sessions)?;
        entries.retain(is_new);
        Ok(entries)
    };
    loop {
        let entries = new()?;
        let Some(first) = entries.first() else { return Ok(entries) };
        let until = *until.get_or_insert_with(|| {
            let waited = context.now().as_millis().saturating_sub(first.event.draft.at.as_millis());
            let waited = Duration::from_millis(u64::try_from(waited).unwrap_or(0));
            context.clock.deadline(TOGETHER.saturating_sub(waited))
        });
        if until.has_passed() || !has_siblings(context, first.event.draft.parent.as_deref())? {
            // One that ended since they were read is no sibling any more: it has come in.
            return new();
        }
        watch.wait(Some(until))?;
    }
}

/// Whether tasks of a session are running, or have ended a moment ago and are not in the inbox yet.
pub(super) fn has_siblings(context: &Context, session: Option<&str>) -> Result<bool> {
    for id in context.store.active_ids()? {
        if let Ok(task) = context.store.read(id)
            && match &task.record.state {
                TaskState::Running(_) => true,
                TaskState::Ended { .. } => !task.record.outbox.is_empty(),
                TaskState::Pending { .. } => false,
            }
            && task.spec.parent.as_deref() == session
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether something can be said beside an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// A line of words.
    Words,
    /// Nothing: a program reads it. What the answer itself was about counts as shown all the same.
    Nothing,
}

/// Entries that the caller has not been shown yet and that are no news of what this command was about
/// (`words`); from then on they count as shown. For a notice beside some other answer.
///
/// # Errors
/// `io` when the journal cannot be read.
pub fn unseen(context: &Context, words: &[String], beside: Beside) -> Result<Vec<InboxEntryView>> {
    if !context.store.exists() {
        return Ok(Vec::new());
    }
    let me = agent::parent_session(&context.environment);
    let whose = me.as_deref().unwrap_or("person");
    let seen = context.store.seen_by(whose)?;
    let mut entries = addressed(context, Sessions::Mine, context.store.inbox_after(seen)?)?;
    let Some(last) = entries.last().map(|entry| entry.event.cursor) else { return Ok(entries) };
    entries.retain(|entry| {
        let task = &entry.event.draft.task;
        let id = task.id.to_string();
        let own = match me {
            Some(_) => entry.addressee != Addressee::Person,
            None => entry.addressee == Addressee::Person,
        };
        let is_named = |word: &String| {
            word == task.name.as_str() || (word.len() >= 4 && id.starts_with(word.as_str()))
        };
        own && !words.iter().any(is_named)
    });
    if beside == Beside::Nothing && !entries.is_empty() {
        return Ok(Vec::new());
    }
    context.store.note_seen(whose, last)?;
    Ok(entries)
}
