//! Who runs next: priorities, and tasks that wait for others.

use super::{assert_refused, dispatch_with, order_of};
use crate::recovery::held;
use crate::sandbox::{Gate, Sandbox, TestRepo, text};
use serde_json::json;

/// A repository with one slot, which `t` holds until the gate opens.
fn busy(sandbox: &Sandbox) -> (TestRepo<'_>, Gate) {
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let gate = held(sandbox, &repo, "t", &[]).0;
    (repo, gate)
}

#[test]
fn a_priority_reorders_pending_tasks() {
    let sandbox = Sandbox::new();
    let (repo, gate) = busy(&sandbox);
    for name in ["a", "b", "c", "d"] {
        repo.dispatch(name, &["true"]);
    }
    let answer = repo.offshoot_json(&["priority", "5", "d", "c"]);
    assert_eq!(answer["tasks"][1]["priority"], 5);
    assert_eq!(repo.offshoot(&["priority", "-3", "a"]).ok().stdout.lines().count(), 1);
    gate.open();
    repo.offshoot(&["wait", "a", "b", "c", "d"]).ok();
    assert_eq!(order_of(&repo, "started"), ["t", "c", "d", "b", "a"], "equals in their old order");
    assert_eq!(repo.task("a")["priority"], -3);
}

#[test]
fn tasks_are_dispatched_with_a_priority() {
    let sandbox = Sandbox::new();
    let (repo, gate) = busy(&sandbox);
    for (name, priority) in [("low", "-1"), ("normal", "0"), ("high", "7")] {
        let task = dispatch_with(&repo, name, &["--priority", priority], &["true"]);
        assert_eq!(task["priority"].to_string(), priority);
    }
    gate.open();
    repo.offshoot(&["wait", "low", "normal", "high"]).ok();
    assert_eq!(order_of(&repo, "started"), ["t", "high", "normal", "low"]);
}

#[test]
fn only_pending_tasks_have_a_priority_to_change() {
    let sandbox = Sandbox::new();
    let (repo, gate) = busy(&sandbox);
    assert_refused(&repo, &["priority", "1", "t"], "`t` is ");
    gate.open();
    repo.wait_for("t");
    assert_refused(&repo, &["priority", "1", "t"], "`t` is completed");
    assert_refused(&repo, &["priority", "1", "nope"], "no task `nope`");
}

#[test]
fn a_priority_for_several_tells_what_was_done_before_it_was_refused() {
    let sandbox = Sandbox::new();
    let (repo, gate) = busy(&sandbox);
    repo.dispatch("a", &["true"]);
    let (code, document) = repo.offshoot_json_exit(&["priority", "1", "a", "t"]);
    assert_eq!((code, &document["tasks"][0]["priority"]), (1, &1.into()), "{document:#}");
    assert_eq!(document["error"]["kind"], "refused", "{document:#}");
    gate.open();
    repo.wait_for("a");
}

#[test]
fn a_task_runs_after_another_has_completed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, _) = held(&sandbox, &repo, "first", &[&sandbox.agent("commit")]);
    let second = dispatch_with(&repo, "second", &["--after", "first"], &["true"]);
    assert_eq!((&second["state"], &second["after"]), (&"pending".into(), &json!(["first"])));
    assert_eq!(second["waiting_for"], json!({"kind": "task", "tasks": ["first"]}));
    // The slots are free: others run.
    assert_eq!(repo.dispatch_to_end("other", &["true"])["state"], "completed");
    assert_eq!(repo.task("second")["state"], "pending");
    gate.open();
    assert_eq!(repo.wait_for("second")["state"], "completed");
    let third = dispatch_with(&repo, "third", &["--after", "first,second"], &["true"]);
    assert_eq!(third["waiting_for"], json!(null));
    assert_eq!(repo.wait_for("third")["state"], "completed");
}

#[test]
fn a_chain_of_tasks_runs_in_its_order() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, _) = held(&sandbox, &repo, "a", &[]);
    for (name, before) in [("b", "a"), ("c", "b"), ("d", "c")] {
        dispatch_with(&repo, name, &["--after", before], &["true"]);
    }
    gate.open();
    assert_eq!(repo.wait_for("d")["state"], "completed");
    assert_eq!(order_of(&repo, "finished"), ["a", "b", "c", "d"]);
}

#[test]
fn what_waits_for_a_task_that_fails_ends_too_and_so_does_what_waits_for_that() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (gate, _) = held(&sandbox, &repo, "a", &[&sandbox.agent("fail")]);
    dispatch_with(&repo, "b", &["--after", "a"], &["true"]);
    dispatch_with(&repo, "c", &["--after", "b"], &["true"]);
    dispatch_with(&repo, "cleanup", &["--after-any", "a,c"], &["true"]);
    gate.open();
    let (code, waited) = repo.offshoot_json_exit(&["wait", "a", "b", "c", "cleanup"]);
    assert_eq!(code, 4);
    let ended = |index: usize| {
        let task = &waited["tasks"][index];
        (text(&task["state"]).to_owned(), task["outcome"].clone())
    };
    let failed =
        |name: &str| ("failed".to_owned(), json!({"kind": "dependency_failed", "task": name}));
    assert_eq!((ended(1), ended(2)), (failed("a"), failed("b")));
    assert_eq!(ended(3).0, "completed", "it runs whatever the outcome");
    assert_eq!(repo.told("c"), ["dispatched", "finished"]);
    let late = dispatch_with(&repo, "late", &["--after", "a"], &["true"]);
    assert_eq!(late["outcome"]["kind"], "dependency_failed", "at once");
}

#[test]
fn what_waits_for_a_cancelled_pending_task_ends_too() {
    let sandbox = Sandbox::new();
    let (repo, gate) = busy(&sandbox);
    repo.dispatch("a", &["true"]);
    dispatch_with(&repo, "b", &["--after", "a"], &["true"]);
    repo.offshoot(&["cancel", "a"]).ok();
    assert_eq!(repo.task("b")["outcome"], json!({"kind": "dependency_failed", "task": "a"}));
    gate.open();
    repo.wait_for("t");
}

#[test]
fn a_task_that_nobody_knows_cannot_be_waited_for() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for option in ["--after", "--after-any"] {
        let line = ["dispatch", "--name", "t", option, "nope", "--", "true"];
        assert_refused(&repo, &line, "no task `nope`");
    }
    // Its own name is no task yet, so there can be no cycle.
    assert_refused(
        &repo,
        &["dispatch", "--name", "t", "--after", "t", "--", "true"],
        "no task `t`",
    );
    repo.assert_nothing_left_behind();
}
