//! Whose entries are whose, and that none is lost.

use super::{by, dispatch_by_closed, inbox_of, names};
use crate::sandbox::{Sandbox, finish, wait_until};
use serde_json::Value;

#[test]
fn entries_of_a_closed_session_are_for_the_next_one() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let noop = sandbox.agent("noop");
    dispatch_by_closed(&sandbox, &repo, "claude:gone", &format!("dispatch --name left -- {noop}"));
    let line = ["dispatch", "--name", "kept", "--", &noop];
    sandbox.finish_command(&mut by(&repo, "claude:here", &line)).ok();
    repo.offshoot(&["wait", "left", "kept"]).ok();
    // One that lives keeps its own; what the closed one left is anybody's, until somebody takes note.
    assert_eq!(inbox_of(&sandbox, &repo, "codex:next"), ["left"]);
    assert_eq!(inbox_of(&sandbox, &repo, "claude:here"), ["left", "kept"]);
    assert_eq!(inbox_of(&sandbox, &repo, "claude:gone"), ["left"], "it may come back");
    let all = repo.offshoot_json(&["inbox", "--all"]);
    assert_eq!(all["events"][0]["addressee"], "anybody");
    assert_eq!(all["events"][1]["addressee"], "other");
    let ack = ["inbox", "--ack", "--json"];
    let taken = sandbox.finish_command(&mut by(&repo, "codex:next", &ack)).ok();
    assert_eq!(names(&taken.stdout), ["left"]);
    assert_eq!(inbox_of(&sandbox, &repo, "claude:here"), ["kept"]);
}

#[test]
fn acknowledging_everything_leaves_what_belongs_to_other_sessions() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let noop = sandbox.agent("noop");
    let line = ["dispatch", "--name", "theirs", "--", &noop];
    sandbox.finish_command(&mut by(&repo, "claude:here", &line)).ok();
    repo.dispatch("mine", &[&noop]);
    repo.offshoot(&["wait", "theirs", "mine"]).ok();
    let ran = repo.offshoot(&["inbox", "--ack", "--json"]).ok();
    assert_eq!(names(&ran.stdout), ["mine"]);
    assert_eq!(inbox_of(&sandbox, &repo, "claude:here"), ["theirs"]);
}

#[test]
fn many_ends_at_once_are_all_in_the_inbox() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("all");
    let count = 6;
    let expected: Vec<String> = (0..count).map(|number| format!("t{number}")).collect();
    for name in &expected {
        let agent = [&sandbox.agent("wait_for_gate"), &gate.argument(), "true"].map(str::to_owned);
        let line = [&["dispatch", "--name", name, "--"][..], &agent.each_ref().map(String::as_str)];
        let mut command = by(&repo, "codex:1", &line.concat());
        sandbox.finish_command(command.env("OFFSHOOT_MAX_PARALLEL", "6")).ok();
    }
    gate.open();
    let mut wait = vec!["wait"];
    wait.extend(expected.iter().map(String::as_str));
    repo.offshoot(&wait).ok();
    let mut found = inbox_of(&sandbox, &repo, "codex:1");
    found.sort();
    assert_eq!(found, expected);
}

#[test]
fn an_acknowledgement_that_was_cut_off_is_carried_out_or_asked_for_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("a", &[&sandbox.agent("commit"), "a"]);
    repo.dispatch_to_end("b", &[&sandbox.agent("commit"), "b"]);
    let folder = repo.state_folder().join("inbox");
    let marks = || -> Vec<_> {
        let mut marks: Vec<_> = std::fs::read_dir(&folder)
            .expect("it is there")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        marks.sort();
        marks
    };
    let before = marks();
    assert_eq!(before.len(), 2);
    let cursor = repo.offshoot_json(&["inbox"])["events"][0]["cursor"].to_string();
    repo.offshoot(&["inbox", "--ack", &cursor]).ok();
    // Killed behind the line in `acks.jsonl` and before the mark was gone.
    std::fs::write(&before[0], "").expect("writes");
    assert_eq!(names(&repo.offshoot(&["inbox", "--json"]).ok().stdout), ["b"]);
    // Killed within the line: it was not acknowledged.
    std::fs::write(repo.state_folder().join("acks.jsonl"), "{\"schema\":1,\"cur").expect("writes");
    assert_eq!(names(&repo.offshoot(&["inbox", "--json"]).ok().stdout), ["a", "b"]);
    repo.offshoot(&["inbox", "--ack"]).ok();
    assert_eq!(marks().len(), 0);
    // A mark without its line (whoever was to write it died) is no entry, and no harm.
    std::fs::write(folder.join(format!("{:020}-{}", 9, 999_999)), "").expect("writes");
    assert_eq!(names(&repo.offshoot(&["inbox", "--json"]).ok().stdout), Vec::<String>::new());
    // Without any marks they are made again from the journal.
    std::fs::remove_dir_all(&folder).expect("removes");
    std::fs::remove_file(repo.state_folder().join("acks.jsonl")).expect("removes");
    assert_eq!(names(&repo.offshoot(&["inbox", "--json"]).ok().stdout), ["a", "b"]);
}

#[test]
fn what_has_not_been_told_is_told_beside_the_next_answer_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch("one", &[&sandbox.agent("noop")]);
    repo.dispatch("two", &[&sandbox.agent("fail")]);
    wait_until("both ends", || {
        ["one", "two"].iter().all(|name| repo.told(name).contains(&"finished".to_owned()))
    });
    assert_eq!(repo.offshoot(&["list", "--json"]).ok().stderr, "");
    let ran = repo.offshoot(&["lock", "list"]).ok();
    let (one, two) = ("`one` completed", "`two` failed");
    assert!(ran.stderr.contains("meanwhile: ") && ran.stderr.contains(one), "{ran}");
    assert!(ran.stderr.contains(two), "{ran}");
    assert!(!repo.offshoot(&["lock", "list"]).ok().stderr.contains("meanwhile"));
    // Another session's end is its own; the command that is about a task needs no notice of it.
    let line = ["dispatch", "--name", "theirs", "--", &sandbox.agent("noop")];
    sandbox.finish_command(&mut by(&repo, "claude:here", &line)).ok();
    let waiting = repo.offshoot_spawn(&["wait", "theirs"]);
    assert!(!finish(waiting, "wait").ok().stderr.contains("meanwhile"));
    let line = ["lock", "list"];
    let ran = sandbox.finish_command(&mut by(&repo, "claude:here", &line)).ok();
    assert!(ran.stderr.contains("`theirs` completed"), "{ran}");
    let seen: Value = repo.offshoot_json(&["inbox"]);
    assert_eq!(seen["events"].as_array().map(Vec::len), Some(3), "nothing was acknowledged");
}
