//! The ways to land, on targets that are checked out here, elsewhere or nowhere.

use super::{checkouts, everything, files, landing};
use crate::sandbox::{Sandbox, text};
use serde_json::json;

#[test]
fn a_merge_names_the_task_and_releases_its_worktree() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let agent = sandbox.agent("commit");
    let before = repo.head();
    repo.offshoot(&["dispatch", "--name", "t", "Write a\nfile", "--", &agent]).ok();
    let task = repo.wait_for("t");
    insta::assert_snapshot!(repo.offshoot(&["merge", "t"]).snapshot(&sandbox), @r"
    exit 0
    --- stdout
    t: merged into `main` (<hash> → <hash>)
    --- stderr
    ");
    let parents = repo.git(&["rev-list", "--parents", "-1", "HEAD"]);
    assert_eq!(parents, format!("{} {before} {}", repo.head(), text(&task["head"])));
    let message = repo.git(&["log", "-1", "--format=%B"]);
    let id = text(&task["id"]);
    assert_eq!(
        message.trim_end(),
        format!("Merge task t\n\nWrite a\n\nOffshoot-Task: t\nOffshoot-Id: {id}")
    );
    assert_eq!(
        (repo.status_porcelain(), repo.read("agent.txt")),
        (String::new(), "written by the agent\n".into())
    );
    assert_eq!((checkouts(&repo), repo.branch_tip("offshoot/t")), (1, None));
    let task = repo.task("t");
    assert_eq!((&task["landing"]["kind"], &task["worktree"]), (&"landed".into(), &json!(null)));
    assert_eq!(task["landing"]["commit"], repo.head());
    assert_eq!(repo.told("t"), ["dispatched", "started", "finished", "landed"]);
    assert_eq!(repo.git(&["reflog", "-1", "--format=%gs", "main"]), "offshoot: merge t");
}

#[test]
fn a_squash_is_one_commit_with_the_whole_change() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let before = repo.head();
    repo.dispatch_to_end("t", &[&sandbox.agent("mixed")]);
    let (code, landed) = landing(&repo, &["merge", "--squash", "t"]);
    assert_eq!(
        (code, &landed["verdict"], &landed["strategy"]),
        (0, &"landed".into(), &"squash".into())
    );
    assert_eq!(
        (&landed["before"], &landed["after"]),
        (&before.as_str().into(), &repo.head().into())
    );
    assert_eq!(repo.git(&["rev-parse", "HEAD^@"]), before);
    assert!(repo.git(&["log", "-1", "--format=%B"]).contains("\nOffshoot-Task: t\n"));
    assert_eq!(repo.git(&["diff", "--name-only", "HEAD~1"]).lines().count(), 3);
    assert_eq!(repo.status_porcelain(), "");
}

#[test]
fn a_fast_forward_moves_the_target_to_the_tasks_own_commit_or_is_refused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let one = repo.dispatch_to_end("one", &[&sandbox.agent("commit"), "one.txt"]);
    repo.dispatch_to_end("two", &[&sandbox.agent("commit"), "two.txt"]);
    let (code, landed) = landing(&repo, &["merge", "--ff-only", "one"]);
    assert_eq!(
        (code, &landed["verdict"], &landed["strategy"]),
        (0, &"landed".into(), &"ff_only".into())
    );
    assert_eq!(repo.head(), text(&one["head"]));
    let ran =
        super::refused(&sandbox, &repo, "refused", "has moved on", &["merge", "--ff-only", "two"]);
    ran.says("hint: offshoot rebase two").says("hint: offshoot merge two");
}

#[test]
fn a_rebase_lands_the_commits_one_by_one_and_keeps_their_authors() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("mixed")]);
    repo.write("theirs.txt", "meanwhile\n");
    let before = repo.commit_all("main moves on");
    let (code, landed) = landing(&repo, &["rebase", "t"]);
    assert_eq!(
        (code, &landed["verdict"], &landed["strategy"]),
        (0, &"landed".into(), &"rebase".into())
    );
    let log = repo.git(&["log", "--format=%an|%cn|%p|%s", &format!("{before}..")]);
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 2, "{log}");
    assert!(lines[0].starts_with("Sandbox Person|Sandbox Person|"), "{log}");
    assert!(
        lines[1].starts_with("Agent|Sandbox Person|") && lines[1].ends_with("|agent: half of it"),
        "{log}"
    );
    assert_eq!(repo.git(&["rev-parse", "HEAD~2"]), before);
    assert_eq!(repo.status_porcelain(), "");
}

#[test]
fn several_tasks_land_one_after_another() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for name in ["a", "b", "c"] {
        repo.dispatch(name, &[&sandbox.agent("commit"), name]);
    }
    repo.offshoot(&["wait", "a", "b", "c"]).ok();
    let document = repo.offshoot_json(&["merge", "b", "a", "c"]);
    let landings = document["landings"].as_array().expect("landings");
    let order: Vec<_> = landings.iter().map(|l| (text(&l["task"]), text(&l["verdict"]))).collect();
    assert_eq!(order, ["b", "a", "c"].map(|name| (name, "landed")));
    for pair in landings.windows(2) {
        assert_eq!(pair[0]["after"], pair[1]["before"]);
        assert!(pair[0]["id"].as_u64() < pair[1]["id"].as_u64());
    }
    let keys: Vec<&str> =
        landings[0].as_object().expect("an object").keys().map(String::as_str).collect();
    let contract = ["id", "task", "target", "before", "after", "strategy", "verdict", "conflicts"];
    assert_eq!(keys, contract);
    assert!(["a", "b", "c"].iter().all(|name| repo.exists(name)));
}

#[test]
fn conflicts_are_an_answer_with_exit_3_and_change_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    let agent = sandbox.agent("commit");
    let line = ["dispatch", "--name", "t", "--base", "topic", "--target", "main", "--", &agent];
    repo.offshoot(&line).ok();
    let task = repo.wait_for("t");
    assert_eq!(task["forecast"]["verdict"], "conflicts");
    let before = everything(&sandbox, &repo);
    for line in [
        &["merge", "t"][..],
        &["merge", "--squash", "t"],
        &["rebase", "t"],
        &["merge", "--dry-run", "t"],
    ] {
        let (code, answer) = landing(&repo, line);
        assert_eq!((code, &answer["verdict"]), (3, &"conflicts".into()), "{line:?}");
        assert_eq!((&answer["before"], &answer["id"]), (&answer["after"], &json!(null)));
        let paths: Vec<(&str, &str)> = answer["conflicts"]
            .as_array()
            .expect("conflicts")
            .iter()
            .map(|c| (text(&c["path"]), text(&c["kind"])))
            .collect();
        for conflict in [
            ("added.txt", "add_add"),
            ("gone.txt", "modify_delete"),
            ("notes.txt", "content"),
            ("place", "file_directory"),
        ] {
            assert!(paths.contains(&conflict), "{line:?}: {paths:?}");
        }
        assert_eq!(everything(&sandbox, &repo), before, "{line:?}");
    }
    let said = repo.offshoot(&["merge", "t"]).exits(3);
    insta::assert_snapshot!(said.snapshot(&sandbox), @r"
    exit 3
    --- stdout
    t: conflicts with `main` in 4 paths; nothing was changed
      added.txt  both sides added it, differently
      gone.txt   changed on one side, deleted on the other
      notes.txt  both sides changed the same lines
      place      a file on one side, a folder on the other
    --- stderr

    hint: `offshoot merge --resolve t` opens the merge in the task's worktree, to be resolved there
    hint: `offshoot send --conflict t` opens it there and hands it to the task's agent
    hint: `offshoot diff t` shows its change, `offshoot discard t` gives it up (it can be restored)
    ");
}

#[test]
fn a_conflict_in_the_middle_stops_only_its_own_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch("a", &[&sandbox.agent("commit"), "same", "a"]);
    repo.dispatch("b", &[&sandbox.agent("commit"), "same", "b"]);
    repo.dispatch("c", &[&sandbox.agent("commit"), "other", "c"]);
    repo.offshoot(&["wait", "a", "b", "c"]).ok();
    let (code, document) = repo.offshoot_json_exit(&["merge", "a", "b", "c"]);
    assert_eq!(code, 3);
    let verdicts: Vec<&str> =
        (0..3).map(|place| text(&document["landings"][place]["verdict"])).collect();
    assert_eq!(verdicts, ["landed", "conflicts", "landed"]);
    assert_eq!((repo.read("same"), repo.read("other")), ("a\n".into(), "c\n".into()));
    assert_eq!(repo.task("b")["landing"]["kind"], "open");
}

#[test]
fn a_checkout_in_use_keeps_everything_that_the_landing_does_not_touch() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("dirty_target");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit"), "folder/agent.txt"]);
    repo.dispatch_to_end("u", &[&sandbox.agent("commit"), "agent.txt"]);
    let state =
        || (files(&sandbox, &repo), repo.git(&["diff", "--cached"]), repo.status_porcelain());
    let before = state();
    repo.offshoot(&["merge", "t"]).ok();
    repo.offshoot(&["rebase", "u"]).ok();
    assert!(repo.exists("folder/agent.txt") && repo.exists("agent.txt"));
    let after = state();
    assert_eq!((&after.1, &after.2), (&before.1, &before.2));
    let now: Vec<&str> = after.0.lines().collect();
    assert!(before.0.lines().all(|line| now.contains(&line)), "{before:?}\n{after:?}");
    assert_eq!(now.len(), before.0.lines().count() + 2);
}

#[test]
fn a_target_that_is_checked_out_in_a_linked_worktree_is_updated_there() {
    let sandbox = Sandbox::new();
    let main = sandbox.repo("linked_worktree");
    let linked = sandbox.open(sandbox.root().join("repo-linked"));
    linked.dispatch_to_end("t", &[&sandbox.agent("edit_only")]);
    linked.write("untracked.txt", "mine\n");
    let before = main.head();
    main.offshoot(&["merge", "t"]).ok();
    assert_eq!(linked.read("new.txt"), "new from the agent\n");
    assert_eq!(linked.status_porcelain(), "?? untracked.txt");
    assert_eq!((main.head(), main.status_porcelain()), (before, String::new()));
    assert!(!main.exists("new.txt"));
}

#[test]
fn a_branch_that_stands_for_another_moves_that_one_with_its_checkouts() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.git(&["symbolic-ref", "refs/heads/alias", "refs/heads/main"]);
    repo.git(&["worktree", "add", "--quiet", "--force", "../linked", "alias"]);
    repo.dispatch_to_end("t", &["sh", "-c", "echo t >t"]);
    let (_, landed) = landing(&repo, &["merge", "t", "--into", "alias"]);
    assert_eq!(landed["target"], "main");
    let linked = sandbox.open(repo.root().with_file_name("linked"));
    for checkout in [&repo, &linked] {
        assert_eq!(
            (checkout.status_porcelain(), checkout.read("t")),
            (String::new(), "t\n".into())
        );
    }
    assert_eq!(repo.git(&["symbolic-ref", "refs/heads/alias"]), "refs/heads/main");
    repo.offshoot(&["undo"]).ok();
    for checkout in [&repo, &linked] {
        assert_eq!((checkout.status_porcelain(), checkout.exists("t")), (String::new(), false));
    }
    repo.git(&["symbolic-ref", "refs/heads/odd", "refs/tags/odd"]);
    repo.git(&["tag", "odd"]);
    repo.offshoot(&["merge", "t", "--into", "odd"]).exits(1).says("which is no branch");
}

#[test]
fn a_locked_worktree_that_is_not_there_keeps_its_branch_where_it_is() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    repo.git(&["worktree", "add", "--quiet", "--lock", "../drive", "main"]);
    repo.dispatch_to_end("t", &["sh", "-c", "echo t >t"]);
    let (drive, away) = (repo.root().with_file_name("drive"), repo.root().with_file_name("away"));
    std::fs::rename(&drive, &away).expect("unplugged");
    let before = repo.git(&["rev-parse", "main"]);
    let ran = repo.offshoot(&["merge", "t", "--into", "main"]).exits(1).says("not there now");
    ran.says("git worktree unlock");
    assert_eq!(repo.git(&["rev-parse", "main"]), before);
    std::fs::rename(&away, &drive).expect("plugged in");
    repo.offshoot(&["merge", "t", "--into", "main"]).ok();
    let drive = sandbox.open(drive);
    assert_eq!((drive.status_porcelain(), drive.read("t")), (String::new(), "t\n".into()));
}

#[test]
fn a_target_that_is_checked_out_nowhere_moves_alone() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("diverged");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    let before = (repo.head(), repo.branch_tip("topic"));
    let (code, landed) = landing(&repo, &["merge", "t", "--into", "topic"]);
    assert_eq!((code, &landed["target"]), (0, &"topic".into()));
    assert_eq!(landed["before"].as_str(), before.1.as_deref());
    assert_eq!(landed["after"].as_str(), repo.branch_tip("topic").as_deref());
    assert_eq!((repo.head(), repo.status_porcelain()), (before.0, String::new()));
    assert_eq!(repo.task("t")["landing"]["target"], "topic");
}

#[test]
fn a_dry_run_says_what_would_happen_and_changes_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("mixed")]);
    let before = everything(&sandbox, &repo);
    for line in [&["merge"][..], &["merge", "--squash"], &["merge", "--ff-only"], &["rebase"]] {
        let (code, answer) = landing(&repo, &[line, &["--dry-run", "t"]].concat());
        assert_eq!((code, &answer["verdict"]), (0, &"planned".into()), "{line:?}");
        assert_eq!(everything(&sandbox, &repo), before, "{line:?}");
    }
}

#[test]
fn what_is_kept_stays_where_it_is() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("edit_only")]);
    repo.offshoot(&["merge", "--keep", "t"]).ok();
    let landed = repo.task("t");
    assert_eq!(landed["worktree"], task["worktree"]);
    assert_eq!(repo.branch_tip("offshoot/t").as_deref(), task["head"].as_str());
    assert_eq!(repo.worktree_of(&task).read("ignored.log"), "ignored\n");
}

#[test]
fn work_that_was_landed_by_hand_is_recognised() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("squashed", &[&sandbox.agent("mixed")]);
    repo.dispatch_to_end("merged", &[&sandbox.agent("commit")]);
    repo.git(&["merge", "--quiet", "--squash", "offshoot/squashed"]);
    repo.commit_all("by hand");
    repo.git(&["merge", "--quiet", "--no-edit", "offshoot/merged"]);
    let before = repo.head();
    for name in ["squashed", "merged"] {
        assert_eq!(repo.task(name)["forecast"]["verdict"], "up_to_date", "{name}");
        let (code, answer) = landing(&repo, &["merge", name]);
        assert_eq!((code, &answer["verdict"]), (0, &"up_to_date".into()), "{name}");
        assert_eq!(repo.task(name)["landing"]["kind"], "landed", "{name}");
    }
    assert_eq!((repo.head(), checkouts(&repo)), (before, 1));
}
