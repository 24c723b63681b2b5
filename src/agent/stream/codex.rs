//! `codex exec --json`. Tried with 0.169.0.
//!
//! An `error` is one that it goes on from, until `turn.failed` says otherwise. Its `usage` counts the
//! whole conversation, earlier runs included.

use super::{Said, number, text};
use crate::task::Usage;
use serde_json::Value;

pub(super) fn read(line: &Value, said: &mut Vec<Said>) {
    match text(line, "/type") {
        "thread.started" => said.push(Said::Session(text(line, "/thread_id").to_owned())),
        "item.started" | "item.completed" => read_item(line, said),
        "turn.completed" => {
            said.push(Said::TookInAll(Usage {
                input_tokens: number(line, "/usage/input_tokens"),
                output_tokens: number(line, "/usage/output_tokens"),
                cost_usd: None,
            }));
            said.push(Said::Done(None));
        }
        "turn.failed" => said.push(Said::Failed(text(line, "/error/message").to_owned())),
        "error" => said.push(Said::Trouble(text(line, "/message").to_owned())),
        _ => {}
    }
}

fn read_item(line: &Value, said: &mut Vec<Said>) {
    let started = text(line, "/type") == "item.started";
    let field = |name: &str| text(line, &format!("/item/{name}")).to_owned();
    let uses = |tool: &str, about: String| Said::Uses { tool: tool.to_owned(), about };
    match (text(line, "/item/type"), started) {
        ("agent_message", false) => said.extend([Said::Turn, Said::Words(field("text"))]),
        ("command_execution", true) => said.push(uses("shell", field("command"))),
        ("command_execution", false) if field("status") == "failed" => {
            said.push(Said::Refused(format!("exit status {}", exit_status(line))));
        }
        ("command_execution", false) if field("status") == "declined" => {
            said.push(Said::Asks(format!("may it run {}", field("command"))));
        }
        ("mcp_tool_call", true) => {
            said.push(uses(&field("server"), field("tool")));
        }
        ("mcp_tool_call", false) if field("status") == "failed" => {
            said.push(Said::Refused(text(line, "/item/error/message").to_owned()));
        }
        ("web_search", false) => said.push(uses("web_search", field("query"))),
        ("file_change", false) => {
            for change in
                line.pointer("/item/changes").and_then(Value::as_array).into_iter().flatten()
            {
                said.push(uses(text(change, "/kind"), text(change, "/path").to_owned()));
            }
            if field("status") == "failed" {
                said.push(Said::Refused("the change was not made".to_owned()));
            }
        }
        ("error", false) => said.push(Said::Trouble(field("message"))),
        _ => {}
    }
}

fn exit_status(line: &Value) -> String {
    line.pointer("/item/exit_code").map_or_else(|| "unknown".to_owned(), ToString::to_string)
}
