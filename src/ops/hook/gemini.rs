//! What Gemini's hooks do besides telling: Gemini names no session to the tools that it calls, and an idle session
//! of it is woken by nothing but the end of a command that its model started in the background (0.61).

use super::Input;
use serde_json::{Value, json};

/// What our tools are called by Gemini: after the server and the tool.
const OURS: &str = "mcp_offshoot_";

/// Tools behind which there is an end to wait for.
const BEGINNING: [&str; 3] = ["dispatch", "retry", "send"];

/// The answer to `BeforeTool`: the call, with the session that makes it. Gemini takes the input anew as a whole.
pub(super) fn with_session(input: &Input) -> Option<Value> {
    if input.hook_event_name != "BeforeTool" || !input.tool_name.starts_with(OURS) {
        return None;
    }
    let mut arguments = input.tool_input.clone();
    arguments.insert("parent".to_owned(), format!("gemini:{}", input.session_id.as_ref()?).into());
    Some(json!({
        "hookSpecificOutput": {"hookEventName": "BeforeTool", "tool_input": arguments},
    }))
}

/// How the model is woken by the end of what it has just begun.
pub(super) fn advice(input: &Input) -> Option<String> {
    let tool = input.tool_name.strip_prefix(OURS)?;
    (input.hook_event_name == "AfterTool" && BEGINNING.contains(&tool)).then(|| {
        "To be woken by the end of a task, start `offshoot wait NAME` for it by run_shell_command with \
         is_background, and go on."
            .to_owned()
    })
}
