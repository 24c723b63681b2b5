//! One test for each agent.

use super::{changes, check, ended, ending, exited, warnings};
use crate::sandbox::{Sandbox, text, wait_until};
use serde_json::json;

#[test]
fn what_an_agent_committed_stays_as_it_is() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("commit")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!(task["diff"]["leftovers_committed"], false);
    assert_eq!(changes(&task), ["added agent.txt"]);
    assert_eq!(task["landing"], json!({"kind": "open"}));
    assert_eq!(task["forecast"]["verdict"], "clean");
    let author = repo.git(&["log", "-1", "--format=%an %s", "offshoot/t"]);
    assert_eq!(author, "Agent agent: write agent.txt");
}

#[test]
fn what_an_agent_left_is_committed_untracked_files_too_and_ignored_ones_not() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("edit_only")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!(
        (&task["diff"]["commits"], &task["diff"]["leftovers_committed"]),
        (&1.into(), &true.into())
    );
    assert_eq!(changes(&task), ["added new.txt", "modified notes.txt"]);
    let worktree = repo.worktree_of(&task);
    assert_eq!(worktree.read("ignored.log"), "ignored\n");
    let who = repo.git(&["log", "-1", "--format=%an <%ae>, %cn <%ce>", "offshoot/t"]);
    let person = "Sandbox Person <person@example.invalid>";
    assert_eq!(who, format!("{person}, {person}"));
}

#[test]
fn commits_and_leftovers_together_are_one_history() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("mixed")]);
    assert_eq!(
        (&task["diff"]["commits"], &task["diff"]["leftovers_committed"]),
        (&2.into(), &true.into())
    );
    assert_eq!(
        changes(&task),
        ["added mixed.txt", "added staged_by_agent.txt", "added untracked_by_agent.txt"]
    );
}

#[test]
fn a_failed_agents_work_is_kept() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("fail"), "9"]);
    assert_eq!(ended(&task), ("failed", exited(9)));
    assert_eq!(changes(&task), ["added half_done.txt"]);
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "this went wrong\n");
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.exists("half_done.txt"));
}

#[test]
fn an_agent_that_a_signal_ended_says_which() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("killed_by_signal"), "SEGV"]);
    assert_eq!(ended(&task), ("failed", json!({"kind": "signaled", "signal": 11})));
    assert_eq!(changes(&task), ["added half_done.txt"]);
}

#[test]
fn cancelling_ends_what_ignores_being_asked_and_keeps_its_work() {
    let sandbox = Sandbox::new();
    sandbox.write_config("grace_seconds = 0\n");
    let repo = sandbox.repo("simple");
    let ready = sandbox.gate("ready").argument();
    repo.dispatch("t", &[&sandbox.agent("ignore_term"), &ready]);
    wait_until("the agent to ignore signals", || std::path::Path::new(&ready).exists());
    let cancelled = repo.offshoot_json(&["cancel", "t"]);
    assert_eq!(cancelled["tasks"][0]["state"], "cancelled");
    let task = repo.wait_for("t");
    check(&repo, &task);
    assert_eq!(ended(&task), ("cancelled", json!({"kind": "cancelled"})));
    assert_eq!(changes(&task), ["added still_here.txt"]);
    let alive = sandbox.processes();
    assert!(!alive.iter().any(|(_, line)| line.contains("sleep")), "{alive:?}");
}

#[test]
fn a_daemon_that_outlives_its_agent_is_ended_and_told_of() {
    let sandbox = Sandbox::new();
    sandbox.write_config("grace_seconds = 0\n");
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("daemon_setsid")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!(warnings(&task), ["stragglers"]);
    assert_eq!(changes(&task), ["added daemon.txt"]);
    let alive = sandbox.processes();
    assert!(!alive.iter().any(|(_, line)| line.contains("sleep")), "{alive:?}");
}

#[test]
fn an_agent_that_deletes_its_worktree_leaves_a_warning_and_nothing_to_land() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("delete_worktree")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!(warnings(&task), ["worktree_missing"]);
    assert_eq!((&task["worktree"], &task["landing"]["kind"]), (&json!(null), &"empty".into()));
    repo.offshoot(&["discard", "t"]).ok();
    repo.offshoot(&["restore", "t"]).ok();
    repo.offshoot(&["discard", "t"]).ok();
    assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn an_agent_that_deletes_its_worktrees_git_file_loses_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("delete_gitfile")]);
    assert_eq!(changes(&task), ["added orphaned.txt"]);
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(repo.read("orphaned.txt"), "edited\n");
}

/// Whatever lies beside it, under whatever name, is the agent's.
#[test]
fn nothing_is_written_through_what_an_agent_left_beside_its_git_file() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write("../victim", "precious\n");
    for (name, leave) in [
        ("link", "ln -s \"$0\" .git.offshoot-new"),
        ("pipe", "mkfifo .git.offshoot-new"),
        ("folder", "mkdir .git.offshoot-new"),
    ] {
        let script = format!("rm .git; {leave}; echo work >work-{name}");
        let victim = repo.root().with_file_name("victim");
        let task = repo.dispatch(name, &["sh", "-c", &script, victim.to_str().expect("UTF-8")]);
        repo.offshoot(&["wait", text(&task["name"]), "--timeout", "20s"]).ok();
        let work = format!("offshoot/{name}:work-{name}");
        assert_eq!(repo.git(&["show", &work]), "work", "{name}");
        assert_eq!(repo.read("../victim"), "precious\n", "{name}");
    }
}

#[test]
fn an_agent_that_switches_branches_has_its_commits_on_the_tasks_branch() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("switch_branch")]);
    assert_eq!(changes(&task), ["added elsewhere.txt"]);
    assert_eq!(repo.branch_tip("agents-own-branch").as_deref(), task["head"].as_str());
    assert_eq!(warnings(&task), ["main_ref_moved"], "the branch that it made is told");
}

#[test]
fn an_agent_that_merges_the_target_owns_only_its_own_changes() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("merge");
    let agents = [sandbox.agent("wait_for_gate"), sandbox.agent("merge_target")];
    repo.dispatch("t", &[&agents[0], &gate.argument(), &agents[1]]);
    gate.wait_for_arrival();
    repo.write("theirs.txt", "from main\n");
    repo.commit_all("main moves on");
    gate.open();
    let task = repo.wait_for("t");
    check(&repo, &task);
    assert_eq!(changes(&task), ["added mine.txt"]);
    assert_eq!(task["diff"]["commits"], 2, "its commit and its merge");
    let worktree = repo.worktree_of(&task);
    assert_eq!(worktree.read("theirs.txt"), "from main\n");
}

#[test]
fn an_agent_that_commits_on_a_detached_head_has_its_commits_on_the_tasks_branch() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("detached_commit")]);
    assert_eq!(changes(&task), ["added detached.txt"]);
    assert!(warnings(&task).is_empty(), "{task:#}");
}

#[test]
fn a_repository_inside_the_worktree_is_left_out_and_told_of() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("nested_repo")]);
    assert_eq!(warnings(&task), ["nested_repository"]);
    assert_eq!(task["warnings"][0]["paths"], json!(["nested"]));
    assert_eq!(changes(&task), ["added beside.txt"]);
    let worktree = repo.worktree_of(&task);
    assert_eq!(worktree.read("nested/inside.txt"), "inside\n");
}

#[test]
fn an_agent_that_throws_its_commit_away_leaves_nothing_to_land() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("reset_hard_to_base")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!((&task["landing"]["kind"], &task["diff"]["commits"]), (&"empty".into(), &0.into()));
    assert_eq!(task["head"], task["base"]["commit"]);
}

#[test]
fn renames_binary_files_links_and_modes_are_counted_as_git_counts_them() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("binary_and_rename")]);
    assert_eq!(
        changes(&task),
        ["added link_to_notes", "added picture.bin", "renamed renamed_notes.txt", "added tool.sh"]
    );
    let changes = &task["diff"]["changes"];
    assert_eq!((&changes[1]["binary"], &changes[1]["insertions"]), (&true.into(), &0.into()));
    assert_eq!(changes[2]["old_path"], "notes.txt");
    let modes = repo.git(&["ls-tree", "offshoot/t", "link_to_notes", "tool.sh"]);
    assert!(modes.starts_with("120000 ") && modes.contains("\n100755 "), "{modes}");
}

#[test]
fn an_agent_that_changes_nothing_has_nothing_to_land() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("noop")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!(task["landing"], json!({"kind": "empty"}));
    assert_eq!(task["diff"]["leftovers_committed"], false);
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "nothing to do\n");
}

#[test]
fn an_agent_that_begins_a_history_of_its_own_is_kept_beside_the_tasks_branch() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("orphan_checkout")]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    assert_eq!(warnings(&task), ["branch_diverged", "main_ref_moved"]);
    assert_eq!(repo.branch_tip("agents-orphan").as_deref(), task["head"].as_str());
    assert_eq!(repo.branch_tip("offshoot/t").as_deref(), task["base"]["commit"].as_str());
    let kept = format!("refs/offshoot/kept/{}/result", text(&task["id"]));
    assert_eq!(repo.git(&["rev-parse", &kept]), text(&task["head"]));
}

#[test]
fn a_stash_is_left_where_it_is_and_the_rest_is_committed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("stash")]);
    assert_eq!(changes(&task), ["added kept.txt"]);
    assert!(repo.git(&["stash", "list"]).contains("agent: for later"));
}

#[test]
fn an_agent_that_breaks_out_has_only_its_own_work_in_the_result() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("writes_main_checkout")]);
    assert_eq!(changes(&task), ["added own.txt"]);
    assert_eq!(repo.status_porcelain(), "?? written_by_agent.txt");
}

#[test]
fn a_command_that_cannot_be_run_says_why() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let missing = repo.dispatch_to_end("missing", &["/nowhere/at-all"]);
    let message = text(&missing["outcome"]["message"]);
    assert_eq!(
        (&missing["state"], &missing["outcome"]["kind"]),
        (&"failed".into(), &"spawn_failed".into())
    );
    assert_eq!(message, "cannot run `/nowhere/at-all`: no such file or directory");
    assert_eq!(missing["landing"]["kind"], "empty");
    check(&repo, &missing);
    let forbidden = repo.dispatch_to_end("forbidden", &["./README.md"]);
    assert_eq!(forbidden["outcome"]["kind"], "spawn_failed");
    assert!(text(&forbidden["outcome"]["message"]).contains("permission denied"), "{forbidden:#}");
}

#[test]
fn a_worktree_that_cannot_be_made_is_an_ending_too() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // Beside the repository, since a folder inside it is refused at once; below a file none can be made.
    std::fs::write(sandbox.root().join("a-file"), "").expect("a file beside the repository");
    sandbox.write_config("worktree_root = \"../a-file/below\"\n");
    let (code, document) = repo.offshoot_json_exit(&["dispatch", "--name", "t", "--", "true"]);
    assert_eq!(code, 0, "{document:#}");
    let task = repo.wait_for("t");
    assert_eq!(
        (&task["state"], &task["outcome"]["kind"]),
        (&"failed".into(), &"setup_failed".into())
    );
    assert!(text(&task["outcome"]["message"]).contains("a-file"), "{task:#}");
    // It never had a branch, so none is missed.
    repo.offshoot(&["doctor"]).ok();
    repo.offshoot(&["discard", "t"]).ok();
}

#[test]
fn a_flood_of_output_is_kept_whole() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = ending(&repo, &[&sandbox.agent("flood"), "4"]);
    assert_eq!(ended(&task), ("completed", exited(0)));
    let log = repo.record_folder(&task).join("output.log");
    assert!(log.metadata().expect("a log").len() > 4 << 20);
    assert_eq!(repo.offshoot(&["logs", "--tail", "1", "t"]).ok().stdout, "the flood is over\n");
    let whole = repo.offshoot(&["logs", "t"]).ok().stdout;
    assert_eq!(whole.len() as u64, log.metadata().expect("a log").len());
    assert!(whole.starts_with("the flood begins\nxxxx"), "{}", &whole[..40]);
}
