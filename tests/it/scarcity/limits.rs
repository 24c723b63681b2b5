//! Limits of a process: descriptors, the size of files, how many processes there may be.

use super::{assert_in_order, refused_or_ended, skip, under};
use crate::sandbox::{Sandbox, text};
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
    let mut strace = sandbox.command("strace");
    if strace.arg("--version").output().is_err() {
        return skip("strace, which lets a fork fail, is not installed");
    }
    let program = env!("CARGO_BIN_EXE_offshoot");
    let mut strace = sandbox.command("strace");
    strace.current_dir(repo.root()).args(["-f", "-o", "/dev/null"]);
    strace.args(["-e", "trace=clone,clone3,fork,vfork"]);
    strace.args(["-e", "inject=clone,clone3,fork,vfork:error=EAGAIN", program, "dispatch"]);
    strace.args(["--name", "t", "--", &sandbox.agent("commit")]);
    let ran = sandbox.finish_command(&mut strace);
    if ran.stderr.contains("PTRACE") || ran.stderr.contains("ptrace") {
        return skip("nothing may be traced here");
    }
    let ran = ran.exits(1).says("resource temporarily unavailable");
    let task = refused_or_ended(&repo, "t", &ran, "resource temporarily unavailable");
    assert_eq!(text(&task.expect("it was recorded")["state"]), "completed");
    assert_in_order(&repo);
}
