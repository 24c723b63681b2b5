//! Dispatching: what is recorded, what the agent finds, and that it returns at once.

mod places;
mod presets;
mod refusals;

use crate::sandbox::{Sandbox, finish, program, text};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn any_command_is_dispatched_and_runs_in_a_worktree_of_its_own() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let ran = repo.offshoot(&["dispatch", "--name", "look", "--", "sh", "-c", "pwd -P; ls -A"]);
    insta::assert_snapshot!(ran.ok().snapshot(&sandbox), @r"
    exit 0
    --- stdout
    look  <id>
    --- stderr
    it starts now, on branch `offshoot/look`; `offshoot wait look` waits for its end
    ");
    let task = repo.wait_for("look");
    assert_eq!(task["worktree"], format!("{}/look", repo.offshoots().display()));
    assert_eq!(task["command"], serde_json::json!(["sh", "-c", "pwd -P; ls -A"]));
    let log = repo.offshoot(&["logs", "look"]).ok().stdout;
    let files = ".git\n.gitignore\nREADME.md\ndocs\nnotes.txt\nsrc\n";
    assert_eq!(log, format!("{}\n{files}", text(&task["worktree"])));
    assert_eq!(repo.status_porcelain(), "");
}

#[test]
fn dispatching_returns_before_the_agent_is_through() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("held");
    let task = repo.dispatch("held", &[&sandbox.agent("wait_for_gate"), &gate.argument()]);
    assert_eq!(task["state"], "running");
    gate.wait_for_arrival();
    assert_eq!(repo.task("held")["phase"], "agent");
    gate.open();
    assert_eq!(repo.wait_for("held")["state"], "completed");
}

#[test]
fn a_name_is_made_from_the_first_words_and_numbered_when_taken() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.git(&["branch", "offshoot/fix-the-timeouts-3"]);
    std::fs::create_dir_all(repo.offshoots().join("fix-the-timeouts-4")).expect("a folder");
    let noop = sandbox.agent("noop");
    let dispatch = || repo.offshoot_json(&["dispatch", "Fix the timeouts!", "--", &noop]);
    let names: Vec<Value> = (0..3).map(|_| dispatch()["name"].clone()).collect();
    assert_eq!(names, ["fix-the-timeouts", "fix-the-timeouts-2", "fix-the-timeouts-5"]);
    let task = repo.offshoot_json(&["dispatch", "--", &noop, "--flag", "/a/b"]);
    assert_eq!(task["name"], "noop-flag-a-b");
    let task = repo.offshoot_json(&["dispatch", "--", "./日本"]);
    assert_eq!(task["name"], "task");
    repo.offshoot(&["wait", "fix-the-timeouts", "fix-the-timeouts-5", "task"]).exits(4);
}

#[test]
fn after_some_numbers_that_are_taken_the_first_is_given_that_nobody_had() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let noop = sandbox.agent("noop");
    let dispatch = || {
        let task = repo.offshoot_json(&["dispatch", "Do it", "--", &noop]);
        text(&task["name"]).to_owned()
    };
    let names: Vec<_> = (0..12).map(|_| dispatch()).collect();
    let numbered = |number| format!("do-it-{number}");
    let wanted: Vec<_> = std::iter::once("do-it".to_owned()).chain((2..13).map(numbered)).collect();
    assert_eq!(names, wanted);
    let ended: Vec<_> = ["do-it-3", "do-it-11"].into();
    repo.offshoot(&[&["wait"][..], &ended].concat()).ok();
    repo.offshoot(&[&["discard"][..], &ended].concat()).ok();
    assert_eq!([dispatch(), dispatch()], ["do-it-3", "do-it-13"]);
    for number in 14..3000 {
        repo.write(&format!(".git/offshoot/names/do-it-{number}"), "of a task that is gone");
    }
    assert_eq!(dispatch(), "do-it-3000");
}

#[test]
fn sixteen_dispatches_at_the_same_moment_all_succeed_with_names_of_their_own() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let commit = sandbox.agent("commit");
    let same: [&str; 5] = ["dispatch", "--json", "Do it", "--", &commit];
    let started: Vec<_> = (0..16).map(|_| repo.offshoot_spawn(&same)).collect();
    let tasks: Vec<Value> = started
        .into_iter()
        .map(|child| finish(child, "offshoot dispatch").ok().stdout)
        .map(|stdout| serde_json::from_str(&stdout).expect("one document"))
        .collect();
    let names: BTreeSet<&str> = tasks.iter().map(|task| text(&task["name"])).collect();
    assert_eq!(names.len(), 16, "{names:?}");
    let waited =
        repo.offshoot_json(&[&["wait"], &*names.iter().copied().collect::<Vec<_>>()].concat());
    for task in waited["tasks"].as_array().expect("tasks") {
        assert_eq!((&task["state"], &task["diff"]["commits"]), (&"completed".into(), &1.into()));
    }
    assert_eq!(repo.git(&["worktree", "list"]).lines().count(), 17);
    repo.git(&["fsck", "--full", "--strict"]);
}

#[test]
fn a_note_comes_back_with_the_result_and_with_the_news() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let noop = sandbox.agent("noop");
    repo.offshoot(&["dispatch", "--name", "n", "--context", "issue 7\n\"x\"", "--", &noop]).ok();
    repo.wait_for("n");
    assert_eq!(repo.offshoot_json(&["result", "n"])["context"], "issue 7\n\"x\"");
    let inbox = repo.offshoot_json(&["inbox"]);
    assert_eq!(inbox["events"][0]["event"], "finished");
    assert_eq!(inbox["events"][0]["context"], "issue 7\n\"x\"");
}

#[test]
fn a_variable_reaches_the_agent_and_nothing_but_the_file_of_secrets() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let show = r#"printf '%s\n' "$TOKEN" | tr a-z n-za-m"#;
    let line =
        ["dispatch", "--json", "--name", "s", "--env", "TOKEN=hunter", "--", "sh", "-c", show];
    let mut said = vec![repo.offshoot(&line).ok().to_string()];
    let task = repo.wait_for("s");
    assert_eq!(repo.offshoot(&["logs", "s"]).ok().stdout, "uhagre\n");

    said[0] = said[0].replacen("--env TOKEN=hunter", "", 1);
    for verb in [&["status", "s"][..], &["result", "s"], &["list"], &["events"], &["inbox"]] {
        said.push(repo.offshoot(&[verb, &["--json"]].concat()).to_string());
        said.push(repo.offshoot(verb).to_string());
    }
    assert!(!said.concat().contains("hunter"), "{said:#?}");

    let secrets = repo.record_folder(&task).join("secrets");
    let mode = secrets.metadata().expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let mut grep = sandbox.command("grep");
    grep.args(["--recursive", "--files-with-matches", "--fixed-strings"]);
    // The bytes of the file are JSON; either form of the value would give it away.
    grep.args(["-e", "hunter", "-e", "104,117,110,116,101,114"]).arg(repo.state_folder());
    let found = sandbox.finish_command(&mut grep).ok().stdout;
    assert_eq!(found.trim_end(), secrets.display().to_string());
}

#[test]
fn a_request_that_is_repeated_is_answered_with_the_same_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let noop = sandbox.agent("noop");
    let ask = |id: &str| {
        repo.offshoot_json(&["dispatch", "--request-id", id, "--context", id, "--", &noop])
    };
    let first = ask("retry/1 of ../../x");
    let other = ask("retry 2");
    repo.offshoot(&["wait", text(&first["name"]), text(&other["name"])]).ok();
    let again = ask("retry/1 of ../../x");
    assert_eq!(again["id"], first["id"]);
    assert_ne!(other["id"], first["id"]);
    assert_eq!(again["state"], "completed");
    assert_eq!(repo.offshoot_json(&["list", "--all"])["tasks"].as_array().map(Vec::len), Some(2));
    let pins = repo.git(&["for-each-ref", "refs/offshoot/base"]);
    assert_eq!(pins.lines().count(), 2, "a repeated request pins nothing: {pins}");
}

#[test]
fn refs_may_be_packed_at_any_moment() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                // One that finds a ref locked has packed none.
                let _ = repo.git_ran(&["pack-refs", "--all"]);
            }
        });
        let dispatched: Vec<_> =
            (0..20).map(|_| repo.offshoot(&["dispatch", "--", "true"])).collect();
        is_done.store(true, Ordering::Relaxed);
        dispatched.into_iter().for_each(|ran| drop(ran.ok()));
    });
    let tasks = repo.offshoot_json(&["list", "--all"]);
    let names = tasks["tasks"].as_array().expect("a list").iter().map(|task| text(&task["name"]));
    let words: Vec<_> = std::iter::once("wait").chain(names).collect();
    repo.offshoot(&words).ok();
    assert_eq!(words.len(), 21);
    assert_eq!(repo.git(&["for-each-ref", "refs/offshoot/base"]).lines().count(), 20);
}

#[test]
fn a_time_limit_ends_the_task_and_keeps_its_work() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let script = "echo begun > begun.txt; sleep 600";
    repo.offshoot(&["dispatch", "--name", "t", "--timeout", "700ms", "--", "sh", "-c", script])
        .ok();
    let task = repo.wait_for("t");
    assert_eq!(task["state"], "failed");
    assert_eq!(task["outcome"], serde_json::json!({"kind": "timed_out"}));
    assert_eq!(task["diff"]["changes"][0]["path"], "begun.txt");
    assert!(task["duration_ms"].as_u64() >= Some(700), "{task:#}");
}

#[test]
fn a_task_as_json_has_every_field_of_the_contract() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let agent = sandbox.agent("edit_only");
    let task = repo.offshoot_json(&["dispatch", "--name", "shape", "Edit it", "--", &agent]);
    let ended = repo.wait_for("shape");
    let top = [
        "schema",
        "id",
        "name",
        "state",
        "phase",
        "attempt",
        "agent",
        "prompt",
        "command",
        "context",
        "base",
        "target",
        "branch",
        "worktree",
        "head",
        "priority",
        "after",
        "claims",
        "created_at",
        "started_at",
        "finished_at",
        "paused_at",
        "duration_ms",
        "paused_ms",
        "waiting_for",
        "attempts",
        "session",
        "parent",
        "outcome",
        "message",
        "diff",
        "verify",
        "forecast",
        "landing",
        "warnings",
        "next",
    ];
    // Not in the contract's example, but in its options: adding is free.
    let added = [
        "model",
        "overlaps",
        "agent_error",
        "needs_input",
        "usage",
        "messages_waiting",
        "last_lines",
    ];
    for document in [&task, &ended, &repo.task("shape"), &repo.offshoot_json(&["result", "shape"])]
    {
        let expected: BTreeSet<&str> = top.into_iter().chain(added).collect();
        assert_eq!(keys(document), expected);
        assert_eq!(keys(&document["base"]), BTreeSet::from(["branch", "commit", "dispatched"]));
        assert_eq!(document["schema"], 1);
    }
    let diff = ["files", "insertions", "deletions", "commits", "leftovers_committed", "changes"];
    assert_eq!(keys(&ended["diff"]), BTreeSet::from(diff));
    let change = ["path", "old_path", "status", "insertions", "deletions", "binary"];
    assert_eq!(keys(&ended["diff"]["changes"][1]), BTreeSet::from(change));
    let forecast = ["target_commit", "verdict", "behind", "conflicts", "overlaps"];
    assert_eq!(keys(&ended["forecast"]), BTreeSet::from(forecast));
    assert_eq!(
        ended["attempts"][0],
        serde_json::json!({"attempt": 1, "outcome": ended["outcome"]})
    );
    let event = &repo.offshoot_json(&["inbox"])["events"][0];
    for key in
        ["schema", "cursor", "at", "event", "task", "state", "outcome", "diff", "next", "context"]
    {
        assert!(keys(event).contains(key), "{key} is missing: {event:#}");
    }
    assert_eq!(event["diff"], serde_json::json!({"files": 2, "insertions": 2, "deletions": 0}));
}

fn keys(document: &Value) -> BTreeSet<&str> {
    document.as_object().expect("an object").keys().map(String::as_str).collect()
}

#[test]
fn an_agent_finds_its_task_in_the_environment_and_no_trace_of_its_dispatcher() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let print = sandbox.agent("print_env");
    let mut command = repo.command(&["dispatch", "--name", "e", "--", &print]);
    let nowhere = sandbox.root().join("nowhere");
    for name in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_PREFIX"] {
        command.env(name, &nowhere);
    }
    command.env("GIT_CONFIG_COUNT", "1").env("GIT_CONFIG_KEY_0", "user.name");
    command.env("GIT_CONFIG_VALUE_0", "x").env("CLAUDECODE", "1").env("KEPT", "as it is");
    command.env("CLAUDE_CODE_SESSION_ID", "parent").env("OFFSHOOT_PARENT", "claude:parent");
    sandbox.finish_command(&mut command).ok();
    let task = repo.wait_for("e");
    assert_eq!(task["parent"], "claude:parent");
    let log = repo.offshoot(&["logs", "e"]).ok().stdout;
    let has = |line: &str| log.lines().any(|found| found == line);
    let worktree = text(&task["worktree"]);
    for line in [
        format!("OFFSHOOT_TASK_ID={}", text(&task["id"])),
        "OFFSHOOT_TASK_NAME=e".to_owned(),
        format!("OFFSHOOT_BASE={}", repo.head()),
        format!("OFFSHOOT_WORKTREE={worktree}"),
        format!("PWD={worktree}"),
        format!("folder={worktree}"),
        "KEPT=as it is".to_owned(),
    ] {
        assert!(has(&line), "{line} is not in\n{log}");
    }
    for scrubbed in ["nowhere", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY", "CLAUDE", "OFFSHOOT_PARENT"] {
        assert!(!log.contains(scrubbed), "{scrubbed} is in\n{log}");
    }
}

#[test]
fn an_agent_reads_nothing_and_makes_files_as_its_dispatcher_would() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let script = "readlink /proc/self/fd/0; umask; cat; echo x > made";
    let mut command = sandbox.command("sh");
    command.args(["-c", "umask 027; exec \"$@\"", "sh", program()]);
    command.args(["dispatch", "--name", "u", "--", "sh", "-c", script]).current_dir(repo.root());
    sandbox.finish_reading(&mut command, b"typed at the dispatcher\n").ok();
    let task = repo.wait_for("u");
    assert_eq!(repo.offshoot(&["logs", "u"]).ok().stdout, "/dev/null\n0027\n");
    let made = repo.worktree_of(&task).root().join("made");
    assert_eq!(made.metadata().expect("it is there").permissions().mode() & 0o777, 0o640);
}

#[test]
fn the_callers_uncommitted_work_goes_along_and_stays_as_it_is() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("dirty_target");
    let index = std::fs::read(repo.root().join(".git/index")).expect("an index");
    let files = || {
        let mut command = sandbox.command("sh");
        command.args(["-c", "find . -path ./.git -prune -o -type f -print | sort | xargs sha1sum"]);
        sandbox.finish_command(command.current_dir(repo.root())).ok().stdout
    };
    let before = (repo.head(), files());
    let look = "cat both.txt modified.txt moved.txt staged.txt untracked.txt folder/untracked.txt; \
                ls deleted.txt renamed.txt ignored.log; echo done > \"$1\"";
    for name in ["one", "two"] {
        let agent = ["sh", "-c", look, "sh", &format!("{name}.txt")];
        let line = ["dispatch", "--name", name, "--with-changes", "--"];
        repo.offshoot(&[&line[..], &agent].concat()).ok();
    }
    let task = repo.wait_for("one");
    repo.wait_for("two");
    let log = repo.offshoot(&["logs", "one"]).ok().stdout;
    let seen = "modified after staging\nmodified\nrenamed, as committed\nstaged\nuntracked\n\
                untracked in a folder\n";
    assert!(log.starts_with(seen), "{log}");
    assert_eq!(log.matches("No such file").count(), 3, "{log}");
    assert_eq!(std::fs::read(repo.root().join(".git/index")).expect("an index"), index);
    assert_eq!((repo.head(), files()), before);

    assert_eq!(task["base"]["branch"], "main");
    assert_eq!(task["diff"]["changes"].as_array().map(Vec::len), Some(1), "{task:#}");
    repo.offshoot(&["merge", "one"]).exits(1).says("hint: `offshoot rebase TASK`");
    assert_eq!(repo.head(), before.0);
    repo.offshoot(&["rebase", "one"]).ok();
    repo.offshoot(&["merge", "--squash", "two"]).ok();
    let landed = repo.git(&["log", "--format=", "--name-status", &format!("{}..", before.0)]);
    assert_eq!(landed, "A\ttwo.txt\nA\tone.txt");
    let ours: Vec<String> = files().lines().map(str::to_owned).collect();
    assert!(before.1.lines().all(|line| ours.iter().any(|now| now == line)), "{ours:#?}");
}
