//! Landings that are refused, and that change nothing then.

use super::Sandbox;
use offshoot::error::ErrorKind;
use offshoot::git::Expected;
use offshoot::landing::Strategy;
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn overlapping_work_is_refused_by_name_and_stays_as_it_is() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("b", "1\n"), ("c", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("b", "task\n");
        s.write("c", "task\n");
    });
    sandbox.write("a", "mine\n");
    sandbox.write("b", "staged\n");
    sandbox.git(&["add", "b"]);
    sandbox.write("b", "1\n");
    let before = sandbox.picture();
    let error = sandbox.land().expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Dirty);
    assert!(error.message.contains("`a`, `b`"), "{error}");
    assert!(!error.message.contains("`c`"), "{error}");
    assert!(!error.hints.is_empty());
    assert_eq!(sandbox.picture(), before);
    sandbox.assert_nothing_left();
    assert!(sandbox.repo().recover_landings(&sandbox.journals()).expect("fine").is_empty());
}

#[test]
fn assume_unchanged_does_not_hide_a_persons_edit() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["update-index", "--assume-unchanged", "a"]);
    sandbox.write("a", "mine\n");
    assert_eq!(sandbox.land().expect_err("refused").kind, ErrorKind::Dirty);
    assert_eq!(sandbox.read("a"), "mine\n");
}

#[test]
fn an_untracked_or_ignored_file_in_the_way_is_never_replaced() {
    for (path, content, shown) in [
        ("new", "mine\n", "`new`"),
        ("x.log", "mine\n", "`x.log`"),
        ("folder", "a file where a folder is needed\n", "`folder`"),
        ("as-file/inside", "a folder where a file is needed\n", "`as-file/inside`"),
    ] {
        let sandbox = Sandbox::with(&[("a", "1\n"), (".gitignore", "*.log\n")]);
        sandbox.on_task(|s| {
            s.write("new", "task\n");
            s.write("x.log", "task\n");
            s.write("folder/inside", "task\n");
            s.write("as-file", "task\n");
            s.git(&["add", "-f", "x.log"]);
        });
        sandbox.write(path, content);
        let before = sandbox.picture();
        let error = sandbox.land().expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Dirty);
        assert!(error.message.contains(shown), "{error}");
        assert_eq!(sandbox.picture(), before);
    }
}

#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("d/old", "1\n")]);
    sandbox.on_task(|s| {
        s.write("link/new", "task\n");
        s.write("d/old", "task\n");
    });
    let outside = sandbox.folder.path().join("outside");
    fs::create_dir(&outside).expect("make");
    fs::write(outside.join("old"), "1\n").expect("write");
    symlink(&outside, sandbox.root().join("link")).expect("link");
    fs::remove_dir_all(sandbox.root().join("d")).expect("remove");
    symlink(&outside, sandbox.root().join("d")).expect("link");
    let error = sandbox.land().expect_err("refused");
    assert!(error.message.contains("`link`") && error.message.contains("`d/old`"), "{error}");
    assert_eq!(fs::read(outside.join("old")).expect("read"), b"1\n");
    assert!(!outside.join("new").exists());
}

#[test]
fn a_branch_in_the_middle_of_something_is_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("other", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("other", "side\n");
    sandbox.commit("side");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("other", "main\n");
    sandbox.commit("main");
    let planned = sandbox.ready(Strategy::Merge);
    let refused = |word: &str| {
        let error = sandbox.land_planned(planned).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.contains(word), "{error}");
    };
    assert!(!sandbox.try_git(&sandbox.root(), &["merge", "side"]).status.success());
    refused("a merge");
    sandbox.git(&["merge", "--abort"]);
    assert!(!sandbox.try_git(&sandbox.root(), &["rebase", "side"]).status.success());
    refused("rebased");
    sandbox.git(&["rebase", "--abort"]);
    sandbox.git(&["bisect", "start"]);
    refused("bisected");
    sandbox.git(&["bisect", "reset"]);
    sandbox.land_planned(planned).expect("it lands");
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for_and_never_removed() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    let lock = sandbox.root().join(".git/index.lock");
    fs::write(&lock, "").expect("write");
    let planned = sandbox.ready(Strategy::Merge);
    let error = sandbox.land_planned(planned).expect_err("busy");
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.message.contains("index.lock"), "{error}");
    assert!(lock.exists());
    fs::remove_file(&lock).expect("remove");
    assert_eq!(sandbox.read("a"), "1\n");
    sandbox.assert_nothing_left();
    sandbox.land_planned(planned).expect("it lands");
}

#[test]
fn a_target_that_moved_is_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    let landing = sandbox.landing(sandbox.ready(Strategy::Merge));
    sandbox.write("b", "b\n");
    sandbox.commit("main moves on");
    let before = sandbox.picture();
    let error = sandbox.repo().land(&sandbox.journals(), &landing).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("moved"), "{error}");
    assert_eq!(sandbox.picture(), before);
}

#[test]
fn a_ref_that_cannot_move_takes_everything_back() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone/file", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new/file", "task\n");
        fs::remove_dir_all(s.root().join("gone")).expect("remove");
    });
    sandbox.write("mine", "mine\n");
    let planned = sandbox.ready(Strategy::Merge);
    let lock = sandbox.root().join(".git/refs/heads/main.lock");
    fs::write(&lock, "").expect("write");
    let before = sandbox.picture();
    sandbox.land_planned(planned).expect_err("the ref is locked");
    assert_eq!(sandbox.picture(), before);
    sandbox.assert_nothing_left();
    fs::remove_file(&lock).expect("remove");
    sandbox.land_planned(planned).expect("it lands");
}

#[test]
fn unresolved_conflicts_in_the_index_are_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("other", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.write("other", "stashed\n");
    sandbox.git(&["stash", "-q"]);
    sandbox.write("other", "main\n");
    sandbox.commit("main moves on");
    assert!(!sandbox.try_git(&sandbox.root(), &["stash", "pop"]).status.success());
    let error = sandbox.land().expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Dirty);
    assert!(error.message.contains("`other`"), "{error}");
}

#[test]
fn a_file_that_git_was_told_to_skip_is_not_overwritten() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["update-index", "--skip-worktree", "a"]);
    sandbox.write("a", "mine\n");
    assert_eq!(sandbox.land().expect_err("refused").kind, ErrorKind::Dirty);
    assert_eq!(sandbox.read("a"), "mine\n");
    sandbox.assert_nothing_left();
}

#[test]
fn an_editor_that_is_faster_than_the_landing_wins() {
    for (edited, before) in
        [("a", Some("1\n")), ("b", Some("1\n")), ("gone", Some("1\n")), ("new", None)]
    {
        let sandbox = Sandbox::with(&[
            ("a", "1\n"),
            ("b", "1\n"),
            ("gone", "1\n"),
            (".gitattributes", "*.slow filter=slow\n"),
        ]);
        sandbox.on_task(|s| {
            s.write("a", "task\n");
            s.write("b", "task\n");
            s.write("new", "task\n");
            s.write("x.slow", "task\n");
            fs::remove_file(s.root().join("gone")).expect("remove");
        });
        // The filter runs when the new files are made ready: after the check, before the swap.
        let file = sandbox.root().join(edited);
        let script = format!("echo \"an editor's\" >'{}'; cat", file.display());
        sandbox.git(&["config", "filter.slow.smudge", &script]);
        let planned = sandbox.ready(Strategy::Merge);
        let refs = sandbox.git(&["for-each-ref"]);
        let error = sandbox.land_planned(planned).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Dirty, "{error}");
        assert!(error.message.contains(&format!("`{edited}`")), "{error}");
        assert_eq!(sandbox.read(edited), "an editor's\n");
        assert_eq!(sandbox.git(&["for-each-ref"]), refs);
        let status = sandbox.git(&["status", "--porcelain"]);
        let expected =
            if before.is_some() { format!("M {edited}") } else { format!("?? {edited}") };
        assert_eq!(status.trim_start(), expected);
        sandbox.assert_nothing_left();
    }
}

#[test]
fn a_lock_that_a_killed_process_left_on_a_ref_of_ours_is_removed_and_a_strangers_is_not() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let (repo, tip) = (sandbox.repo(), sandbox.at("main"));
    let left = |name: &str, content: &str| {
        let lock = sandbox.root().join(".git").join(format!("{name}.lock"));
        fs::create_dir_all(lock.parent().expect("a folder")).expect("make the folder");
        fs::write(lock, content).expect("write");
    };
    let make = |name: &str| repo.set_ref(name, Expected::Absent, tip, "offshoot: test");
    left("refs/offshoot/kept/x", "");
    make("refs/offshoot/kept/x").expect("made");
    left("refs/heads/offshoot/y", &format!("{tip}\n"));
    make("refs/heads/offshoot/y").expect("made");
    left("refs/heads/offshoot/y", "");
    repo.delete_ref("refs/heads/offshoot/y", tip).expect("deleted");
    left("refs/heads/z", "1234567812345678123456781234567812345678\n");
    assert_eq!(make("refs/heads/z").expect_err("is locked").kind, ErrorKind::Busy);
}
