//! `copilot --output-format json`. Tried with 1.0.102. It tells no tokens.

use super::{Said, about, text};
use serde_json::Value;

pub(super) fn read(line: &Value, said: &mut Vec<Said>) {
    // What a sub-agent says is no answer of the agent's own.
    let own = text(line, "/data/parentToolCallId").is_empty();
    match text(line, "/type") {
        "assistant.message" if own => {
            said.push(Said::Turn);
            let words = text(line, "/data/content");
            if !words.is_empty() {
                said.push(Said::Words(words.to_owned()));
            }
        }
        "tool.execution_start" => {
            let arguments = line.pointer("/data/arguments").unwrap_or(&Value::Null);
            said.push(Said::Uses {
                tool: text(line, "/data/toolName").to_owned(),
                about: about(arguments),
            });
        }
        "tool.execution_complete" => {
            let failed = line.pointer("/data/success").and_then(Value::as_bool) == Some(false);
            if text(line, "/data/error/code") == "denied" {
                said.push(Said::Asks(text(line, "/data/error/message").to_owned()));
            } else if failed {
                said.push(Said::Refused(text(line, "/data/error/message").to_owned()));
            }
        }
        "assistant.turn_retry" => {
            said.push(Said::Trouble(format!("{}, it tries again", text(line, "/data/reason"))));
        }
        "session.error" => said.push(Said::Trouble(text(line, "/data/message").to_owned())),
        "result" => {
            said.push(Said::Session(text(line, "/sessionId").to_owned()));
            match line.get("exitCode").and_then(Value::as_i64) {
                Some(0) => said.push(Said::Done(None)),
                // It has said why before.
                _ => said.push(Said::Failed(String::new())),
            }
        }
        _ => {}
    }
}
