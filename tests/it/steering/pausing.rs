//! Stopping a task for a while.

use super::{Beating, assert_refused, dispatch_with};
use crate::recovery::held;
use crate::sandbox::{Sandbox, text};
use serde_json::Value;
use std::time::{Duration, Instant};

#[test]
fn a_pause_stops_every_process_of_a_task_and_a_resume_lets_them_go_on() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    let answer = repo.offshoot_json(&["pause", "t"]);
    t.assert_it_is_stopped();
    let paused = &answer["tasks"][0];
    assert_eq!((text(&paused["state"]), text(&paused["phase"])), ("paused", "agent"), "{paused:#}");

    let before = t.beats();
    repo.dispatch_to_end("other", &[&sandbox.agent("commit"), "other"]);
    assert_eq!(t.beats(), before, "nothing is written meanwhile");
    let status = repo.task("t");
    assert_eq!((&status["state"], &status["paused_at"]), (&paused["state"], &paused["paused_at"]));
    assert_eq!(repo.offshoot_json(&["list", "--state", "paused"])["tasks"][0]["name"], "t");

    let resumed = &repo.offshoot_json(&["resume", "t"])["tasks"][0];
    assert_eq!((&resumed["state"], &resumed["paused_at"]), (&"running".into(), &Value::Null));
    assert!(resumed["paused_ms"].as_u64() > Some(0), "{resumed:#}");
    t.assert_it_beats();
    t.gate.open();
    let ended = repo.wait_for("t");
    assert_eq!((&ended["state"], &ended["attempt"]), (&"completed".into(), &1.into()));
    let figure = |name: &str| ended[name].as_u64().expect("a number");
    assert!(figure("duration_ms") > figure("paused_ms") && figure("paused_ms") > 0, "{ended:#}");
    assert_eq!(repo.told("t"), ["dispatched", "started", "paused", "resumed", "finished"]);
}

#[test]
fn people_are_told_since_when_a_task_is_paused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    assert_eq!(repo.offshoot(&["pause", "t"]).ok().stdout, "`t` is paused\n");
    let status = repo.offshoot(&["status", "t"]).ok();
    assert!(status.stdout.contains("  paused    since "), "{status}");
    let list = repo.offshoot(&["list"]).ok();
    assert!(list.stdout.contains("paused"), "{list}");
    assert_eq!(repo.offshoot(&["resume", "t"]).ok().stdout, "`t` is running\n");
    t.gate.open();
    repo.wait_for("t");
}

#[test]
fn a_time_limit_stands_still_while_its_task_is_paused_and_goes_on_afterwards() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let _t = Beating::start(&sandbox, &repo, "t", &["--timeout", "2s"]);
    repo.offshoot(&["pause", "t"]).ok();
    // A whole limit passes for somebody else.
    dispatch_with(&repo, "other", &["--timeout", "2s"], &["sleep", "600"]);
    assert_eq!(repo.wait_for("other")["outcome"]["kind"], "timed_out");
    assert_eq!(repo.task("t")["state"], "paused");
    repo.offshoot(&["resume", "t"]).ok();
    let ended = repo.wait_for("t");
    assert_eq!(ended["outcome"]["kind"], "timed_out");
    let figure = |name: &str| ended[name].as_u64().expect("a number");
    assert!(figure("paused_ms") >= 2000, "{ended:#}");
    assert!(figure("duration_ms") - figure("paused_ms") >= 2000, "{ended:#}");
}

#[test]
fn a_cancel_of_a_paused_task_ends_it_within_the_grace() {
    let sandbox = Sandbox::new();
    sandbox.write_config("grace_seconds = 10\n");
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    let began = Instant::now();
    let cancelled = &repo.offshoot_json(&["cancel", "t"])["tasks"][0];
    assert!(began.elapsed() < Duration::from_secs(9), "woken to end, not killed");
    assert_eq!(cancelled["outcome"]["kind"], "cancelled");
    assert!(cancelled["paused_ms"].as_u64() > Some(0), "{cancelled:#}");
    assert_eq!(super::tree(&sandbox, &t.task).len(), 0);
    assert_eq!(repo.told("t"), ["dispatched", "started", "paused", "finished"]);
}

#[test]
fn a_paused_task_that_ignores_the_word_is_killed_after_the_grace() {
    let sandbox = Sandbox::new();
    sandbox.write_config("grace_seconds = 0\n");
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("ready");
    let task =
        repo.dispatch("t", &[&sandbox.agent("ignore_term"), &(gate.argument() + ".arrived")]);
    gate.wait_for_arrival();
    repo.offshoot(&["pause", "t"]).ok();
    let cancelled = &repo.offshoot_json(&["cancel", "t"])["tasks"][0];
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(super::tree(&sandbox, &task).len(), 0);
}

#[test]
fn what_has_ended_can_be_neither_paused_nor_resumed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    for verb in ["pause", "resume"] {
        assert_refused(&repo, &[verb, "t"], "`t` has ended: it is completed");
    }
}

#[test]
fn pausing_what_is_paused_and_resuming_what_runs_change_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    assert_eq!(repo.offshoot_json(&["resume", "t"])["tasks"][0]["state"], "running");
    let first = repo.offshoot_json(&["pause", "t"]);
    assert_eq!(repo.offshoot_json(&["pause", "t"]), first);
    repo.offshoot(&["resume", "t"]).ok();
    t.gate.open();
    repo.wait_for("t");
    assert_eq!(repo.told("t"), ["dispatched", "started", "paused", "resumed", "finished"]);
}

#[test]
fn a_pending_task_is_held_by_a_pause_until_it_is_resumed() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let (gate, _) = held(&sandbox, &repo, "t", &[]);
    repo.dispatch("waits", &[&sandbox.agent("commit"), "waits"]);
    repo.dispatch("next", &[&sandbox.agent("commit"), "next"]);
    let waits = &repo.offshoot_json(&["pause", "waits"])["tasks"][0];
    assert_eq!(waits["state"], "pending");
    assert_eq!(waits["waiting_for"], serde_json::json!({"kind": "held", "tasks": []}));
    gate.open();
    repo.wait_for("next");
    assert_eq!(repo.task("waits")["waiting_for"]["kind"], "held");
    repo.offshoot(&["resume", "waits"]).ok();
    assert_eq!(repo.wait_for("waits")["state"], "completed");
    assert_eq!(super::order_of(&repo, "started"), ["t", "next", "waits"]);
}

#[test]
fn a_held_task_can_be_cancelled() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let (gate, _) = held(&sandbox, &repo, "t", &[]);
    repo.dispatch("waits", &["true"]);
    repo.offshoot(&["pause", "waits"]).ok();
    assert_eq!(repo.offshoot_json(&["cancel", "waits"])["tasks"][0]["state"], "cancelled");
    gate.open();
    repo.wait_for("t");
    assert_eq!(repo.told("waits"), ["dispatched", "finished"]);
}
