//! Agents that take prompts: what their streams say, what they are told next, and where they come from.

mod failing;
mod model;
mod sending;
mod streams;

use crate::sandbox::{Sandbox, TestRepo};
use serde_json::Value;

/// An agent whose stream is Claude's: it adds what it is told to `said.txt`, after the conversation that
/// it continues, and answers with it.
const MINE: &str = r#"
[agents.mine]
command = ["sh", "-c", 'echo "$0" >> said.txt; printf "{\"type\":\"result\",\"is_error\":false,\"session_id\":\"s-1\",\"result\":\"did %s\"}\n" "$0"', "{prompt}"]
continue = ["sh", "-c", 'echo "$1: $0" >> said.txt; printf "{\"type\":\"result\",\"is_error\":false,\"session_id\":\"s-1\",\"result\":\"then %s\"}\n" "$0"', "{prompt}", "{session}"]
stream = "claude"
"#;

/// Lets `mine` work on a prompt to its end.
fn mine(sandbox: &Sandbox, repo: &TestRepo<'_>, name: &str) -> Value {
    sandbox.write_config(MINE);
    repo.offshoot(&["dispatch", "--name", name, "--agent", "mine", "one"]).ok();
    repo.wait_for(name)
}

/// What `mine` was told in all its attempts.
fn said(repo: &TestRepo<'_>, task: &Value) -> String {
    repo.worktree_of(task).read("said.txt")
}
