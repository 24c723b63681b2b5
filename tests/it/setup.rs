//! Making a worktree ready: files that are copied, the command that runs before the agent, variables
//! and ports, and the consent that a repository's own file needs.

use crate::sandbox::{Sandbox, TestRepo, text, wait_until};
use serde_json::{Value, json};
use std::os::unix::fs::{PermissionsExt, symlink};

/// A repository in which `.env`, `cache/` and links are ignored.
fn with_ignored_files(sandbox: &Sandbox) -> TestRepo<'_> {
    let repo = sandbox.repo("simple");
    repo.write(".gitignore", "*.log\n.env\ncache/\nlink*\n");
    repo.commit_all("ignore more");
    repo.write(".env", "KEY=1\n");
    repo.write("cache/deep/one", "one\n");
    repo
}

#[track_caller]
fn setup_failure(task: &Value) -> &str {
    assert_eq!(
        (&task["state"], &task["outcome"]["kind"]),
        (&json!("failed"), &json!("setup_failed"))
    );
    text(&task["outcome"]["message"])
}

#[test]
fn ignored_files_are_copied_with_their_modes_and_missing_ones_are_skipped() {
    let sandbox = Sandbox::new();
    sandbox.write_config("[setup]\ncopy = [\".env\", \"cache\", \"missing\", \"**/*.log\"]\n");
    let repo = with_ignored_files(&sandbox);
    let run = repo.root().join("cache/run");
    repo.write("cache/run", "#!/bin/sh\n");
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o4750)).expect("its mode");
    repo.write("src/deep.log", "log\n");
    repo.write("untracked.txt", "not ignored\n");
    let task = repo.dispatch_to_end("t", &["sh", "-c", "cat .env cache/deep/one src/deep.log"]);
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "KEY=1\none\nlog\n");
    assert_eq!((&task["landing"]["kind"], &task["warnings"]), (&json!("empty"), &json!([])));
    let worktree = repo.worktree_of(&task);
    let mode = std::fs::metadata(worktree.root().join("cache/run")).expect("it is there");
    assert_eq!(mode.permissions().mode() & 0o7777, 0o750);
    assert!(!worktree.exists("untracked.txt") && !worktree.exists("missing"));
    // A copy, not the file itself.
    worktree.write(".env", "KEY=2\n");
    assert_eq!(repo.read(".env"), "KEY=1\n");
}

#[test]
fn planted_symlinks_are_followed_neither_where_we_read_nor_where_we_write() {
    let sandbox = Sandbox::new();
    sandbox.write_config("[setup]\ncopy = [\".env\", \"cache\", \"link*\"]\n");
    let repo = with_ignored_files(&sandbox);
    let secret = sandbox.root().join("secret");
    std::fs::create_dir(&secret).expect("a folder");
    std::fs::write(secret.join("file"), "secret\n").expect("a file");
    symlink(secret.join("file"), repo.root().join("link-out")).expect("a link");
    symlink("../secret/file", repo.root().join("link-up")).expect("a link");
    symlink(&secret, repo.root().join("link-folder")).expect("a link");
    symlink("notes.txt", repo.root().join("link-inside")).expect("a link");
    let task = repo.dispatch_to_end("t", &["true"]);
    let worktree = repo.worktree_of(&task);
    for name in ["link-out", "link-up", "link-folder"] {
        assert!(!worktree.exists(name), "{name}");
    }
    assert_eq!(worktree.read("link-inside"), worktree.read("notes.txt"));

    // The commit that the next task starts from has links where files are to be copied to.
    let planted = sandbox.open(text(&task["worktree"]));
    std::fs::remove_dir_all(planted.root().join("cache")).expect("the copy is there");
    std::fs::remove_file(planted.root().join(".env")).expect("the copy is there");
    symlink(&secret, planted.root().join("cache")).expect("a link");
    symlink(secret.join("file"), planted.root().join(".env")).expect("a link");
    planted.git(&["add", "--force", "cache", ".env"]);
    planted.git(&["commit", "--quiet", "-m", "planted"]);
    repo.offshoot_json(&["dispatch", "--name", "attacked", "--base", "offshoot/t", "--", "true"]);
    let attacked = repo.wait_for("attacked");
    assert!(setup_failure(&attacked).contains("`cache` is no folder in the worktree"));
    assert_eq!(std::fs::read_dir(&secret).expect("it is there").count(), 1);
    assert_eq!(std::fs::read_to_string(secret.join("file")).expect("it is there"), "secret\n");
}

#[test]
fn the_set_up_command_runs_before_the_agent_and_only_once_for_a_worktree() {
    let sandbox = Sandbox::new();
    sandbox.write_config(
        "[setup]\ncommand = 'echo \"$GREETING $OFFSHOOT_TASK_NAME\" >> made.log; echo told'\n\
         env = { GREETING = \"hello\", LEVEL = \"1\" }\n",
    );
    let repo = sandbox.repo("simple");
    let command = ["sh", "-c", "cat made.log; echo $GREETING $LEVEL"];
    let options = ["dispatch", "--name", "t", "--env", "LEVEL=2", "--"];
    let task = repo.offshoot_json(&[&options[..], &command].concat());
    repo.wait_for("t");
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "hello t\nhello 2\n");
    let log = std::fs::read_to_string(repo.record_folder(&task).join("setup.log"));
    assert_eq!(log.expect("its log"), "told\n");
    repo.offshoot(&["retry", "t"]).ok();
    repo.wait_for("t");
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "hello t\nhello 2\n");
}

#[test]
fn a_failing_or_endless_set_up_says_so_with_the_end_of_its_log() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    sandbox.write_config("[setup]\ncommand = 'seq 9; echo no such package >&2; exit 3'\n");
    let task = repo.dispatch_to_end("fails", &["touch", "ran.txt"]);
    let message = setup_failure(&task);
    assert!(
        message.starts_with("the set-up command exited 3; its log ends: 6 | 7 | 8 | 9 | no such")
    );
    assert!(!repo.worktree_of(&task).exists("ran.txt"));

    sandbox
        .write_config("grace_seconds = 0\n[setup]\ncommand = 'sleep 600'\ntimeout_seconds = 0\n");
    let task = repo.dispatch_to_end("endless", &["true"]);
    assert!(setup_failure(&task).starts_with("the set-up command took longer than 0 s"));
}

#[test]
fn a_cancel_or_the_tasks_own_time_limit_ends_a_set_up_with_all_its_processes() {
    let sandbox = Sandbox::new();
    sandbox.write_config(
        "grace_seconds = 0\n[setup]\ncommand = 'setsid sleep 600 & touch set-up.log; sleep 600'\n",
    );
    let repo = sandbox.repo("simple");
    repo.dispatch("t", &["true"]);
    let made = repo.offshoots().join("t/set-up.log");
    wait_until("the set-up command", || made.exists());
    let cancelled = repo.offshoot_json(&["cancel", "t"]);
    assert_eq!(cancelled["tasks"][0]["state"], "cancelled");
    repo.offshoot_json(&["dispatch", "--name", "late", "--timeout", "100ms", "--", "true"]);
    assert_eq!(repo.wait_for("late")["outcome"], json!({"kind": "timed_out"}));
    let alive = sandbox.processes();
    assert!(!alive.iter().any(|(_, line)| line.contains("sleep")), "{alive:?}");
}

#[test]
fn running_tasks_have_ports_of_their_own_and_ended_ones_give_theirs_back() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 3\n[setup]\nport_base = 30000\nports_per_task = 5\n");
    let repo = sandbox.repo("simple");
    let print = sandbox.agent("print_env");
    let gates = ["a", "b"].map(|name| (name, sandbox.gate(name)));
    for (name, gate) in &gates {
        let agent = sandbox.agent("wait_for_gate");
        repo.dispatch(name, &[&agent, &gate.argument(), &print, "OFFSHOOT_PORT_BASE"]);
        gate.wait_for_arrival();
    }
    let base_of = |name: &str| {
        repo.wait_for(name);
        let log = repo.offshoot(&["logs", name]).ok().stdout;
        log.lines().next().expect("a line").to_owned()
    };
    repo.dispatch("c", &[&print, "OFFSHOOT_PORT_BASE"]);
    assert_eq!(base_of("c"), "OFFSHOOT_PORT_BASE=30010");
    gates[0].1.open();
    assert_eq!(base_of("a"), "OFFSHOOT_PORT_BASE=30000");
    repo.dispatch("d", &[&print, "OFFSHOOT_PORT_BASE"]);
    assert_eq!(base_of("d"), "OFFSHOOT_PORT_BASE=30000");
    gates[1].1.open();
    assert_eq!(base_of("b"), "OFFSHOOT_PORT_BASE=30005");
}

#[test]
fn what_a_repository_would_run_has_to_be_trusted_first_and_again_after_a_change() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write(".offshoot.toml", "[setup]\ncommand = 'echo ran > made.log'\nenv = { A = \"b\" }\n");
    let (code, refused) = repo.offshoot_json_exit(&["dispatch", "--", "true"]);
    assert_eq!((code, &refused["error"]["kind"]), (1, &json!("untrusted")));
    assert_eq!(refused["error"]["hints"], json!(["offshoot trust"]));
    repo.assert_nothing_left_behind();

    let trusted = repo.offshoot(&["trust"]).ok();
    assert_eq!(trusted.stdout, "setup.command = echo ran > made.log\nsetup.env.A = b\n");
    let task = repo.dispatch_to_end("t", &["cat", "made.log"]);
    assert_eq!(task["state"], "completed", "{task:#}");
    assert!(sandbox.root().join("state/offshoot/trusted").is_dir());
    assert!(repo.offshoot(&["trust"]).ok().stderr.contains("is trusted as it is"));

    repo.write(".offshoot.toml", "[setup]\ncommand = 'echo other > made.log'\n");
    assert_eq!(repo.offshoot(&["dispatch", "--", "true"]).code, 1);
    // The same content in another repository is not what was accepted.
    let other = sandbox.repo_named("simple", "other");
    other
        .write(".offshoot.toml", "[setup]\ncommand = 'echo ran > made.log'\nenv = { A = \"b\" }\n");
    assert_eq!(other.offshoot(&["dispatch", "--", "true"]).code, 1);
}

#[test]
fn a_task_runs_what_was_trusted_when_it_was_dispatched() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    repo.write(".offshoot.toml", "[setup]\ncommand = 'echo trusted > made.log'\n");
    repo.offshoot(&["trust"]).ok();
    let gate = sandbox.gate("first");
    repo.dispatch("first", &[&sandbox.agent("wait_for_gate"), &gate.argument(), "true"]);
    gate.wait_for_arrival();
    repo.dispatch("second", &["cat", "made.log"]);
    repo.write(".offshoot.toml", "[setup]\ncommand = 'echo changed > made.log'\n");
    gate.open();
    repo.wait_for("second");
    assert_eq!(repo.offshoot(&["logs", "second"]).ok().stdout, "trusted\n");
}

#[test]
fn trust_cannot_be_given_by_a_task_and_asks_a_person() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write(".offshoot.toml", "[setup]\ncommand = 'true'\n");
    let mut command = repo.command(&["trust", "--json"]);
    command.env("OFFSHOOT_TASK_ID", "3f2a9c1e-0000-4000-8000-000000000000");
    let ran = sandbox.finish_command(&mut command).exits(1);
    assert!(ran.stdout.contains("\"kind\":\"refused\""), "{ran}");
    let ran = repo.offshoot_on_terminal("n\n", &["trust"]).exits(1);
    assert!(ran.stdout.contains("setup.command = true") && ran.stdout.contains("(y/N)"), "{ran}");
    assert_eq!(repo.offshoot(&["dispatch", "--", "true"]).code, 1);
    repo.offshoot_on_terminal("y\n", &["trust"]).ok();
    assert_eq!(repo.dispatch_to_end("t", &["true"])["state"], "completed");
}

#[test]
fn copying_and_ports_need_no_trust_and_nonsense_is_refused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write(".offshoot.toml", "[setup]\ncopy = [\"x.log\"]\nport_base = 40000\n");
    assert_eq!(repo.dispatch_to_end("t", &["true"])["state"], "completed");
    assert!(repo.offshoot(&["trust"]).ok().stderr.contains("nothing to trust"));
    for wrong in
        ["copy = [\"../x\"]", "copy = [\"/x\"]", "port_base = 0", "env = { \"A=B\" = \"\" }"]
    {
        repo.write(".offshoot.toml", format!("[setup]\n{wrong}\n"));
        assert_eq!(repo.offshoot(&["list"]).code, 2, "{wrong}");
    }
}

#[test]
fn a_set_up_whose_supervisor_was_killed_is_ended_and_begun_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("second");
    sandbox.write_config(&format!(
        "grace_seconds = 0\n[setup]\ncommand = 'echo run >> runs.log; test -e {} || sleep 600'\n",
        gate.argument()
    ));
    repo.dispatch("t", &["cat", "runs.log"]);
    wait_until("the set-up command", || repo.exists("../repo.offshoots/t/runs.log"));
    let supervisor = sandbox.processes().into_iter().find(|(_, line)| line.contains(" supervise "));
    let (pid, _) = supervisor.expect("there is a supervisor");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it is ours");
    gate.open();
    assert_eq!(repo.wait_for("t")["state"], "completed");
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "run\nrun\n");
    let alive = sandbox.processes();
    assert!(!alive.iter().any(|(_, line)| line.contains("sleep")), "{alive:?}");
}

#[test]
fn what_the_set_up_command_wrote_can_be_shown() {
    let sandbox = Sandbox::new();
    sandbox.write_config("[setup]\ncommand = \"echo one; echo two >&2; test -e fine\"\n");
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &["true"]);
    setup_failure(&task);
    assert_eq!(task["next"][0], "offshoot logs --setup t");
    assert_eq!(repo.offshoot(&["logs", "--setup", "t"]).ok().stdout, "one\ntwo\n");
    assert_eq!(repo.offshoot(&["logs", "--setup", "--tail", "1", "t"]).ok().stdout, "two\n");
    sandbox.write_config("");
    repo.dispatch_to_end("plain", &["true"]);
    repo.offshoot(&["logs", "--setup", "plain"]).exits(1).says("has no set-up command");
}

#[test]
fn a_git_that_is_killed_while_it_makes_a_worktree_is_run_once_more() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // Content that git has to convert, so that it makes the worktree.
    repo.write(".gitattributes", "* ident\n");
    repo.commit_all("attributes");
    // Before the real one on the path: as the kernel does for want of memory, once.
    let folder = sandbox.root().join("bin");
    std::fs::create_dir(&folder).expect("a folder");
    let script = "#!/bin/sh\nPATH=${PATH#*:}\ncase \" $* \" in *\" worktree add \"*)\n\
        [ -e \"$0.killed\" ] || { : >\"$0.killed\"; kill -KILL $$; };;\nesac\nexec git \"$@\"\n";
    std::fs::write(folder.join("git"), script).expect("a script");
    std::fs::set_permissions(folder.join("git"), PermissionsExt::from_mode(0o755)).expect("mode");
    let path = std::env::var("PATH").expect("a path");
    let mut command = repo.command(&["run", "--name", "t", "--", &sandbox.agent("commit")]);
    command.env("PATH", format!("{}:{path}", folder.display()));
    sandbox.finish_command(&mut command).ok();
    assert_eq!(repo.task("t")["state"], "completed");
    assert!(folder.join("git.killed").exists(), "no git was killed: this test tests nothing");
}
