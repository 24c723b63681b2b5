//! Tasks that dispatch tasks.

use crate::recovery::{cut_off, recorded, supervisor};
use crate::sandbox::{Sandbox, program, wait_until};
use rustix::process::{Signal, kill_process};

/// Runs a script as task `outer` with one slot in all, and gives its whole log.
fn outer(sandbox: &Sandbox, script: &str) -> (serde_json::Value, String) {
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("outer", &["sh", "-euc", script, program()]);
    let log = repo.offshoot(&["logs", "outer"]).ok().stdout;
    assert_eq!(repo.task("inner")["state"], "completed", "{log}");
    (task, log)
}

#[test]
fn a_task_that_waits_for_one_it_dispatched_lends_it_the_only_slot() {
    let sandbox = Sandbox::new();
    let script = "$0 dispatch --name inner -- sh -c 'echo made > inner.txt'; $0 wait inner; \
        $0 merge inner; echo done > outer.txt";
    let (task, log) = outer(&sandbox, script);
    assert_eq!(task["state"], "completed", "{log}");
    // What the inner task did is on the outer one's base; what the outer one owns is its own.
    assert!(log.contains("inner"), "{log}");
}

#[test]
fn a_task_that_runs_another_lends_it_the_only_slot() {
    let sandbox = Sandbox::new();
    let (task, log) = outer(&sandbox, "$0 run --name inner -- echo from the inner task");
    assert_eq!(task["state"], "completed", "{log}");
    assert!(log.contains("from the inner task"), "{log}");
}

#[test]
fn tasks_dispatch_tasks_three_deep_and_no_deeper() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let script = sandbox.root().join("deeper.sh");
    std::fs::write(
        &script,
        "exec \"$1\" run --name \"level-$2\" -- sh \"$0\" \"$1\" $(($2 + 1))\n",
    )
    .expect("a script");
    let script = script.display().to_string();
    let task = repo.dispatch_to_end("level-1", &["sh", &script, program(), "2"]);
    let log = repo.offshoot(&["logs", "level-3"]).ok().stdout;
    assert!(log.contains("`level-3` is 3 tasks deep") && log.contains("hint: "), "{log}");
    assert_eq!((&task["state"], &task["outcome"]["code"]), (&"failed".into(), &4.into()));
    assert_eq!(repo.offshoot_json(&["list", "--all"])["tasks"].as_array().map(Vec::len), Some(3));
}

/// What became of an outer task's guards before it is cancelled.
#[derive(Clone, Copy, PartialEq)]
enum Guards {
    There,
    Killed,
}

/// The inner task's guards have come down to the outer task's tree, or have the environment of its
/// agent; still they are another task's.
fn assert_the_inner_task_survives(outer_guards: Guards) {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 2\ngrace_seconds = 1\n");
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("inner");
    let (wait, argument) = (sandbox.agent("wait_for_gate"), gate.argument());
    let script = "$0 dispatch --name inner -- \"$@\"; exec sleep 100";
    let fail = sandbox.agent("fail");
    let words = ["sh", "-euc", script, program(), &wait, &argument, &fail, "7"];
    let outer = repo.dispatch("outer", &words);
    gate.wait_for_arrival();

    let inner = repo.task("inner");
    let killed = supervisor(&sandbox, &inner).expect("it is supervised");
    kill_process(killed, Signal::KILL).expect("it is there");
    let is_new = || supervisor(&sandbox, &inner).is_some_and(|now| now != killed);
    wait_until("a new supervisor", is_new);
    if outer_guards == Guards::Killed {
        let supervisor = supervisor(&sandbox, &outer).expect("it is supervised");
        cut_off(&[supervisor, recorded(&repo, &outer, "shim")]);
    }

    assert_eq!(repo.offshoot_json(&["cancel", "outer"])["tasks"][0]["state"], "cancelled");
    gate.open();
    let inner = repo.wait_for("inner");
    assert_eq!((&inner["attempt"], &inner["outcome"]["code"]), (&1.into(), &7.into()));
    assert_eq!(repo.told("inner"), ["dispatched", "started", "finished"]);
}

#[test]
fn a_task_outlives_the_cancelled_one_that_dispatched_it_though_its_supervisor_was_killed() {
    assert_the_inner_task_survives(Guards::There);
}

#[test]
fn a_task_outlives_the_one_that_dispatched_it_whose_guards_were_killed_as_well() {
    assert_the_inner_task_survives(Guards::Killed);
}
