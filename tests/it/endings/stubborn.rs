//! Agents that make their end hard to see or their leftovers hard to take: each ends in its state, no
//! later than a second after its grace, here with room for a busy machine.

use super::{changes, check, ended, ending, exited, warnings};
use crate::sandbox::{Sandbox, TestRepo, text, wait_until};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// A second, and what a busy machine takes on top.
const SOON: Duration = Duration::from_secs(8);

fn sandbox_without_grace() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write_config("grace_seconds = 0\n");
    sandbox
}

/// No process of the task's tree is left.
#[track_caller]
fn assert_nobody_is_left(sandbox: &Sandbox) {
    let ours = |line: &str| line.starts_with("offshoot ") || line.is_empty();
    let left: Vec<_> = sandbox.processes().into_iter().filter(|(_, line)| !ours(line)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[track_caller]
fn assert_it_was_soon(task: &Value) {
    let took = Duration::from_millis(task["duration_ms"].as_u64().expect("it ran"));
    assert!(took < SOON, "{took:?}");
}

/// Dispatches an agent that makes a file when it is ready, and waits for that.
fn ready(sandbox: &Sandbox, repo: &TestRepo<'_>, options: &[&str], agent: &str) {
    let ready = sandbox.gate("ready").argument();
    let line = [&["dispatch", "--name", "t"][..], options, &["--", &sandbox.agent(agent), &ready]];
    repo.offshoot(&line.concat()).ok();
    wait_until("the agent to be ready", || Path::new(&ready).exists());
}

#[test]
fn an_agent_that_stops_itself_is_cancelled_all_the_same() {
    let sandbox = sandbox_without_grace();
    let repo = sandbox.repo("simple");
    ready(&sandbox, &repo, &[], "stops_itself");
    let began = Instant::now();
    assert_eq!(repo.offshoot_json(&["cancel", "t"])["tasks"][0]["state"], "cancelled");
    assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
    let task = repo.wait_for("t");
    check(&repo, &task);
    assert_eq!(ended(&task), ("cancelled", json!({"kind": "cancelled"})));
    assert_eq!(changes(&task), ["added stopped.txt"]);
    assert_nobody_is_left(&sandbox);
}

#[test]
fn an_agent_that_stops_itself_is_ended_by_its_time_limit() {
    let sandbox = sandbox_without_grace();
    let repo = sandbox.repo("simple");
    ready(&sandbox, &repo, &["--timeout", "1s"], "stops_itself");
    let task = repo.wait_for("t");
    check(&repo, &task);
    assert_eq!(ended(&task), ("failed", json!({"kind": "timed_out"})));
    assert_it_was_soon(&task);
    assert_eq!(changes(&task), ["added stopped.txt"]);
    assert_nobody_is_left(&sandbox);
}

#[test]
fn an_agent_that_closes_its_output_ends_when_it_ends() {
    let sandbox = sandbox_without_grace();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("closes_output")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!((changes(&task), warnings(&task)), (vec!["added silent.txt".to_owned()], vec![]));
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "the last word\n");
    assert_it_was_soon(&task);
}

#[test]
fn a_folder_that_somebody_holds_is_freed_and_can_be_given_up() {
    let sandbox = sandbox_without_grace();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("holds_folder")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!(changes(&task), ["added held/file.txt"]);
    assert_eq!(warnings(&task), ["stragglers"]);
    assert_it_was_soon(&task);
    assert_nobody_is_left(&sandbox);
    repo.offshoot(&["discard", "t"]).ok();
    assert!(!Path::new(text(&task["worktree"])).exists());
}

#[test]
fn a_child_that_writes_when_its_agent_exits_is_ended_before_its_work_is_recorded() {
    let sandbox = sandbox_without_grace();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("leaves_a_writer")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!(changes(&task), ["added written.txt"]);
    assert_eq!(warnings(&task), ["stragglers"]);
    assert_it_was_soon(&task);
    assert_nobody_is_left(&sandbox);
    let recorded = repo.git(&["cat-file", "-s", "offshoot/t:written.txt"]);
    let there = Path::new(text(&task["worktree"])).join("written.txt").metadata().expect("a file");
    assert_eq!(recorded, there.len().to_string());
}
