//! `claude --print --output-format stream-json --verbose`. Tried with 2.1.197.
//!
//! `is_error` of the `result` says whether the run failed; its `subtype` does not. What a sub-agent
//! says (`parent_tool_use_id`) is no answer of the agent's own.

use super::{Said, about, number, text};
use crate::task::Usage;
use serde_json::Value;

pub(super) fn read(line: &Value, said: &mut Vec<Said>) {
    let session = text(line, "/session_id");
    if !session.is_empty() {
        said.push(Said::Session(session.to_owned()));
    }
    let own = line.get("parent_tool_use_id").is_none_or(Value::is_null);
    match (text(line, "/type"), text(line, "/subtype")) {
        ("system", "api_retry") => said.push(Said::Trouble(format!(
            "{} (try {} of {})",
            text(line, "/error"),
            number(line, "/attempt"),
            number(line, "/max_retries")
        ))),
        ("assistant", _) => {
            if own {
                said.push(Said::Turn);
            }
            for part in contents(line) {
                match text(part, "/type") {
                    "text" if own => said.push(Said::Words(text(part, "/text").to_owned())),
                    "tool_use" => read_tool(part, said),
                    _ => {}
                }
            }
        }
        ("user", _) => {
            for part in contents(line) {
                if part.get("is_error").and_then(Value::as_bool) == Some(true) {
                    said.push(Said::Refused(words_of(part)));
                }
            }
        }
        ("result", _) => read_result(line, said),
        _ => {}
    }
}

fn read_tool(part: &Value, said: &mut Vec<Said>) {
    let tool = text(part, "/name");
    let input = part.get("input").unwrap_or(&Value::Null);
    if tool == "AskUserQuestion" {
        let question = text(input, "/questions/0/question");
        let question = if question.is_empty() { "it asks something" } else { question };
        return said.push(Said::Asks(question.to_owned()));
    }
    said.push(Said::Uses { tool: tool.to_owned(), about: about(input) });
}

fn read_result(line: &Value, said: &mut Vec<Said>) {
    let usage = |name: &str| number(line, &format!("/usage/{name}"));
    let cached = usage("cache_read_input_tokens") + usage("cache_creation_input_tokens");
    said.push(Said::TookInAll(Usage {
        input_tokens: usage("input_tokens") + cached,
        output_tokens: usage("output_tokens"),
        cost_usd: line.get("total_cost_usd").and_then(Value::as_f64),
    }));
    for denied in line.get("permission_denials").and_then(Value::as_array).into_iter().flatten() {
        let input = denied.get("tool_input").unwrap_or(&Value::Null);
        let tool = text(denied, "/tool_name");
        said.push(Said::Asks(format!("may it use {tool}: {}", about(input))));
    }
    let result = line.get("result").and_then(Value::as_str);
    if line.get("is_error").and_then(Value::as_bool) == Some(false) {
        said.push(Said::Done(result.map(str::to_owned)));
    } else {
        let first = text(line, "/errors/0");
        let reason = if first.is_empty() { text(line, "/subtype") } else { first };
        said.push(Said::Failed(result.unwrap_or(reason).to_owned()));
    }
}

fn contents(line: &Value) -> impl Iterator<Item = &Value> {
    line.pointer("/message/content").and_then(Value::as_array).into_iter().flatten()
}

/// A tool's result, which is a text or a list of them.
fn words_of(part: &Value) -> String {
    let text_of_first = text(part, "/content/0/text");
    let words = if text_of_first.is_empty() { text(part, "/content") } else { text_of_first };
    words.trim_start_matches("<tool_use_error>").trim_end_matches("</tool_use_error>").to_owned()
}
