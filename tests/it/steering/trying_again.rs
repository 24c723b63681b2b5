//! More than one attempt.

use super::{Beating, assert_refused, dispatch_with};
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::{Value, json};

/// Fails until its worktree holds three lines; each attempt adds one and says which it is.
const THIRD_TIME_LUCKY: &str = "echo line >> lines.txt; n=$(wc -l < lines.txt); echo attempt $n; \
    test $n -ge 3";

fn unlucky(repo: &TestRepo<'_>, name: &str, options: &[&str]) -> Value {
    dispatch_with(repo, name, options, &["sh", "-c", THIRD_TIME_LUCKY]);
    repo.wait_for(name)
}

fn log(repo: &TestRepo<'_>, line: &[&str]) -> String {
    repo.offshoot(&[&["logs"], line].concat()).ok().stdout
}

#[test]
fn a_retry_goes_on_in_the_same_worktree_and_every_attempt_is_kept() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let first = unlucky(&repo, "t", &[]);
    assert_eq!((&first["state"], &first["attempt"]), (&"failed".into(), &1.into()));
    let retried = repo.offshoot_json(&["retry", "t"]);
    assert_eq!(retried["id"], first["id"]);
    let second = repo.wait_for("t");
    assert_eq!(second["worktree"], first["worktree"]);
    assert_eq!(repo.worktree_of(&second).read("lines.txt"), "line\nline\n");
    repo.offshoot(&["retry", "t"]).ok();
    let third = repo.wait_for("t");
    assert_eq!((&third["state"], &third["attempt"]), (&"completed".into(), &3.into()));
    let exited = |attempt: u32, code: i32| json!({"attempt": attempt, "outcome": {"kind": "exited", "code": code}});
    assert_eq!(third["attempts"], json!([exited(1, 1), exited(2, 1), exited(3, 0)]));
    assert_eq!(log(&repo, &["t"]), "attempt 3\n");
    assert_eq!(log(&repo, &["--attempt", "3", "t"]), "attempt 3\n");
    assert_eq!(log(&repo, &["--attempt", "2", "t"]), "attempt 2\n");
    assert_eq!(log(&repo, &["--attempt", "1", "t"]), "attempt 1\n");
    assert_refused(&repo, &["logs", "--attempt", "4", "t"], "attempt");
    let once = ["dispatched", "started", "finished"];
    assert_eq!(repo.told("t"), [once; 3].concat());
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(repo.read("lines.txt"), "line\nline\nline\n");
}

#[test]
fn a_fresh_retry_begins_at_the_base_and_the_old_work_is_kept() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let first = unlucky(&repo, "t", &[]);
    let old = text(&first["head"]).to_owned();
    repo.worktree_of(&first).write("after.txt", "made after the end\n");
    repo.offshoot(&["retry", "--fresh", "t"]).ok();
    let second = repo.wait_for("t");
    assert_eq!((&second["attempt"], &second["worktree"]), (&2.into(), &first["worktree"]));
    assert_eq!(repo.worktree_of(&second).read("lines.txt"), "line\n");
    assert!(!repo.worktree_of(&second).exists("after.txt"));
    assert_eq!((&second["diff"]["files"], &second["diff"]["commits"]), (&1.into(), &1.into()));
    assert_eq!(log(&repo, &["t"]), "attempt 1\n");
    let below = format!("refs/offshoot/kept/{}", text(&first["id"]));
    let kept = repo.git(&["for-each-ref", "--format=%(objectname) %(refname)", &below]);
    assert!(kept.contains(&old), "{kept}");
    let holds =
        |tip: &str| repo.git_ran(&["cat-file", "-e", &format!("{tip}:after.txt")]).code == 0;
    assert!(kept.lines().any(|line| holds(&line[..40])), "{kept}");
    repo.offshoot(&["discard", "t"]).ok();
    let kept = repo.git(&["for-each-ref", "--format=%(objectname)", &below]);
    assert!(kept.contains(&old) && kept.contains(text(&second["head"])), "{kept}");
    // As a release that was cut off before it was recorded leaves it.
    let mut record = repo.record(&second, "state.json");
    record["landing"]["custody"] = json!({"refs": [], "folder": null, "entry": null});
    record["releasing"] = json!(true);
    let state = repo.record_folder(&second).join("state.json");
    std::fs::write(state, record.to_string()).expect("the record");
    let mark = repo.state_folder().join("active").join(text(&second["id"]));
    std::fs::write(mark, "").expect("a mark");
    repo.offshoot(&["list"]).ok();
    repo.offshoot(&["restore", "t"]).ok();
    let worktree = repo.worktree_of(&repo.task("t"));
    assert_eq!(worktree.read("lines.txt"), "line\n");
    assert!(!worktree.exists("after.txt"), "it is the first attempt's");
    assert_eq!(worktree.git(&["status", "--porcelain"]), "");
}

#[test]
fn what_is_landed_given_up_or_not_ended_is_not_tried_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for (name, verb) in [("landed", "merge"), ("gone", "discard")] {
        repo.dispatch_to_end(name, &[&sandbox.agent("commit"), name]);
        repo.offshoot(&[verb, name]).ok();
    }
    assert_refused(&repo, &["retry", "landed"], "already landed on `main`");
    assert_refused(&repo, &["retry", "gone"], "discarded");
    let t = Beating::start(&sandbox, &repo, "t", &[]);
    assert_refused(&repo, &["retry", "t"], "still running");
    repo.offshoot(&["pause", "t"]).ok();
    assert_refused(&repo, &["retry", "t"], "still paused");
    repo.offshoot(&["resume", "t"]).ok();
    t.gate.open();
    repo.wait_for("t");
}

#[test]
fn retries_are_made_without_a_word_until_one_completes() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = unlucky(&repo, "t", &["--retries", "5"]);
    assert_eq!((&task["state"], &task["attempt"]), (&"completed".into(), &3.into()));
    let outcomes: Vec<&Value> = task["attempts"]
        .as_array()
        .expect("attempts")
        .iter()
        .map(|a| &a["outcome"]["code"])
        .collect();
    assert_eq!(outcomes, [&json!(1), &json!(1), &json!(0)]);
    assert_eq!(repo.told("t"), ["dispatched", "started", "started", "started", "finished"]);
    assert_eq!(log(&repo, &["--attempt", "2", "t"]), "attempt 2\n");
}

#[test]
fn when_the_last_retry_fails_the_task_has_failed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    dispatch_with(&repo, "t", &["--retries", "2"], &[&sandbox.agent("fail"), "7"]);
    let after = dispatch_with(&repo, "after", &["--after", "t"], &["true"]);
    assert_eq!(after["state"], "pending");
    let task = repo.wait_for("t");
    assert_eq!((&task["state"], &task["outcome"]["code"]), (&"failed".into(), &7.into()));
    assert_eq!(task["attempts"].as_array().map(Vec::len), Some(3));
    assert_eq!(repo.told("t"), ["dispatched", "started", "started", "started", "finished"]);
    assert_eq!(repo.wait_for("after")["outcome"]["kind"], "dependency_failed");
}

#[test]
fn a_cancelled_attempt_is_followed_by_no_other() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let _t = Beating::start(&sandbox, &repo, "t", &["--retries", "2"]);
    let task = &repo.offshoot_json(&["cancel", "t"])["tasks"][0];
    assert_eq!((&task["state"], &task["attempt"]), (&"cancelled".into(), &1.into()));
    assert_eq!(repo.told("t"), ["dispatched", "started", "finished"]);
}

#[test]
fn a_restored_task_can_be_tried_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    unlucky(&repo, "t", &[]);
    repo.offshoot(&["discard", "t"]).ok();
    repo.offshoot(&["restore", "t"]).ok();
    repo.offshoot(&["retry", "t"]).ok();
    let task = repo.wait_for("t");
    assert_eq!(task["attempts"].as_array().map(Vec::len), Some(2));
    assert_eq!(repo.worktree_of(&task).read("lines.txt"), "line\nline\n");
}

#[test]
fn while_another_attempt_is_made_nothing_is_forecast() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("second");
    let script = "test -e half.txt && exec \"$0\" \"$1\"; echo half > half.txt; exit 3";
    repo.dispatch_to_end(
        "t",
        &["sh", "-c", script, &sandbox.agent("wait_for_gate"), &gate.argument()],
    );
    assert_eq!(repo.task("t")["forecast"]["verdict"], "clean");
    repo.offshoot(&["retry", "t"]).ok();
    gate.wait_for_arrival();
    let task = repo.task("t");
    assert_eq!((&task["state"], &task["forecast"]), (&"running".into(), &Value::Null));
    gate.open();
    assert_eq!(repo.wait_for("t")["forecast"]["verdict"], "clean");
}

#[test]
fn a_task_whose_need_failed_runs_once_both_are_tried_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let script = "test -e half.txt || { echo half > half.txt; exit 3; }";
    repo.dispatch_to_end("needed", &["sh", "-c", script]);
    dispatch_with(&repo, "t", &["--after", "needed"], &["true"]);
    assert_eq!(repo.wait_for("t")["outcome"]["kind"], "dependency_failed");
    repo.offshoot(&["retry", "needed"]).ok();
    repo.offshoot(&["retry", "t"]).ok();
    let task = repo.wait_for("t");
    assert_eq!((&task["state"], &task["attempt"]), (&"completed".into(), &1.into()));
}

#[test]
fn a_fresh_retry_is_refused_while_a_person_has_the_branch_checked_out() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("fail")]);
    repo.worktree_of(&task).git(&["switch", "--quiet", "--detach"]);
    let place = sandbox.root().join("mine").display().to_string();
    repo.git(&["worktree", "add", "--quiet", &place, "offshoot/t"]);
    let ran = repo.offshoot(&["retry", "--fresh", "t"]).exits(1);
    ran.says(&format!("its branch `offshoot/t` is checked out in `{place}`"))
        .says(&format!("hint: git -C {place} switch --detach"));
    assert_eq!(repo.task("t")["worktree"], task["worktree"], "nothing was moved");
    sandbox.open(&place).git(&["switch", "--quiet", "--detach"]);
    repo.offshoot(&["retry", "--fresh", "t"]).ok();
    let task = repo.wait_for("t");
    assert_eq!((&task["attempt"], &task["outcome"]["code"]), (&2.into(), &3.into()), "{task:#}");
}
