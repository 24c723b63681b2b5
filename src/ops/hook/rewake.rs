//! `hook --wait`: a hook that a session of Claude Code runs in the background (`asyncRewake`) and that wakes it,
//! idle as it may be, by ending: exit status 2, the words on standard error.
//!
//! There is one at most for a session, and none where nothing of the session is under way. It goes with the
//! session: nobody reads its output then. What it said stays in the inbox until the session is seen to have been
//! given it (`hook`), so that a session that dies in between loses nothing. Where the session has a socket the
//! push goes first; this is for those that have none, and for a push that failed or was never taken. It tells what
//! the agent of a running task asks, too.

use super::heard::Given;
use super::{Input, PUSHED_MS, is_on_its_way, lock_hooks, pushes, take_note_of_heard};
use crate::agent;
use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::layout::Layout;
use crate::lock::Wait;
use crate::names::TaskId;
use crate::ops::inbox::{Sessions, gather, inbox, text, watch};
use crate::ops::questions::questions;
use crate::task::{Channel, SCHEMA, Told};
use crate::view::{InboxEntryView, QuestionView};
use crate::watch;
use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::path::Path;

/// The words that wake the session of `agent` that calls, once there are any; none when there is nothing to wait
/// for, when somebody waits already, and when nobody reads `output` any more.
///
/// # Errors
/// `usage` for an agent that no hook wakes and for an input that is no hook's, `io` when records cannot be read.
pub fn rewake(
    agent: &str,
    input: &[u8],
    directory: &Path,
    environment: &Environment,
    output: &impl AsFd,
) -> Result<Option<String>> {
    if agent != "claude" {
        return Err(Error::usage(format!("no hook that waits wakes `{agent}`"))
            .hint(format!("offshoot hook {agent}")));
    }
    let input = Input::read(input)?;
    // Only its terminal interface is there for as long as a person is. `claude -p` would wait for this at its end.
    if environment.text("CLAUDE_CODE_ENTRYPOINT") != Some("cli") {
        return Ok(None);
    }
    let has_tasks = |layout: &Layout| layout.tasks().is_dir();
    let Some(context) = input.context(agent, directory, environment, has_tasks)? else {
        return Ok(None);
    };
    let Some(me) = agent::parent_session(&context.environment) else { return Ok(None) };
    let Some(_waiting) = context.store.lock_session(&format!("{me} waits"), Wait::No)? else {
        return Ok(None);
    };
    let changes = watch(&context);
    let mut asked_before = BTreeSet::new();
    while watch::has_reader(output) {
        // Asked first: what ends in between is in the inbox then.
        let goes_on = is_anything_to_come(&context, &me, &input.given)?;
        let is_untold = |entry: &InboxEntryView| {
            !is_on_its_way(&context, entry) && !is_left_to_the_socket(&context, &entry.event)
        };
        if !gather(&context, Sessions::Owed, &is_untold, &changes)?.is_empty() {
            // Another hook of the session may just be telling the same.
            let _telling = lock_hooks(&context)?;
            let mut entries = inbox(&context, Sessions::Owed)?;
            entries.retain(is_untold);
            if !entries.is_empty() {
                entries.iter().try_for_each(|entry| note(&context, &entry.event))?;
                return Ok(Some(text(&context, &entries)));
            }
        }
        let asked = untold_questions(&context, &mut asked_before)?;
        if !asked.is_empty() {
            asked.iter().try_for_each(|(_, question)| note(&context, question))?;
            let words: Vec<_> = asked.into_iter().map(|(asked, _)| asked.text).collect();
            return Ok(Some(words.join("\n")));
        }
        if !goes_on {
            return Ok(None);
        }
        changes.wait(None)?;
    }
    Ok(None)
}

/// What agents ask of which the session was not told; `before` holds what need not be looked at again. It is
/// told once: should it be lost, the end tells of it.
fn untold_questions(
    context: &Context,
    before: &mut BTreeSet<(TaskId, u32)>,
) -> Result<Vec<(QuestionView, Event)>> {
    let mut untold = Vec::new();
    for asked in questions(context, Sessions::Owed)? {
        let key = (asked.task.id, asked.attempt);
        if before.contains(&key) {
            continue;
        }
        let Some(question) = context.store.last_question(asked.task.id)? else { continue };
        if !pushes(context, &question).is_empty() {
            before.insert(key);
        } else if !is_left_to_the_socket(context, &question) {
            untold.push((asked, question));
        }
    }
    Ok(untold)
}

/// Whether the session may have to be told something later.
fn is_anything_to_come(context: &Context, session: &str, given: &Given) -> Result<bool> {
    let mut entries = inbox(context, Sessions::Owed)?;
    take_note_of_heard(context, given, &mut entries)?;
    if !entries.is_empty() {
        return Ok(true);
    }
    for id in context.store.open_ids()? {
        if let Ok(task) = context.store.read(id)
            && task.spec.parent.as_deref() == Some(session)
            && (task.ended().is_none() || !task.record.outbox.is_empty())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether the session's socket is still to be tried, which takes a moment.
fn is_left_to_the_socket(context: &Context, event: &Event) -> bool {
    let age = context.now().as_millis() - event.draft.at.as_millis();
    let id = event.draft.task.id;
    let has_socket = context.store.read(id).is_ok_and(|task| task.spec.tell.wakes);
    let told = context.store.told(id).unwrap_or_default();
    let was_tried =
        told.iter().any(|told| told.cursor == event.cursor && told.channel == Channel::Claude);
    has_socket && !was_tried && age < PUSHED_MS
}

fn note(context: &Context, event: &Event) -> Result<()> {
    let told = Told {
        schema: SCHEMA,
        cursor: event.cursor,
        at: context.now(),
        channel: Channel::Rewake,
        delivered: true,
        error: None,
    };
    context.store.note_told(event.draft.task.id, &told)
}
