//! `wait`, `result`, `list`, and the cap of concurrent tasks.

use super::held;
use crate::sandbox::{Sandbox, TestRepo, finish, text};
use serde_json::{Value, json};

/// The names and states of a list of tasks.
fn states(document: &Value) -> Vec<(&str, &str)> {
    let tasks = document["tasks"].as_array().expect("tasks");
    tasks.iter().map(|task| (text(&task["name"]), text(&task["state"]))).collect()
}

#[test]
fn waiting_for_all_ends_with_the_last_one() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let one = held(&sandbox, &repo, "one", &[]);
    let two = held(&sandbox, &repo, "two", &[&sandbox.agent("fail")]);
    let waiting = repo.offshoot_spawn(&["wait", "--json", "one", "two"]);
    one.open();
    repo.wait_for("one");
    two.open();
    let ran = finish(waiting, "offshoot wait").exits(4);
    let document: Value = serde_json::from_str(&ran.stdout).expect("one document");
    assert_eq!(states(&document), [("one", "completed"), ("two", "failed")]);
    // The journal has the news before anybody is told.
    assert_eq!(repo.told("two").last().map(String::as_str), Some("finished"));
}

#[test]
fn waiting_for_any_ends_with_the_first_one() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let one = held(&sandbox, &repo, "one", &[]);
    let two = held(&sandbox, &repo, "two", &[]);
    let waiting = repo.offshoot_spawn(&["wait", "--any", "--json", "one", "two"]);
    two.open();
    let ran = finish(waiting, "offshoot wait").ok();
    let document: Value = serde_json::from_str(&ran.stdout).expect("one document");
    assert_eq!(states(&document), [("one", "running"), ("two", "completed")]);
    one.open();
    repo.wait_for("one");
}

#[test]
fn a_time_limit_of_waiting_is_exit_124_and_leaves_the_task_alone() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = held(&sandbox, &repo, "t", &[]);
    let (code, document) = repo.offshoot_json_exit(&["wait", "--timeout", "50ms", "t"]);
    assert_eq!((code, states(&document)), (124, vec![("t", "running")]));
    repo.offshoot(&["result", "t"]).exits(1).says("`t` has not ended").says("hint: ");
    let (code, document) = repo.offshoot_json_exit(&["result", "t"]);
    assert_eq!((code, &document["state"]), (1, &"running".into()));
    gate.open();
    repo.offshoot(&["wait", "t"]).ok();
}

#[test]
fn a_result_exits_by_how_the_task_ended() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.offshoot(&["dispatch", "--name", "good", "Edit it", "--", &sandbox.agent("edit_only")])
        .ok();
    repo.dispatch("bad", &[&sandbox.agent("fail")]);
    repo.offshoot(&["wait", "good", "bad"]).exits(4);
    insta::assert_snapshot!(repo.offshoot(&["result", "good"]).snapshot(&sandbox), @r"
    exit 0
    --- stdout
    good  completed: exited 0 after <duration>
      task      Edit it
      changes   2 files, +2 -0 in 1 commit, the last made of what the agent left uncommitted
                A new.txt    +1 -0
                M notes.txt  +1 -0
      forecast  lands cleanly on `main`
      work      waits for your decision
      next      offshoot diff good
                offshoot merge good
                offshoot rebase good
                offshoot discard good
    --- stderr
    ");
    let bad = repo.offshoot(&["result", "bad"]).exits(4);
    assert!(bad.stdout.starts_with("bad  failed: exited 3 after "), "{bad}");
    repo.offshoot(&["result", "nobody"]).exits(1).says("no task `nobody`");
}

#[test]
fn a_task_is_named_by_four_characters_of_its_id_or_more() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("noop")]);
    let id = text(&task["id"]);
    for word in [id, &id[..13], &id[..4], &id[..4].to_uppercase()] {
        assert_eq!(repo.task(word)["id"], id);
    }
    let ran = repo.offshoot(&["status", &id[..3]]).exits(1);
    ran.says(&format!("no task `{}`", &id[..3]));
}

#[test]
fn a_list_shows_what_still_needs_somebody_and_all_when_asked() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.offshoot(&["list"]).ok().says("no open tasks");
    for name in ["open", "landed", "discarded"] {
        repo.dispatch(name, &[&sandbox.agent("commit"), name]);
    }
    repo.dispatch("empty", &[&sandbox.agent("noop")]);
    repo.dispatch("failed", &[&sandbox.agent("fail")]);
    repo.offshoot(&["wait", "open", "landed", "discarded", "empty", "failed"]).exits(4);
    repo.offshoot(&["merge", "landed"]).ok();
    repo.offshoot(&["discard", "discarded"]).ok();
    let names = |line: &[&str]| {
        let document = repo.offshoot_json(line);
        states(&document).into_iter().map(|(name, _)| name.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["list"]), ["open", "empty", "failed"]);
    assert_eq!(names(&["list", "--all"]), ["open", "landed", "discarded", "empty", "failed"]);
    assert_eq!(names(&["list", "--state", "failed"]), ["failed"]);
    assert_eq!(names(&["ls", "--all", "--state", "completed,failed"]).len(), 5);
    repo.offshoot(&["list", "--state", "done"]).exits(2).says("hint: ");
    let ran = repo.offshoot(&["list", "--all"]).ok();
    let table: Vec<&str> = ran.stdout.lines().collect();
    assert!(table[0].starts_with("NAME       STATE             WORK"), "{ran}");
    assert!(table[2].starts_with("landed     completed         on main"), "{ran}");
    assert!(table[5].starts_with("failed     failed: exited 3  to decide"), "{ran}");
    // Noting the end of a task without work is all that it needs.
    repo.offshoot(&["inbox", "--ack"]).ok();
    assert_eq!(names(&["list"]), ["open", "failed"]);
}

/// The order in which tasks started, by the journal.
fn started(repo: &TestRepo<'_>) -> Vec<String> {
    let events = repo.journal().into_iter().filter(|event| event["event"] == "started");
    events.map(|event| text(&event["task"]["name"]).to_owned()).collect()
}

#[test]
fn no_more_tasks_run_than_allowed_and_the_rest_wait_in_order() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("a");
    let dispatch = |name: &str, agent: &[&str]| {
        let line = [&["dispatch", "--json", "--name", name, "--"], agent].concat();
        let mut command = repo.command(&line);
        let ran = sandbox.finish_command(command.env("OFFSHOOT_MAX_PARALLEL", "1")).ok();
        serde_json::from_str::<Value>(&ran.stdout).expect("one document")
    };
    dispatch("a", &[&sandbox.agent("wait_for_gate"), &gate.argument()]);
    for name in ["b", "c", "d", "e"] {
        let task = dispatch(name, &[&sandbox.agent("noop")]);
        assert_eq!(task["state"], "pending");
        assert_eq!(task["waiting_for"], json!({"kind": "slot", "tasks": ["a"]}));
        assert_eq!(task["next"][0], format!("offshoot wait {name}"));
    }
    // What is cancelled before its turn never runs.
    let mut cancel = repo.command(&["cancel", "--json", "c"]);
    let ran = sandbox.finish_command(cancel.env("OFFSHOOT_MAX_PARALLEL", "1")).ok();
    let cancelled: Value = serde_json::from_str(&ran.stdout).expect("one document");
    let task = &cancelled["tasks"][0];
    assert_eq!((&task["state"], &task["started_at"]), (&"cancelled".into(), &json!(null)));
    gate.open();
    let mut wait = repo.command(&["wait", "a", "b", "d", "e"]);
    sandbox.finish_command(wait.env("OFFSHOOT_MAX_PARALLEL", "1")).ok();
    assert_eq!(started(&repo), ["a", "b", "d", "e"]);
    assert_eq!(repo.told("c"), ["dispatched", "finished"]);
    let mut running = 0;
    for event in repo.journal() {
        match text(&event["event"]) {
            "started" => running += 1,
            "finished" if event["task"]["name"] != "c" => running -= 1,
            _ => {}
        }
        assert!(running <= 1, "{event:#}");
    }
}
