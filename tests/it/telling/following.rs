//! `inbox --follow` and `inbox --wait`: siblings together, nothing twice, nothing lost.

use super::{by, dispatch_by_closed, ended_together, names};
use crate::sandbox::{Sandbox, TestRepo, finish, text, wait_until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Stdio};

/// A follower, and what it says.
fn follow(repo: &TestRepo<'_>, session: &str) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut command = by(repo, session, &["inbox", "--follow", "--json"]);
    let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    (child, lines)
}

fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Value {
    let line = lines.next().expect("another line").expect("it can be read");
    serde_json::from_str(&line).expect("a document a line")
}

#[test]
fn siblings_that_end_together_come_as_one_message_and_nothing_comes_twice() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // Before there is anything: a follower is there from the beginning of a session.
    let (mut child, mut lines) = follow(&repo, "opencode:ses_1");
    let gates: Vec<_> = ["a", "b"].map(|name| sandbox.gate(name)).into();
    for (name, gate) in ["a", "b"].iter().zip(&gates) {
        let (agent, file) = (sandbox.agent("wait_for_gate"), gate.argument());
        let line = ["dispatch", "--name", name, "--", &agent, &file, "true"];
        sandbox.finish_command(&mut by(&repo, "opencode:ses_1", &line)).ok();
        gate.wait_for_arrival();
    }
    gates.iter().for_each(|gate| gate.open());
    let mut told = names(&next(&mut lines).to_string());
    // A machine under load may need more than the second between the two.
    if told.len() < 2 {
        told.extend(names(&next(&mut lines).to_string()));
        assert!(!ended_together(&repo, ["a", "b"]), "they are two messages");
    }
    told.sort();
    assert_eq!(told, ["a", "b"]);
    let line = ["dispatch", "--name", "c", "--", &sandbox.agent("edit_only")];
    sandbox.finish_command(&mut by(&repo, "opencode:ses_1", &line)).ok();
    let document = next(&mut lines);
    assert_eq!(names(&document.to_string()), ["c"]);
    assert_eq!(document["events"][0]["addressee"], "you");
    let words = text(&document["events"][0]["text"]);
    assert!(words.starts_with("[offshoot] c completed in "), "{words}");
    assert!(words.contains(": 2 files, +2 -0, lands cleanly on main."), "{words}");
    assert!(
        words.ends_with(
            "Next: offshoot result c | offshoot merge c | offshoot rebase c | offshoot discard c"
        ),
        "{words}"
    );
    // It leaves with its reader.
    drop(lines);
    wait_until("the follower to leave", || child.try_wait().expect("can be asked").is_some());
}

#[test]
fn a_follower_that_was_killed_before_it_took_note_loses_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let line = ["dispatch", "--name", "t", "--", &sandbox.agent("noop")];
    sandbox.finish_command(&mut by(&repo, "opencode:ses_1", &line)).ok();
    for _ in 0..2 {
        let (mut child, mut lines) = follow(&repo, "opencode:ses_1");
        assert_eq!(names(&next(&mut lines).to_string()), ["t"]);
        child.kill().expect("it runs");
        child.wait().expect("it ended");
    }
    let ack = ["inbox", "--ack", "--json"];
    let taken = sandbox.finish_command(&mut by(&repo, "opencode:ses_1", &ack)).ok();
    assert_eq!(names(&taken.stdout), ["t"]);
}

#[test]
fn a_follower_is_told_when_another_session_closes() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("t");
    let agent = format!("{} {} true", sandbox.agent("wait_for_gate"), gate.argument());
    dispatch_by_closed(&sandbox, &repo, "claude:gone", &format!("dispatch --name t -- {agent}"));
    gate.wait_for_arrival();
    let (mut child, mut lines) = follow(&repo, "codex:here");
    gate.open();
    let document = next(&mut lines);
    assert_eq!(names(&document.to_string()), ["t"]);
    assert_eq!(document["events"][0]["addressee"], "anybody");
    child.kill().expect("it runs");
    child.wait().expect("it ended");
}

#[test]
fn waiting_for_an_entry_gathers_siblings() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("all");
    for name in ["a", "b"] {
        let agent = sandbox.agent("wait_for_gate");
        let line = ["dispatch", "--name", name, "--", &agent, &gate.argument(), "true"];
        let mut command = by(&repo, "codex:1", &line);
        sandbox.finish_command(command.env("OFFSHOOT_MAX_PARALLEL", "2")).ok();
    }
    gate.wait_for_arrival();
    let mut waiting = by(&repo, "codex:1", &["inbox", "--wait", "20s", "--json"]);
    let child = waiting.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    gate.open();
    let ran = finish(child, "offshoot inbox").ok();
    let first = names(&ran.stdout);
    repo.offshoot(&["wait", "a", "b"]).ok();
    assert!(first.len() == 2 || first.len() == 1 && !ended_together(&repo, ["a", "b"]), "{ran}");
}
