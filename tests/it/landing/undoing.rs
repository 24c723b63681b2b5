//! `undo`: the target goes back, or a commit takes the change out; the task is open again.

use super::{checkouts, cut_off, everything, files, landing, refused};
use crate::sandbox::{Sandbox, TestRepo, text};

/// A task that has written one file, landed in this way.
fn landed(sandbox: &Sandbox, repo: &TestRepo<'_>, name: &str, line: &[&str]) {
    repo.dispatch_to_end(name, &[&sandbox.agent("commit"), name]);
    repo.offshoot(&[line, &[name]].concat()).ok();
}

#[test]
fn the_target_goes_back_and_the_task_is_as_it_was_before_it_landed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let before = repo.head();
    repo.dispatch_to_end("t", &[&sandbox.agent("edit_only")]);
    let task = repo.task("t");
    repo.write("mine.txt", "untracked\n");
    repo.write("README.md", "edited\n");
    let checkout = files(&sandbox, &repo);
    for line in [&["merge"][..], &["merge", "--squash"], &["merge", "--ff-only"], &["rebase"]] {
        let (_, done) = landing(&repo, &[line, &["t"]].concat());
        let (code, undone) = landing(&repo, &["undo"]);
        assert_eq!((code, &undone["verdict"]), (0, &"undone".into()), "{line:?}");
        assert_eq!(undone["id"], done["id"]);
        assert_eq!((&undone["before"], &undone["after"]), (&done["after"], &done["before"]));
        assert_eq!((repo.head(), files(&sandbox, &repo)), (before.clone(), checkout.clone()));
        assert_eq!(repo.status_porcelain(), " M README.md\n?? mine.txt");
        let open = repo.task("t");
        for field in ["head", "worktree", "branch", "base", "diff", "landing", "next", "forecast"] {
            assert_eq!(open[field], task[field], "{line:?}: {field}");
        }
        assert_eq!(repo.branch_tip("offshoot/t").as_deref(), task["head"].as_str());
        assert_eq!(repo.worktree_of(&open).read("ignored.log"), "ignored\n");
        assert_eq!(repo.worktree_of(&open).status_porcelain(), "");
    }
    let told = repo.told("t");
    assert_eq!(told[3..5], ["landed", "undone"]);
    let event = repo.journal().pop().expect("an event");
    assert_eq!((&event["event"], &event["landing"]["id"]), (&"undone".into(), &7.into()));
    assert_eq!(event["landing"]["strategy"], "rebase");
    let log = repo.offshoot(&["events"]).ok().stdout;
    assert!(log.contains("taken back from `main` (landing 7)"), "{log}");
    assert_eq!(repo.git(&["reflog", "-1", "--format=%gs", "main"]), "offshoot: undo t");
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn landings_are_taken_back_one_after_another_and_each_only_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let before = repo.head();
    for name in ["a", "b"] {
        repo.dispatch(name, &[&sandbox.agent("commit"), name]);
    }
    repo.offshoot(&["wait", "a", "b"]).ok();
    repo.offshoot(&["merge", "a", "b"]).ok();
    let list = repo.offshoot(&["list", "--all"]).ok().stdout;
    assert!(list.contains("on main, landing 1") && list.contains("on main, landing 2"), "{list}");

    let ran = refused(&sandbox, &repo, "refused", "has moved on since landing 1", &["undo", "a"]);
    ran.says("hint: `offshoot undo 1 --revert`");
    insta::assert_snapshot!(repo.offshoot(&["undo"]).snapshot(&sandbox), @r"
    exit 0
    --- stdout
    b: taken back from `main` (<hash> → <hash>); the task is open again
    --- stderr
    ");
    refused(&sandbox, &repo, "refused", "was taken back already, by landing 3", &["undo", "2"]);
    refused(&sandbox, &repo, "refused", "landing 3 took landing 2 back", &["undo", "3"]);
    refused(&sandbox, &repo, "refused", "no landing of `b`", &["undo", "b"]);
    refused(&sandbox, &repo, "not_found", "no landing 9", &["undo", "9"]);
    refused(&sandbox, &repo, "not_found", "no task `x`", &["undo", "x"]);
    repo.offshoot(&["undo"]).ok();
    assert_eq!(repo.head(), before);
    refused(&sandbox, &repo, "refused", "there is no landing to take back", &["undo"]);
    repo.offshoot(&["merge", "b", "a"]).ok();
    assert!(repo.exists("a") && repo.exists("b"));
}

#[test]
fn what_is_in_the_way_of_going_back_refuses_it_and_stays() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    landed(&sandbox, &repo, "t", &["merge"]);
    repo.write("t", "edited since\n");
    let ran = refused(&sandbox, &repo, "dirty", "is in the way: `t`", &["undo"]);
    assert!(!ran.stderr.contains("--into"), "{ran}");
    repo.git(&["add", "t"]);
    refused(&sandbox, &repo, "dirty", "is in the way: `t`", &["undo"]);
    repo.git(&["reset", "--quiet", "--hard"]);
    // Another task has the name and so the branch by now.
    repo.dispatch_to_end("t", &[&sandbox.agent("commit"), "other"]);
    refused(&sandbox, &repo, "refused", "`offshoot/t` is used by something else", &["undo"]);
    repo.offshoot(&["discard", "t"]).ok();
    repo.offshoot(&["undo"]).ok();
    assert!(!repo.exists("t"));
}

#[test]
fn a_pushed_landing_is_taken_back_by_a_commit_only() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let remote = sandbox.root().join("remote.git");
    repo.git(&["init", "--quiet", "--bare", text(&remote.to_str().into())]);
    repo.git(&["remote", "add", "origin", text(&remote.to_str().into())]);
    landed(&sandbox, &repo, "t", &["merge"]);
    repo.git(&["push", "--quiet", "origin", "main"]);
    let ran = refused(&sandbox, &repo, "refused", "pushed: `origin/main` holds it", &["undo"]);
    ran.says("--revert");
    let pushed = repo.head();
    let (code, undone) = landing(&repo, &["undo", "--revert", "t"]);
    assert_eq!((code, &undone["verdict"]), (0, &"undone".into()));
    assert_eq!((undone["before"].as_str(), repo.exists("t")), (Some(&*pushed), false));
    let message = repo.git(&["log", "-1", "--format=%B"]);
    let reverts = format!("Revert \"Merge task t\"\n\nThis reverts commit {pushed}, reversing\n");
    assert!(message.starts_with(&reverts), "{message}");
    assert_eq!(repo.status_porcelain(), "");
}

#[test]
fn reverted_work_is_open_and_lands_again_whichever_way_it_had_landed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for (name, line) in [
        ("a", &["merge"][..]),
        ("b", &["merge", "--squash"]),
        ("c", &["merge", "--ff-only"]),
        ("d", &["rebase"]),
        ("e", &["merge", "--keep"]),
    ] {
        landed(&sandbox, &repo, name, line);
        repo.write("since", name);
        let tip = repo.commit_all("main moves on");
        repo.offshoot(&["undo", name]).exits(1).says("has moved on");
        assert_eq!(repo.head(), tip);
        repo.offshoot(&["undo", "--revert", name]).ok();
        assert!(!repo.exists(name), "{name}");
        let task = repo.task(name);
        assert_eq!(task["landing"]["kind"], "open", "{name}");
        assert_eq!(task["forecast"]["verdict"], "clean", "{name}");
        assert_eq!(task["diff"]["changes"][0]["path"], name);
        assert_eq!(task["base"]["commit"], repo.head());
        assert_eq!(repo.worktree_of(&task).status_porcelain(), "", "{name}");
        assert!(repo.worktree_of(&task).exists("since"), "the worktree went along");
        repo.offshoot(&["merge", name]).ok();
        assert_eq!(repo.read(name), "written by the agent\n");
    }
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn a_revert_that_conflicts_is_an_answer_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    landed(&sandbox, &repo, "t", &["merge"]);
    repo.write("t", "changed since\n");
    repo.commit_all("main moves on");
    let before = everything(&sandbox, &repo);
    let (code, answer) = landing(&repo, &["undo", "--revert"]);
    assert_eq!((code, &answer["verdict"]), (3, &"conflicts".into()));
    assert_eq!(answer["conflicts"][0]["path"], "t");
    assert_eq!(everything(&sandbox, &repo), before);
}

#[test]
fn work_that_was_collected_cannot_be_opened_again() {
    let sandbox = Sandbox::new();
    sandbox.write_config("[keep]\nrefs_days = 0\nfolders_days = 0\n");
    let repo = sandbox.repo("simple");
    landed(&sandbox, &repo, "t", &["merge", "--squash"]);
    repo.offshoot(&["gc"]).ok();
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["gc", "--quiet", "--prune=now"]);
    refused(&sandbox, &repo, "refused", "its work was collected", &["undo"]);
    // A merge commit holds the work itself.
    landed(&sandbox, &repo, "u", &["merge"]);
    repo.offshoot(&["gc"]).ok();
    repo.git(&["gc", "--quiet", "--prune=now"]);
    repo.offshoot(&["undo"]).ok();
    assert_eq!((repo.exists("u"), checkouts(&repo)), (false, 2));
}

#[test]
fn an_undo_that_was_killed_has_happened_or_not() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    landed(&sandbox, &repo, "t", &["merge", "--ff-only"]);
    repo.write("mine.txt", "untracked\n");
    let look = || {
        let task = repo.task("t");
        let refs = repo.git(&["for-each-ref", "refs/heads"]);
        format!(
            "{}\n{refs}\n{}{}\n{}",
            task["landing"]["kind"],
            task["worktree"],
            repo.status_porcelain(),
            files(&sandbox, &repo)
        )
    };
    cut_off::everywhere(&sandbox, &repo, (&["undo", "t"], 4), &look, &|| {
        repo.offshoot(&["merge", "--ff-only", "t"]).ok();
    });
}
