//! The hook that waits, and what Gemini's hooks say besides ends.

use super::{by, configure_asking_agent, inbox_of};
use crate::sandbox::{Sandbox, TestRepo, finish, program, text, wait_until};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Child, Command, Stdio};

const SESSION: &str = "claude:s";

fn hook(sandbox: &Sandbox, line: &[&str]) -> Command {
    let mut command = sandbox.command(program());
    command.arg("hook").args(line);
    command
}

/// The hook that waits, as Claude Code's terminal interface starts it when it stops.
fn waiting(sandbox: &Sandbox, repo: &TestRepo<'_>) -> Child {
    let mut command = hook(sandbox, &["claude", "--wait"]);
    command.env("CLAUDE_CODE_ENTRYPOINT", "cli");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("it starts");
    let input = json!({"session_id": "s", "hook_event_name": "Stop", "cwd": repo.root()});
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.to_string().as_bytes()).expect("it reads");
    child
}

fn dispatch_held(sandbox: &Sandbox, repo: &TestRepo<'_>, name: &str) -> crate::sandbox::Gate {
    let gate = sandbox.gate(name);
    let (agent, file) = (sandbox.agent("wait_for_gate"), gate.argument());
    let line = ["dispatch", "--name", name, "--", &agent, &file, "true"];
    sandbox.finish_command(&mut by(repo, SESSION, &line)).ok();
    gate.wait_for_arrival();
    gate
}

#[test]
fn a_hook_that_waits_wakes_its_session_and_the_entry_stays_until_it_is_seen_to_have_come() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = dispatch_held(&sandbox, &repo, "t");
    let (first, second) = (waiting(&sandbox, &repo), waiting(&sandbox, &repo));
    gate.open();
    let (first, second) = (finish(first, "one hook"), finish(second, "the other hook"));
    let mut codes = [first.code, second.code];
    codes.sort_unstable();
    assert_eq!(codes, [0, 2], "one of them waits:\n{first}\n{second}");
    let woke = if first.code == 2 { first } else { second };
    assert_eq!(woke.stdout, "");
    assert!(woke.stderr.starts_with("\n[offshoot] t completed in "), "{woke}");
    let told = &repo.task("t")["told"];
    assert_eq!((&told[0]["channel"], &told[0]["delivered"]), (&json!("rewake"), &json!(true)));
    // It is on its way: no other hook tells it too. But nothing says yet that it came.
    let input =
        |event: &str| json!({"session_id": "s", "hook_event_name": event, "cwd": repo.root()});
    let call = |input: &Value| {
        let input = input.to_string();
        sandbox.finish_reading(&mut hook(&sandbox, &["claude"]), input.as_bytes()).ok().stdout
    };
    assert_eq!(call(&input("PostToolUse")), "");
    assert_eq!(inbox_of(&sandbox, &repo, SESSION), ["t"]);
    // What Claude Code hands on while it is idle.
    let mut prompt = input("UserPromptSubmit");
    prompt["prompt"] = json!(format!("<system-reminder>\noffshoot tells: {}", woke.stderr));
    assert_eq!(call(&prompt), "");
    assert!(inbox_of(&sandbox, &repo, SESSION).is_empty());
}

#[test]
fn a_hook_that_waits_tells_what_an_agent_asks_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("g");
    configure_asking_agent(&sandbox, &gate);
    let line = ["dispatch", "--name", "t", "--agent", "asks", "Do it"];
    sandbox.finish_command(&mut by(&repo, SESSION, &line)).ok();
    let woke = finish(waiting(&sandbox, &repo), "the hook").exits(2);
    assert!(woke.stderr.starts_with("\n[offshoot] `t` asks something"), "{woke}");
    assert_eq!(repo.task("t")["state"], "running");
    // The next one has only the end to tell.
    let child = waiting(&sandbox, &repo);
    gate.open();
    let woke = finish(child, "the next hook").exits(2);
    assert!(woke.stderr.starts_with("\n[offshoot] t completed in "), "{woke}");
}

#[test]
fn a_message_that_came_amid_work_is_known_by_what_the_session_wrote_down() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = dispatch_held(&sandbox, &repo, "t");
    let child = waiting(&sandbox, &repo);
    gate.open();
    assert_eq!(finish(child, "the hook").code, 2);
    let transcript = sandbox.root().join("transcript.jsonl");
    let call = |lines: &[(&str, &str)]| {
        let line = |(kind, at): &(&str, &str)| {
            let words = "[offshoot] t completed in 1s: no change.";
            format!("{}\n", json!({"type": kind, "timestamp": at, "attachment": {"prompt": words}}))
        };
        std::fs::write(&transcript, lines.iter().map(line).collect::<String>()).expect("writes");
        let input = json!({
            "session_id": "s", "hook_event_name": "PostToolUse", "cwd": repo.root(),
            "transcript_path": transcript,
        });
        let ran =
            sandbox.finish_reading(&mut hook(&sandbox, &["claude"]), input.to_string().as_bytes());
        assert_eq!(ran.ok().stdout, "");
        inbox_of(&sandbox, &repo, SESSION)
    };
    let (long_ago, later) = ("2020-01-01T00:00:00.000Z", "2099-01-01T00:00:00.000Z");
    // A namesake's end, and one that only stands in the session's queue.
    assert_eq!(call(&[("attachment", long_ago), ("queue-operation", later)]), ["t"]);
    assert!(call(&[("attachment", later)]).is_empty());
}

#[test]
fn a_hook_waits_only_where_it_is_in_nobodys_way() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let outcome = |child: Child| {
        let ran = finish(child, "the hook");
        (ran.code, ran.stdout + &ran.stderr)
    };
    let silent = (0, String::new());
    assert_eq!(outcome(waiting(&sandbox, &repo)), silent, "there is no task");
    let gate = dispatch_held(&sandbox, &repo, "t");
    // `claude -p` would not end before its hooks have.
    let input =
        json!({"session_id": "s", "hook_event_name": "Stop", "cwd": repo.root()}).to_string();
    let mut printing = hook(&sandbox, &["claude", "--wait"]);
    printing.env("CLAUDE_CODE_ENTRYPOINT", "sdk-cli");
    assert_eq!(sandbox.finish_reading(&mut printing, input.as_bytes()).ok().stdout, "");
    let ran = sandbox.finish_reading(&mut hook(&sandbox, &["codex", "--wait"]), input.as_bytes());
    ran.exits(1).says("no hook that waits wakes `codex`");
    // It goes with its session.
    let mut child = waiting(&sandbox, &repo);
    drop((child.stdout.take(), child.stderr.take()));
    wait_until("the hook to leave", || child.try_wait().expect("can be asked").is_some());
    gate.open();
    repo.offshoot(&["wait", "t"]).ok();
    assert_eq!(inbox_of(&sandbox, &repo, SESSION), ["t"], "it was not told");
    sandbox.finish_command(&mut by(&repo, SESSION, &["inbox", "--ack"])).ok();
    assert_eq!(outcome(waiting(&sandbox, &repo)), silent, "nothing is under way");
}

#[test]
fn gemini_names_its_session_to_our_tools_and_is_advised_how_to_be_woken() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let call = |event: &str, tool: &str| {
        let input = json!({
            "session_id": "g", "hook_event_name": event, "cwd": repo.root(),
            "tool_name": tool, "tool_input": {"name": "t", "command": ["true"]},
        });
        let ran =
            sandbox.finish_reading(&mut hook(&sandbox, &["gemini"]), input.to_string().as_bytes());
        let said = ran.ok().stdout;
        if said.is_empty() { Value::Null } else { serde_json::from_str(&said).expect("JSON") }
    };
    let output = &call("BeforeTool", "mcp_offshoot_dispatch")["hookSpecificOutput"];
    // Gemini replaces the whole input by this.
    let whole = json!({"name": "t", "command": ["true"], "parent": "gemini:g"});
    assert_eq!(output["tool_input"], whole);
    assert_eq!(call("BeforeTool", "run_shell_command"), Value::Null);
    let answer = call("AfterTool", "mcp_offshoot_dispatch");
    let words = text(&answer["hookSpecificOutput"]["additionalContext"]);
    assert!(words.contains("`offshoot wait NAME`"), "{words}");
    assert_eq!(call("AfterTool", "mcp_offshoot_list"), Value::Null);
}
