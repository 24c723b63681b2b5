//! `merge --resolve` and `--continue`: conflicts are resolved in the task's worktree.

use super::{cut_off, everything, files, landing, refused};
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::Value;

/// A task that conflicts with its target in four ways.
fn conflicting(sandbox: &Sandbox, repo: &TestRepo<'_>) -> Value {
    let agent = sandbox.agent("commit");
    let line = ["dispatch", "--name", "t", "--base", "topic", "--target", "main", "--", &agent];
    repo.offshoot(&line).ok();
    repo.wait_for("t")
}

#[test]
fn the_merge_is_opened_in_the_tasks_worktree_as_git_opens_one() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    let task = conflicting(&sandbox, &repo);
    let worktree = repo.worktree_of(&task);
    repo.write("untracked.txt", "mine\n");
    let twin = sandbox.root().join("twin");
    repo.git(&[
        "worktree",
        "add",
        "--quiet",
        "--detach",
        text(&twin.to_str().into()),
        text(&task["head"]),
    ]);
    let twin = sandbox.open(twin);
    assert_eq!(twin.git_ran(&["merge", "--quiet", "main"]).code, 1);
    let before = (repo.head(), files(&sandbox, &repo), repo.status_porcelain());

    let (code, opened) = landing(&repo, &["merge", "--resolve", "t"]);
    assert_eq!((code, &opened["verdict"], &opened["id"]), (0, &"resolving".into(), &Value::Null));
    assert_eq!(opened["conflicts"].as_array().map(Vec::len), Some(4));
    assert_eq!((repo.head(), files(&sandbox, &repo), repo.status_porcelain()), before);
    let of = |repo: &TestRepo<'_>| {
        let stages = repo.git(&["ls-files", "--stage"]);
        let head = repo.git(&["rev-parse", "MERGE_HEAD", "HEAD"]);
        (stages.replace("~HEAD", "~side"), head)
    };
    let (stages, head) = of(&worktree);
    let ours = format!("~{}", text(&task["head"]));
    assert_eq!((stages.replace(&ours, "~side"), head), of(&twin));
    assert!(worktree.read("notes.txt").contains("<<<<<<<"));
    let marked = |text: String| {
        text.lines().filter(|l| !l.starts_with(['<', '>', '|'])).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(marked(worktree.read("notes.txt")), marked(twin.read("notes.txt")));

    refused(&sandbox, &repo, "refused", "a merge is in progress", &["merge", "t"]);
    refused(&sandbox, &repo, "refused", "a merge is in progress", &["merge", "--resolve", "t"]);
    let ran =
        refused(&sandbox, &repo, "refused", "not resolved yet", &["merge", "--continue", "t"]);
    ran.says("merge --abort");
    // Given up with git alone.
    worktree.git(&["merge", "--abort"]);
    assert_eq!(worktree.status_porcelain(), "");
    refused(&sandbox, &repo, "refused", "no merge is open", &["merge", "--continue", "t"]);
    repo.git(&["worktree", "remove", "--force", text(&twin.root().to_str().into())]);
    repo.offshoot(&["doctor"]).ok();
}

/// Takes the target's side everywhere, and a text of its own for one file.
fn resolve(worktree: &TestRepo<'_>) {
    worktree.git(&[
        "rm",
        "-r",
        "--quiet",
        "--force",
        "--ignore-unmatch",
        "place",
        "gone.txt",
        "added.txt",
    ]);
    let aside = worktree.git(&["ls-files", "--unmerged"]);
    for path in aside.lines().filter_map(|line| line.split('\t').nth(1)) {
        if path != "notes.txt" {
            worktree.git(&["rm", "--quiet", "--force", "--ignore-unmatch", path]);
        }
    }
    worktree.write("notes.txt", "resolved\n");
    worktree.git(&["add", "notes.txt"]);
}

#[test]
fn a_resolved_merge_lands() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    let worktree = repo.worktree_of(&conflicting(&sandbox, &repo));
    let target = repo.head();
    let said = repo.offshoot(&["merge", "--resolve", "t"]).ok();
    insta::assert_snapshot!(said.snapshot(&sandbox), @r"
    exit 0
    --- stdout
    t: the merge is open in its worktree, with conflicts in 4 paths
      added.txt  both sides added it, differently
      gone.txt   changed on one side, deleted on the other
      notes.txt  both sides changed the same lines
      place      a file on one side, a folder on the other
    --- stderr

    hint: `git -C ../repo.offshoots/t status` shows what is to be resolved, `git add` takes note of it
    hint: `offshoot merge --continue t` commits the merge and lands it
    hint: `git -C ../repo.offshoots/t merge --abort` gives the merge up
    ");
    resolve(&worktree);
    worktree.write("notes.txt", "resolved, and more\n");
    refused(&sandbox, &repo, "dirty", "is staged", &["merge", "--continue", "t"]).says("add --all");
    worktree.git(&["add", "notes.txt"]);
    // Meanwhile the target goes on.
    repo.write("theirs.txt", "meanwhile\n");
    let moved = repo.commit_all("main moves on");
    // It is committed even where it cannot land yet, and once it can the same command lands it.
    repo.write("notes.txt", "mine\n");
    repo.offshoot(&["merge", "--continue", "t"]).exits(1).says("`notes.txt`");
    repo.git(&["checkout", "--quiet", "notes.txt"]);
    repo.offshoot(&["merge", "--continue", "--verify", "false", "t"]).exits(6);
    let (code, landed) = landing(&repo, &["merge", "--continue", "t"]);
    assert_eq!((code, &landed["verdict"]), (0, &"landed".into()));
    assert_eq!(repo.read("notes.txt"), "resolved, and more\n");
    assert_eq!(repo.git(&["rev-parse", "HEAD^1", "HEAD^2^2"]), format!("{moved}\n{target}"));
    let message = repo.git(&["log", "-1", "--format=%B", "HEAD^2"]);
    assert_eq!(message.trim_end(), "Merge branch 'main' into offshoot/t");
    assert_eq!(repo.task("t")["base"]["commit"], target);
    assert_eq!(repo.status_porcelain(), "");
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn a_merge_that_somebody_committed_with_git_lands_too() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    let worktree = repo.worktree_of(&conflicting(&sandbox, &repo));
    repo.offshoot(&["merge", "--resolve", "t"]).ok();
    resolve(&worktree);
    worktree.git(&["commit", "--quiet", "--no-edit"]);
    repo.offshoot(&["merge", "--continue", "--verify", "test ! -e notes.txt", "t"]).exits(6);
    repo.offshoot(&["merge", "--continue", "--verify", "grep -q resolved notes.txt", "t"]).ok();
    assert_eq!(repo.read("notes.txt"), "resolved\n");
}

#[test]
fn a_lock_that_a_killed_git_left_on_the_tasks_branch_goes_and_a_strangers_stays() {
    let lock = ".git/refs/heads/offshoot/t.lock";
    for on_top in [false, true] {
        let sandbox = Sandbox::new();
        let repo = sandbox.repo("conflicting");
        let worktree = repo.worktree_of(&conflicting(&sandbox, &repo));
        repo.offshoot(&["merge", "--resolve", "t"]).ok();
        resolve(&worktree);
        // What moves the branch elsewhere is nobody of ours.
        repo.write(lock, repo.head() + "\n");
        repo.offshoot(&["merge", "--continue", "t"]).exits(1).says("t.lock");
        assert!(repo.exists(lock));
        let line = ["commit-tree", "-m", "more", "-p", "HEAD", "HEAD:"];
        repo.write(lock, if on_top { worktree.git(&line) } else { String::new() });
        repo.offshoot(&["merge", "--continue", "t"]).ok();
        assert!(!repo.exists(lock));
        assert_eq!(repo.read("notes.txt"), "resolved\n");
    }
}

#[test]
fn a_worktree_that_is_gone_is_brought_back_for_it() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    let worktree = repo.worktree_of(&conflicting(&sandbox, &repo));
    std::fs::remove_dir_all(worktree.root()).expect("it was there");
    repo.offshoot(&["merge", "--continue", "t"]).exits(1).says("is gone");
    repo.offshoot(&["merge", "--resolve", "t"]).ok();
    resolve(&worktree);
    repo.offshoot(&["merge", "--continue", "--squash", "t"]).ok();
    assert_eq!(repo.read("notes.txt"), "resolved\n");
}

#[test]
fn what_cannot_be_opened_is_refused_and_stays() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let worktree = repo.worktree_of(&repo.dispatch_to_end("t", &[&sandbox.agent("edit_only")]));
    refused(&sandbox, &repo, "refused", "does not conflict", &["merge", "--resolve", "t"]);
    repo.write("new.txt", "contradicts\n");
    repo.write("ignored.log", "tracked here\n");
    repo.git(&["add", "--force", "ignored.log"]);
    repo.commit_all("main moves on");
    let before = everything(&sandbox, &repo);
    repo.offshoot(&["merge", "--resolve", "--dry-run", "t"]).exits(3);
    assert_eq!(everything(&sandbox, &repo), before);
    refused(&sandbox, &repo, "dirty", "is in the way: `ignored.log`", &["merge", "--resolve", "t"]);
    assert_eq!(
        (worktree.read("ignored.log"), worktree.status_porcelain()),
        ("ignored\n".into(), String::new())
    );
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn a_merge_whose_opening_was_killed_is_open_or_not() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    let worktree = repo.worktree_of(&conflicting(&sandbox, &repo));
    let look = || {
        let merging = worktree.git_ran(&["rev-parse", "--quiet", "--verify", "MERGE_HEAD"]).stdout;
        format!(
            "{merging}{}\n{}",
            worktree.git(&["ls-files", "--stage"]),
            files(&sandbox, &worktree)
        )
    };
    cut_off::everywhere(&sandbox, &repo, (&["merge", "--resolve", "t"], 4), &look, &|| {
        worktree.git(&["merge", "--abort"]);
    });
}
