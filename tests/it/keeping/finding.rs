//! Every finding of `doctor`, made by damaging a repository.

use super::{assert_in_order, findings, is_found_and_mended, kinds};
use crate::sandbox::{Sandbox, TestRepo, program, text, wait_until};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

const NOBODY: &str = "0f0f0f0f-0000-4000-8000-000000000000";

/// A repository with one task that has ended and waits for a decision.
fn with_a_task<'s>(sandbox: &'s Sandbox) -> (TestRepo<'s>, Value) {
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    // The end is told before the supervisor takes its mark from `active`; what follows compares files.
    wait_until("the supervisor's end", || sandbox.processes().is_empty());
    assert_in_order(&repo);
    (repo, task)
}

fn index(repo: &TestRepo<'_>, index: &str, task: &Value) -> PathBuf {
    repo.state_folder().join(index).join(text(&task["id"]))
}

/// Rewrites a file of a task's record.
fn edit(repo: &TestRepo<'_>, task: &Value, file: &str, change: impl Fn(&mut Value)) {
    let mut record = repo.record(task, file);
    change(&mut record);
    std::fs::write(repo.record_folder(task).join(file), record.to_string()).expect("the record");
}

#[test]
fn a_healthy_repository_gives_an_empty_list() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    assert_in_order(&repo);
    assert!(!repo.state_folder().exists(), "looking makes nothing");
    repo.offshoot(&["doctor"]).ok().says("everything is in order");
    sandbox.write_config("max_parallel = 2\n");
    for name in ["landed", "kept", "discarded", "restored", "open"] {
        repo.dispatch_to_end(name, &[&sandbox.agent("commit"), name]);
    }
    repo.dispatch_to_end("empty", &[&sandbox.agent("noop")]);
    repo.dispatch_to_end("failed", &[&sandbox.agent("fail")]);
    repo.dispatch_to_end("orphan", &[&sandbox.agent("orphan_checkout")]);
    repo.offshoot(&["merge", "landed"]).ok();
    repo.offshoot(&["rebase", "--keep", "kept"]).ok();
    repo.offshoot(&["discard", "discarded", "restored"]).ok();
    repo.offshoot(&["restore", "restored"]).ok();
    repo.offshoot(&["retry", "landed"]).exits(1);
    let gate = sandbox.gate("gate");
    let wait = [&*sandbox.agent("wait_for_gate"), &*gate.argument()].map(str::to_owned);
    let wait: Vec<&str> = wait.iter().map(String::as_str).collect();
    for name in ["paused", "running", "more"] {
        repo.dispatch(name, &wait);
    }
    gate.wait_for_arrival();
    repo.offshoot(&["pause", "paused"]).ok();
    repo.dispatch("pending", &["true"]);
    repo.offshoot(&["dispatch", "--name", "held", "--after", "pending", "--", "true"]).ok();
    repo.offshoot(&["pause", "held"]).ok();
    assert_in_order(&repo);
    gate.open();
    repo.offshoot(&["resume", "paused", "held"]).ok();
    repo.offshoot_json_exit(&["wait", "paused", "running", "more", "pending", "held"]);
    assert_in_order(&repo);
}

#[test]
fn tasks_that_the_indexes_do_not_show_are_filed_anew() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    std::fs::remove_file(index(&repo, "open", &task)).expect("it was there");
    std::fs::remove_file(repo.state_folder().join("names/t")).expect("it was there");
    std::fs::write(repo.state_folder().join("queue").join(queued(&task)), "").expect("an entry");
    is_found_and_mended(&repo, &["misfiled", "forgotten_name"]);
    assert_eq!(repo.offshoot_json(&["list"])["tasks"].as_array().map(Vec::len), Some(1));
    assert_eq!(repo.task("t")["id"], task["id"]);
}

fn queued(task: &Value) -> String {
    format!("{:010}-{:020}-{}", i32::MAX, 1, text(&task["id"]))
}

#[test]
fn index_entries_of_no_task_are_removed() {
    let sandbox = Sandbox::new();
    let (repo, _) = with_a_task(&sandbox);
    let state = repo.state_folder();
    for folder in ["open", "active"] {
        std::fs::write(state.join(folder).join(NOBODY), "").expect("an entry");
    }
    std::fs::write(state.join("queue").join(queued(&json!({"id": NOBODY}))), "").expect("an entry");
    std::fs::write(state.join("names/ghost"), NOBODY).expect("an entry");
    std::fs::write(state.join("requests").join(NOBODY), "nonsense").expect("an entry");
    is_found_and_mended(&repo, &["stray_entry"; 5]);
}

#[test]
fn what_a_dead_dispatch_left_is_removed_with_its_pin() {
    let sandbox = Sandbox::new();
    let (repo, _) = with_a_task(&sandbox);
    let pin = format!("refs/offshoot/base/{NOBODY}");
    let hidden = repo.state_folder().join("tasks").join(format!(".new-{NOBODY}"));
    let marker = repo.state_folder().join("active").join(NOBODY);
    let die = || {
        repo.git(&["update-ref", &pin, "HEAD"]);
        std::fs::create_dir(&hidden).expect("a folder");
        std::fs::write(hidden.join("spec.json"), "{\"sch").expect("half a spec");
        std::fs::write(&marker, "").expect("an entry");
    };
    die();
    is_found_and_mended(&repo, &["dead_dispatch", "stray_entry", "leaked_pin"]);
    // Any other verb takes it up too.
    die();
    repo.offshoot(&["list"]).ok();
    assert!(!hidden.exists() && !marker.exists());
    assert_eq!(repo.git(&["for-each-ref", &pin]), "");
    // One that died even before that left only the pin.
    repo.git(&["update-ref", &pin, "HEAD"]);
    is_found_and_mended(&repo, &["leaked_pin"]);
}

#[test]
fn pins_are_made_again_and_leaked_ones_removed() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    let pin = format!("refs/offshoot/base/{}", text(&task["id"]));
    repo.git(&["update-ref", "-d", &pin]);
    is_found_and_mended(&repo, &["unpinned_base"]);
    assert_eq!(repo.git(&["rev-parse", &pin]), text(&task["base"]["commit"]));
    repo.git(&["update-ref", "refs/offshoot/landing/7/before", "HEAD"]);
    repo.git(&["update-ref", "refs/offshoot/landing/7/after", "HEAD"]);
    is_found_and_mended(&repo, &["leaked_pin"]);
    repo.offshoot(&["merge", "t"]).ok();
    assert_in_order(&repo);
    assert!(repo.git(&["for-each-ref", "refs/offshoot/landing"]).lines().count() == 2);
    repo.git(&["update-ref", &pin, "HEAD"]);
    is_found_and_mended(&repo, &["leaked_pin"]);
}

#[test]
fn a_running_task_without_a_supervisor_gets_a_new_one() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    edit(&repo, &task, "state.json", |record| {
        let boot = "another boot";
        record["state"] = json!({"name": "running", "phase": {"phase": "preparing"},
            "started_at": "2024-01-01T00:00:00Z", "started_tick_ms": 1, "boot_id": boot,
            "stopping": null});
    });
    assert_eq!(kinds(&repo), ["misfiled", "no_supervisor"]);
    findings(&repo, &["--fix"]);
    wait_until("the task's end", || repo.task("t")["finished_at"].is_string());
    wait_until("order", || findings(&repo, &[]).1.is_empty());
}

#[test]
fn a_release_that_was_cut_off_is_finished() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    edit(&repo, &task, "state.json", |record| {
        record["landing"] = json!({"kind": "discarded", "at": "2024-01-01T00:00:00Z",
            "custody": {"refs": [], "folder": null, "entry": null}});
        record["releasing"] = json!(true);
    });
    std::fs::remove_file(index(&repo, "open", &task)).expect("it was there");
    is_found_and_mended(&repo, &["misfiled", "unfinished_release"]);
    assert!(!repo.offshoots().join("t").exists());
    repo.offshoot(&["restore", "t"]).ok();
    assert_eq!(repo.task("t")["head"], task["head"]);
}

#[test]
fn landings_that_were_cut_off_or_not_recorded_are_finished() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    let undecided = repo.record(&task, "state.json");
    repo.offshoot(&["merge", "--keep", "t"]).ok();
    // As a crash right after the target had moved leaves it.
    std::fs::write(repo.record_folder(&task).join("state.json"), undecided.to_string())
        .expect("the record");
    std::fs::write(index(&repo, "open", &task), "").expect("an entry");
    is_found_and_mended(&repo, &["unrecorded_landing"]);
    assert_eq!(repo.task("t")["landing"]["kind"], "landed");

    let other = repo.dispatch_to_end("other", &[&sandbox.agent("commit"), "other"]);
    wait_until("the supervisor's end", || sandbox.processes().is_empty());
    let head = repo.head();
    let journal = json!({"schema": 1, "phase": "preparing", "number": 2, "task": other["id"],
        "target": "main", "before": head, "after": other["head"], "strategy": "merge",
        "reflog": "offshoot: merge other", "checkouts": []});
    std::fs::write(repo.state_folder().join("landings/2.json"), journal.to_string()).expect("one");
    let git_dir = PathBuf::from(repo.git(&["rev-parse", "--absolute-git-dir"]));
    let staging = git_dir.join("offshoot-landing-2");
    std::fs::create_dir(&staging).expect("a folder");
    std::fs::write(staging.join("token"), "").expect("a token");
    std::fs::hard_link(staging.join("token"), git_dir.join("index.lock")).expect("a lock");
    is_found_and_mended(&repo, &["unfinished_landing"]);
    assert!(!staging.exists() && !git_dir.join("index.lock").exists());
    assert_eq!(repo.head(), head);

    std::fs::create_dir(&staging).expect("a folder");
    std::fs::write(staging.join("token"), "").expect("a token");
    std::fs::hard_link(staging.join("token"), git_dir.join("index.lock")).expect("a lock");
    is_found_and_mended(&repo, &["landing_leftover"]);
    assert!(!staging.exists() && !git_dir.join("index.lock").exists());
    repo.offshoot(&["merge", "other"]).ok();
}

#[test]
fn somebody_elses_index_lock_is_not_touched() {
    let sandbox = Sandbox::new();
    let (repo, _) = with_a_task(&sandbox);
    repo.write(".git/index.lock", "somebody's");
    findings(&repo, &["--fix"]);
    assert_eq!(repo.read(".git/index.lock"), "somebody's");
}

#[test]
fn records_that_cannot_be_read_are_told_and_left_alone() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    let state = repo.record_folder(&task).join("state.json");
    let whole = std::fs::read_to_string(&state).expect("the record");
    let newer = whole.replacen("\"schema\":1", "\"schema\":2", 1);
    for (bytes, kind) in [(&*newer, "newer_record"), ("{\"sch", "unreadable_record")] {
        std::fs::write(&state, bytes).expect("the record");
        assert_eq!(kinds(&repo), [kind]);
        let (code, found) = findings(&repo, &["--fix"]);
        assert_eq!((code, &found[0]["fixed"], &found[0]["fix"]), (1, &json!(false), &Value::Null));
        assert_eq!(std::fs::read_to_string(&state).expect("the record"), bytes);
    }
    std::fs::remove_file(&state).expect("it was there");
    assert_eq!(kinds(&repo), ["unreadable_record"]);
    std::fs::write(&state, whole).expect("the record");
    assert_in_order(&repo);

    let journal = repo.state_folder().join("journal.jsonl");
    let whole = std::fs::read_to_string(&journal).expect("the journal");
    std::fs::write(&journal, whole.replacen("\"schema\":1", "\"schema\":2", 1)).expect("newer");
    assert_eq!(kinds(&repo), ["newer_journal"]);
    std::fs::write(&journal, whole).expect("the journal");
    assert_in_order(&repo);
}

#[test]
fn a_branch_that_is_gone_is_made_again_at_the_result() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    repo.git(&["update-ref", "-d", "refs/heads/offshoot/t"]);
    is_found_and_mended(&repo, &["branch_gone"]);
    assert_eq!(repo.branch_tip("offshoot/t").as_deref(), task["head"].as_str());
    // With what somebody added after the end.
    let more = repo.worktree_of(&task).commit_all("more");
    repo.git(&["update-ref", "-d", "refs/heads/offshoot/t"]);
    is_found_and_mended(&repo, &["branch_gone"]);
    assert_eq!(repo.branch_tip("offshoot/t"), Some(more));
}

#[test]
fn a_branch_that_was_moved_elsewhere_is_told_with_both_commits() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    let (head, base) = (text(&task["head"]).to_owned(), repo.head());
    repo.git(&["update-ref", "refs/heads/offshoot/t", &base]);
    let (code, found) = findings(&repo, &[]);
    let told = text(&found[0]["message"]);
    assert!(code == 1 && told.contains(&head) && told.contains(&base), "{found:#?}");
    assert_eq!(kinds(&repo), ["branch_moved", "result_unkept"]);
    // Landing would take the result all the same, so it must not be collected.
    findings(&repo, &["--fix"]);
    assert_eq!(kinds(&repo), ["branch_moved"]);
    assert_eq!(repo.branch_tip("offshoot/t").as_deref(), Some(&*base), "it is the person's");
    repo.git(&["reflog", "expire", "--expire=now", "--all"]);
    repo.git(&["-c", "gc.pruneExpire=now", "gc", "--quiet", "--prune=now"]);
    assert_eq!(kinds(&repo), ["branch_moved"]);
    let mend: Vec<&str> = text(&found[0]["fix"]).split(' ').skip(1).collect();
    repo.git(&mend);
    assert_in_order(&repo);
    // Commits on top belong to the work.
    let worktree = repo.worktree_of(&task);
    worktree.git(&["reset", "--quiet", "--hard"]);
    worktree.commit_all("more");
    assert_in_order(&repo);
}

#[test]
fn a_result_that_git_does_not_have_is_told_loudly() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    let head = text(&task["head"]);
    let tree = repo.git(&["rev-parse", &format!("{head}^{{tree}}")]);
    for object in [head, &*tree] {
        let file = format!(".git/objects/{}/{}", &object[..2], &object[2..]);
        let bytes = std::fs::read(repo.root().join(&file)).expect("a loose object");
        std::fs::remove_file(repo.root().join(&file)).expect("it was there");
        let (code, found) = findings(&repo, &[]);
        assert_eq!((code, text(&found[0]["kind"])), (1, "result_missing"), "{found:#?}");
        assert!(text(&found[0]["message"]).contains("LOST"), "{found:#?}");
        std::fs::write(repo.root().join(&file), bytes).expect("back");
        assert_in_order(&repo);
    }
}

#[test]
fn a_worktree_that_is_gone_is_told_with_the_way_back() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    let follow = |fix: &Value| {
        let program = program();
        let script = text(fix).replace("offshoot discard", &format!("{program} discard"));
        let script = script.replace("offshoot restore", &format!("{program} restore"));
        let mut command = sandbox.command("sh");
        sandbox.finish_command(command.args(["-c", &script]).current_dir(repo.root())).ok();
    };
    let worktree = PathBuf::from(text(&task["worktree"]));
    std::fs::remove_dir_all(&worktree).expect("it was there");
    let (_, found) = findings(&repo, &["--fix"]);
    assert_eq!(kinds(&repo), ["worktree_gone"]);
    follow(&found[0]["fix"]);
    assert_in_order(&repo);
    assert!(worktree.join(".git").exists());

    // Git forgot it, the folder is there.
    std::fs::write(worktree.join("ignored.log"), "precious").expect("a file");
    std::fs::remove_dir_all(repo.root().join(".git/worktrees/t")).expect("it was there");
    let (_, found) = findings(&repo, &[]);
    assert_eq!(found[0]["kind"], "worktree_gone", "{found:#?}");
    follow(&found[0]["fix"]);
    assert_eq!(kinds(&repo), ["foreign_folder"], "what was moved aside");
    assert_eq!(repo.read("../repo.offshoots/t.aside/ignored.log"), "precious");
}

#[test]
fn a_landed_task_whose_worktree_was_removed_by_hand_only_needs_a_discard() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    repo.offshoot(&["merge", "--keep", "t"]).ok();
    repo.git(&["worktree", "remove", text(&task["worktree"])]);
    repo.git(&["branch", "--quiet", "-D", "offshoot/t"]);
    let (_, found) = findings(&repo, &[]);
    let told: Vec<_> = found.iter().map(|it| (text(&it["kind"]), text(&it["fix"]))).collect();
    assert_eq!(told, [("worktree_gone", "offshoot discard t")]);
    repo.offshoot(&["discard", "t"]).ok();
    assert_in_order(&repo);
}

#[test]
fn worktrees_of_tasks_without_a_record_are_told_and_gone_ones_put_away() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    let entry = repo.root().join(".git/worktrees/t");
    std::fs::write(entry.join("offshoot-task"), NOBODY).expect("the owner");
    let worktree = PathBuf::from(text(&task["worktree"]));
    let (_, found) = findings(&repo, &["--fix"]);
    let told: Vec<&str> = found.iter().map(|it| text(&it["kind"])).collect();
    assert_eq!(told, ["worktree_gone", "worktree_without_task"]);
    assert!(worktree.is_dir() && entry.is_dir(), "it may hold work");
    std::fs::write(entry.join("offshoot-task"), text(&task["id"])).expect("the owner");
    assert_in_order(&repo);

    repo.git(&["worktree", "add", "--quiet", "--detach", "../ghost"]);
    std::fs::write(repo.root().join(".git/worktrees/ghost/offshoot-task"), NOBODY).expect("one");
    std::fs::remove_dir_all(repo.root().join("../ghost")).expect("it was there");
    is_found_and_mended(&repo, &["worktree_without_task"]);
    assert!(repo.state_folder().join("trash").join(NOBODY).is_dir(), "nothing is deleted");
}

#[test]
fn folders_of_nobody_are_told_and_left_alone() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    for name in ["notes", ".trash/old", &format!(".trash/{NOBODY}")] {
        repo.write(&format!("../repo.offshoots/{name}/file"), "somebody's");
    }
    assert_eq!(kinds(&repo), ["foreign_folder"; 3]);
    findings(&repo, &["--fix"]);
    repo.offshoot(&["discard", "t"]).ok();
    sandbox.write_config("[keep]\nrefs_days = 0\nfolders_days = 0\n");
    repo.offshoot(&["gc"]).ok();
    assert!(!repo.offshoots().join(".trash").join(text(&task["id"])).exists());
    for name in ["notes", ".trash/old", &format!(".trash/{NOBODY}")] {
        assert_eq!(repo.read(&format!("../repo.offshoots/{name}/file")), "somebody's");
    }
    // In a folder that a person chose, anything may lie.
    sandbox.write_config(&format!("worktree_root = {:?}\n", repo.offshoots()));
    assert_in_order(&repo);
}

#[test]
fn state_that_others_may_look_into_is_closed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.offshoot(&["dispatch", "--name", "t", "--env", "TOKEN=x", "--", "true"]).ok();
    let task = repo.wait_for("t");
    let places = [
        (repo.state_folder(), 0o755, 0o700),
        (repo.record_folder(&task).join("env"), 0o644, 0o600),
        (repo.record_folder(&task).join("secrets"), 0o640, 0o600),
    ];
    let mode = |path: &PathBuf| path.metadata().expect("it is there").permissions().mode() & 0o777;
    for (path, open, _) in &places {
        let permissions = std::fs::Permissions::from_mode(*open);
        std::fs::set_permissions(path, permissions).expect("it is ours");
    }
    is_found_and_mended(&repo, &["open_to_others"; 3]);
    for (path, _, closed) in &places {
        assert_eq!(mode(path), *closed, "{}", path.display());
    }
}

#[test]
fn an_old_git_another_file_system_and_a_wrong_clock_are_told() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    let tools = sandbox.root().join("tools");
    std::fs::create_dir(&tools).expect("a folder");
    let script = "#!/bin/sh\nif [ \"$1\" = version ]; then echo git version 2.30.2; exit; fi\n\
                  PATH=${PATH#*:} exec git \"$@\"\n";
    std::fs::write(tools.join("git"), script).expect("a program");
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(tools.join("git"), executable).expect("it is ours");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").expect("a path"));
    let mut command = repo.command(&["doctor"]);
    let ran = sandbox.finish_command(command.env("PATH", path)).exits(1);
    assert!(ran.stdout.contains("old_git: git 2.30 is too old: no task can be landed"), "{ran}");

    edit(&repo, &task, "spec.json", |spec| spec["created_at"] = json!("2999-01-01T00:00:00Z"));
    assert_eq!(kinds(&repo), ["clock_set_back"]);
    edit(&repo, &task, "spec.json", |spec| spec["created_at"] = json!("2024-01-01T00:00:00Z"));
    assert_in_order(&repo);

    use std::os::unix::fs::MetadataExt;
    let device = |place: &std::path::Path| place.metadata().map(|found| found.dev()).ok();
    let other = std::path::Path::new("/dev/shm");
    if device(other).is_some_and(|found| Some(found) != device(repo.root())) {
        sandbox.write_config("worktree_root = \"/dev/shm/offshoot-is-never-made\"\n");
        assert_eq!(kinds(&repo), ["other_file_system"]);
        sandbox.write_config("");
        assert_in_order(&repo);
    }
}

#[test]
fn findings_are_shown_with_what_can_be_done() {
    let sandbox = Sandbox::new();
    let (repo, task) = with_a_task(&sandbox);
    repo.git(&["update-ref", "-d", "refs/heads/offshoot/t"]);
    std::fs::remove_dir_all(text(&task["worktree"])).expect("it was there");
    insta::assert_snapshot!(repo.offshoot(&["doctor"]).snapshot(&sandbox), @r"
    exit 1
    --- stdout
    branch_gone: the branch `offshoot/t` of `t` is gone; it was at <hash>
      --fix: make the branch again at <hash>
    worktree_gone: the worktree `<sandbox>/repo.offshoots/t` of `t` is gone
      you can: offshoot discard t && offshoot restore t
    --- stderr
    hint: `offshoot doctor --fix` mends what has `--fix` below it
    ");
    insta::assert_snapshot!(repo.offshoot(&["doctor", "--fix"]).snapshot(&sandbox), @r"
    exit 1
    --- stdout
    branch_gone: the branch `offshoot/t` of `t` is gone; it was at <hash>
      done: make the branch again at <hash>
    worktree_gone: the worktree `<sandbox>/repo.offshoots/t` of `t` is gone
      you can: offshoot discard t && offshoot restore t
    --- stderr
    ");
}

#[test]
fn a_lock_that_a_killed_git_left_is_told_once_it_is_old() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    let lock = repo.root().join(".git/packed-refs.lock");
    std::fs::write(&lock, "").expect("a lock");
    assert_in_order(&repo);
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let file = std::fs::File::options().write(true).open(&lock).expect("it is there");
    file.set_modified(long_ago).expect("its time");
    let (code, found) = findings(&repo, &[]);
    assert_eq!((code, &found[0]["kind"], found.len()), (1, &"abandoned_lock".into(), 1));
    let fix = found[0]["fix"].as_str().expect("a command");
    assert!(fix.starts_with(&format!("rm {}", lock.display())), "{fix}");
}
