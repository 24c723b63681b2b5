//! `discard` and `restore`, and tasks whose worktree or branch somebody deleted by hand.

use super::{checkouts, refused};
use crate::sandbox::{Sandbox, text};
use serde_json::json;

#[test]
fn discarded_work_comes_back_whole() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("mixed")]);
    let worktree = repo.worktree_of(&task);
    worktree.write("ignored.log", "kept by nobody else\n");
    worktree.write("later.txt", "after the end\n");
    worktree.write("staged.txt", "staged after the end\n");
    worktree.git(&["add", "staged.txt"]);

    let discarded = repo.offshoot_json(&["discard", "t"]);
    assert_eq!(discarded["tasks"][0]["landing"]["kind"], "discarded");
    assert_eq!(discarded["tasks"][0]["next"], json!(["offshoot restore t"]));
    assert_eq!((checkouts(&repo), repo.branch_tip("offshoot/t")), (1, None));
    assert!(!worktree.root().exists());
    assert_eq!(repo.offshoot_json(&["list"])["tasks"], json!([]));
    repo.git(&["-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now"]);

    let restored = repo.offshoot_json(&["restore", "t"]);
    assert_eq!(restored["tasks"][0]["landing"]["kind"], "open");
    let back = repo.task("t");
    for field in ["id", "head", "worktree", "branch", "diff", "landing", "state", "outcome", "next"]
    {
        assert_eq!(back[field], task[field], "{field}");
    }
    assert_eq!(repo.branch_tip("offshoot/t").as_deref(), task["head"].as_str());
    assert_eq!(worktree.git(&["branch", "--show-current"]), "offshoot/t");
    assert_eq!(worktree.read("ignored.log"), "kept by nobody else\n");
    assert_eq!(worktree.status_porcelain(), "A  staged.txt\n?? later.txt");
    let told = ["dispatched", "started", "finished", "discarded", "restored"];
    assert_eq!(repo.told("t"), told);
    worktree.commit_all("taken along");
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(repo.read("later.txt"), "after the end\n");
}

#[test]
fn what_is_not_discarded_is_not_restored() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    refused(&sandbox, &repo, "refused", "was not discarded", &["restore", "t"]);
    repo.offshoot(&["discard", "t"]).ok();
    repo.offshoot(&["restore", "t"]).ok();
    let ran = refused(&sandbox, &repo, "refused", "was not discarded", &["restore", "t"]);
    ran.says("hint: offshoot status t");
}

#[test]
fn a_discarded_name_may_be_used_again_and_then_means_the_newer_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let old = repo.dispatch_to_end("t", &[&sandbox.agent("commit"), "old.txt"]);
    repo.offshoot(&["discard", "t"]).ok();
    let new = repo.dispatch_to_end("t", &[&sandbox.agent("commit"), "new.txt"]);
    assert_eq!(repo.task("t")["id"], new["id"]);
    // Its branch and folder are taken now, so that it must wait; nothing is lost by asking.
    let id = text(&old["id"]);
    repo.offshoot(&["restore", id]).exits(1).says("is used by something else now");
    assert_eq!(repo.task(id)["landing"]["kind"], "discarded");
    repo.offshoot(&["merge", text(&new["id"])]).ok();
    repo.offshoot(&["restore", id]).ok();
    assert_eq!(repo.branch_tip("offshoot/t").as_deref(), old["head"].as_str());
}

#[test]
fn a_worktree_deleted_by_hand_loses_nothing_that_was_recorded() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for name in ["merged", "discarded", "removed"] {
        repo.dispatch(name, &[&sandbox.agent("commit"), name]);
    }
    repo.offshoot(&["wait", "merged", "discarded", "removed"]).ok();
    for name in ["merged", "discarded"] {
        std::fs::remove_dir_all(repo.offshoots().join(name)).expect("it was there");
    }
    repo.git(&["worktree", "remove", "--force", text(&repo.task("removed")["worktree"])]);
    repo.offshoot(&["merge", "merged"]).ok();
    assert!(repo.exists("merged"));
    for name in ["discarded", "removed"] {
        let head = repo.task(name)["head"].clone();
        repo.offshoot(&["discard", name]).ok();
        let back = repo.offshoot_json(&["restore", name]);
        assert_eq!(back["tasks"][0]["head"], head, "{name}");
        let worktree = repo.worktree_of(&back["tasks"][0]);
        assert!(worktree.exists(name));
        assert_eq!(worktree.git(&["branch", "--show-current"]), format!("offshoot/{name}"));
        repo.offshoot(&["merge", name]).ok();
        assert!(repo.exists(name));
    }
    assert_eq!(checkouts(&repo), 1);
}

#[test]
fn a_branch_deleted_by_hand_loses_nothing_that_was_recorded() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for name in ["merged", "discarded"] {
        repo.dispatch_to_end(name, &[&sandbox.agent("commit"), name]);
        repo.git(&["update-ref", "-d", &format!("refs/heads/offshoot/{name}")]);
    }
    repo.offshoot(&["merge", "merged"]).ok();
    assert!(repo.exists("merged"));
    repo.offshoot(&["discard", "discarded"]).ok();
    repo.offshoot(&["restore", "discarded"]).ok();
    let head = repo.task("discarded")["head"].clone();
    assert_eq!(repo.branch_tip("offshoot/discarded").as_deref(), head.as_str());
    repo.offshoot(&["merge", "discarded"]).ok();
    assert!(repo.exists("discarded"));
}

#[test]
fn what_was_landed_and_kept_is_released_by_a_discard() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.offshoot(&["merge", "--keep", "t"]).ok();
    let told = repo.offshoot(&["discard", "t"]).ok().stdout;
    assert_eq!(told, "released `t`; its work stays on `main`\n");
    assert_eq!(repo.branch_tip("offshoot/t"), None);
    assert!(!repo.exists(text(&task["worktree"])));
    assert_eq!(repo.task("t")["landing"]["kind"], "landed");
    repo.offshoot(&["discard", "t"]).exits(1).says("already landed on `main`");
}

#[test]
fn the_environment_of_a_task_goes_with_its_work_and_does_not_come_back_with_a_refused_restore() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let agent = sandbox.agent("commit");
    let line = ["dispatch", "--name", "t", "--env", "TOKEN=hidden", "--", &agent];
    let task = repo.offshoot_json(&line);
    repo.wait_for("t");
    let kept = |name: &str| repo.record_folder(&task).join(name).exists();
    assert!(kept("env") && kept("secrets"));
    repo.offshoot(&["discard", "t"]).ok();
    assert!(!kept("env") && !kept("secrets"));
    repo.git(&["branch", "offshoot/t", "main~1"]);
    repo.offshoot(&["restore", "t"]).exits(1);
    assert!(!kept("env"));
    repo.git(&["branch", "-D", "offshoot/t"]);
    repo.offshoot(&["restore", "t"]).ok();
    assert!(kept("env") && !kept("secrets"));
}
