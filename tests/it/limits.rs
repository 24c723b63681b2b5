//! Limits other than time: silence, the size of logs, free disk.

use crate::sandbox::{Sandbox, text};
use std::os::unix::fs::MetadataExt;

#[test]
fn an_agent_that_stays_silent_for_too_long_is_ended_and_a_talking_one_is_not() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let talking = "for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.2; done";
    let limit = ["--idle-timeout", "1s"];
    repo.offshoot(&["dispatch", "--name", "talks", limit[0], limit[1], "--", "sh", "-c", talking])
        .ok();
    let silent = "echo begin; echo kept > kept.txt; exec sleep 600";
    repo.offshoot(&["dispatch", "--name", "silent", limit[0], limit[1], "--", "sh", "-c", silent])
        .ok();
    assert_eq!(text(&repo.wait_for("talks")["state"]), "completed");
    let ended = repo.wait_for("silent");
    assert_eq!(text(&ended["outcome"]["kind"]), "timed_out");
    assert_eq!(ended["diff"]["files"], 1, "what it did before is kept: {ended:#}");
}

#[test]
fn a_capped_log_keeps_its_beginning_and_its_end_and_says_what_is_missing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("go");
    let waits = format!("{} {}", sandbox.agent("wait_for_gate"), gate.argument());
    let script = format!("echo first; seq 1 400000; {waits}; echo last");
    let command =
        ["dispatch", "--name", "floods", "--max-log", "256KiB", "--", "sh", "-c", &script];
    let task = repo.offshoot_json(&[&["dispatch"], &command[1..]].concat());
    let log = repo.record_folder(&task).join("output.log");
    crate::sandbox::wait_until("the log is capped", || {
        log.metadata().is_ok_and(|facts| facts.len() > 2_000_000 && facts.blocks() * 512 <= 262_144)
    });
    gate.open();
    repo.wait_for("floods");
    let shown = repo.offshoot(&["logs", "floods"]).ok().stdout;
    assert!(shown.starts_with("first\n1\n2\n"), "{}", &shown[..40]);
    assert!(shown.ends_with("400000\nlast\n"));
    assert!(shown.contains("bytes are left out here]"));
    assert!(shown.len() < 300_000 && !shown.contains('\0'));
    assert_eq!(repo.offshoot(&["logs", "--tail", "1", "floods"]).ok().stdout, "last\n");
}

#[test]
fn nothing_starts_while_the_disk_is_too_full_and_it_starts_by_itself_afterwards() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    sandbox.write_config("min_free_disk_mib = 999999999999\n");
    let task = repo.dispatch("waits", &["true"]);
    assert_eq!(text(&task["state"]), "pending");
    assert_eq!(text(&task["waiting_for"]["kind"]), "disk");
    sandbox.write_config("");
    assert_eq!(text(&repo.wait_for("waits")["state"]), "completed");
}

#[test]
fn limits_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for limit in [["--max-log", "much"], ["--idle-timeout", "0"], ["--idle-timeout", "soon"]] {
        repo.offshoot(&["dispatch", limit[0], limit[1], "--", "true"]).exits(2).says("hint: ");
    }
    repo.assert_nothing_left_behind();
}
