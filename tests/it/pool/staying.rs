//! Worktrees that no other task gets.

use super::{discard, place, pooled, spares};
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::Value;
use std::process::{Command, Stdio};

/// Asserts that the folder of a released task is in the trash, as a whole, and nothing in the pool.
#[track_caller]
fn stayed(repo: &TestRepo<'_>, task: &Value) {
    assert_eq!(spares(repo), Vec::<String>::new());
    let folder = repo.offshoots().join(".trash").join(text(&task["id"]));
    assert!(folder.join(".git").exists() && folder.join("notes.txt").exists());
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn what_a_process_stands_in_is_left_to_it() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 2");
    let task = repo.dispatch_to_end("t", &["true"]);
    let mut user = Command::new("cat");
    let mut user =
        user.current_dir(place(&task).join("d0")).stdin(Stdio::piped()).spawn().expect("it starts");
    discard(&repo, "t");
    stayed(&repo, &task);
    drop(user.stdin.take());
    user.wait().expect("it ends");
}

#[test]
fn what_was_changed_or_tampered_with_stays_whole() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 2");
    for (name, command) in [
        ("mode", "chmod 700 d0"),
        ("future", "touch -d 2099-01-01 d0"),
        ("attribute", "setfattr -n user.x -v 1 d0 2>/dev/null || chmod 700 d0"),
        ("git-file", "d=$(git rev-parse --git-dir); echo \"gitdir: $d/\" >.git"),
        ("config", "touch \"$(git rev-parse --git-dir)/config.worktree\""),
    ] {
        let task = repo.dispatch_to_end(name, &["sh", "-c", command]);
        discard(&repo, name);
        stayed(&repo, &task);
    }
    let task = repo.dispatch_to_end("after", &["true"]);
    std::fs::write(place(&task).join("notes.txt"), "after the end\n").expect("writes");
    discard(&repo, "after");
    stayed(&repo, &task);
    repo.offshoot(&["restore", "after"]).ok();
    assert_eq!(repo.worktree_of(&repo.task("after")).read("notes.txt"), "after the end\n");
}

#[test]
fn what_git_alone_writes_is_left_to_git() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 2");
    repo.write(".gitattributes", "*.txt text eol=crlf\n");
    repo.commit_all("attributes");
    let task = repo.dispatch_to_end("t", &["true"]);
    assert_eq!(sandbox.open(place(&task)).status_porcelain(), "");
    discard(&repo, "t");
    stayed(&repo, &task);
}

#[test]
fn a_spare_worktree_that_does_not_fit_is_not_taken() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 2");
    let first = repo.dispatch_to_end("first", &["true"]);
    discard(&repo, "first");
    sandbox.write_config("[pool]\nsize = 2\nkeep = [\"target/\"]\n");
    let next = repo.dispatch_to_end("next", &["true"]);
    assert_ne!(place(&next), place(&first));
    repo.offshoot(&["gc"]).ok().says("freed 1 thing");
    super::settle(&repo);
    // Its record is there, its folder is not: told, and tidied up.
    discard(&repo, "next");
    let folder = repo.offshoots().join(".pool").join(&spares(&repo)[0]);
    std::fs::rename(&folder, repo.offshoots().join(".pool/stray")).expect("it can be moved");
    let ran = repo.offshoot(&["doctor"]).exits(1);
    let told = |kind| ran.stdout.matches(kind).count();
    assert_eq!((told("stray_spare"), told("foreign_folder")), (1, 1), "{ran}");
    let last = repo.dispatch_to_end("last", &["true"]);
    assert_eq!(sandbox.open(place(&last)).status_porcelain(), "");
    repo.offshoot(&["doctor", "--fix"]).exits(1);
    assert_eq!(spares(&repo), Vec::<String>::new());
    // What nobody has a record of is nobody's to delete.
    assert!(repo.offshoots().join(".pool/stray/notes.txt").exists());
}
