//! `send`: a message is an attempt of its own, in the same worktree and conversation, and is never lost.

use super::{MINE, mine, said};
use crate::recovery::{cut_off, held, recorded, supervisor};
use crate::sandbox::{Gate, Sandbox, TestRepo, text, wait_until};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};

/// Dispatches `mine`, which waits at the gate before it begins its first attempt.
fn mine_at_gate(sandbox: &Sandbox, repo: &TestRepo<'_>) -> (Gate, Value) {
    let gate = sandbox.gate("g");
    let wait = format!("\"{}\", \"{}\", \"sh\"", sandbox.agent("wait_for_gate"), gate.argument());
    sandbox.write_config(&MINE.replacen("\"sh\"", &wait, 1));
    let task = repo.offshoot_json(&["dispatch", "--name", "t", "--agent", "mine", "one"]);
    gate.wait_for_arrival();
    (gate, task)
}

#[test]
fn a_message_goes_on_in_the_conversation_in_the_same_worktree() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let first = mine(&sandbox, &repo, "t");
    assert_eq!((&first["message"], &first["session"]), (&"did one".into(), &"s-1".into()));
    repo.offshoot_reading(b"two", &["send", "t", "-"]).ok().says("it starts now");
    let second = repo.wait_for("t");
    assert_eq!((&second["message"], &second["attempt"]), (&"then two".into(), &2.into()));
    assert_eq!(second["worktree"], first["worktree"]);
    assert_eq!(said(&repo, &second), "one\ns-1: two\n");
    let exited = json!({"kind": "exited", "code": 0});
    assert_eq!(second["attempts"][0], json!({"attempt": 1, "outcome": exited}));
    assert_eq!(second["attempts"][1]["prompt"], "two");
    let raw = repo.offshoot(&["logs", "--raw", "--attempt", "1", "t"]).ok().stdout;
    assert!(raw.contains("\"result\":\"did one\""), "{raw}");
    assert!(repo.offshoot(&["result", "t"]).ok().stdout.contains("  message   then two\n"));
    assert_eq!(
        repo.told("t"),
        ["dispatched", "started", "finished", "dispatched", "started", "finished"]
    );
}

#[test]
fn messages_to_a_running_task_wait_in_their_order_and_its_end_is_told_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, _) = mine_at_gate(&sandbox, &repo);
    for message in ["two", "three", "four"] {
        repo.offshoot(&["send", "t", message]).ok();
    }
    let task = repo.task("t");
    assert_eq!((&task["state"], &task["messages_waiting"]), (&"running".into(), &3.into()));
    gate.open();
    let task = repo.wait_for("t");
    assert_eq!(said(&repo, &task), "one\ns-1: two\ns-1: three\ns-1: four\n");
    assert_eq!((&task["attempt"], &task["messages_waiting"]), (&4.into(), &0.into()));
    let told = repo.told("t");
    assert_eq!(told.iter().filter(|event| *event == "finished").count(), 1, "{told:?}");
}

#[test]
fn killing_everything_that_watches_loses_no_message_and_tells_none_twice() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, task) = mine_at_gate(&sandbox, &repo);
    repo.offshoot(&["send", "t", "two"]).ok();
    cut_off(&[supervisor(&sandbox, &task).expect("it is there"), recorded(&repo, &task, "shim")]);
    repo.offshoot(&["send", "t", "three"]).ok();
    gate.open();
    let task = repo.wait_for("t");
    assert_eq!(said(&repo, &task), "one\ns-1: two\ns-1: three\n");
}

#[test]
fn a_sender_that_is_killed_leaves_its_message_whole_or_not_at_all() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    mine(&sandbox, &repo, "t");
    for number in 0..6 {
        let mut sender = repo.offshoot_spawn(&["send", "t", &format!("m{number}")]);
        std::thread::sleep(std::time::Duration::from_millis(3 * number));
        drop(sender.kill());
        sender.wait().expect("it has ended");
    }
    repo.offshoot(&["send", "t", "last"]).ok();
    wait_until("the last message", || said(&repo, &repo.task("t")).ends_with(": last\n"));
    let task = repo.wait_for("t");
    let told: Vec<String> = said(&repo, &task).lines().map(str::to_owned).collect();
    let mut once = told.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), told.len(), "{told:?}");
    assert_eq!(task["attempt"], told.len(), "{task:#}");
}

#[test]
fn a_supervisor_that_is_killed_between_two_messages_is_replaced() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, task) = held(&sandbox, &repo, "t", &["sh", "-c", "echo \"<$OFFSHOOT_PROMPT>\""]);
    for message in ["two", "three"] {
        repo.offshoot(&["send", "t", message]).ok();
    }
    let killed = supervisor(&sandbox, &task).expect("it is supervised");
    kill_process(killed, Signal::KILL).expect("it is there");
    gate.open();
    let task = repo.wait_for("t");
    assert_eq!(task["attempt"], 3);
    assert_eq!(repo.offshoot(&["logs", "--attempt", "2", "t"]).ok().stdout, "<two>\n");
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "<three>\n");
}

#[test]
fn a_message_to_a_held_task_comes_after_its_own_prompt_and_a_cancelled_one_keeps_it() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, _) = held(&sandbox, &repo, "first", &["true"]);
    let show = "echo \"<$OFFSHOOT_PROMPT>\"";
    repo.offshoot(&["dispatch", "--name", "t", "--after", "first", "--", "sh", "-c", show]).ok();
    repo.offshoot(&["send", "t", "more"]).ok().says("it is told when the present attempt");
    repo.offshoot(&["cancel", "t"]).ok();
    let task = repo.task("t");
    assert_eq!((&task["state"], &task["messages_waiting"]), (&"cancelled".into(), &1.into()));
    gate.open();
    repo.offshoot(&["retry", "t"]).ok();
    let task = repo.wait_for("t");
    assert_eq!((&task["attempt"], &task["messages_waiting"]), (&2.into(), &0.into()));
    assert_eq!(repo.offshoot(&["logs", "--attempt", "1", "t"]).ok().stdout, "<>\n");
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "<more>\n");
}

#[test]
fn what_is_landed_or_discarded_or_empty_or_unknown_is_refused_with_a_way_on() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let refused = |line: &[&str], code: i32, words: &str, hint: &str| {
        let ran = repo.offshoot(line).exits(code);
        assert!(ran.stderr.contains(words) && ran.stderr.contains(hint), "{ran}");
    };
    repo.dispatch_to_end("landed", &[&sandbox.agent("commit")]);
    repo.offshoot(&["merge", "landed"]).ok();
    repo.dispatch_to_end("gone", &[&sandbox.agent("commit"), "other.txt"]);
    repo.offshoot(&["discard", "gone"]).ok();
    refused(
        &["send", "landed", "x"],
        1,
        "it has landed on `main`",
        "offshoot dispatch --base main",
    );
    refused(&["send", "gone", "x"], 1, "it is discarded", "offshoot restore gone");
    let tried = "`gone`";
    refused(&["retry", "--with-feedback", "gone"], 1, tried, "offshoot restore gone");
    refused(&["send", "gone", " "], 2, "the message is empty", "offshoot send gone \"");
    refused(&["send", "nobody", "x"], 1, "no task `nobody`", "offshoot list --all");
    refused(&["send", "gone"], 2, "MESSAGE", "hint: ");
    repo.offshoot(&["restore", "gone"]).ok();
    repo.offshoot(&["send", "gone", "x"]).ok();
    assert_eq!(repo.wait_for("gone")["attempt"], 2);
    assert_eq!(text(&repo.task("landed")["landing"]["kind"]), "landed");
}
