//! Worktrees that are used again.

use super::{assert_as_new, discard, entry_of, files_of, place, pooled, settle, spares};
use crate::sandbox::{Sandbox, text, wait_until};
use std::os::unix::fs::MetadataExt;

/// Leaves as much behind as a task can that ends with a clean worktree.
const WILD: &str = r#"set -e
echo changed >>notes.txt; rm -r d1; mkdir -p new/deep; echo new >new/deep/file
git add -A; git commit -qm work
chmod 600 d0/e0/f0; chmod 644 d0/e0/f0
ln d0/e0/f15 "$(git rev-parse --git-dir)/hard"; mv d2/e2/f2 x; cp x d2/e2/f2; rm x;
echo secret >.env; echo noise >a.log; mkdir -p target/debug empty/inner; echo built >target/debug/x
git config extensions.worktreeConfig true
git config --unset extensions.worktreeConfig
git update-index --assume-unchanged run.sh
git stash list; git bisect start; git bisect reset; git tag -d nothing || true
touch "$(git rev-parse --git-dir)/AUTO_MERGE"
"#;

#[test]
fn a_worktree_that_was_used_before_is_as_good_as_new() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 2");
    let cold = repo.dispatch_to_end("cold", &["true"]);
    let admin = entry_of(&place(&cold));
    let before = files_of(&place(&cold));
    let first = repo.dispatch_to_end("first", &["sh", "-c", WILD]);
    assert_eq!(first["state"], "completed", "{first:#}");
    let name = std::fs::read_link(repo.offshoots().join("first")).expect("the name is a link");
    assert_eq!(place(&first), repo.offshoots().join(&name));
    discard(&repo, "first");
    assert_eq!(spares(&repo).len(), 1);
    assert!(!repo.offshoots().join("first").is_symlink() && !place(&first).exists());

    let next = repo.dispatch_to_end("next", &["true"]);
    assert_eq!(place(&next), place(&first), "the folder has the path that it had");
    assert_eq!(spares(&repo), Vec::<String>::new());
    assert_eq!(files_of(&place(&next)), before);
    assert_as_new(&repo, &next, &admin);
    assert_eq!(next["warnings"], serde_json::json!([]));
    repo.offshoot(&["doctor"]).ok();

    // Nothing of the first one is lost by it.
    repo.offshoot(&["restore", "first"]).ok().says("a new one");
    let back = repo.worktree_of(&repo.task("first"));
    assert_eq!((back.head(), back.status_porcelain()), (text(&first["head"]).into(), "".into()));
    assert_eq!((back.read(".env"), back.read("a.log")), ("secret\n".into(), "noise\n".into()));
    assert_eq!(back.read("target/debug/x"), "built\n");
    assert!(back.exists("empty/inner"));
    discard(&repo, "next");
    discard(&repo, "first");
    assert_eq!(spares(&repo).len(), 2);
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn a_worktree_follows_its_branch_while_nobody_uses_it_and_when_it_is_taken() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 2");
    let admin = entry_of(&place(&repo.dispatch_to_end("a", &["true"])));
    repo.dispatch_to_end("b", &["sh", "-c", "echo b >b; git rm -qr d4"]);
    discard(&repo, "a");
    repo.offshoot(&["merge", "b"]).ok();
    settle(&repo);
    assert_eq!(spares(&repo).len(), 2);
    let one = repo.dispatch_to_end("one", &["true"]);
    assert!(place(&one).join("b").is_file() && !place(&one).join("d4").exists());
    assert_as_new(&repo, &one, &admin);
    // Moved on since, by somebody else, whom nobody noticed.
    repo.git(&["mv", "d0", "moved"]);
    repo.write("run.sh", "#!/bin/sh\necho\n");
    repo.git(&["rm", "-rq", "d1"]);
    repo.write("d1", "a file that was a folder\n");
    repo.commit_all("meanwhile");
    let two = repo.dispatch_to_end("two", &["true"]);
    assert_eq!(spares(&repo), Vec::<String>::new());
    assert_as_new(&repo, &two, &admin);
    // With changes of its own the result is what it did, and nothing else.
    discard(&repo, "two");
    let base = repo.head();
    let three = repo.dispatch_to_end("three", &["sh", "-c", "echo 3 >three; git mv moved d0"]);
    assert_eq!(place(&three), place(&two));
    let diff = repo.git(&["diff", "--name-status", "-M", &base, text(&three["head"])]);
    assert!(
        diff.contains("A\tthree")
            && diff.lines().all(|it| it.contains("three") || it.starts_with("R100")),
        "{diff}"
    );
}

#[test]
fn what_is_listed_stays_and_files_that_change_are_younger() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 1\nkeep = [\"target/\"]");
    let build = "mkdir -p target; cp notes.txt target/built; echo x >.env; echo mine >>notes.txt";
    let first = repo.dispatch_to_end("first", &["sh", "-c", build]);
    discard(&repo, "first");
    repo.write("run.sh", "changed\n");
    repo.commit_all("meanwhile");
    let next = repo.dispatch_to_end("next", &["true"]);
    let at = place(&next);
    assert_eq!(at, place(&first));
    assert!(at.join("target/built").is_file() && !at.join(".env").exists());
    let stat = |path: &str| at.join(path).metadata().expect("is there");
    let age = |path: &str| (stat(path).mtime(), stat(path).mtime_nsec());
    // A build tool must see that these two are not what it built of.
    assert!(age("notes.txt") > age("target/built") && age("run.sh") > age("target/built"));
    assert!(age("d0/e0/f0") < age("target/built"), "and that this one is");
    let worktree = sandbox.open(&at);
    assert_eq!(worktree.status_porcelain(), "");
    assert_eq!(next["diff"]["files"], 0);
    assert_eq!(worktree.git(&["diff", "HEAD"]), "");
    repo.offshoot(&["restore", "first"]).ok().says("what `pool.keep` names");
    assert_eq!(repo.worktree_of(&repo.task("first")).read(".env"), "x\n");
}

#[test]
fn two_tasks_at_once_never_get_the_same_worktree() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 1");
    sandbox.write_config("max_parallel = 4\n[pool]\nsize = 1\n");
    repo.dispatch_to_end("first", &["true"]);
    discard(&repo, "first");
    assert_eq!(spares(&repo).len(), 1);
    let names = ["one", "two", "three", "four"];
    let started: Vec<_> = names
        .iter()
        .map(|name| repo.offshoot_spawn(&["dispatch", "--name", name, "--", "true"]))
        .collect();
    for (child, name) in started.into_iter().zip(names) {
        crate::sandbox::finish(child, format!("dispatch {name}")).ok();
    }
    let mut places: Vec<_> = names.iter().map(|name| place(&repo.wait_for(name))).collect();
    places.sort();
    places.dedup();
    assert_eq!(places.len(), 4);
    for name in names {
        let task = repo.task(name);
        assert_eq!(sandbox.open(place(&task)).status_porcelain(), "");
        repo.offshoot(&["discard", name]).ok();
    }
    settle(&repo);
    assert_eq!(spares(&repo).len(), 1, "no more than are wanted");
    repo.offshoot(&["doctor"]).ok();
    sandbox.write_config("[pool]\nsize = 0\n");
    let ran = repo.offshoot(&["gc", "--dry-run"]).ok();
    assert!(ran.stdout.starts_with("spare") && ran.stdout.contains("KiB"), "{ran}");
    repo.offshoot(&["gc"]).ok().says("freed 1 thing");
    let pool = repo.offshoots().join(".pool");
    wait_until("the deletion", || std::fs::read_dir(&pool).expect("a folder").next().is_none());
    assert_eq!(spares(&repo), Vec::<String>::new());
}

/// Neither a spare worktree's files nor its index are synced, and a power cut takes what is not.
#[test]
fn what_another_boot_left_is_not_used() {
    let sandbox = Sandbox::new();
    let repo = pooled(&sandbox, "size = 2");
    let first = repo.dispatch_to_end("first", &["true"]);
    discard(&repo, "first");
    let [spare] = &*spares(&repo) else { panic!("one spare worktree") };
    let folder = repo.offshoots().join(".pool").join(spare);
    std::fs::write(folder.join("run.sh"), "").expect("writes");
    std::fs::write(repo.state_folder().join("boot"), "another boot").expect("the boot");
    let next = repo.dispatch_to_end("next", &["true"]);
    assert_ne!(place(&next), place(&first));
    assert_as_new(&repo, &next, &entry_of(&place(&next)));
    settle(&repo);
    assert!(!folder.exists() && spares(&repo).is_empty());
    repo.offshoot(&["doctor"]).ok();
}
