//! Killed processes of paused tasks.

use super::Beating;
use crate::recovery::{cut_off, held, recorded, supervisor};
use crate::sandbox::{Sandbox, wait_until};
use rustix::process::{Pid, Signal, kill_process};

/// Kills a task's supervisor and waits for the one that takes over by itself.
fn replace_supervisor(t: &Beating<'_>) {
    let killed = kill_supervisor(t);
    let is_new = || supervisor(t.sandbox, &t.task).is_some_and(|now| now != killed);
    wait_until("a new supervisor", is_new);
}

fn kill_supervisor(t: &Beating<'_>) -> Pid {
    let killed = supervisor(t.sandbox, &t.task).expect("it is supervised");
    kill_process(killed, Signal::KILL).expect("it is there");
    killed
}

#[test]
fn a_paused_task_whose_supervisor_is_killed_stays_paused_and_can_be_resumed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    let since = repo.task("t")["paused_at"].clone();
    replace_supervisor(&t);
    t.assert_it_is_stopped();
    let task = repo.task("t");
    assert_eq!((&task["state"], &task["paused_at"]), (&"paused".into(), &since));
    assert_eq!(repo.offshoot_json(&["resume", "t"])["tasks"][0]["state"], "running");
    t.assert_it_beats();
    t.gate.open();
    let ended = repo.wait_for("t");
    assert_eq!((&ended["state"], &ended["attempt"]), (&"completed".into(), &1.into()));
    assert_eq!(repo.told("t"), ["dispatched", "started", "paused", "resumed", "finished"]);
}

#[test]
fn a_paused_task_whose_shim_is_killed_stays_paused_and_can_be_resumed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    kill_process(recorded(&repo, &t.task, "shim"), Signal::KILL).expect("it is there");
    t.assert_it_is_stopped();
    assert_eq!(repo.task("t")["state"], "paused");
    assert_eq!(repo.offshoot_json(&["resume", "t"])["tasks"][0]["state"], "running");
    t.assert_it_beats();
    t.gate.open();
    assert_eq!(repo.wait_for("t")["state"], "completed");
}

#[test]
fn a_paused_task_that_lost_both_goes_on_when_it_is_resumed_and_its_work_is_kept() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    let supervisor = supervisor(&sandbox, &t.task).expect("it is supervised");
    cut_off(&[supervisor, recorded(&repo, &t.task, "shim")]);
    assert_eq!(repo.task("t")["state"], "paused", "looking takes it up");
    t.assert_it_is_stopped();
    assert_eq!(repo.offshoot_json(&["resume", "t"])["tasks"][0]["state"], "running");
    t.assert_it_beats();
    t.gate.open();
    let ended = repo.wait_for("t");
    assert_eq!(ended["outcome"]["kind"], "interrupted");
    assert_eq!(ended["diff"]["changes"][0]["path"], "t");
}

#[test]
fn a_paused_task_that_lost_both_can_be_cancelled() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    let supervisor = supervisor(&sandbox, &t.task).expect("it is supervised");
    cut_off(&[supervisor, recorded(&repo, &t.task, "shim")]);
    assert_eq!(repo.offshoot_json(&["cancel", "t"])["tasks"][0]["state"], "cancelled");
    assert_eq!(super::tree(&sandbox, &t.task).len(), 0);
}

#[test]
fn a_task_that_queues_to_go_on_does_so_under_a_new_supervisor() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    repo.offshoot(&["pause", "t"]).ok();
    let (gate, _) = held(&sandbox, &repo, "other", &[]);
    repo.offshoot(&["resume", "t"]).ok();
    replace_supervisor(&t);
    t.assert_it_is_stopped();
    gate.open();
    wait_until("it to go on", || repo.told("t").last().is_some_and(|event| event == "resumed"));
    t.gate.open();
    assert_eq!(repo.wait_for("t")["state"], "completed");
}
