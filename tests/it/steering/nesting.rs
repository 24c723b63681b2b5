//! Tasks that dispatch tasks.

use crate::sandbox::Sandbox;

/// Runs the program under test inside a task; its path is the script's first argument.
const OFFSHOOT: &str = env!("CARGO_BIN_EXE_offshoot");

/// Runs a script as task `outer` with one slot in all, and gives its whole log.
fn outer(sandbox: &Sandbox, script: &str) -> (serde_json::Value, String) {
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("outer", &["sh", "-euc", script, OFFSHOOT]);
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
    let task = repo.dispatch_to_end("level-1", &["sh", &script, OFFSHOOT, "2"]);
    let log = repo.offshoot(&["logs", "level-3"]).ok().stdout;
    assert!(log.contains("`level-3` is 3 tasks deep") && log.contains("hint: "), "{log}");
    assert_eq!((&task["state"], &task["outcome"]["code"]), (&"failed".into(), &4.into()));
    assert_eq!(repo.offshoot_json(&["list", "--all"])["tasks"].as_array().map(Vec::len), Some(3));
}
