//! What is not landed, and why; nothing changes then.

use super::{everything, refused};
use crate::sandbox::{Sandbox, program};

#[test]
fn a_file_of_the_persons_own_in_the_way_is_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("dirty_target");
    let tasks = [
        ("modified", "modified.txt"),
        ("staged", "staged.txt"),
        ("both", "both.txt"),
        ("deleted", "deleted.txt"),
        ("moved", "renamed.txt"),
        ("untracked", "untracked.txt"),
        ("below", "folder/untracked.txt"),
        ("folder", "untracked.txt/inside"),
    ];
    for (name, path) in tasks {
        let script = format!("mkdir -p \"$(dirname {path})\"; echo agent >> {path}");
        repo.dispatch(name, &["sh", "-c", &script]);
    }
    repo.offshoot(&[&["wait"][..], &tasks.map(|(name, _)| name)].concat()).ok();
    let before = everything(&sandbox, &repo);
    for (name, path) in tasks {
        let (code, document) = repo.offshoot_json_exit(&["merge", name]);
        assert_eq!((code, &document["error"]["kind"]), (1, &"dirty".into()), "{document:#}");
        let ran = repo.offshoot(&["rebase", name]).exits(1).says(path.trim_end_matches("/inside"));
        assert!(ran.stderr.contains("\nhint: "), "{ran}");
    }
    assert_eq!(everything(&sandbox, &repo), before);
}

#[test]
fn an_ignored_file_in_the_way_is_not_overwritten() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("dirty_target");
    let script = "echo theirs > ignored.log; git add -f ignored.log; git commit -qm x";
    let task = repo.dispatch_to_end("t", &["sh", "-c", script]);
    assert_eq!(task["diff"]["files"], 1, "{task:#}");
    refused(&sandbox, &repo, "dirty", "ignored.log", &["merge", "t"]);
    assert_eq!(repo.read("ignored.log"), "ignored\n");
}

#[test]
fn while_the_target_is_being_merged_or_rebased_nothing_lands_on_it() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.git_ran(&["merge", "topic"]).exits(1);
    let ran = repo.offshoot(&["merge", "t"]).exits(1);
    assert!(ran.stderr.contains("hint: "), "{ran}");
    assert!(!repo.exists("agent.txt"));
    assert!(repo.exists(".git/MERGE_HEAD"));
    repo.git(&["merge", "--abort"]);
    repo.git_ran(&["rebase", "topic"]).exits(1);
    let ran = repo.offshoot(&["merge", "t"]).exits(1);
    assert!(ran.stderr.contains("hint: "), "{ran}");
    repo.git(&["rebase", "--abort"]);
    repo.offshoot(&["merge", "t"]).ok();
}

#[test]
fn a_task_that_has_not_ended_is_neither_landed_nor_discarded() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("held");
    repo.dispatch("t", &[&sandbox.agent("wait_for_gate"), &gate.argument()]);
    gate.wait_for_arrival();
    for line in [
        &["merge", "t"][..],
        &["rebase", "t"],
        &["discard", "t"],
        &["apply", "t"],
        &["restore", "t"],
    ] {
        let (code, document) = repo.offshoot_json_exit(line);
        assert_eq!((code, &document["error"]["kind"]), (1, &"refused".into()), "{line:?}");
        assert!(document["error"]["hints"].as_array().is_some_and(|hints| !hints.is_empty()));
    }
    repo.offshoot(&["merge", "t"]).exits(1).says("hint: offshoot wait t").says("offshoot cancel t");
    assert_eq!(repo.task("t")["state"], "running");
    gate.open();
    repo.wait_for("t");
}

#[test]
fn what_is_landed_or_discarded_is_not_landed_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.dispatch_to_end("d", &[&sandbox.agent("commit"), "d.txt"]);
    repo.offshoot(&["merge", "t"]).ok();
    repo.offshoot(&["discard", "d"]).ok();
    refused(&sandbox, &repo, "refused", "already landed on `main`", &["merge", "t"]);
    refused(&sandbox, &repo, "refused", "already landed on `main`", &["rebase", "t"]);
    refused(&sandbox, &repo, "refused", "landed on `main`", &["discard", "t"]);
    let ran = refused(&sandbox, &repo, "refused", "was discarded", &["merge", "d"]);
    ran.says("hint: offshoot restore d");
    refused(&sandbox, &repo, "refused", "discarded", &["discard", "d"]);
}

#[test]
fn what_changed_in_the_worktree_after_the_end_is_not_left_behind() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    let worktree = repo.worktree_of(&task);
    worktree.write("later.txt", "added by a person\n");
    let ran =
        refused(&sandbox, &repo, "dirty", "was changed after the task had ended", &["merge", "t"]);
    ran.says("hint: git -C ");
    refused(&sandbox, &repo, "dirty", "was changed after", &["rebase", "t"]);
    assert_eq!(worktree.read("later.txt"), "added by a person\n");
    // Committed there it belongs to the work.
    worktree.commit_all("by a person");
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(repo.read("later.txt"), "added by a person\n");
}

#[test]
fn targets_that_make_no_sense_are_refused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    refused(
        &sandbox,
        &repo,
        "not_found",
        "no branch `missing`",
        &["merge", "t", "--into", "missing"],
    );
    refused(&sandbox, &repo, "refused", "own branch", &["merge", "t", "--into", "offshoot/t"]);
    refused(&sandbox, &repo, "not_found", "no task `nobody`", &["merge", "t", "nobody"]);
    repo.offshoot(&["merge", "t", "--into=--all"]).exits(2);
    repo.offshoot(&["merge"]).exits(2).says("hint: ");
    repo.offshoot(&["merge", "--squash", "--ff-only", "t"]).exits(2);
}

#[test]
fn nothing_lands_under_the_hands_of_an_agent_unless_it_asks_itself() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &["sh", "-c", "echo t >t"]);
    let gate = sandbox.gate("agent");
    let program = program();
    let script = format!(
        "{} {} && '{program}' merge t --into offshoot/r && test -e t",
        sandbox.agent("wait_for_gate"),
        gate.argument()
    );
    repo.dispatch("r", &["sh", "-c", &script]);
    gate.wait_for_arrival();
    let line = ["merge", "t", "--into", "offshoot/r"];
    let ran = repo.offshoot(&line).exits(1).says("cannot move `offshoot/r`: `r` is still running");
    ran.says("offshoot wait r");
    gate.open();
    assert_eq!(repo.wait_for("r")["state"], "completed");
    assert_eq!(repo.task("t")["landing"]["kind"], "landed");
}

#[test]
fn histories_that_share_nothing_are_not_merged() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("orphan_checkout")]);
    refused(&sandbox, &repo, "refused", "share no history", &["merge", "t"]);
}
