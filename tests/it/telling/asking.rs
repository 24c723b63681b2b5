//! What an agent asks while it runs: told to whoever can be told, and no end.

use super::others::with_codex;
use super::{by, configure_asking_agent, inbox_of};
use crate::sandbox::{Sandbox, finish, text, wait_until};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

#[test]
fn a_session_is_woken_by_a_question_and_once_more_by_the_end() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("g");
    configure_asking_agent(&sandbox, &gate);
    let socket = sandbox.root().join("claude.sock");
    let listener = UnixListener::bind(&socket).expect("listens");
    let mut command = repo.command(&["dispatch", "--name", "t", "--agent", "asks", "Do it"]);
    command.env("CLAUDE_CODE_SESSION_ID", "s").env("CLAUDE_CODE_MESSAGING_SOCKET", &socket);
    sandbox.finish_command(command.env("CLAUDE_CODE_MESSAGING_TOKEN", "the-secret")).ok();
    let heard = || {
        let mut sent = String::new();
        listener.accept().expect("somebody comes").0.read_to_string(&mut sent).expect("it is text");
        let last = sent.lines().next_back().expect("a line");
        let message: Value = serde_json::from_str(last).expect("JSON");
        text(&message["message"]["content"]).to_owned()
    };
    let question = heard();
    assert!(
        question.starts_with("[offshoot] `t` asks something, or was not allowed"),
        "{question}"
    );
    assert!(!question.contains("may it touch x"), "no words of an agent: {question}");
    assert_eq!(repo.task("t")["state"], "running");
    // It is no entry, and the words of it are not taken for those of the end.
    assert!(inbox_of(&sandbox, &repo, "claude:s").is_empty());
    gate.open();
    let end = heard();
    assert!(end.starts_with("[offshoot] t completed in "), "{end}");
    wait_until("both deliveries", || repo.task("t")["told"].as_array().map(Vec::len) == Some(2));
    let input = json!({
        "session_id": "s", "hook_event_name": "UserPromptSubmit", "cwd": repo.root(), "prompt": question,
    });
    let mut hook = repo.command(&["hook", "claude"]);
    sandbox.finish_reading(&mut hook, input.to_string().as_bytes()).ok();
    assert_eq!(inbox_of(&sandbox, &repo, "claude:s"), ["t"]);
}

#[test]
fn a_session_that_hangs_when_it_is_asked_does_not_hold_the_task_up() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, session) = (sandbox.gate("g"), sandbox.gate("session"));
    configure_asking_agent(&sandbox, &gate);
    let waits = format!("{} {} true", sandbox.agent("wait_for_gate"), session.argument());
    let path = with_codex(&sandbox, &waits);
    let mut command = repo.command(&["dispatch", "--name", "t", "--agent", "asks", "Do it"]);
    sandbox.finish_command(command.env("CODEX_THREAD_ID", "th").env("PATH", path)).ok();
    session.wait_for_arrival();
    assert_eq!(repo.task("t")["state"], "running");
    gate.open();
    assert_eq!(repo.wait_for("t")["state"], "completed");
    assert!(repo.task("t")["told"].is_null(), "the session hangs still");
    session.open();
    wait_until("question and end", || repo.task("t")["told"].as_array().map(Vec::len) == Some(2));
}

#[test]
fn a_question_goes_along_with_the_inbox_until_the_attempt_is_over() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("g");
    configure_asking_agent(&sandbox, &gate);
    let mut following = by(&repo, "opencode:s", &["inbox", "--follow", "--json"]);
    let mut follower = following.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut lines = BufReader::new(follower.stdout.take().expect("it is piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("another line").expect("it can be read");
        serde_json::from_str(&line).expect("a document a line")
    };
    let line = ["dispatch", "--name", "t", "--agent", "asks", "Do it"];
    sandbox.finish_command(&mut by(&repo, "opencode:s", &line)).ok();
    let document = next();
    assert_eq!(document["events"], json!([]));
    let asked = &document["questions"][0];
    assert_eq!(
        (&asked["question"], &asked["addressee"]),
        (&json!("may it touch x"), &json!("you"))
    );
    assert!(text(&asked["text"]).starts_with("[offshoot] `t` asks something"), "{document}");
    // Another session that lives is not asked; a person who looks sees it, and what is running asks.
    let other = sandbox.finish_command(&mut by(&repo, "codex:o", &["inbox", "--json"])).ok().stdout;
    assert!(!other.contains("questions"), "{other}");
    assert_eq!(repo.offshoot(&["inbox"]).ok().stdout, "   ? t asks: may it touch x\n");
    let listed = repo.offshoot(&["list"]).ok().stdout;
    assert!(listed.contains("agent, asks"), "{listed}");
    gate.open();
    let document = next();
    assert_eq!(document["events"][0]["task"]["name"], "t");
    assert!(document.get("questions").is_none(), "it is over, and was told: {document}");
    assert!(repo.offshoot_json(&["inbox"]).get("questions").is_none());
    drop(lines);
    finish(follower, "the follower").ok();
}
