//! How an agent is started with a prompt, how its stream is read, and how its conversation goes on:
//! data, kept with the task from its dispatch on, so that later attempts do not depend on what the
//! configuration says by then.

use super::{Task, TaskSpec};
use crate::error::{Error, Result};
use crate::escape;
use crate::names::TaskId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const PROMPT: &str = "{prompt}";
const SESSION: &str = "{session}";
const MODEL: &str = "{model}";

/// An agent that takes prompts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Preset {
    /// The program and its words. `{prompt}` and `{session}` in them are replaced; a word that is
    /// `{model}` is replaced by those of `model`, by none where no model is named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The same, to go on in a conversation; without it a follow-up is a new run.
    #[serde(rename = "continue", skip_serializing_if = "Vec::is_empty")]
    pub go_on: Vec<String>,
    /// The words that name a model; `{model}` in them is replaced.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub model: Vec<String>,
    /// The form of what it writes to standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamKind>,
    /// Variables for it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, String>,
}

/// Whose form a stream has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StreamKind {
    /// Nobody's: it is shown as it is.
    #[default]
    Text,
    /// `opencode run --format json`.
    Opencode,
    /// `claude --output-format stream-json`.
    Claude,
    /// `codex exec --json`.
    Codex,
    /// `gemini --output-format stream-json`.
    Gemini,
    /// `copilot --output-format json`.
    Copilot,
}

/// What an attempt is told instead of the task's own prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FollowUp {
    /// The prompt.
    pub prompt: String,
    /// The conversation that it continues; none for a new run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The message that it came by, which waits no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What an agent's model was given and gave, as the agent says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Usage {
    /// Tokens read, those from a cache included.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// What it cost, in US dollars, where the agent tells.
    #[serde(default)]
    pub cost_usd: Option<f64>,
}

impl Preset {
    /// Puts what another one says in the place of what was there.
    pub fn change(&mut self, changed: Self) {
        let put = |place: &mut Vec<String>, words: Vec<String>| {
            if !words.is_empty() {
                *place = words;
            }
        };
        put(&mut self.command, changed.command);
        put(&mut self.go_on, changed.go_on);
        put(&mut self.model, changed.model);
        self.stream = changed.stream.or(self.stream);
        self.env.extend(changed.env);
    }

    /// The words of the first run.
    ///
    /// # Errors
    /// `usage` when a model is named and the agent has no option for one.
    pub fn first(&self, prompt: &str, model: Option<&str>, session: &str) -> Result<Vec<String>> {
        if model.is_some() && (self.model.is_empty() || !self.command.iter().any(|w| w == MODEL)) {
            let program = self.command.first().map_or("", String::as_str);
            return Err(Error::usage(format!(
                "`{}` is not known to take a model",
                escape::line(program)
            ))
            .hint("leave `--model` out, or give the agent `model` words in the configuration"));
        }
        Ok(self.filled(&self.command, prompt, model, session))
    }

    /// Whether we choose the id of a new conversation.
    #[must_use]
    pub fn names_its_session(&self) -> bool {
        self.command.iter().any(|word| word.contains(SESSION))
    }

    /// Whether a conversation can be gone on with.
    #[must_use]
    pub fn can_go_on(&self) -> bool {
        !self.go_on.is_empty()
    }

    fn filled(
        &self,
        words: &[String],
        prompt: &str,
        model: Option<&str>,
        session: &str,
    ) -> Vec<String> {
        let mut filled = Vec::new();
        for word in words {
            if word == MODEL {
                let named = model.into_iter().flat_map(|model| {
                    self.model.iter().map(move |word| word.replace(MODEL, model))
                });
                filled.extend(named);
            } else if word.contains(PROMPT) {
                // A prompt may itself hold what looks like one of our words.
                let (before, after) = word.split_once(PROMPT).expect("invariant: it is in there");
                filled.push(format!(
                    "{}{prompt}{}",
                    before.replace(SESSION, session),
                    after.replace(SESSION, session)
                ));
            } else {
                filled.push(word.replace(SESSION, session));
            }
        }
        filled
    }
}

impl TaskSpec {
    /// The id of the conversation that an attempt begins, where we choose it. No two attempts have the
    /// same one: agents refuse an id that is in use.
    #[must_use]
    pub fn session_of(&self, attempt: u32) -> Option<String> {
        let chosen = self.preset.as_ref().is_some_and(Preset::names_its_session);
        chosen.then(|| match attempt {
            0 | 1 => self.id.to_string(),
            later => TaskId::named_by(&format!("{}/{later}", self.id)).to_string(),
        })
    }

    /// A follow-up to what the agent did last, in that conversation where it can be gone on with.
    #[must_use]
    pub fn follow_up(&self, prompt: String, conversation: Option<String>) -> FollowUp {
        let can_go_on = self.preset.as_ref().is_some_and(Preset::can_go_on);
        FollowUp { prompt, session: conversation.filter(|_| can_go_on), message: None }
    }

    /// Whose form the agent's stream has.
    #[must_use]
    pub fn stream(&self) -> StreamKind {
        match (&self.preset, &self.agent) {
            (Some(preset), _) => preset.stream.unwrap_or_default(),
            // Records from before presets were kept in them.
            (None, Some(agent)) => match agent.as_str() {
                "opencode" => StreamKind::Opencode,
                "claude" => StreamKind::Claude,
                "codex" => StreamKind::Codex,
                _ => StreamKind::Text,
            },
            (None, None) => StreamKind::Text,
        }
    }
}

impl Task {
    /// The conversation that a follow-up to the present attempt goes on with, where the agent has told
    /// of the one named.
    #[must_use]
    pub fn conversation_after(&self, told: Option<&str>) -> Option<String> {
        let continued = self.record.follow_up.as_ref().and_then(|it| it.session.as_deref());
        // An agent that tells nothing has the one that we named.
        let named = self.record.session.as_deref();
        let named = named.filter(|_| self.spec.stream() == StreamKind::Text);
        told.or(continued).or(named).map(str::to_owned)
    }

    /// What the present attempt is told.
    #[must_use]
    pub fn present_prompt(&self) -> Option<&str> {
        match &self.record.follow_up {
            Some(follow_up) => Some(&follow_up.prompt),
            None => self.spec.prompt.as_deref(),
        }
    }

    /// The command of the present attempt.
    #[must_use]
    pub fn present_command(&self) -> Vec<String> {
        let follow_up = self.record.follow_up.as_ref();
        let Some(preset) = &self.spec.preset else { return self.spec.command.clone() };
        if follow_up.is_none() && self.record.attempt <= 1 {
            return self.spec.command.clone();
        }
        let prompt = self.present_prompt().unwrap_or_default();
        let model = self.spec.model.as_deref();
        match follow_up.and_then(|follow_up| follow_up.session.as_deref()) {
            Some(session) => preset.filled(&preset.go_on, prompt, model, session),
            None => {
                let session = self.record.session.as_deref().unwrap_or_default();
                preset.filled(&preset.command, prompt, model, session)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn words_in_braces_are_filled_in_and_those_of_a_prompt_are_left() {
        let preset = Preset {
            command: words("agent --id={session} {model} --say={prompt}"),
            model: words("-m {model}"),
            ..Preset::default()
        };
        let told = |model| preset.first("{session} {model} -x", model, "s").expect("fine");
        assert_eq!(told(None), ["agent", "--id=s", "--say={session} {model} -x"]);
        assert_eq!(
            told(Some("big")),
            ["agent", "--id=s", "-m", "big", "--say={session} {model} -x"]
        );
        assert!(preset.names_its_session() && !preset.can_go_on());
        let plain = Preset { command: words("agent {prompt}"), ..Preset::default() };
        let refused = plain.first("x", Some("big"), "s").expect_err("has no option for it");
        assert!(refused.message.contains("`agent` is not known to take a model"));
    }
}
