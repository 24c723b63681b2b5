//! `hook`: what agents' hooks are answered.

use super::{by, dispatch_by_closed, inbox_of};
use crate::sandbox::{Ran, Sandbox, TestRepo, program, text};
use serde_json::{Value, json};
use std::path::Path;

/// Calls the hook of an agent as that agent does.
fn call(sandbox: &Sandbox, folder: &Path, agent: &str, input: &Value) -> Ran {
    let mut command = sandbox.command(program());
    let mut input = input.clone();
    input["cwd"] = json!(folder);
    sandbox.finish_reading(command.args(["hook", agent]), input.to_string().as_bytes())
}

fn dispatch_as(sandbox: &Sandbox, repo: &TestRepo<'_>, session: &str, name: &str) {
    let line = ["dispatch", "--name", name, "--", &sandbox.agent("noop")];
    sandbox.finish_command(&mut by(repo, session, &line)).ok();
    repo.offshoot(&["wait", name]).ok();
}

#[test]
fn a_hook_tells_once_in_the_form_that_its_event_wants() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let events = [
        ("claude", "PostToolUse"),
        ("claude", "UserPromptSubmit"),
        ("claude", "Stop"),
        ("codex", "SessionStart"),
        ("gemini", "AfterTool"),
        ("gemini", "AfterAgent"),
    ];
    for (index, (agent, event)) in events.into_iter().enumerate() {
        let (name, session) = (format!("t{index}"), format!("s{index}"));
        let input = json!({"session_id": session, "hook_event_name": event});
        assert_eq!(call(&sandbox, repo.root(), agent, &input).ok().stdout, "");
        dispatch_as(&sandbox, &repo, &format!("{agent}:{session}"), &name);
        let ran = call(&sandbox, &repo.root().join("src"), agent, &input).ok();
        let answer: Value = serde_json::from_str(&ran.stdout).expect("one document");
        let words = match event {
            "Stop" => {
                assert_eq!(answer["decision"], "block");
                &answer["reason"]
            }
            "AfterAgent" => {
                assert_eq!(answer["decision"], "deny");
                &answer["reason"]
            }
            event => {
                assert_eq!(answer["hookSpecificOutput"]["hookEventName"], event);
                &answer["hookSpecificOutput"]["additionalContext"]
            }
        };
        assert!(text(words).starts_with(&format!("[offshoot] {name} completed in ")), "{ran}");
        assert!(!text(words).contains(['<', '>']), "{ran}");
        assert_eq!(call(&sandbox, repo.root(), agent, &input).ok().stdout, "", "{event}");
        assert!(inbox_of(&sandbox, &repo, &format!("{agent}:{session}")).is_empty());
    }
}

#[test]
fn a_hook_leaves_what_is_others_and_takes_what_closed_sessions_left() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    dispatch_as(&sandbox, &repo, "claude:other", "theirs");
    repo.dispatch_to_end("persons", &[&sandbox.agent("noop")]);
    let input = json!({"session_id": "me", "hook_event_name": "SessionStart"});
    assert_eq!(call(&sandbox, repo.root(), "claude", &input).ok().stdout, "");
    let line = format!("dispatch --name left -- {}", sandbox.agent("noop"));
    dispatch_by_closed(&sandbox, &repo, "codex:gone", &line);
    repo.offshoot(&["wait", "left"]).ok();
    // An agent that works on a task is not told of what others left.
    let mut inside = sandbox.command(program());
    let inside_input = json!({"session_id": "in", "hook_event_name": "Stop", "cwd": repo.root()});
    inside.args(["hook", "claude"]).env("OFFSHOOT_TASK_ID", "00000000-0000-4000-8000-000000000000");
    let ran = sandbox.finish_reading(&mut inside, inside_input.to_string().as_bytes()).ok();
    assert_eq!(ran.stdout, "");
    let ran = call(&sandbox, repo.root(), "claude", &input).ok();
    assert!(ran.stdout.contains("[offshoot] left completed"), "{ran}");
    assert!(!ran.stdout.contains("theirs") && !ran.stdout.contains("persons"), "{ran}");
}

#[test]
fn a_message_that_a_session_was_given_is_not_told_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    dispatch_as(&sandbox, &repo, "claude:s", "pushed");
    dispatch_as(&sandbox, &repo, "claude:s", "other");
    let prompt = "[offshoot] pushed completed in 1s: no change. Next: offshoot result pushed";
    let input = json!({"session_id": "s", "hook_event_name": "UserPromptSubmit", "prompt": prompt});
    let ran = call(&sandbox, repo.root(), "claude", &input).ok();
    assert!(ran.stdout.contains("[offshoot] other ") && !ran.stdout.contains("pushed"), "{ran}");
    assert!(inbox_of(&sandbox, &repo, "claude:s").is_empty());
}

#[test]
fn a_hook_never_keeps_an_agent_from_going_on() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let input = json!({"session_id": "s", "hook_event_name": "PostToolUse"});
    // Outside of any repository, and in one that knows nothing of offshoot.
    assert_eq!(call(&sandbox, sandbox.root(), "claude", &input).ok().stdout, "");
    assert_eq!(call(&sandbox, repo.root(), "claude", &input).ok().stdout, "");
    let unknown = json!({"session_id": "s", "hook_event_name": "PreCompact"});
    assert_eq!(call(&sandbox, repo.root(), "claude", &unknown).ok().stdout, "");
    dispatch_as(&sandbox, &repo, "claude:s", "t");
    sandbox.write_config("max_paralel = 3");
    // To an agent the status 2 would mean that it must not go on.
    call(&sandbox, repo.root(), "claude", &input).exits(1).says("max_paralel");
    repo.offshoot_reading(b"no JSON", &["hook", "codex"]).exits(1).says("a hook's JSON");
    sandbox.write_config("");
    assert!(call(&sandbox, repo.root(), "claude", &input).ok().stdout.contains("[offshoot] t "));
}
