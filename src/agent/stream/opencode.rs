//! `opencode run --format json`: `{"type", "sessionID", "part" | "error"}`. Tried with 1.18.33.

use super::{Said, about, number, text};
use crate::task::Usage;
use serde_json::Value;

pub(super) fn read(line: &Value, said: &mut Vec<Said>) {
    let session = text(line, "/sessionID");
    if !session.is_empty() {
        said.push(Said::Session(session.to_owned()));
    }
    match text(line, "/type") {
        "step_start" => said.push(Said::Turn),
        "text" => said.push(Said::Words(text(line, "/part/text").to_owned())),
        "tool_use" => read_tool(line, said),
        "step_finish" => {
            let tokens = |name: &str| number(line, &format!("/part/tokens/{name}"));
            said.push(Said::Took(Usage {
                input_tokens: tokens("input") + tokens("cache/read") + tokens("cache/write"),
                output_tokens: tokens("output") + tokens("reasoning"),
                cost_usd: line.pointer("/part/cost").and_then(Value::as_f64),
            }));
            if text(line, "/part/reason") == "stop" {
                said.push(Said::Done(None));
            }
        }
        "error" => {
            let message = text(line, "/error/data/message");
            let message = if message.is_empty() { text(line, "/error/name") } else { message };
            said.push(Said::Failed(message.to_owned()));
        }
        _ => {}
    }
}

fn read_tool(line: &Value, said: &mut Vec<Said>) {
    let tool = text(line, "/part/tool");
    let input = line.pointer("/part/state/input").unwrap_or(&Value::Null);
    said.push(Said::Uses { tool: tool.to_owned(), about: about(input) });
    let exit = line.pointer("/part/state/metadata/exit").and_then(Value::as_i64);
    let error = text(line, "/part/state/error");
    // Its words for what nobody is there to allow.
    if error.contains("rejected permission") || error.contains("dismissed this question") {
        said.push(Said::Asks(format!("may it use {tool}: {}", about(input))));
    } else if !error.is_empty() {
        said.push(Said::Refused(error.to_owned()));
    } else if let Some(code @ 1..) = exit {
        said.push(Said::Refused(format!("exit status {code}")));
    }
}
