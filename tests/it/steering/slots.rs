//! What becomes of a paused task's slot, with one slot in all.

use super::Beating;
use crate::recovery::held;
use crate::sandbox::{Sandbox, wait_until};
use serde_json::json;

fn one_slot() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    sandbox
}

#[test]
fn another_task_runs_in_the_slot_of_a_paused_one() {
    let sandbox = one_slot();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    let other = repo.dispatch("other", &[&sandbox.agent("commit"), "other"]);
    assert_eq!(other["waiting_for"], json!({"kind": "slot", "tasks": ["t"]}));
    repo.offshoot(&["pause", "t"]).ok();
    assert_eq!(repo.wait_for("other")["state"], "completed");
    assert_eq!(repo.task("t")["state"], "paused");
    repo.offshoot(&["resume", "t"]).ok();
    t.gate.open();
    assert_eq!(repo.wait_for("t")["state"], "completed");
}

#[test]
fn a_resumed_task_queues_for_a_slot_and_goes_on_by_itself() {
    let sandbox = one_slot();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    let (gate, _) = held(&sandbox, &repo, "other", &[]);
    repo.dispatch("last", &[&sandbox.agent("commit"), "last"]);
    let resumed = &repo.offshoot_json(&["resume", "t"])["tasks"][0];
    assert_eq!(resumed["state"], "paused");
    assert_eq!(resumed["waiting_for"], json!({"kind": "slot", "tasks": ["other"]}));
    t.assert_it_is_stopped();
    gate.open();
    // Nobody calls offshoot meanwhile: the journal's file alone is watched.
    wait_until("it to go on", || repo.told("t").last().is_some_and(|event| event == "resumed"));
    t.assert_it_beats();
    assert_eq!(repo.task("last")["state"], "pending", "it was dispatched later");
    t.gate.open();
    repo.wait_for("last");
    assert_eq!(super::order_of(&repo, "finished"), ["other", "t", "last"]);
}

#[test]
fn a_task_that_queues_to_go_on_can_be_cancelled() {
    let sandbox = one_slot();
    let repo = sandbox.repo("simple");
    let _t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    let (gate, _) = held(&sandbox, &repo, "other", &[]);
    repo.offshoot(&["resume", "t"]).ok();
    assert_eq!(repo.offshoot_json(&["cancel", "t"])["tasks"][0]["state"], "cancelled");
    gate.open();
    assert_eq!(repo.wait_for("other")["state"], "completed");
    assert_eq!(repo.dispatch_to_end("last", &["true"])["state"], "completed");
}

#[test]
fn a_task_keeps_its_slot_when_it_is_told_to() {
    let sandbox = one_slot();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "--keep-slot", "t"]).ok();
    let other = repo.dispatch("other", &[&sandbox.agent("commit"), "other"]);
    assert_eq!(other["waiting_for"], json!({"kind": "slot", "tasks": ["t"]}));
    assert_eq!(repo.offshoot_json(&["resume", "t"])["tasks"][0]["state"], "running");
    assert_eq!(repo.task("other")["state"], "pending");
    t.gate.open();
    assert_eq!(repo.wait_for("other")["state"], "completed");
    assert_eq!(super::order_of(&repo, "started"), ["t", "other"]);
}
