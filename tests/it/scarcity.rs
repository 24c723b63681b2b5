//! What a machine runs out of: room on the disk, descriptors, processes; a file system that may only
//! be read; a clock that jumps. What is asked for is refused or carried on, the cause is named, and
//! afterwards every record is whole and true.

mod clock;
mod disk;
mod limits;

use crate::sandbox::{Ran, Sandbox, TestRepo, text};
use serde_json::Value;
use std::process::Command;

/// Runs a command after `setting`, a line of shell such as `ulimit -n 8`, which all that it starts
/// inherits.
fn under(sandbox: &Sandbox, setting: &str, command: &Command) -> Ran {
    let mut shell = sandbox.command("sh");
    shell.args(["-c", &format!("{setting} || exit 99; exec \"$@\""), "sh"]);
    shell.arg(command.get_program()).args(command.get_args());
    shell.current_dir(command.get_current_dir().unwrap_or(sandbox.root()));
    sandbox.finish_command(&mut shell)
}

/// A dispatch that something was in the way of: it is refused, or recorded and then ends in a state
/// that says what happened. Gives the task, if there is one.
#[track_caller]
fn refused_or_ended(repo: &TestRepo<'_>, name: &str, ran: &Ran, cause: &str) -> Option<Value> {
    let names_cause = |words: &str| words.to_lowercase().contains(cause);
    assert!(ran.code == 0 || (ran.code == 1 && names_cause(&ran.stderr)), "{ran}");
    let list = repo.offshoot_json(&["list", "--all"]);
    let tasks = list["tasks"].as_array().expect("tasks");
    if !tasks.iter().any(|task| task["name"] == name) {
        assert_eq!(ran.code, 1, "it was accepted, and is not there: {ran}");
        return None;
    }
    assert!(ran.code == 0 || ran.stderr.contains("which is recorded and queued"), "{ran}");
    let task = repo.wait_for(name);
    match text(&task["outcome"]["kind"]) {
        "exited" => {}
        "setup_failed" | "spawn_failed" => {
            assert!(names_cause(text(&task["outcome"]["message"])), "{task:#}");
        }
        other => panic!("ended as {other}: {task:#}"),
    }
    assert_eq!(repo.told(name), ["dispatched", "started", "finished"]);
    Some(task)
}

/// Nothing is out of line, by our own word and by git's.
#[track_caller]
fn assert_in_order(repo: &TestRepo<'_>) {
    repo.offshoot(&["doctor"]).ok();
    repo.git(&["fsck", "--full", "--strict"]);
}

/// Says that a test could not be made here, and why.
#[expect(clippy::print_stderr, reason = "a test that says nothing looks as if it had run")]
fn skip(why: &str) {
    eprintln!("skipped: {why}");
}
