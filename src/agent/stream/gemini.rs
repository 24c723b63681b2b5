//! `gemini --output-format stream-json`. Tried with 0.61.0.

use super::{Said, about, number, text};
use crate::task::Usage;
use serde_json::Value;

pub(super) fn read(line: &Value, said: &mut Vec<Said>) {
    match text(line, "/type") {
        "init" => said.push(Said::Session(text(line, "/session_id").to_owned())),
        "message" if text(line, "/role") == "assistant" => {
            let content = text(line, "/content").to_owned();
            let is_piece = line.get("delta").and_then(Value::as_bool) == Some(true);
            said.push(if is_piece { Said::Piece(content) } else { Said::Words(content) });
        }
        "tool_use" => {
            let parameters = line.get("parameters").unwrap_or(&Value::Null);
            said.push(Said::Uses {
                tool: text(line, "/tool_name").to_owned(),
                about: about(parameters),
            });
        }
        "tool_result" => {
            if text(line, "/status") == "error" {
                let message = text(line, "/error/message");
                let message = if message.is_empty() { text(line, "/output") } else { message };
                said.push(Said::Refused(message.to_owned()));
            }
            said.push(Said::Turn);
        }
        "error" => said.push(Said::Trouble(text(line, "/message").to_owned())),
        "result" => {
            said.push(Said::TookInAll(Usage {
                input_tokens: number(line, "/stats/input_tokens"),
                output_tokens: number(line, "/stats/output_tokens"),
                cost_usd: None,
            }));
            said.push(match text(line, "/status") {
                "success" => Said::Done(None),
                _ => Said::Failed(text(line, "/error/message").to_owned()),
            });
        }
        _ => {}
    }
}
