//! The isolation check: what a task changed outside its worktree is told with names, and what others
//! did is not laid at its door.

use crate::sandbox::{Sandbox, TestRepo, text, wait_until};
use serde_json::{Value, json};

/// The kinds of a task's warnings.
fn kinds(task: &Value) -> Vec<&str> {
    task["warnings"].as_array().expect("a list").iter().map(|w| text(&w["kind"])).collect()
}

/// The message of the only warning of a kind.
#[track_caller]
fn message<'t>(task: &'t Value, kind: &str) -> &'t str {
    let all = task["warnings"].as_array().expect("a list");
    let found: Vec<_> = all.iter().filter(|warning| warning["kind"] == kind).collect();
    assert_eq!(found.len(), 1, "one {kind} in {:#}", task["warnings"]);
    text(&found[0]["message"])
}

/// Starts a task that waits at a gate, lets `meanwhile` happen, and gives the ended task.
fn meanwhile(sandbox: &Sandbox, repo: &TestRepo<'_>, act: impl FnOnce()) -> Value {
    let gate = sandbox.gate("meanwhile");
    repo.dispatch("t", &[&sandbox.agent("wait_for_gate"), &gate.argument(), "true"]);
    gate.wait_for_arrival();
    act();
    gate.open();
    repo.wait_for("t")
}

#[test]
fn a_task_that_keeps_to_itself_has_no_warning() {
    let sandbox = Sandbox::new();
    for fixture in ["simple", "bare", "dirty_target", "non_utf8_names", "submodule"] {
        let repo = sandbox.repo_named(fixture, fixture);
        let dispatched = ["dispatch", "--base", "main", "--name", "t", "--"];
        repo.offshoot_json(&[&dispatched[..], &[&sandbox.agent("commit")]].concat());
        let task = repo.wait_for("t");
        assert_eq!(task["warnings"], json!([]), "{fixture}: {task:#}");
    }
}

#[test]
fn refs_configuration_and_hooks_that_a_task_changed_are_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let before = repo.head();
    repo.git(&["checkout", "--quiet", "-b", "elsewhere"]);
    repo.git(&["commit", "--quiet", "--allow-empty", "-m", "of the person"]);
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("tampers")]);
    assert_eq!(kinds(&task), ["main_ref_moved", "config_changed", "hooks_changed"], "{task:#}");
    let refs = message(&task, "main_ref_moved");
    let tip = text(&task["base"]["commit"]);
    assert!(refs.contains(&format!("`main` moved from {} to {}", &before[..10], &tip[..10])));
    assert!(refs.contains("`side-door` was made at") && refs.contains("with commits of this task"));
    assert!(refs.contains("`refs/tags/planted` was made at"), "{refs}");
    assert!(message(&task, "config_changed").ends_with(": `alias.st`"));
    assert!(message(&task, "hooks_changed").ends_with(": `pre-push`"));
}

#[test]
fn packed_refs_are_compared_with_loose_ones_and_none_is_kept_after_the_end() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let tags: String = (0..500).map(|tag| format!("create refs/tags/t{tag} HEAD\n")).collect();
    repo.write("../tags", tags);
    repo.dispatch_to_end("t", &["sh", "-c", "git update-ref --stdin <../../tags"]);
    let noted = || {
        let task = text(&repo.task("t")["id"]).to_owned();
        repo.read(&format!(".git/offshoot/tasks/{task}/fingerprint.json"))
    };
    assert!(!noted().contains("refs/tags/"), "{}", noted());
    // Packed in whole or in part before, in the meantime or never, they are what they are.
    for script in ["true", "git pack-refs --all", "git tag -f t7 t7", "git pack-refs --all"] {
        repo.offshoot(&["discard", "t"]).ok();
        let task = repo.dispatch_to_end("t", &["sh", "-c", script]);
        assert_eq!(task["warnings"], json!([]), "{script}: {task:#}");
        assert!(!noted().contains("refs/tags/"), "{script}: {}", noted());
    }
    repo.offshoot(&["discard", "t"]).ok();
    let script = r#"git tag "$(printf 'no\377text')""#;
    let task = repo.dispatch_to_end("t", &["sh", "-c", script]);
    let refs = message(&task, "main_ref_moved");
    assert!(refs.contains("`refs/tags/no\u{fffd}text` was made at"), "{refs}");
    repo.git(&["tag", "loose"]);
    let script =
        "git commit -q --allow-empty -m x; git tag -d t1 >&2; git tag -f t2 HEAD; git tag t500";
    let pack = format!("{script}; git tag -d loose >&2; git pack-refs --all");
    for (script, gone) in [(script, ""), (&pack, "`refs/tags/loose` is gone")] {
        repo.offshoot(&["discard", "t"]).ok();
        let task = repo.dispatch_to_end("t", &["sh", "-c", script]);
        let refs = message(&task, "main_ref_moved");
        for told in [
            "`refs/tags/t1` is gone",
            "`refs/tags/t2` moved from",
            "`refs/tags/t500` was made at",
            gone,
        ] {
            assert!(refs.contains(told), "{told}: {refs}");
        }
        assert_eq!(
            refs.matches("refs/tags").count(),
            if gone.is_empty() { 3 } else { 4 },
            "{refs}"
        );
        // As it was.
        repo.git(&["tag", "t1"]);
        repo.git(&["tag", "-f", "t2", "main"]);
        repo.git(&["tag", "-d", "t500"]);
    }
}

#[test]
fn a_stash_of_a_task_is_told_and_one_of_another_task_is_not() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 2\n");
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("meanwhile");
    repo.dispatch("waits", &[&sandbox.agent("wait_for_gate"), &gate.argument(), "true"]);
    gate.wait_for_arrival();
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("stash")]);
    gate.open();
    assert_eq!(kinds(&task), ["shared_stash"]);
    assert!(message(&task, "shared_stash").ends_with("`On offshoot/t: agent: for later`"));
    assert_eq!(kinds(&repo.wait_for("waits")), Vec::<&str>::new());
    assert_eq!(kinds(&repo.dispatch_to_end("later", &["true"])), Vec::<&str>::new());
}

#[test]
fn a_stash_entry_that_a_task_took_is_told() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write("notes.txt", "of the person\n");
    repo.git(&["stash", "push", "--quiet"]);
    let task = repo.dispatch_to_end("t", &["git", "stash", "drop", "--quiet"]);
    assert!(message(&task, "shared_stash").ends_with("1 taken from it"), "{task:#}");
}

#[test]
fn a_file_written_into_the_main_checkout_is_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("dirty_target");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("writes_main_checkout")]);
    assert_eq!(kinds(&task), ["main_changed"], "{task:#}");
    assert_eq!(task["warnings"][0]["paths"], json!(["written_by_agent.txt"]));
    assert!(text(&task["warnings"][0]["message"]).starts_with("1 file of the main checkout"));
}

#[test]
fn what_a_person_does_in_the_main_checkout_is_a_fact_and_staging_is_no_change() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write("staged meanwhile.txt", "before\n");
    repo.write("gone meanwhile.txt", "before\n");
    repo.write("edited meanwhile.txt", "before\n");
    let task = meanwhile(&sandbox, &repo, || {
        repo.git(&["add", "staged meanwhile.txt"]);
        std::fs::remove_file(repo.root().join("gone meanwhile.txt")).expect("it is there");
        repo.write("edited meanwhile.txt", "after, and longer\n");
        repo.write("notes.txt", "edited\n");
    });
    assert_eq!(kinds(&task), ["main_changed"]);
    let paths = json!(["edited meanwhile.txt", "gone meanwhile.txt", "notes.txt"]);
    assert_eq!(task["warnings"][0]["paths"], paths);
}

#[test]
fn at_most_a_hundred_paths_are_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = meanwhile(&sandbox, &repo, || {
        (0..120).for_each(|number| repo.write(&format!("{number}.txt"), "x"));
    });
    let warning = &task["warnings"][0];
    assert!(text(&warning["message"]).starts_with("120 files"), "{warning:#}");
    assert_eq!(warning["paths"].as_array().expect("a list").len(), 100);
    let shown = repo.offshoot(&["status", "t"]).ok().stdout;
    assert!(shown.contains("and 90 more, which `--json` names"), "{shown}");
}

#[test]
fn landings_and_other_tasks_are_not_laid_at_a_tasks_door() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 2\n");
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("first", &[&sandbox.agent("commit"), "first.txt"]);
    repo.dispatch_to_end("second", &[&sandbox.agent("commit"), "second.txt"]);
    let task = meanwhile(&sandbox, &repo, || {
        repo.dispatch_to_end("beside", &[&sandbox.agent("commit")]);
        repo.offshoot(&["merge", "first"]).ok();
        repo.offshoot(&["rebase", "second"]).ok();
        repo.offshoot(&["discard", "beside"]).ok();
    });
    assert_eq!(task["warnings"], json!([]));
}

#[test]
fn a_commit_on_top_of_a_landing_is_told_as_a_move_of_the_branch() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 2\n");
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("first", &[&sandbox.agent("commit"), "first.txt"]);
    let task = meanwhile(&sandbox, &repo, || {
        repo.offshoot(&["merge", "first"]).ok();
        repo.git(&["commit", "--quiet", "--allow-empty", "-m", "of the person"]);
    });
    let told = message(&task, "main_ref_moved");
    assert!(told.starts_with("refs changed during the run: `main` moved from "), "{told}");
}

#[test]
fn a_deleted_or_replaced_git_file_is_told() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("delete_gitfile")]);
    assert_eq!(kinds(&task), ["worktree_changed"], "{task:#}");
    assert!(message(&task, "worktree_changed").ends_with(": `.git`"));
    assert_eq!(repo.worktree_of(&task).status_porcelain(), "");

    let script = "echo 'gitdir: /nowhere' > .git";
    let task = repo.dispatch_to_end("replaced", &["sh", "-c", script]);
    assert_eq!(kinds(&task), ["worktree_changed"], "{task:#}");
    let script = "echo elsewhere > \"$(git rev-parse --git-dir)/commondir\"";
    let task = repo.dispatch_to_end("commondir", &["sh", "-c", script]);
    assert!(kinds(&task).contains(&"worktree_changed"), "{task:#}");
}

#[test]
fn a_large_file_that_nobody_committed_is_named() {
    let sandbox = Sandbox::new();
    sandbox.write_config("large_file_mib = 1\n");
    let repo = sandbox.repo("simple");
    let script = "head -c 1048577 /dev/zero > big.bin; head -c 1048576 /dev/zero > small.bin";
    let task = repo.dispatch_to_end("t", &["sh", "-c", script]);
    assert_eq!(kinds(&task), ["large_file"]);
    assert_eq!(task["warnings"][0]["paths"], json!(["big.bin"]));
    assert!(message(&task, "large_file").ends_with("the largest of 1 MiB"));
}

#[test]
fn a_new_supervisor_still_compares_with_what_was_noted() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = meanwhile(&sandbox, &repo, || {
        let id = text(&repo.task("t")["id"]).to_owned();
        let supervisors = || {
            let all = sandbox.processes().into_iter();
            all.filter(|(_, line)| line.contains(" supervise ") && line.contains(&id))
                .map(|(pid, _)| pid)
                .collect::<Vec<_>>()
        };
        let old = supervisors();
        assert_eq!(old.len(), 1, "one supervisor");
        rustix::process::kill_process(old[0], rustix::process::Signal::KILL).expect("it is ours");
        wait_until("its successor", || supervisors().iter().any(|pid| *pid != old[0]));
        repo.git(&["tag", "meanwhile"]);
    });
    assert!(message(&task, "main_ref_moved").contains("`refs/tags/meanwhile` was made at"));
}

#[test]
fn a_later_attempt_does_not_take_back_a_warning() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let script = "git config alias.x y; test -e again || { touch again; exit 1; }";
    let options = ["dispatch", "--name", "t", "--retries", "1", "--", "sh", "-c", script];
    repo.offshoot_json(&options);
    let task = repo.wait_for("t");
    assert_eq!((&task["attempt"], &task["state"]), (&json!(2), &json!("completed")));
    assert_eq!(kinds(&task), ["config_changed"]);
}
