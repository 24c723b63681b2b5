//! The end of a task, when any call fails that its supervisor or its shim makes, or one of them is killed
//! there, or all are. The agent's last act is to make a folder; calls count from then on. A disk that
//! stays full, or broken, does so for a while.
//!
//! Whatever happened, after the next command the task has ended as its agent did, once, and everybody is
//! told of it; the result is what the agent left, or stands in the worktree as it was left there and
//! a warning says so; and it lands as if nothing had happened.

use super::lives::{Stretch, Sweep};
use super::verdict::{Disturbed, judge};
use crate::sandbox::{Ran, TestRepo, program};

/// Where a task once was not finished as it should be by whoever came after: at the first call about that.
/// Git has not moved the branch; it has, and the worktree's log does not tell of that; the worktree's index
/// does not know of it.
const ONCE: [(&str, &str); 4] = [
    ("heads/offshoot/t.lock", "kill-one"),
    ("t/logs/HEAD", "kill-one"),
    ("t/logs/HEAD", "kill"),
    ("t/index.offshoot", "kill-one"),
];

/// What the agent does first: every sort of change, some of it committed.
const CHANGES: &str = "\
echo changed >>notes.txt
git rm -q src/words.sh
git commit -qm work notes.txt
chmod +x docs/guide.md
mkdir -p new/deep && echo new >new/deep/file
ln -s notes.txt link
";

/// So much that it is recorded as a pack.
const MUCH: &str = "for n in $(seq 40); do echo $n >new/deep/$n; done\n";

/// The agent's last act.
const LAST: &str = "mkdir ../../ended\n";

const DISPATCH: [&str; 8] =
    ["dispatch", "--name", "t", "--request-id", "r", "--", "sh", "../../work.sh"];

/// With another attempt, and somebody who is told.
const TWICE: [&str; 12] = [
    "dispatch",
    "--name",
    "t",
    "--request-id",
    "r",
    "--retries",
    "1",
    "--on-done",
    "echo told >>\"$HOME/../told\"",
    "--",
    "sh",
    "../../work.sh",
];

/// A disk stays full, or broken, for longer than those wait who try again. The next command waits for the
/// end of the task that was cut off.
const END: Stretch = Stretch {
    options: &["-a", "ended", "-l", "1300"],
    next: (&["wait", "t"], &["-l", "1300"]),
    calls: 40,
    judge: judge_end,
};

fn work(repo: &TestRepo<'_>, script: &str) {
    repo.write("../work.sh", format!("set -e\n{script}"));
}

fn few(repo: &TestRepo<'_>) {
    work(repo, &format!("{CHANGES}{LAST}"));
}

/// Nothing of it committed.
fn uncommitted(repo: &TestRepo<'_>) {
    work(repo, &format!("echo new >new\nrm notes.txt\n{LAST}"));
}

fn many(repo: &TestRepo<'_>) {
    work(repo, &format!("{CHANGES}{MUCH}{LAST}"));
}

/// The first attempt fails.
fn twice(repo: &TestRepo<'_>) {
    work(repo, &format!("test ! -e ../../ended || exit 0\n{CHANGES}{LAST}exit 1\n"));
}

/// It leaves the branch, and a process.
fn left(repo: &TestRepo<'_>) {
    let end = "git checkout -q --detach\nsleep 100 &\n";
    work(repo, &format!("{CHANGES}{MUCH}{end}{LAST}"));
}

/// Another task waits for the slot, so that the supervisor goes on with it.
fn followed(repo: &TestRepo<'_>) {
    repo.sandbox().write_config("max_parallel = 1\n");
    let offshoot = program();
    work(repo, &format!("{CHANGES}'{offshoot}' dispatch --name u -- true >&2\n{LAST}"));
}

fn sweep_end(name: &'static str, prepare: fn(&TestRepo<'_>), verb: &'static [&'static str]) {
    if let Some(sweep) = Sweep::of(&END, name, prepare, verb) {
        sweep.try_all();
    }
}

fn judge_end(sweep: &Sweep, dispatched: &Ran, after: Disturbed) -> Vec<String> {
    assert!(matches!(dispatched.code, 0 | 137), "{dispatched}");
    judge(&sweep.world, &sweep.end, &after)
}

/// There is room for what tells of the end, and none for what it came to.
#[test]
fn what_cannot_be_recorded_stays_in_the_worktree_and_lands_from_there() {
    let Some(sweep) = Sweep::of(&END, "unrecorded", uncommitted, &DISPATCH) else { return };
    sweep.assert_right(&["-a", "ended", "-i", "/objects/"], "enospc-on", 1);
    let task = sweep.world.repo().task("t");
    assert_eq!(task["outcome"]["code"], 0);
    assert_eq!(task["warnings"][0]["kind"], "snapshot_failed", "{task:#}");
}

#[test]
fn where_somebody_died_once() {
    let Some(sweep) = Sweep::of(&END, "where_somebody_died_once", uncommitted, &DISPATCH) else {
        return;
    };
    for (about, mode) in ONCE {
        sweep.assert_right(&["-a", "ended", "-i", about], mode, 1);
    }
}

#[test]
fn a_few_files() {
    sweep_end("a_few_files", few, &DISPATCH);
}

#[test]
fn many_files() {
    sweep_end("many", many, &DISPATCH);
}

#[test]
fn off_the_branch_with_a_process_left() {
    sweep_end("off_the_branch", left, &DISPATCH);
}

#[test]
fn another_attempt_and_somebody_who_is_told() {
    sweep_end("another_attempt", twice, &TWICE);
}

#[test]
fn another_task_behind() {
    sweep_end("another_task_behind", followed, &DISPATCH);
}
