//! Worktrees when any call fails or everything is killed at it: while one is made, while it is made ready
//! for others, and while a task takes it. Whatever happened, nothing of an earlier task is lost, the next
//! one gets what a fresh worktree holds, and no task fails because somebody was killed.

use super::sweep::{Scenario, Steps, spread, turn_of};
use super::world::{Fault, World};
use crate::sandbox::{TestRepo, text, wait_until};
use rustix::fs::{FlockOperation, flock};
use std::path::Path;

/// How many calls a test takes.
const SAMPLE: usize = 5;

const TAKE: [&str; 8] =
    ["dispatch", "--wait", "--name", "taker", "--request-id", "r", "--", "true"];

const UPKEEP: [&str; 3] = ["upkeep", "--state", ".git/offshoot"];

fn released(repo: &TestRepo<'_>) {
    repo.sandbox().write_config("[pool]\nsize = 2\n");
    repo.write(".gitignore", "*.log\n.env\n");
    repo.commit_all("rules");
    let work =
        "rm -r docs; echo new >new.txt; git add -A; git commit -qm work; echo x >.env; mkdir e";
    repo.dispatch_to_end("t", &["sh", "-c", work]);
    // Nobody does the chore that is noted.
    let lock = std::fs::File::create(repo.state_folder().join("upkeep.lock")).expect("a lock");
    flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody holds it");
    repo.offshoot(&["discard", "t"]).ok();
}

fn empty(_repo: &TestRepo<'_>) {}

fn ready(repo: &TestRepo<'_>) {
    released(repo);
    repo.offshoot(&["list"]).ok();
    wait_until("the end of the chores", || repo.sandbox().processes().is_empty());
    assert!(repo.offshoots().join(".pool").read_dir().expect("a folder").next().is_some());
    // So that it has to be changed when it is taken.
    repo.write("notes.txt", "meanwhile\n");
    repo.commit_all("meanwhile");
}

#[expect(clippy::print_stdout, reason = "the long form tells figures")]
fn killed_everywhere(scenario: &Scenario, judge: fn(&World)) {
    let Some(world) = World::new(scenario) else {
        println!("faults: skipped, processes cannot be traced here (ptrace, seccomp)");
        return;
    };
    world.lay_out();
    let calls = world.run(scenario.verb, Fault { mode: "kill", at: 0 }).calls;
    let is_long = std::env::var_os("OFFSHOOT_FAULTS").is_some();
    let most = if is_long { usize::MAX } else { SAMPLE };
    let mut faults = Vec::new();
    for mode in ["kill", "kill-one", "enospc", "eio"] {
        let some = spread(calls, most, turn_of(scenario.name) + turn_of(mode));
        faults.extend(some.into_iter().map(|at| Fault { mode, at }));
    }
    if !is_long {
        faults = faults.into_iter().step_by(3).collect();
    }
    for fault in faults {
        world.lay_out();
        let faulted = world.run(scenario.verb, fault);
        let (name, Fault { mode, at }) = (scenario.name, fault);
        println!("{name}: {mode} at {at} of {calls}: {}", faulted.at.unwrap_or_default());
        let repo = world.repo();
        repo.offshoot(&["list"]).ok();
        wait_until("the end of all", || world.sandbox.processes().is_empty());
        let found = repo.offshoot(&["doctor"]);
        let is_ours = |kind: &str| found.stdout.contains(kind);
        assert!(!is_ours("stray_spare") && !is_ours("foreign_folder"), "{found}");
        // A dispatch that was killed early leaves its pin to this.
        repo.offshoot(&["doctor", "--fix"]).ok();
        let failed = |task: &serde_json::Value| task["outcome"]["kind"] == "setup_failed";
        let all = repo.offshoot_json(&["list", "--all"]);
        let mut tasks = all["tasks"].as_array().into_iter().flatten();
        assert!(!mode.starts_with("kill") || !tasks.any(failed), "{all:#}");
        judge(&world);
        repo.offshoot(&["doctor"]).ok();
    }
}

/// Asserts that a worktree holds its base and nothing else.
fn assert_fresh(repo: &TestRepo<'_>, name: &str) {
    let task = repo.dispatch_to_end(name, &["true"]);
    let there = repo.worktree_of(&task);
    assert_eq!(
        (there.head(), there.git(&["status", "--porcelain", "--ignored"])),
        (repo.head(), String::new())
    );
    assert_eq!(there.git(&["write-tree"]), repo.git(&["rev-parse", "HEAD^{tree}"]));
    let by_content = there.git(&["-c", "core.checkStat=minimal", "diff", "--no-ext-diff", "HEAD"]);
    assert_eq!(by_content, "");
    assert!(!there.exists("e"), "empty folders of others");
}

fn nothing_is_lost(world: &World) {
    let repo = world.repo();
    assert_fresh(&repo, "next");
    repo.offshoot(&["restore", "t"]).ok();
    let task = repo.task("t");
    let back = repo.worktree_of(&task);
    assert_eq!((back.head(), back.status_porcelain()), (text(&task["head"]).into(), String::new()));
    assert_eq!((back.read(".env"), back.read("new.txt")), ("x\n".into(), "new\n".into()));
    assert!(back.exists("e") && !back.exists("docs"));
}

fn nobody_has_a_half(world: &World) {
    let repo = world.repo();
    let tasks = repo.offshoot_json(&["list", "--all"]);
    for task in tasks["tasks"].as_array().into_iter().flatten() {
        if let Some(place) = task["worktree"].as_str() {
            let there = repo.worktree_of(task);
            assert_eq!(there.git(&["status", "--porcelain", "--ignored"]), "", "{place}");
            assert!(Path::new(place).join("notes.txt").exists());
        }
    }
    assert_fresh(&repo, "other");
    // Asked for again it is there once, wherever the first was cut off.
    repo.offshoot(&TAKE);
    let tasks = repo.offshoot_json(&["list", "--all"]);
    let tasks = tasks["tasks"].as_array().into_iter().flatten();
    assert_eq!(tasks.filter(|task| task["name"] == "taker").count(), 1);
}

#[test]
fn making() {
    let scenario = Scenario { name: "making", prepare: empty, verb: &TAKE, steps: Steps::Many };
    killed_everywhere(&scenario, nobody_has_a_half);
}

#[test]
fn recycling() {
    let name = "recycling";
    let scenario = Scenario { name, prepare: released, verb: &UPKEEP, steps: Steps::Many };
    killed_everywhere(&scenario, nothing_is_lost);
}

#[test]
fn taking() {
    let scenario = Scenario { name: "taking", prepare: ready, verb: &TAKE, steps: Steps::Many };
    killed_everywhere(&scenario, nobody_has_a_half);
}
