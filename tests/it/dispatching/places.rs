//! Where a dispatch may stand: any folder of any checkout, a bare repository, a detached HEAD.

use crate::sandbox::{Sandbox, program, text};

#[test]
fn a_command_starts_in_the_folder_that_its_dispatcher_stood_in() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.offshoot_in("src", &["dispatch", "--name", "sub", "--", "sh", "-c", "pwd -P"]).ok();
    repo.offshoot_in("/", &["-C", text(&repo.root().to_str().into()), "list"]).ok();
    let task = repo.wait_for("sub");
    let log = repo.offshoot_in("docs", &["logs", "sub"]).ok().stdout;
    assert_eq!(log, format!("{}/src\n", text(&task["worktree"])));
}

#[test]
fn from_a_linked_worktree_the_task_starts_on_that_worktrees_branch() {
    let sandbox = Sandbox::new();
    let main = sandbox.repo("linked_worktree");
    let linked = sandbox.open(sandbox.root().join("repo-linked"));
    linked.dispatch("l", &[&sandbox.agent("commit")]);
    let task = main.wait_for("l");
    assert_eq!((&task["base"]["branch"], &task["target"]), (&"side".into(), &"side".into()));
    assert_eq!(task["base"]["commit"], linked.head());
    assert_eq!(task["worktree"], format!("{}/l", main.offshoots().display()));
}

#[test]
fn inside_a_tasks_own_worktree_a_task_lands_where_the_outer_one_does() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let script = "\"$0\" dispatch --name inner -- \"$1\" && \"$0\" wait inner";
    let offshoot = program();
    let outer =
        repo.dispatch_to_end("outer", &["sh", "-c", script, offshoot, &sandbox.agent("commit")]);
    assert_eq!(outer["state"], "completed", "{}", repo.offshoot(&["logs", "outer"]));
    let inner = repo.task("inner");
    assert_eq!((&inner["base"]["branch"], &inner["target"]), (&outer["branch"], &"main".into()));
}

#[test]
fn a_bare_repository_has_tasks_that_land() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("bare");
    let task = repo.dispatch_to_end("b", &[&sandbox.agent("edit_only")]);
    assert_eq!(task["target"], "main");
    assert_eq!(task["worktree"], format!("{}/b", repo.offshoots().display()));
    repo.offshoot(&["merge", "b"]).ok();
    assert_eq!(repo.git(&["show", "main:new.txt"]), "new from the agent");
    repo.offshoot(&["dispatch", "--with-changes", "--", "true"]).exits(2).says("bare");
}

#[test]
fn from_a_detached_head_a_task_has_no_target_until_one_is_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("detached");
    let task = repo.dispatch_to_end("d", &[&sandbox.agent("edit_only")]);
    assert!(task["target"].is_null() && task["base"]["branch"].is_null(), "{task:#}");
    assert_eq!(task["base"]["commit"], repo.head());
    repo.offshoot(&["merge", "d"]).exits(1).says("hint: offshoot merge d --into BRANCH");
    repo.offshoot(&["merge", "d", "--into", "main"]).ok();
    assert_eq!(repo.git(&["show", "main:new.txt"]), "new from the agent");
}

#[test]
fn a_shallow_clone_has_tasks_that_land() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("shallow");
    let task = repo.dispatch_to_end("s", &[&sandbox.agent("commit")]);
    assert_eq!(task["diff"]["commits"], 1);
    repo.offshoot(&["merge", "s"]).ok();
    assert!(repo.exists("agent.txt"));
    assert_eq!(repo.status_porcelain(), "");
}

#[test]
fn a_task_starts_where_it_is_told_to_and_lands_where_it_is_told_to() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("diverged");
    let noop = sandbox.agent("noop");
    let base = |name: &str, options: &[&str]| {
        let line = [&["dispatch", "--name", name], options, &["--", &noop]].concat();
        repo.offshoot_json(&line);
        let task = repo.wait_for(name);
        (task["base"].clone(), task["target"].clone())
    };
    let (main, topic) = (repo.head(), repo.git(&["rev-parse", "topic"]));
    let expected = |branch: Option<&str>, commit: &str| serde_json::json!({"branch": branch, "commit": commit, "dispatched": commit});
    assert_eq!(base("here", &[]), (expected(Some("main"), &main), "main".into()));
    assert_eq!(
        base("branch", &["--base", "topic"]),
        (expected(Some("topic"), &topic), "topic".into())
    );
    assert_eq!(
        base("both", &["--base", "topic", "--target", "main"]),
        (expected(Some("topic"), &topic), "main".into())
    );
    let parent = repo.git(&["rev-parse", "main~1"]);
    assert_eq!(base("rev", &["--base", "main~1"]), (expected(None, &parent), None::<&str>.into()));
}

#[test]
fn the_base_is_pinned_when_it_is_dispatched() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("first");
    let held = |name: &str, command: &[&str]| {
        let mut started = repo.command(&[&["dispatch", "--name", name, "--"], command].concat());
        sandbox.finish_command(started.env("OFFSHOOT_MAX_PARALLEL", "1")).ok();
    };
    held("first", &[&sandbox.agent("wait_for_gate"), &gate.argument()]);
    gate.wait_for_arrival();
    held("second", &["git", "rev-parse", "HEAD"]);
    let base = repo.head();
    repo.commit_all("main moves on");
    repo.git(&["commit", "--quiet", "--amend", "--allow-empty", "-m", "and is rewritten"]);
    gate.open();
    repo.wait_for("second");
    assert_eq!(repo.offshoot(&["logs", "second"]).ok().stdout, format!("{base}\n"));
}
