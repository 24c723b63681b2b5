//! `apply`: the result in the caller's checkout, uncommitted.

use super::{everything, refused};
use crate::sandbox::Sandbox;
use serde_json::json;

#[test]
fn a_result_is_put_into_the_checkout_without_a_commit() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("dirty_target");
    repo.dispatch_to_end("t", &[&sandbox.agent("edit_only")]);
    let before = (repo.head(), repo.status_porcelain(), repo.git(&["diff", "--cached"]));
    let document = repo.offshoot_json(&["apply", "t"]);
    assert_eq!(document["applied"]["paths"], json!(["new.txt", "notes.txt"]));
    assert_eq!((repo.head(), repo.git(&["diff", "--cached"])), (before.0, before.2));
    assert_eq!(repo.read("new.txt"), "new from the agent\n");
    let added = " M notes.txt\n?? new.txt";
    let mut expected: Vec<&str> = before.1.lines().chain(added.lines()).collect();
    let after = repo.status_porcelain();
    let mut now: Vec<&str> = after.lines().collect();
    expected.sort_unstable();
    now.sort_unstable();
    assert_eq!(now, expected);
    assert_eq!(repo.task("t")["landing"]["kind"], "open");
}

#[test]
fn what_overlaps_with_the_persons_own_changes_is_not_applied() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("dirty_target");
    repo.dispatch_to_end("t", &[&sandbox.agent("edit_only"), "modified.txt"]);
    repo.dispatch_to_end("u", &[&sandbox.agent("edit_only"), "notes.txt", "untracked.txt"]);
    refused(&sandbox, &repo, "dirty", "modified.txt", &["apply", "t"]);
    refused(&sandbox, &repo, "dirty", "untracked.txt", &["apply", "u"]);
}

#[test]
fn a_conflict_with_the_checkouts_commit_is_an_answer_with_exit_3() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    let agent = sandbox.agent("commit");
    repo.offshoot(&["dispatch", "--name", "t", "--base", "topic", "--", &agent]).ok();
    repo.wait_for("t");
    let before = everything(&sandbox, &repo);
    let (code, document) = repo.offshoot_json_exit(&["apply", "t"]);
    assert_eq!((code, &document["applied"]["paths"]), (3, &json!([])));
    assert!(!document["applied"]["conflicts"].as_array().expect("conflicts").is_empty());
    repo.offshoot(&["apply", "t"]).exits(3).says("hint: ");
    assert_eq!(everything(&sandbox, &repo), before);
}

#[test]
fn a_bare_repository_has_no_checkout_to_apply_to() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("bare");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.offshoot(&["apply", "t"]).exits(1).says("there is no checkout here");
}
