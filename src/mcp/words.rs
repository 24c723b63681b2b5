//! What the model is told: how to work with the tools, what single tools mean beyond `--help`, and
//! prompts that a person can pick.

use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};

/// How to work, handed to the model by the client.
pub(super) const INSTRUCTIONS: &str = "\
offshoot runs tasks (a prompt for a coding agent, or a command) in the background, each in a git \
worktree and on a branch of its own. The checkout you work in is not touched until a result is landed.

1. `dispatch` each independent piece of work with a `prompt` that says everything, since the \
sub-agent does not see this conversation. It returns at once.
2. Go on with the conversation. Do not poll and do not sleep: you will be told when a task ends, by a \
message or by a line under `notes` in the answer of any tool. Use `wait` only when you can do nothing \
without the result; after at most 50 s it answers with the tasks as they are, which is no error. When the \
agent of a running task asks something, nobody answers it there: tell the person, `send` or `cancel`.
3. When a task has ended read `result` (the agent's last message, what changed, the forecast) and, \
where it matters, `diff`; tell the person in a sentence.
4. Landing (`merge`, `rebase`, `apply`) and `discard` are the person's decision: ask first, unless \
they told you to. On conflicts nothing has changed.

Asked how far things are, call `list` and count (\"3 of 5 completed\"). `pause`, `resume`, `cancel` and \
`send` steer a task. A refusal names the ways on as commands: `offshoot merge x` is the tool `merge` \
with `tasks: [\"x\"]`.";

/// What a tool's description says after the verb's own words.
pub(super) const MORE: &[(&str, &str)] = &[
    (
        "dispatch",
        " Give either `prompt` (for an agent) or `command` (program and arguments). You are told when \
         it ends: go on with other things, do not poll.",
    ),
    ("wait", " Answers after at most 50 s with the tasks as they are."),
    ("result", " Read this when you are told that a task has ended."),
    ("merge", " Ask the person first, unless they told you to land."),
    ("rebase", " Ask the person first, unless they told you to land."),
    ("apply", " Ask the person first, unless they told you to."),
    ("discard", " Ask the person first, unless they told you to."),
];

const DELEGATE: &str = "delegate";
const CATCH_UP: &str = "catch_up";

/// The prompts that a person can pick.
pub(super) fn prompts() -> Vec<Prompt> {
    let work =
        PromptArgument::new("work").with_description("What is to be done").with_required(true);
    vec![
        Prompt::new(DELEGATE, Some("Hand work to background tasks"), Some(vec![work])),
        Prompt::new(CATCH_UP, Some("What became of the background tasks"), None),
    ]
}

/// A prompt's text; `None` when there is no such prompt.
pub(super) fn prompt(name: &str, arguments: &JsonObject) -> Option<GetPromptResult> {
    let text = match name {
        DELEGATE => format!(
            "Split this work into independent pieces, as few as make sense, and `dispatch` each with a \
             prompt that says everything its agent needs. Do not wait for them. Tell me their names.\n\n{}",
            arguments.get("work").and_then(|work| work.as_str()).unwrap_or_default()
        ),
        CATCH_UP => {
            "Call `list`, and `result` for each task that has ended. Tell me in a line a task \
             what it did and whether it would land cleanly, and ask me which ones to land or to \
             discard. Land nothing yet."
                .to_owned()
        }
        _ => return None,
    };
    Some(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]))
}
