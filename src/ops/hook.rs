//! `hook`: the one command that the hooks of coding agents call. It reads the hook's JSON and answers
//! with what the session has to be told, or with nothing.
//!
//! Agents call it after every tool, so where nothing is pending it looks at two or three names and
//! leaves: no git, no configuration, no record is opened. What it tells is acknowledged once the answer
//! was written. Its text is plain: some agents escape angle brackets.

use super::inbox::{Sessions, inbox, take_note, text};
use crate::agent;
use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::notice;
use crate::task::{Channel, SCHEMA, Told};
use crate::view::InboxEntryView;
use serde::Deserialize;
use serde_json::{Value, json};
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
    prompt: Option<String>,
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

/// What a session is to be told.
pub struct Answer {
    /// The document for the agent.
    pub document: Value,
    context: Context,
    entries: Vec<InboxEntryView>,
}

impl Answer {
    /// Takes note that the answer was written.
    ///
    /// # Errors
    /// `io` when that cannot be recorded; then the session is told again.
    pub fn was_given(&self) -> Result<()> {
        take_note(&self.context, &self.entries)
    }
}

/// The answer to a hook of `agent` that was given `input`; none when there is nothing to tell.
///
/// # Errors
/// `usage` when the input is no hook's, `io` when records cannot be read.
pub fn hook(
    agent: &str,
    input: &[u8],
    directory: &Path,
    environment: &Environment,
) -> Result<Option<Answer>> {
    let input: Input = serde_json::from_slice(input).map_err(|cause| {
        Error::usage(format!("what a hook reads must be a hook's JSON: {cause}"))
            .hint("`offshoot setup AGENT` writes the hooks that call this")
    })?;
    let form = FORMS.iter().find(|(event, _)| *event == input.hook_event_name);
    let Some((event, form)) = form.copied() else { return Ok(None) };
    let directory = input.cwd.as_deref().unwrap_or(directory);
    if !is_something_pending(directory) {
        return Ok(None);
    }
    let mut environment = environment.clone();
    if let Some(id) = &input.session_id
        && agent::parent_session(&environment).is_none()
    {
        environment.set("OFFSHOOT_PARENT", format!("{agent}:{id}"));
    }
    let context = Context::open(directory, environment)?;
    let mut entries = inbox(&context, Sessions::Owed)?;
    let heard = heard(&input, &entries);
    take_note(&context, &heard)?;
    entries.retain(|entry| !heard.contains(entry) && !is_on_its_way(&context, entry));
    if entries.is_empty() {
        return Ok(None);
    }
    let words = text(&context, &entries);
    let document = match form {
        Form::Context => json!({
            "hookSpecificOutput": {"hookEventName": event, "additionalContext": words},
        }),
        Form::GoOn(word) => json!({"decision": word, "reason": words}),
    };
    Ok(Some(Answer { document, context, entries }))
}

/// Entries that the session has just been given as a message, which is how a push shows that it came.
fn heard(input: &Input, entries: &[InboxEntryView]) -> Vec<InboxEntryView> {
    let Some(prompt) = &input.prompt else { return Vec::new() };
    let was_heard = |entry: &&InboxEntryView| {
        let beginning = notice::beginning(entry.event.draft.task.name.as_str());
        prompt.lines().any(|line| line.starts_with(&beginning))
    };
    entries.iter().filter(was_heard).cloned().collect()
}

/// Whether an entry was pushed into a session a moment ago, so that it will read of it soon.
fn is_on_its_way(context: &Context, entry: &InboxEntryView) -> bool {
    let told = context.store.told(entry.event.draft.task.id).unwrap_or_default();
    let fresh = |told: &Told| context.now().as_millis() - told.at.as_millis() < PUSHED_MS;
    told.iter().any(|told| {
        told.schema == SCHEMA
            && told.cursor == entry.event.cursor
            && told.delivered
            && matches!(told.channel, Channel::Claude | Channel::Codex)
            && fresh(told)
    })
}

/// Whether the repository around `directory` has anything in its inbox, found by names alone.
fn is_something_pending(directory: &Path) -> bool {
    let Some(common) = common_dir(directory) else { return false };
    let layout = Layout::of(&common);
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
