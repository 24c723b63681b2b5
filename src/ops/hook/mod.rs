//! `hook`: the one command that the hooks of coding agents call. It reads the hook's JSON and answers
//! with what the session has to be told, or with nothing.
//!
//! Agents call it after every tool, so where nothing is pending it looks at two or three names and
//! leaves: no git, no configuration, no record is opened. What it tells is acknowledged once the answer
//! was written. Its text is plain: some agents escape angle brackets.

mod gemini;
mod heard;
mod rewake;

pub use rewake::rewake;

use super::inbox::{Sessions, inbox, take_note, text};
use crate::agent;
use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::event::Event;
use crate::layout::Layout;
use crate::lock::{FileLock, Wait};
use crate::task::{Channel, SCHEMA, Told};
use crate::view::InboxEntryView;
use heard::Given;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// How long a message that was pushed into the session may take to show up there, in milliseconds,
/// before a hook tells the same.
const PUSHED_MS: i64 = 60_000;

/// What a hook is given; all agents use these names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Input {
    session_id: Option<String>,
    cwd: Option<PathBuf>,
    hook_event_name: String,
    tool_name: String,
    tool_input: Map<String, Value>,
    #[serde(flatten)]
    given: Given,
}

impl Input {
    /// What stands in a hook's JSON.
    fn read(json: &[u8]) -> Result<Self> {
        serde_json::from_slice(json).map_err(|cause| {
            Error::usage(format!("what a hook reads must be a hook's JSON: {cause}"))
                .hint("`offshoot setup AGENT` writes the hooks that call this")
        })
    }

    /// The repository of the session of `agent` that calls, where it stands in one that has tasks.
    fn context(
        &self,
        agent: &str,
        directory: &Path,
        environment: &Environment,
        has: impl FnOnce(&Layout) -> bool,
    ) -> Result<Option<Context>> {
        let directory = self.cwd.as_deref().unwrap_or(directory);
        if !common_dir(directory).is_some_and(|common| has(&Layout::of(&common))) {
            return Ok(None);
        }
        let mut environment = environment.clone();
        if let Some(id) = &self.session_id
            && agent::parent_session(&environment).is_none()
        {
            environment.set("OFFSHOOT_PARENT", format!("{agent}:{id}"));
        }
        Context::open(directory, environment).map(Some)
    }
}

/// How an event is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Words beside what the model is about to read anyway.
    Context,
    /// Words that make an agent which is about to stop go on; with Claude Code's and Codex's word, or
    /// with Gemini's.
    GoOn(&'static str),
}

/// The events that can be answered, by their agents' names for them.
const FORMS: [(&str, Form); 7] = [
    ("PostToolUse", Form::Context),
    ("UserPromptSubmit", Form::Context),
    ("SessionStart", Form::Context),
    ("AfterTool", Form::Context),
    ("BeforeAgent", Form::Context),
    ("Stop", Form::GoOn("block")),
    ("AfterAgent", Form::GoOn("deny")),
];

/// What an agent is answered.
pub struct Answer {
    /// The document for the agent.
    pub document: Value,
    news: Option<News>,
}

/// What a session is told.
struct News {
    context: Context,
    entries: Vec<InboxEntryView>,
    _telling: Option<FileLock>,
}

impl Answer {
    /// Takes note that the answer was written.
    ///
    /// # Errors
    /// `io` when that cannot be recorded; then the session is told again.
    pub fn was_given(&self) -> Result<()> {
        self.news.as_ref().map_or(Ok(()), |news| take_note(&news.context, &news.entries))
    }
}

/// The answer to a hook of `agent` that was given `input`; none when there is nothing to say.
///
/// # Errors
/// `usage` when the input is no hook's, `io` when records cannot be read.
pub fn hook(
    agent: &str,
    input: &[u8],
    directory: &Path,
    environment: &Environment,
) -> Result<Option<Answer>> {
    let input = Input::read(input)?;
    if agent == "gemini"
        && let Some(document) = gemini::with_session(&input)
    {
        return Ok(Some(Answer { document, news: None }));
    }
    let form = FORMS.iter().find(|(event, _)| *event == input.hook_event_name);
    let Some((event, form)) = form.copied() else { return Ok(None) };
    let news = match input.context(agent, directory, environment, is_something_pending)? {
        Some(context) => News::gather(context, &input)?,
        None => None,
    };
    let told = news.as_ref().map(|news| text(&news.context, &news.entries));
    let advice = gemini::advice(&input).filter(|_| agent == "gemini");
    let words: Vec<String> = told.into_iter().chain(advice).collect();
    if words.is_empty() {
        return Ok(None);
    }
    let words = words.join("\n");
    let document = match form {
        Form::Context => json!({
            "hookSpecificOutput": {"hookEventName": event, "additionalContext": words},
        }),
        Form::GoOn(word) => json!({"decision": word, "reason": words}),
    };
    Ok(Some(Answer { document, news }))
}

impl News {
    /// What the session that calls has not been told.
    fn gather(context: Context, input: &Input) -> Result<Option<Self>> {
        let telling = lock_hooks(&context)?;
        let mut entries = inbox(&context, Sessions::Owed)?;
        take_note_of_heard(&context, &input.given, &mut entries)?;
        entries.retain(|entry| !is_on_its_way(&context, entry));
        Ok((!entries.is_empty()).then_some(Self { context, entries, _telling: telling }))
    }
}

/// The right of one hook of a session to tell it something: several run at the same time.
fn lock_hooks(context: &Context) -> Result<Option<FileLock>> {
    let Some(session) = agent::parent_session(&context.environment) else { return Ok(None) };
    context.store.lock_session(&format!("{session} hooks"), Wait::Forever)
}

/// Takes note of what the session is seen to have been given; those entries are gone then.
fn take_note_of_heard(
    context: &Context,
    given: &Given,
    entries: &mut Vec<InboxEntryView>,
) -> Result<()> {
    let mut heard = given.just_now(entries);
    let pushed: Vec<_> =
        entries.iter().filter(|entry| was_pushed(context, entry)).cloned().collect();
    heard.extend(given.before(&pushed));
    entries.retain(|entry| !heard.contains(entry));
    take_note(context, &heard)
}

/// Whether an entry was pushed into a session a moment ago, so that it will read of it soon.
fn is_on_its_way(context: &Context, entry: &InboxEntryView) -> bool {
    pushes(context, &entry.event)
        .iter()
        .any(|told| context.now().as_millis() - told.at.as_millis() < PUSHED_MS)
}

fn was_pushed(context: &Context, entry: &InboxEntryView) -> bool {
    !pushes(context, &entry.event).is_empty()
}

/// The tries of pushing an event into a session that may have reached it.
fn pushes(context: &Context, event: &Event) -> Vec<Told> {
    let mut told = context.store.told(event.draft.task.id).unwrap_or_default();
    told.retain(|told| {
        told.schema == SCHEMA
            && told.cursor == event.cursor
            && told.delivered
            && matches!(told.channel, Channel::Claude | Channel::Codex | Channel::Rewake)
    });
    told
}

/// Whether a repository has anything in its inbox, found by names alone.
fn is_something_pending(layout: &Layout) -> bool {
    match std::fs::read_dir(layout.inbox()) {
        Ok(mut entries) => entries.next().is_some(),
        // It is made again where there is a journal without it.
        Err(_) => layout.journal().exists(),
    }
}

/// The common git directory of the checkout around `directory`, as gitrepository-layout(5) describes it.
fn common_dir(directory: &Path) -> Option<PathBuf> {
    let found = directory.ancestors().find_map(|folder| {
        let git = folder.join(".git");
        if git.is_dir() {
            return Some(git);
        }
        let text = std::fs::read_to_string(&git).ok();
        let named = text.as_deref().and_then(|text| text.strip_prefix("gitdir: "));
        match named {
            Some(path) => Some(folder.join(path.trim_end_matches('\n'))),
            None => (folder.join("HEAD").is_file() && folder.join("objects").is_dir())
                .then(|| folder.to_owned()),
        }
    })?;
    match std::fs::read_to_string(found.join("commondir")) {
        Ok(text) => Some(found.join(text.trim_end_matches('\n'))),
        Err(_) => Some(found),
    }
}
