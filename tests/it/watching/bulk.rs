//! Logs of a size and shape that no program should have to hold in memory: lines of megabytes, zeros,
//! escape sequences, hundreds of thousands of lines. `scripts/bulk` does the same with a gibibyte.

use crate::recovery::{recorded, supervisor};
use crate::sandbox::{Sandbox, TestRepo, finish, text, wait_until};
use rustix::process::Pid;
use std::io::Read;
use std::process::Child;

/// What none of our processes may take, in KiB.
const MOST: u64 = 50 * 1024;

/// Zeros, a line of 10 MiB, escape sequences, and many lines; then it waits at the gate.
const WRITES: &str = r#"head -c 4194304 /dev/zero
head -c 10485760 /dev/zero | tr '\0' x; echo
printf '\033[2J\033[31mred\033]0;title\007\r\n'
seq 1 300000
exec "$@""#;

/// The most memory that a process has had so far, in KiB; none where the system does not tell.
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

#[track_caller]
fn assert_small(who: &str, pid: u32) {
    let peak = peak(pid).unwrap_or(0);
    assert!(peak < MOST, "{who} took {peak} KiB");
}

/// Reads all that a command writes until `enough` bytes, asserting all the while that it stays small.
#[track_caller]
fn drain(child: &mut Child, who: &str, enough: u64) -> u64 {
    let mut pipe = child.stdout.take().expect("a pipe");
    let (mut piece, mut all) = (vec![0; 1024 * 1024], 0);
    while all < enough {
        let length = pipe.read(&mut piece).expect("it can be read");
        if length == 0 {
            break;
        }
        all += u64::try_from(length).expect("small");
        assert_small(who, child.id());
    }
    child.stdout = Some(pipe);
    all
}

/// What was written before the gate.
fn written(repo: &TestRepo<'_>, task: &serde_json::Value) -> u64 {
    repo.record_folder(task).join("output.log").metadata().expect("a log").len()
}

#[test]
fn logs_of_any_size_are_shown_with_little_memory_and_their_end_at_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("t");
    let waits = sandbox.agent("wait_for_gate");
    let line = ["sh", "-c", WRITES, "sh", &waits, &gate.argument(), "echo", "last"];
    let mut run = repo.offshoot_spawn(&[&["run", "--name", "t", "--"], &line[..]].concat());
    gate.wait_for_arrival();
    let task = repo.task("t");
    let length = written(&repo, &task);
    assert!(length > 16_000_000);
    assert!(drain(&mut run, "run", length) >= length);

    let mut following = repo.offshoot_spawn(&["logs", "-f", "t"]);
    assert!(drain(&mut following, "logs -f", length) >= length);
    assert_eq!(repo.offshoot(&["logs", "--tail", "2", "t"]).ok().stdout, "299999\n300000\n");
    // As far back as the line of ten megabytes.
    let mut tail = repo.offshoot_spawn(&["logs", "--tail", "300002", "t"]);
    assert!(drain(&mut tail, "logs --tail", u64::MAX) > 10_485_760);
    finish(tail, "offshoot logs --tail").ok();
    let mut json = repo.offshoot_spawn(&["logs", "--json", "t"]);
    assert!(drain(&mut json, "logs --json", u64::MAX) > length);
    finish(json, "offshoot logs --json").ok();

    let watcher = supervisor(&sandbox, &task).expect("it is supervised");
    for (who, pid) in [("supervisor", watcher), ("shim", recorded(&repo, &task, "shim"))] {
        assert_small(who, u32::try_from(Pid::as_raw_pid(pid)).expect("a number"));
    }
    gate.open();
    assert!(finish(following, "offshoot logs -f").ok().stdout.ends_with("last\n"));
    assert!(finish(run, "offshoot run").ok().stdout.contains("completed"));
    assert_eq!(text(&repo.task("t")["state"]), "completed");
}

#[test]
fn the_end_of_a_capped_log_of_one_line_begins_behind_what_was_left_out() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("t");
    let writes = r#"echo first; head -c 8388608 /dev/zero | tr '\0' x; exec "$@""#;
    let waits = sandbox.agent("wait_for_gate");
    let line = ["dispatch", "--name", "t", "--max-log", "256KiB", "--", "sh", "-c", writes, "sh"];
    let task =
        repo.offshoot_json(&[&line[..], &[&waits, &gate.argument(), "echo", "last"]].concat());
    let log = repo.record_folder(&task).join("output.log");
    wait_until("the log is capped", || {
        use std::os::unix::fs::MetadataExt;
        log.metadata().is_ok_and(|facts| facts.len() > 8_000_000 && facts.blocks() * 512 <= 262_144)
    });
    gate.open();
    repo.wait_for("t");
    let shown = repo.offshoot(&["logs", "--tail", "1", "t"]).ok().stdout;
    assert!(shown.ends_with("xlast\n") && shown.len() < 262_144, "{} bytes", shown.len());
    assert!(!shown.contains('\0'));
    let all = repo.offshoot(&["logs", "t"]).ok().stdout;
    assert!(all.starts_with("first\nx") && all.ends_with(&shown) && all.len() < 300_000);
}
