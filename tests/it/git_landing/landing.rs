//! Landings that go well, and what they leave exactly as it was.

use super::Sandbox;
use offshoot::error::ErrorKind;
use offshoot::git::Recovery;
use offshoot::landing::Strategy;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

#[test]
fn a_clean_merge_makes_the_tree_that_git_merge_makes() {
    let sandbox = Sandbox::with(&[("a", "1\n2\n3\n4\n5\n"), ("b", "b\n")]);
    sandbox.on_task(|s| s.write("a", "1\n2\n3\n4\ntask\n"));
    sandbox.write("a", "main\n2\n3\n4\n5\n");
    sandbox.commit("main moves on");
    let planned = sandbox.ready(Strategy::Merge);
    assert_eq!(planned.commits, 1);
    sandbox.git(&["branch", "twin", "main"]);
    sandbox.git(&["checkout", "-q", "twin"]);
    sandbox.git(&["merge", "-q", "-m", "twin", "task"]);
    assert_eq!(sandbox.git(&["rev-parse", "twin^{tree}"]), planned.tree.to_string());
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.land_planned(planned).expect("it lands");
    assert_eq!(sandbox.at("main"), planned.commit);
    assert_eq!(sandbox.read("a"), "main\n2\n3\n4\ntask\n");
    sandbox.assert_clean();
    assert_eq!(sandbox.git(&["log", "-1", "--format=%an %cn %s %P"]), {
        let (main, task) = (sandbox.at("main^1"), sandbox.at("task"));
        format!("Ada Carl Land the task {main} {task}")
    });
    assert!(sandbox.git(&["reflog", "-1", "HEAD"]).ends_with("offshoot: land t"));
    assert!(sandbox.git(&["reflog", "-1", "main"]).ends_with("offshoot: land t"));
    assert_eq!(sandbox.at("ORIG_HEAD"), sandbox.at("main^1"));
}

#[test]
fn other_dirty_staged_untracked_and_ignored_files_stay() {
    let sandbox = Sandbox::with(&[
        ("a", "1\n"),
        ("dirty", "1\n"),
        ("staged", "1\n"),
        ("both", "1\n"),
        (".gitignore", "*.log\n"),
    ]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new/deep/file", "task\n");
    });
    sandbox.write("dirty", "mine\n");
    sandbox.write("staged", "mine\n");
    sandbox.write("both", "staged\n");
    sandbox.write("added", "mine\n");
    sandbox.git(&["add", "staged", "both", "added"]);
    sandbox.write("both", "on disk\n");
    sandbox.write("new/untracked", "mine\n");
    sandbox.write("x.log", "ignored\n");
    let before = sandbox.picture();
    sandbox.land().expect("it lands");
    let mut after = sandbox.picture();
    assert_eq!(after.status, before.status);
    assert_eq!(sandbox.read("a"), "task\n");
    assert_eq!(sandbox.read("new/deep/file"), "task\n");
    let root = sandbox.root();
    for path in ["new/deep", "new/deep/file"] {
        after.files.remove(&root.join(path));
    }
    let a = root.join("a");
    after.files.insert(a.clone(), before.files[&a].clone());
    assert_eq!(after.files, before.files);
    sandbox.assert_nothing_left();
}

#[test]
fn deletions_modes_links_and_changes_of_sort_land_as_git_has_them() {
    let sandbox = Sandbox::with(&[
        ("gone/deep/file", "1\n"),
        ("script", "#!\n"),
        ("becomes-link", "1\n"),
        ("file-to-folder", "1\n"),
        ("folder-to-file/x", "1\n"),
        ("folder-to-file/deep/y", "1\n"),
        ("stays", "1\n"),
    ]);
    sandbox.on_task(|s| {
        let root = s.root();
        fs::remove_dir_all(root.join("gone")).expect("remove");
        fs::set_permissions(root.join("script"), fs::Permissions::from_mode(0o755)).expect("mode");
        fs::remove_file(root.join("becomes-link")).expect("remove");
        symlink("stays", root.join("becomes-link")).expect("link");
        fs::remove_file(root.join("file-to-folder")).expect("remove");
        s.write("file-to-folder/inside", "task\n");
        fs::remove_dir_all(root.join("folder-to-file")).expect("remove");
        s.write("folder-to-file", "task\n");
        symlink("nowhere", root.join("dangling")).expect("link");
        let odd = OsStr::from_bytes(b"caf\xe9 \n");
        fs::write(root.join(odd), "odd\n").expect("write");
    });
    sandbox.git(&["branch", "twin", "task"]);
    sandbox.land().expect("it lands");
    sandbox.assert_clean();
    let landed = sandbox.picture().files;
    sandbox.git(&["checkout", "-q", "-f", "twin"]);
    assert_eq!(landed, sandbox.picture().files);
    assert!(!sandbox.root().join("gone").exists());
}

#[test]
fn line_endings_and_filters_come_out_as_git_checkout_leaves_them() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "filter.rot.clean", "tr a-z n-za-m"]);
    sandbox.git(&["config", "filter.rot.smudge", "tr a-z n-za-m"]);
    sandbox.write(".gitattributes", "*.txt text eol=crlf\n*.rot filter=rot\n");
    sandbox.write("a.txt", "one\r\ntwo\r\n");
    sandbox.write("a.rot", "secret\n");
    sandbox.commit("base");
    sandbox.git(&["branch", "task"]);
    sandbox.on_task(|s| {
        s.write("a.txt", "one\r\ntwo\r\nthree\r\n");
        s.write("a.rot", "other\n");
        s.write("new.rot", "fresh\n");
        s.write(".gitattributes", "*.txt text eol=crlf\n*.rot filter=rot\n*.dos text eol=crlf\n");
        s.write("new.dos", "x\r\n");
    });
    sandbox.land().expect("it lands");
    sandbox.assert_clean();
    assert_eq!(sandbox.read("a.txt"), "one\r\ntwo\r\nthree\r\n");
    assert_eq!(sandbox.read("a.rot"), "other\n");
    assert_eq!(sandbox.read("new.rot"), "fresh\n");
    assert_eq!(sandbox.read("new.dos"), "x\r\n");
    assert_eq!(sandbox.git(&["show", "main:a.rot"]), "bgure");
}

#[test]
fn a_target_in_a_linked_worktree_is_moved_there() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    sandbox.git(&["checkout", "-q", "-b", "elsewhere"]);
    let linked = sandbox.folder.path().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().expect("UTF-8"), "main"]);
    fs::write(linked.join("mine"), "mine\n").expect("write");
    let before = sandbox.picture();
    sandbox.land().expect("it lands");
    assert_eq!(sandbox.git_at(&linked, &["status", "--porcelain"]), "?? mine");
    assert_eq!(fs::read(linked.join("a")).expect("read"), b"task\n");
    assert!(sandbox.git_at(&linked, &["reflog", "-1", "HEAD"]).ends_with("offshoot: land t"));
    assert_eq!(sandbox.picture().files, before.files);
}

#[test]
fn a_target_that_is_checked_out_nowhere_moves_alone() {
    for head in [&["checkout", "-q", "-b", "elsewhere"][..], &["checkout", "-q", "--detach"]] {
        let sandbox = Sandbox::with(&[("a", "1\n")]);
        sandbox.on_task(|s| s.write("a", "task\n"));
        sandbox.git(head);
        sandbox.write("a", "mine\n");
        let planned = sandbox.ready(Strategy::Merge);
        sandbox.land_planned(planned).expect("it lands");
        assert_eq!(sandbox.at("main"), planned.commit);
        assert_eq!(sandbox.read("a"), "mine\n");
        assert!(sandbox.git(&["reflog", "-1", "main"]).ends_with("offshoot: land t"));
        sandbox.assert_nothing_left();
    }
}

#[test]
fn a_sparse_checkout_stays_sparse() {
    let sandbox = Sandbox::with(&[("in/a", "1\n"), ("out/b", "1\n")]);
    sandbox.on_task(|s| {
        s.write("in/a", "task\n");
        s.write("out/b", "task\n");
        s.write("out/new", "task\n");
    });
    let planned = sandbox.ready(Strategy::Merge);
    sandbox.git(&["sparse-checkout", "set", "in"]);
    sandbox.land_planned(planned).expect("it lands");
    sandbox.assert_clean();
    assert_eq!(sandbox.read("in/a"), "task\n");
    assert!(!sandbox.root().join("out").exists());
}

#[test]
fn a_submodule_moves_in_index_and_ref_only() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let commit = sandbox.at("main").to_string();
    sandbox.git(&["checkout", "-q", "task"]);
    sandbox.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    sandbox.git(&["commit", "-q", "-m", "submodule"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.land().expect("it lands");
    sandbox.assert_clean();
    assert!(sandbox.git(&["ls-files", "-s", "sub"]).starts_with("160000"));
}

#[test]
fn undoing_is_landing_the_other_way_round() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new/file", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    let before = sandbox.picture();
    let mut landing = sandbox.landing(sandbox.ready(Strategy::Merge));
    sandbox.repo().land(&sandbox.journals(), &landing).expect("it lands");
    std::mem::swap(&mut landing.before, &mut landing.after);
    landing.number = sandbox.repo().next_landing_number(&sandbox.journals()).expect("a number");
    assert_eq!(landing.number, 2);
    sandbox.repo().land(&sandbox.journals(), &landing).expect("it lands");
    assert_eq!(sandbox.picture(), before);
    assert!(sandbox.repo().recover_landings(&sandbox.journals()).expect("fine").is_empty());
}

#[test]
fn applying_changes_files_alone_and_all_or_nothing() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("b", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    sandbox.write("b", "mine\n");
    let planned = sandbox.ready(Strategy::Squash);
    let repo = sandbox.repo();
    let here = repo.here().expect("a checkout").clone();
    let head = sandbox.at("HEAD");
    let index = sandbox.git(&["ls-files", "--stage"]);
    let done = repo.apply_uncommitted(&here, head, planned.tree).expect("it applies");
    assert_eq!(done.len(), 3);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), " M a\n M b\n D gone\n?? new");
    assert_eq!(sandbox.git(&["ls-files", "--stage"]), index);
    assert_eq!(sandbox.at("HEAD"), head);
    let before = sandbox.picture();
    let error = repo.apply_uncommitted(&here, head, planned.tree).expect_err("in the way");
    assert_eq!(error.kind, ErrorKind::Dirty);
    assert_eq!(sandbox.picture(), before);
    sandbox.assert_nothing_left();
}

#[test]
fn recovery_with_nothing_to_recover_says_so() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let reports = sandbox.repo().recover_landings(&sandbox.journals()).expect("fine");
    assert!(!reports.iter().any(|report| matches!(report.outcome, Recovery::Stuck(_))));
    assert!(reports.is_empty());
}

#[test]
fn a_checkout_on_another_device_is_served() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone", "1\n")]);
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let device = |path: &Path| fs::metadata(path).expect("metadata").dev();
    if device(elsewhere.path()) == device(&sandbox.root()) {
        return;
    }
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    let linked = elsewhere.path().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().expect("UTF-8"), "main"]);
    sandbox.land().expect("it lands");
    assert_eq!(sandbox.git_at(&linked, &["status", "--porcelain", "--ignored"]), "");
    assert_eq!(fs::read(linked.join("new")).expect("read"), b"task\n");
    assert_eq!(fs::read_dir(&linked).expect("a folder").count(), 3);
}

#[test]
fn a_branch_that_is_checked_out_twice_moves_in_both_or_in_none() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    let linked = sandbox.folder.path().join("linked");
    sandbox.git(&["worktree", "add", "-q", "-f", linked.to_str().expect("UTF-8"), "main"]);
    let planned = sandbox.ready(Strategy::Merge);
    fs::write(linked.join("a"), "mine\n").expect("write");
    assert_eq!(sandbox.land_planned(planned).expect_err("refused").kind, ErrorKind::Dirty);
    assert_eq!(sandbox.read("a"), "1\n");
    fs::write(linked.join("a"), "1\n").expect("write");
    sandbox.land_planned(planned).expect("it lands");
    sandbox.assert_clean();
    assert_eq!(sandbox.git_at(&linked, &["status", "--porcelain"]), "");
}

#[test]
fn a_split_index_stays_whole() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("b", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    sandbox.git(&["update-index", "--split-index"]);
    sandbox.write("b", "mine\n");
    sandbox.git(&["add", "b"]);
    sandbox.land().expect("it lands");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "M  b");
    sandbox.assert_nothing_left();
}

#[test]
fn an_untracked_cache_stays_right() {
    let sandbox = Sandbox::with(&[("d/a", "1\n"), ("gone/x", "1\n")]);
    sandbox.on_task(|s| {
        s.write("d/new", "task\n");
        s.write("fresh/new", "task\n");
        fs::remove_dir_all(s.root().join("gone")).expect("remove");
    });
    sandbox.git(&["config", "core.untrackedCache", "true"]);
    sandbox.write("d/mine", "mine\n");
    for _ in 0..2 {
        assert_eq!(sandbox.git(&["status", "--porcelain"]), "?? d/mine");
    }
    sandbox.land().expect("it lands");
    sandbox.write("fresh/mine", "mine\n");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "?? d/mine\n?? fresh/mine");
    sandbox.assert_nothing_left();
}

#[test]
fn a_worktree_that_somebody_makes_or_releases_just_now_keeps_nobody_from_landing() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "2\n"));
    // Its HEAD is not there yet, or not any more.
    let entry = sandbox.root().join(".git/worktrees/other");
    let folder = sandbox.root().with_file_name("other");
    fs::create_dir_all(&entry).expect("make an entry");
    fs::create_dir(&folder).expect("make a folder");
    let link = folder.join(".git");
    fs::write(entry.join("gitdir"), format!("{}\n", link.display())).expect("write");
    sandbox.land().expect("it lands");
    assert_eq!(sandbox.read("a"), "2\n");
}

#[test]
fn an_edit_that_followed_at_once_on_its_staging_is_still_seen() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("mine", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    let planned = sandbox.ready(Strategy::Merge);
    // As fast as a script can be: entry, file and index are of the same second, sizes are equal.
    let second = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let date = |path: &str| {
        let file = fs::File::options().append(true).open(sandbox.root().join(path));
        file.expect("it is there").set_modified(second).expect("it can be dated");
    };
    sandbox.write("mine", "2\n");
    date("mine");
    sandbox.git(&["add", "mine"]);
    sandbox.write("mine", "3\n");
    date("mine");
    date(".git/index");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "MM mine");
    sandbox.land_planned(planned).expect("it lands");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "MM mine");
}
