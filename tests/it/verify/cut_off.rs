//! What happens around a verify command while it runs, and when somebody wants it to end or dies.

use super::{nothing_left, noting, run, runs, standing, tree};
use crate::recovery::supervisor;
use crate::sandbox::{Gate, Sandbox, TestRepo, finish, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// A verify command that waits at a gate.
fn gated(sandbox: &Sandbox, gate: &Gate) -> String {
    noting(sandbox, &format!("{} {}", sandbox.agent("wait_for_gate"), gate.argument()))
}

/// A verify command that leaves a daemon behind and never ends.
fn endless(sandbox: &Sandbox, gate: &Gate) -> String {
    format!(
        "setsid {} {}.never & {}",
        sandbox.agent("wait_for_gate"),
        gate.argument(),
        gated(sandbox, gate)
    )
}

fn is_verifying(sandbox: &Sandbox) -> bool {
    sandbox.processes().iter().any(|(_, line)| line.contains("wait_for_gate"))
}

fn dispatch_verified(repo: &TestRepo<'_>, command: &str) {
    let line = ["dispatch", "--name", "t", "--verify", command, "--", "sh", "-c", "echo 1 > t"];
    repo.offshoot(&line).ok();
}

#[test]
fn nothing_is_locked_meanwhile_and_a_target_that_moved_is_verified_anew() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("slow", "echo 1 > slow"), ("quick", "echo 2 > quick")]);
    let gate = sandbox.gate("verify");
    let landing = repo.offshoot_spawn(&["merge", "slow", "--verify", &gated(&sandbox, &gate)]);
    gate.wait_for_arrival();
    // Somebody else lands, and the person commits.
    repo.offshoot(&["merge", "quick"]).ok();
    repo.write("person.txt", "mine\n");
    repo.commit_all("a person's commit");
    let tip = repo.head();
    gate.open();
    finish(landing, "the landing").ok();
    assert_eq!(repo.git(&["rev-parse", "HEAD^1"]), tip);
    let runs = runs(&sandbox);
    assert_eq!((runs.len(), &runs[1]), (2, &tree(&repo, "HEAD")));
    assert!(repo.exists("slow") && repo.exists("quick"));
    nothing_left(&repo);
}

#[test]
fn a_part_is_planned_anew_where_the_target_moved_while_it_was_verified() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("slow", "echo 1 > slow; echo 2 > other"), ("quick", "echo 2 > quick")]);
    let gate = sandbox.gate("verify");
    let verify = gated(&sandbox, &gate);
    let line = ["merge", "slow", "--only", "slow", "--verify", &verify];
    let landing = repo.offshoot_spawn(&line);
    gate.wait_for_arrival();
    repo.offshoot(&["merge", "quick"]).ok();
    let tip = repo.head();
    gate.open();
    finish(landing, "the landing").ok();
    assert_eq!(repo.git(&["rev-parse", "HEAD^"]), tip);
    let runs = runs(&sandbox);
    assert_eq!((runs.len(), &runs[1]), (2, &tree(&repo, "HEAD")));
    assert!(repo.exists("slow") && repo.exists("quick") && !repo.exists("other"));
    nothing_left(&repo);
}

#[test]
fn a_signal_ends_the_whole_tree_of_the_command_and_nothing_moves() {
    for (signal, name) in [(Signal::INT, "int"), (Signal::TERM, "term")] {
        let sandbox = Sandbox::new();
        let repo = sandbox.repo("simple");
        run(&repo, &[("t", "echo 1 > t")]);
        let before = standing(&repo);
        let gate = sandbox.gate(name);
        let landing = repo.offshoot_spawn(&["merge", "t", "--verify", &endless(&sandbox, &gate)]);
        gate.wait_for_arrival();
        kill_process(Pid::from_child(&landing), signal).expect("it is there");
        let ran = finish(landing, "the landing").exits(130).says("was broken off");
        ran.says("nothing was landed");
        assert!(!is_verifying(&sandbox));
        assert_eq!(standing(&repo), before);
        nothing_left(&repo);
    }
}

#[test]
fn after_a_kill_the_next_verb_ends_the_command_and_removes_its_worktree() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("t", "echo 1 > t")]);
    let before = standing(&repo);
    let gate = sandbox.gate("verify");
    let landing = repo.offshoot_spawn(&["merge", "t", "--verify", &endless(&sandbox, &gate)]);
    gate.wait_for_arrival();
    // A trial that goes on is nobody's business.
    repo.offshoot(&["list"]).ok();
    assert!(is_verifying(&sandbox));
    kill_process(Pid::from_child(&landing), Signal::KILL).expect("it is there");
    finish(landing, "the landing");
    // Git, killed with it while it made the worktree, would keep everybody from deleting a ref.
    repo.write(".git/packed-refs.lock", "");
    repo.offshoot(&["list"]).ok();
    assert!(!is_verifying(&sandbox) && !repo.exists(".git/packed-refs.lock"));
    assert_eq!(standing(&repo), before);
    nothing_left(&repo);
    repo.offshoot(&["merge", "t", "--verify", "true"]).ok();
}

#[test]
fn a_supervisor_that_dies_while_it_verifies_is_replaced_and_verifies_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("verify");
    dispatch_verified(&repo, &gated(&sandbox, &gate));
    gate.wait_for_arrival();
    let task = repo.task("t");
    assert_eq!((&task["state"], &task["phase"]), (&json!("running"), &json!("finishing")));
    let killed = supervisor(&sandbox, &task).expect("it is supervised");
    kill_process(killed, Signal::KILL).expect("it is there");
    wait_until("the second run", || runs(&sandbox).len() == 2);
    gate.open();
    let task = repo.wait_for("t");
    assert_eq!(
        (&task["state"], &task["verify"]["verdict"]),
        (&json!("completed"), &json!("green"))
    );
    assert_eq!(repo.told("t"), ["dispatched", "started", "finished"]);
    nothing_left(&repo);
}

#[test]
fn a_task_can_be_cancelled_while_it_is_verified() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("verify");
    dispatch_verified(&repo, &endless(&sandbox, &gate));
    gate.wait_for_arrival();
    repo.offshoot(&["cancel", "t"]).ok();
    let task = repo.task("t");
    // Its agent had ended by itself; only that it was verified cannot be said.
    assert_eq!((&task["state"], &task["verify"]["verdict"]), (&json!("completed"), &json!(null)));
    assert!(!is_verifying(&sandbox));
    nothing_left(&repo);
}
