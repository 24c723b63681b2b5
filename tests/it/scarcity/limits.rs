//! Limits of a process: descriptors, the size of files, how many processes there may be.

use super::{assert_in_order, refused_or_ended, skip, under};
use crate::sandbox::{BUILT, Ran, Sandbox, TestRepo, program, text};
use std::time::Instant;

#[test]
fn without_descriptors_a_task_is_refused_or_ends_in_a_true_state_and_nothing_spins() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for limit in [5, 7, 9, 11, 12, 13, 16] {
        let name = format!("n{limit}");
        let began = Instant::now();
        let line = ["dispatch", "--name", &name, "--", &sandbox.agent("commit"), &name];
        let ran = under(&sandbox, &format!("ulimit -n {limit}"), &repo.command(&line));
        let task = refused_or_ended(&repo, &name, &ran, "too many open files");
        let Some(task) = task else { continue };
        let log = repo.record_folder(&task).join("supervisor.log");
        let failures = std::fs::read_to_string(log).unwrap_or_default().lines().count();
        let seconds = usize::try_from(began.elapsed().as_secs()).expect("few");
        assert!(failures <= 3 * (seconds + 1), "{failures} failures in {seconds} s");
    }
    assert_in_order(&repo);
}

#[test]
fn files_that_may_not_grow_refuse_a_task_or_end_it_in_a_true_state() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // In blocks of 512 or 1024 bytes, as the shell has it. What the signal would kill is told instead.
    for blocks in [0, 1, 2, 4, 6] {
        let name = format!("n{blocks}");
        let line = ["dispatch", "--name", &name, "--", "sh", "-c", "printf hi >new.txt"];
        let setting = format!("trap '' XFSZ && ulimit -f {blocks}");
        let ran = under(&sandbox, &setting, &repo.command(&line));
        refused_or_ended(&repo, &name, &ran, "file too large");
        assert_in_order(&repo);
    }
    assert_eq!(repo.dispatch_to_end("free", &["true"])["state"], "completed");
}

#[test]
fn a_task_whose_supervisor_cannot_be_started_is_kept_and_started_by_the_next_command() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("first", &[&sandbox.agent("noop")]);
    let line = ["dispatch", "--name", "t", "--", &sandbox.agent("commit")];
    let refused = "clone,clone3,fork,vfork";
    let Some(ran) = without(&repo, program(), refused, "EAGAIN", &line) else { return };
    let ran = ran.exits(1).says("resource temporarily unavailable");
    let task = refused_or_ended(&repo, "t", &ran, "resource temporarily unavailable");
    assert_eq!(text(&task.expect("it was recorded")["state"]), "completed");
    assert_in_order(&repo);
}

#[test]
fn where_the_kernel_gives_no_random_numbers_the_copies_of_a_process_read_the_device() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let line = ["dispatch", "--name", "t", "--verify", "true", "--", &sandbox.agent("commit")];
    // Linked statically it looks for no other way.
    let Some(ran) = without(&repo, BUILT, "getrandom", "ENOSYS", &line) else { return };
    ran.ok();
    let task = repo.wait_for("t");
    assert_eq!(text(&task["verify"]["verdict"]), "green");
    // A supervisor that dies is replaced; this one did not.
    let log = format!(".git/offshoot/tasks/{}/supervisor.log", text(&task["id"]));
    assert_eq!(repo.read(&log), "");
    assert_in_order(&repo);
}

/// Runs this build of offshoot, and all that comes of it, in a world where these system calls fail; None
/// where that cannot be had.
fn without(
    repo: &TestRepo<'_>,
    program: &str,
    calls: &str,
    error: &str,
    line: &[&str],
) -> Option<Ran> {
    let mut strace = repo.sandbox().command("strace");
    if strace.arg("--version").output().is_err() {
        skip("strace, which lets system calls fail, is not installed");
        return None;
    }
    let mut strace = repo.sandbox().command("strace");
    strace.current_dir(repo.root()).args(["-f", "-o", "/dev/null"]);
    strace.args(["-e", &format!("trace={calls}")]);
    strace.args(["-e", &format!("inject={calls}:error={error}"), program]).args(line);
    let ran = repo.sandbox().finish_command(&mut strace);
    if ran.stderr.contains("PTRACE") || ran.stderr.contains("ptrace") {
        skip("nothing may be traced here");
        return None;
    }
    Some(ran)
}
