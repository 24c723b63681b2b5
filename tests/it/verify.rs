//! Verify commands: on a task's result when it ends, on exactly the tree that would land, on trains of
//! several tasks, and what becomes of them when somebody dies or wants them to end.

mod cut_off;
mod train;

use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A verify command that notes the tree it was run on, with whatever it has to find out.
fn noting(sandbox: &Sandbox, rest: &str) -> String {
    format!("git rev-parse 'HEAD^{{tree}}' >>{}; {rest}", runs_file(sandbox).display())
}

fn runs_file(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("runs")
}

/// The trees that the command was run on, in order.
fn runs(sandbox: &Sandbox) -> Vec<String> {
    let text = std::fs::read_to_string(runs_file(sandbox)).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Runs tasks that each are a shell line in its worktree, to their ends.
fn run(repo: &TestRepo<'_>, tasks: &[(&str, &str)]) {
    for (name, line) in tasks {
        repo.dispatch(name, &["sh", "-c", line]);
    }
    let names: Vec<&str> = tasks.iter().map(|(name, _)| *name).collect();
    repo.offshoot(&[&["wait"], names.as_slice()].concat()).ok();
}

/// Runs a landing with `--json` and gives its exit status and what became of each task.
fn land(repo: &TestRepo<'_>, line: &[&str]) -> (i32, Vec<(String, String)>) {
    let (code, document) = repo.offshoot_json_exit(line);
    let landings = document["landings"].as_array().unwrap_or_else(|| panic!("{document:#}"));
    let told = |one: &Value| (text(&one["task"]).to_owned(), text(&one["verdict"]).to_owned());
    (code, landings.iter().map(told).collect())
}

fn tree(repo: &TestRepo<'_>, commit: &str) -> String {
    repo.git(&["rev-parse", &format!("{commit}^{{tree}}")])
}

/// Refs, files and worktrees: what nobody may have changed.
fn standing(repo: &TestRepo<'_>) -> String {
    let parts = [
        repo.git(&["for-each-ref"]),
        repo.status_porcelain(),
        repo.git(&["ls-files", "--stage"]),
        repo.git(&["worktree", "list"]),
    ];
    parts.join("\n")
}

/// Asserts that no trial left anything but its log.
#[track_caller]
fn nothing_left(repo: &TestRepo<'_>) {
    let list = repo.git(&["worktree", "list"]);
    assert!(!list.contains("verify~"), "{list}");
    for folder in [repo.offshoots(), repo.state_folder().join("scratch")] {
        let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
        let names: Vec<_> = entries.map(|entry| entry.file_name()).collect();
        let left = names.iter().any(|name| name.to_string_lossy().contains("verify"));
        assert!(!left, "{}: {names:?}", folder.display());
    }
}

#[test]
fn a_task_is_verified_when_it_ends_apart_from_how_it_ended() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // It makes a mess, which is no part of the result.
    let green = noting(&sandbox, "test -f new.txt && rm -r src && echo x >>README.md && echo fine");
    for (name, command) in [("green", green.as_str()), ("red", "echo broken; exit 3")] {
        let line = ["dispatch", "--name", name, "--verify", command, "--"];
        repo.offshoot(&[&line[..], &["sh", "-c", "echo 1 > new.txt"]].concat()).ok();
    }
    repo.dispatch("plain", &["sh", "-c", "echo 2 > other.txt"]);
    let (task, red) = (repo.wait_for("green"), repo.wait_for("red"));
    assert_eq!((&task["state"], &red["state"]), (&json!("completed"), &json!("completed")));
    let head = tree(&repo, text(&task["head"]));
    let verify = |task: &Value| (task["verify"]["verdict"].clone(), task["verify"]["code"].clone());
    assert_eq!(verify(&task), (json!("green"), json!(0)));
    assert_eq!(
        (&task["verify"]["command"], &task["verify"]["tree"]),
        (&json!(green), &json!(head))
    );
    assert_eq!(runs(&sandbox), [head]);
    assert_eq!(verify(&red), (json!("red"), json!(3)));
    let log = std::fs::read_to_string(text(&red["verify"]["log"])).expect("a log");
    assert_eq!(log, "$ echo broken; exit 3\nbroken\noffshoot: `echo broken; exit 3` exited 3\n");
    assert_eq!(repo.wait_for("plain")["verify"], json!(null));
    let worktree = repo.worktree_of(&task);
    assert_eq!(
        (worktree.status_porcelain(), worktree.exists("src/greet.sh")),
        (String::new(), true)
    );
    nothing_left(&repo);
    let said = repo.offshoot(&["result", "red"]).ok().stdout;
    assert!(said.contains("verify    red: `echo broken; exit 3` exited 3\n"), "{said}");
    // A task that changed nothing has nothing to verify.
    repo.offshoot(&["dispatch", "--name", "empty", "--verify", "false", "--", "true"]).ok();
    assert_eq!(repo.wait_for("empty")["verify"], json!(null));
}

#[test]
fn exactly_the_tree_that_would_land_is_verified_and_red_moves_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("t", "echo 1 > task.txt")]);
    repo.write("main.txt", "main\n");
    repo.commit_all("main moves on");
    repo.write("notes.txt", "a person's own\n");
    let before = standing(&repo);
    let command = "ls; echo why >&2; test ! -f main.txt || test ! -f task.txt";
    let (code, document) = repo.offshoot_json_exit(&["merge", "t", "--verify", command]);
    let landing = &document["landings"][0];
    assert_eq!((code, &landing["verdict"]), (6, &json!("verify_failed")), "{document:#}");
    assert_eq!((&landing["before"], &landing["after"]), (&json!(repo.head()), &json!(repo.head())));
    assert_eq!((&landing["id"], &landing["verify"]["code"]), (&json!(null), &json!(1)));
    let log = std::fs::read_to_string(text(&landing["verify"]["log"])).expect("a log");
    assert!(
        log.contains("main.txt\n") && log.contains("task.txt\n") && log.contains("why\n"),
        "{log}"
    );
    let ran = repo.offshoot(&["rebase", "t", "--verify", command]).exits(6).says("\nwhy\n");
    assert!(ran.stdout.contains("`ls; echo why >&2; test ! -f main.txt || "), "{ran}");
    assert!(ran.stdout.contains("nothing was changed"), "{ran}");
    assert_eq!(standing(&repo), before);
    assert_eq!(repo.task("t")["landing"]["kind"], "open");

    // Whatever the command does to its files, index and HEAD, what was planned lands.
    let meddle = "echo x >>task.txt; git add -A; git commit -qm meddled; git rm -rq src";
    let (code, landed) = land(&repo, &["merge", "t", "--verify", &noting(&sandbox, meddle)]);
    assert_eq!((code, landed), (0, vec![("t".into(), "landed".into())]));
    assert_eq!(runs(&sandbox), [tree(&repo, "HEAD")]);
    assert_eq!(repo.git(&["diff", "--name-only", "HEAD~1", "HEAD"]), "task.txt");
    assert_eq!(
        (repo.read("notes.txt"), repo.read("task.txt")),
        ("a person's own\n".into(), "1\n".into())
    );
    nothing_left(&repo);
}

#[test]
fn a_tree_that_passed_is_not_verified_again_and_anything_else_is() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (green, red) = (noting(&sandbox, "true"), noting(&sandbox, "false"));
    let line = ["dispatch", "--name", "t", "--verify", &green, "--"];
    repo.offshoot(&[&line[..], &["sh", "-c", "echo 1 > task.txt"]].concat()).ok();
    repo.wait_for("t");
    assert_eq!(runs(&sandbox).len(), 1);
    let other = noting(&sandbox, "true ");
    let keep =
        |command: &[&str]| repo.offshoot(&[&["merge", "t", "--dry-run"], command].concat()).ok();
    keep(&["--verify", &other]);
    assert_eq!(runs(&sandbox).len(), 1, "a dry run runs nothing");
    // Red is not kept: what was missing may be there now.
    for count in [2, 3] {
        repo.offshoot(&["merge", "t", "--verify", &red]).exits(6);
        assert_eq!(runs(&sandbox).len(), count);
    }
    // The set-up is part of what passed.
    sandbox.write_config("[setup]\nenv = { MODE = \"strict\" }\n");
    let strict = noting(&sandbox, "test \"$MODE\" = strict && false");
    repo.offshoot(&["merge", "t", "--verify", &strict]).exits(6);
    sandbox.write_config("");
    assert_eq!(runs(&sandbox).len(), 4);
    // The merge has the tree that passed at the end of the task.
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(runs(&sandbox).len(), 4);
    assert_eq!(runs(&sandbox)[0], tree(&repo, "HEAD"));

    // Another tree: the target has moved.
    repo.offshoot(
        &[&["dispatch", "--name", "u"], &line[3..], &["sh", "-c", "echo 2 > u"]].concat(),
    )
    .ok();
    repo.wait_for("u");
    repo.write("main.txt", "main\n");
    repo.commit_all("main moves on");
    repo.offshoot(&["merge", "u"]).ok();
    assert_eq!(runs(&sandbox).len(), 6);
    assert_eq!(runs(&sandbox)[5], tree(&repo, "HEAD"));
}

#[test]
fn the_configured_command_runs_once_it_is_trusted_and_can_be_left_out() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("one", "echo 1 > one"), ("two", "echo 2 > two")]);
    repo.write(".offshoot.toml", format!("verify = {:?}\n", noting(&sandbox, "test ! -f two")));
    let ran = repo.offshoot(&["merge", "one"]).exits(1).says("commands that you have not accepted");
    ran.says("hint: offshoot trust").says("--no-verify-cmd");
    repo.offshoot(&["dispatch", "--", "true"]).exits(1).says("hint: offshoot trust");
    assert_eq!(runs(&sandbox), Vec::<String>::new());
    let shown = repo.offshoot(&["trust"]).ok().stdout;
    assert!(shown.contains("verify = git rev-parse"), "{shown}");
    repo.offshoot(&["merge", "one"]).ok();
    assert_eq!(runs(&sandbox), [tree(&repo, "HEAD")]);
    repo.offshoot(&["merge", "two"]).exits(6);
    // What a result says about itself decides nothing: the file is read from the main checkout.
    let (code, landed) = land(&repo, &["merge", "two", "--no-verify-cmd"]);
    assert_eq!((code, landed), (0, vec![("two".into(), "landed".into())]));
    assert_eq!(runs(&sandbox).len(), 2);
    let task = repo.dispatch_to_end("three", &["sh", "-c", "echo 3 > three"]);
    assert_eq!((&task["verify"]["verdict"], runs(&sandbox).len()), (&json!("red"), 3));
    // The person's own file needs no acceptance; its command counts less than the repository's.
    std::fs::remove_file(repo.root().join(".offshoot.toml")).expect("it is there");
    sandbox.write_config("verify = \"exit 9\"\n");
    let (code, document) = repo.offshoot_json_exit(&["merge", "three", "--verify", "exit 8"]);
    assert_eq!((code, &document["landings"][0]["verify"]["code"]), (6, &json!(8)));
    let own = repo.dispatch_to_end("own", &["sh", "-c", "echo 4 > own"]);
    assert_eq!(own["verify"]["code"], 9);
    for line in [
        &["merge", "own", "--verify", " "][..],
        &["merge", "own", "--verify", "x", "--no-verify-cmd"],
    ] {
        repo.offshoot(line).exits(2).says("\nhint: ");
    }
}

#[test]
fn the_worktree_is_made_ready_as_a_tasks_is() {
    let sandbox = Sandbox::new();
    sandbox.write_config(
        "[setup]\ncopy = [\"*.log\"]\ncommand = \"echo built >built.log; echo set-up says\"\nenv = { MODE = \"x\" }\n",
    );
    let repo = sandbox.repo("simple");
    repo.write("copied.log", "copied\n");
    run(&repo, &[("t", "echo 1 > task.txt")]);
    let command = "cat copied.log built.log; echo $MODE; pwd; exit 1";
    let (_, document) = repo.offshoot_json_exit(&["merge", "t", "--verify", command]);
    let log = text(&document["landings"][0]["verify"]["log"]).to_owned();
    let log = std::fs::read_to_string(log).expect("a log");
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[1], "set-up says");
    assert_eq!(lines[3..6], ["copied", "built", "x"], "{log}");
    assert!(lines[6].starts_with(&repo.offshoots().display().to_string()), "{log}");
    // A set-up that fails is no reason to land.
    sandbox.write_config("[setup]\ncommand = \"echo no such tool; exit 7\"\n");
    let before = standing(&repo);
    let (code, document) = repo.offshoot_json_exit(&["merge", "t", "--verify", "true"]);
    assert_eq!((code, &document["landings"][0]["verify"]["code"]), (6, &json!(7)));
    assert_eq!(standing(&repo), before);
    // Neither is a command that never ends.
    sandbox.write_config("verify_timeout_seconds = 1\ngrace_seconds = 1\n");
    let ran = repo.offshoot(&["merge", "t", "--verify", "sleep 600 & sleep 600"]).exits(6);
    ran.says("took longer than 1 s and was ended");
    nothing_left(&repo);
}
