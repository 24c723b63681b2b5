//! What a person does by hand to a task's worktree, branch or repository: told truthfully, nothing
//! lost, and nothing taken that is not the task's.

use super::kinds;
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::Value;

fn one_task<'s>(sandbox: &'s Sandbox) -> (TestRepo<'s>, Value) {
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    (repo, task)
}

/// Whether some ref of ours keeps a commit.
fn is_kept(repo: &TestRepo<'_>, task: &Value, commit: &str) -> bool {
    let refs = format!("refs/offshoot/kept/{}/", text(&task["id"]));
    !repo.git(&["for-each-ref", "--contains", commit, &refs]).is_empty()
}

#[test]
fn a_worktree_that_git_moved_is_followed() {
    let sandbox = Sandbox::new();
    let (repo, task) = one_task(&sandbox);
    repo.git(&["worktree", "move", "../repo.offshoots/t", "../elsewhere"]);
    let moved = sandbox.open(sandbox.root().join("elsewhere"));
    moved.write("untracked", "mine\n");
    repo.offshoot(&["merge", "t"]).exits(1).says("was changed after the task had ended");
    repo.offshoot(&["discard", "t"]).ok();
    assert!(!moved.root().exists());
    repo.offshoot(&["restore", "t"]).ok();
    let back = repo.worktree_of(&repo.task("t"));
    assert_eq!(
        (back.read("untracked"), back.head()),
        ("mine\n".into(), text(&task["head"]).into())
    );
    super::assert_in_order(&repo);
}

#[test]
fn a_worktree_that_was_moved_behind_gits_back_is_left_where_it_is() {
    let sandbox = Sandbox::new();
    let (repo, task) = one_task(&sandbox);
    let elsewhere = sandbox.root().join("elsewhere");
    std::fs::rename(text(&task["worktree"]), &elsewhere).expect("it can be moved");
    std::fs::write(elsewhere.join("untracked"), "mine\n").expect("write");
    assert_eq!(kinds(&repo), ["worktree_gone"]);
    assert_eq!(repo.task("t")["worktree"], Value::Null);
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.exists("agent.txt"));
    assert_eq!(
        std::fs::read_to_string(elsewhere.join("untracked")).expect("it is there"),
        "mine\n"
    );
    super::assert_in_order(&repo);
}

#[test]
fn a_branch_that_was_renamed_stays_the_persons_and_the_result_lands() {
    let sandbox = Sandbox::new();
    let (repo, task) = one_task(&sandbox);
    repo.git(&["branch", "--move", "offshoot/t", "mine"]);
    repo.offshoot(&["discard", "t"]).ok();
    assert_eq!(repo.branch_tip("mine").as_deref(), task["head"].as_str());
    assert!(is_kept(&repo, &task, text(&task["head"])));
    repo.offshoot(&["restore", "t"]).ok();
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.exists("agent.txt"));
    assert_eq!(repo.branch_tip("mine").as_deref(), task["head"].as_str());
    super::assert_in_order(&repo);
}

#[test]
fn a_branch_that_was_moved_by_force_costs_neither_end() {
    let sandbox = Sandbox::new();
    let (repo, task) = one_task(&sandbox);
    let other = repo.git(&["commit-tree", "-m", "the person's", "HEAD^{tree}"]);
    repo.git(&["update-ref", "refs/heads/offshoot/t", &other]);
    assert_eq!(kinds(&repo), ["branch_moved", "result_unkept"]);
    repo.offshoot(&["discard", "t"]).ok();
    for commit in [text(&task["head"]), &other] {
        assert!(is_kept(&repo, &task, commit), "{commit}");
    }
    repo.offshoot(&["restore", "t"]).ok();
    assert_eq!(repo.branch_tip("offshoot/t"), Some(other));
    // What lands is what the task did.
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.exists("agent.txt"));
}

#[test]
fn a_worktree_that_a_person_made_in_the_same_place_is_not_the_tasks() {
    let sandbox = Sandbox::new();
    let (repo, task) = one_task(&sandbox);
    let place = text(&task["worktree"]);
    repo.git(&["worktree", "remove", "--force", place]);
    repo.git(&["worktree", "add", "--quiet", place, "offshoot/t"]);
    let mine = sandbox.open(place);
    mine.write("untracked", "mine\n");
    repo.offshoot(&["discard", "t"]).ok();
    assert_eq!(mine.read("untracked"), "mine\n");
    assert_eq!(
        (mine.head(), mine.status_porcelain()),
        (text(&task["head"]).into(), "?? untracked".into())
    );
    assert_eq!(repo.branch_tip("offshoot/t").as_deref(), task["head"].as_str());
    repo.offshoot(&["restore", "t"]).exits(1);
    assert_eq!(mine.read("untracked"), "mine\n");
}

#[test]
fn a_repository_that_moved_takes_its_tasks_along() {
    let sandbox = Sandbox::new();
    let (repo, task) = one_task(&sandbox);
    repo.dispatch_to_end("d", &[&sandbox.agent("commit"), "d"]);
    repo.offshoot(&["discard", "d"]).ok();
    let there = sandbox.root().join("there");
    std::fs::create_dir(&there).expect("a folder");
    for name in ["repo", "repo.offshoots"] {
        std::fs::rename(sandbox.root().join(name), there.join(name)).expect("it can be moved");
    }
    let moved = sandbox.open(there.join("repo"));
    // Told as it is: git does not find the worktree either.
    assert_eq!(kinds(&moved), ["worktree_gone", "foreign_folder"]);
    assert_eq!(moved.task("t")["head"], task["head"]);
    moved.git(&["worktree", "repair", "../repo.offshoots/t"]);
    super::assert_in_order(&moved);
    moved.offshoot(&["merge", "t"]).ok();
    assert!(moved.exists("agent.txt"));
    moved.offshoot(&["restore", "d"]).ok();
    moved.offshoot(&["merge", "d"]).ok();
    assert!(moved.exists("d"));
    assert!(!sandbox.root().join("repo").exists());
}
