//! What a verb said, as the result of a tool call.
//!
//! What clients hand to the model differs: opencode the text, Codex the structured content, Claude
//! Code the structured content of an answer and the text of an error. So each of them alone tells
//! everything: the text is the document, except that a plain refusal reads as on a terminal.

use super::tools::VerbTool;
use crate::error::Error;
use crate::ops::processes::Spoken;
use crate::view::ErrorDocument;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject};
use serde_json::{Value, json};

/// An answer on its way to the client.
pub(super) struct Answer {
    pub(super) document: JsonObject,
    /// What is said beside it: the verb's own words, completions.
    pub(super) notes: Vec<String>,
    /// The words of a plain refusal.
    refusal: Option<String>,
}

impl Answer {
    /// What a verb's process said.
    pub(super) fn of(tool: &VerbTool, spoken: &Spoken) -> Self {
        let narration = String::from_utf8_lossy(&spoken.narration).trim().to_owned();
        let Some(document) = document(&tool.name, &spoken.answer, spoken.status) else {
            let how = spoken
                .status
                .map_or_else(|| "by a signal".to_owned(), |status| format!("with status {status}"));
            let message = format!("`offshoot {}` ended {how} without an answer", tool.name);
            let error = Error::internal(message).hint("offshoot doctor");
            let error = if narration.is_empty() { error } else { error.hint(narration) };
            return Self::refusal(&error);
        };
        let plain = document.keys().all(|key| key == "schema" || key == "error");
        let is_error = document.contains_key("error");
        let notes = if is_error { "" } else { &*narration };
        Self {
            notes: notes.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            refusal: (is_error && plain).then_some(narration),
            document,
        }
    }

    /// A refusal of our own.
    pub(super) fn refusal(error: &Error) -> Self {
        let document = serde_json::to_value(ErrorDocument::new(error)).ok();
        let hints: String = error.hints.iter().map(|hint| format!("\nhint: {hint}")).collect();
        let gap = if hints.is_empty() { "" } else { "\n" };
        Self {
            document: document.and_then(|it| it.as_object().cloned()).unwrap_or_default(),
            notes: Vec::new(),
            refusal: Some(format!("error: {error}{gap}{hints}")),
        }
    }

    /// The result for the client.
    pub(super) fn into_result(self) -> CallToolResult {
        let Self { mut document, notes, refusal } = self;
        if !notes.is_empty() {
            document.insert("notes".into(), json!(notes));
        }
        let is_error = document.contains_key("error") || document.contains_key("errors");
        let document = Value::Object(document);
        let text = match refusal {
            Some(words) if notes.is_empty() => words,
            Some(words) => format!("{words}\n\n{}", notes.join("\n")),
            None => document.to_string(),
        };
        let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
        result.structured_content = Some(document);
        result.is_error = Some(is_error);
        result
    }
}

/// The one document of an answer; what `logs` prints line by line is put into one.
fn document(tool: &str, answer: &[u8], status: Option<i32>) -> Option<JsonObject> {
    let lines = serde_json::Deserializer::from_slice(answer).into_iter::<Value>();
    let mut documents = lines.collect::<Result<Vec<_>, _>>().ok()?;
    let refused = documents.iter().any(|document| document.get("error").is_some());
    if tool == "logs" && !refused && status == Some(0) {
        let whole = json!({ "schema": crate::task::SCHEMA, "lines": documents });
        return whole.as_object().cloned();
    }
    match documents.pop()? {
        Value::Object(document) => Some(document),
        _ => None,
    }
}
