//! `--on-done`, and sessions that are woken: by a process of its own, whatever becomes of it.

use super::{ended_together, inbox_of};
use crate::sandbox::{Sandbox, TestRepo, program, text, wait_until};
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Waits until a task's `status` tells of that many deliveries, and gives them.
fn told(repo: &TestRepo<'_>, name: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    wait_until(&format!("{count} deliveries of {name}"), || {
        found = repo.task(name)["told"].as_array().cloned().unwrap_or_default();
        found.len() >= count
    });
    found
}

#[test]
fn a_command_gets_the_event_and_its_failure_is_a_warning() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let file = sandbox.root().join("event");
    let command = format!("cat > {0}.new && mv {0}.new {0}", file.display());
    let noop = sandbox.agent("noop");
    repo.offshoot(&["dispatch", "--name", "t", "--on-done", &command, "--", &noop]).ok();
    wait_until("the event", || file.exists());
    let event: Value = serde_json::from_str(&repo.read(text(&json!(file)))).expect("one document");
    assert_eq!(event, *repo.journal().last().expect("an event"));
    assert_eq!((&event["event"], &event["state"]), (&json!("finished"), &json!("completed")));
    assert_eq!(told(&repo, "t", 1)[0]["delivered"], true);
    assert_eq!(repo.task("t")["warnings"], json!([]));

    let command = "echo what went wrong; exit 7";
    repo.offshoot(&["dispatch", "--name", "bad", "--on-done", command, "--", &noop]).ok();
    assert_eq!(told(&repo, "bad", 1)[0]["delivered"], false);
    let task = repo.task("bad");
    assert_eq!(
        (&task["state"], &task["warnings"][0]["kind"]),
        (&json!("completed"), &json!("not_told"))
    );
    let warning = text(&task["warnings"][0]["message"]);
    let log = repo.record_folder(&task).join("on-done.log");
    assert!(warning.contains("exited 7") && warning.contains(text(&json!(log))), "{warning}");
    assert_eq!(std::fs::read_to_string(log).expect("it is there"), "what went wrong\n");
    repo.offshoot(&["dispatch", "--on-done", " ", "--", "true"]).exits(2).says("needs a command");
}

#[test]
fn a_command_that_never_ends_keeps_no_slot_and_no_lock() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("on-done");
    let on_done = format!("{} {} true", sandbox.agent("wait_for_gate"), gate.argument());
    let line =
        ["dispatch", "--name", "t", "--on-done", &on_done, "--", &sandbox.agent("commit"), "t"];
    sandbox.finish_command(repo.command(&line).env("OFFSHOOT_MAX_PARALLEL", "1")).ok();
    gate.wait_for_arrival();
    let line = ["run", "--name", "next", "--", &sandbox.agent("noop")];
    sandbox.finish_command(repo.command(&line).env("OFFSHOOT_MAX_PARALLEL", "1")).ok();
    repo.offshoot(&["merge", "t"]).ok();
    gate.open();
    assert_eq!(told(&repo, "t", 1)[0]["delivered"], true);
}

#[test]
fn who_tells_and_is_killed_is_started_again_by_the_next_command() {
    let sandbox = Sandbox::new();
    sandbox.allow_leftovers();
    let repo = sandbox.repo("simple");
    let (gate, file) = (sandbox.gate("on-done"), sandbox.root().join("ran"));
    let on_done = format!(
        "{} {} true; echo ran >> {}",
        sandbox.agent("wait_for_gate"),
        gate.argument(),
        file.display()
    );
    repo.offshoot(&[
        "dispatch",
        "--name",
        "t",
        "--on-done",
        &on_done,
        "--",
        &sandbox.agent("noop"),
    ])
    .ok();
    gate.wait_for_arrival();
    let teller =
        || sandbox.processes().into_iter().find(|(_, line)| line.starts_with("offshoot tell "));
    let (pid, _) = teller().expect("it tells");
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("it runs");
    wait_until("its end", || teller().is_none());
    repo.offshoot(&["list"]).ok();
    gate.open();
    assert_eq!(told(&repo, "t", 1)[0]["delivered"], true);
    assert!(repo.read(text(&json!(file))).contains("ran"));
}

#[test]
fn a_command_of_the_repository_has_to_be_trusted() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write(".offshoot.toml", "[notify]\non_done = \"touch done\"\n");
    let line = ["dispatch", "--name", "t", "--", &sandbox.agent("noop")];
    repo.offshoot(&line).exits(1).says("that you have not accepted");
    let shown = repo.offshoot_json(&["trust"]);
    assert_eq!(shown["commands"], json!(["notify.on_done = touch done"]));
    repo.offshoot(&line).ok();
    wait_until("the command's end", || repo.exists("done"));
}

#[test]
fn a_claude_session_is_woken_by_its_socket_and_the_secret_goes_nowhere_else() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let socket = sandbox.root().join("claude.sock");
    let listener = UnixListener::bind(&socket).expect("listens");
    let mut command = repo.command(&["dispatch", "--name", "t", "--", &sandbox.agent("edit_only")]);
    command.env("CLAUDE_CODE_SESSION_ID", "s-1").env("CLAUDE_CODE_MESSAGING_SOCKET", &socket);
    sandbox.finish_command(command.env("CLAUDE_CODE_MESSAGING_TOKEN", "the-secret")).ok();
    let mut sent = String::new();
    listener.accept().expect("somebody comes").0.read_to_string(&mut sent).expect("it is text");
    let lines: Vec<Value> =
        sent.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines[0], json!({"type": "auth", "token": "the-secret"}));
    assert_eq!(lines[1]["session_id"], "s-1");
    let words = text(&lines[1]["message"]["content"]);
    assert!(words.starts_with("[offshoot] t completed in "), "{words}");
    let delivery = told(&repo, "t", 1)[0].clone();
    assert_eq!((&delivery["channel"], &delivery["delivered"]), (&json!("claude"), &json!(true)));
    // Nobody answers on that socket, so the entry stays until the session takes note.
    assert_eq!(inbox_of(&sandbox, &repo, "claude:s-1"), ["t"]);
    let task = repo.task("t");
    let holding = files_holding(&repo.record_folder(&task), "the-secret");
    assert_eq!(holding, ["wake"]);
    let mode = std::fs::metadata(repo.record_folder(&task).join("wake")).expect("it is there");
    assert_eq!(mode.permissions().mode() & 0o777, 0o600);
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(files_holding(&repo.record_folder(&task), "the-secret"), Vec::<String>::new());
}

fn files_holding(folder: &Path, text: &str) -> Vec<String> {
    let entries =
        std::fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("an entry"));
    let files = entries.filter(|entry| entry.path().is_file());
    files
        .filter(|entry| {
            let bytes = std::fs::read(entry.path()).expect("it can be read");
            String::from_utf8_lossy(&bytes).contains(text)
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A program named `codex` in a folder of its own, to stand first in `PATH`.
pub(super) fn with_codex(sandbox: &Sandbox, script: &str) -> String {
    let folder = sandbox.root().join("bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("codex");
    std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("writes");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("permits");
    let path = std::env::var("PATH").expect("there is one");
    format!("{}:{path}", folder.display())
}

#[test]
fn a_codex_session_is_woken_by_its_queue_and_siblings_are_one_message() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let calls = sandbox.root().join("calls");
    let path = with_codex(
        &sandbox,
        &format!("printf '%s\\n' \"$@\" >> {0}; echo -- >> {0}", calls.display()),
    );
    let gate = sandbox.gate("all");
    for name in ["a", "b"] {
        let agent = sandbox.agent("wait_for_gate");
        let line = ["dispatch", "--name", name, "--", &agent, &gate.argument(), "true"];
        let mut command = repo.command(&line);
        command.env("CODEX_THREAD_ID", "th-1").env("PATH", &path).env("OFFSHOOT_MAX_PARALLEL", "2");
        sandbox.finish_command(&mut command).ok();
    }
    gate.wait_for_arrival();
    gate.open();
    repo.offshoot(&["wait", "a", "b"]).ok();
    for name in ["a", "b"] {
        assert_eq!(told(&repo, name, 1)[0]["delivered"], true, "{name}");
    }
    let calls = repo.read(text(&json!(calls)));
    assert!(calls.starts_with("queue\n--thread\nth-1\n--message\n[offshoot] "), "{calls}");
    for name in ["a", "b"] {
        assert_eq!(calls.matches(&format!("[offshoot] {name} completed")).count(), 1, "{calls}");
    }
    assert!(calls.matches("queue\n").count() == 1 || !ended_together(&repo, ["a", "b"]), "{calls}");
    // What is in the queue is durable there.
    wait_until("an empty inbox", || inbox_of(&sandbox, &repo, "codex:th-1").is_empty());
}

#[test]
fn a_session_that_refuses_is_told_of_later_and_its_task_is_as_it_was() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let path = with_codex(&sandbox, "echo no such thread >&2; exit 1");
    let mut command = repo.command(&["dispatch", "--name", "t", "--", &sandbox.agent("edit_only")]);
    sandbox.finish_command(command.env("CODEX_THREAD_ID", "th-1").env("PATH", &path)).ok();
    repo.offshoot(&["wait", "t"]).ok();
    let delivery = told(&repo, "t", 1)[0].clone();
    assert_eq!((&delivery["channel"], &delivery["delivered"]), (&json!("codex"), &json!(false)));
    let task = repo.task("t");
    assert_eq!(
        (&task["state"], &task["warnings"][0]["kind"]),
        (&json!("completed"), &json!("not_told"))
    );
    assert_eq!(inbox_of(&sandbox, &repo, "codex:th-1"), ["t"]);
}

#[test]
fn what_a_session_was_refused_comes_with_its_next_end_and_not_for_ever() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let calls = sandbox.root().join("calls");
    let open = sandbox.root().join("open");
    let script = format!(
        "printf '%s\\n' \"$5\" >> {}; test -e {} || exit 1",
        calls.display(),
        open.display()
    );
    let path = with_codex(&sandbox, &script);
    let dispatch = |name: &str| {
        let mut command = repo.command(&["dispatch", "--name", name, "--", "true"]);
        sandbox.finish_command(command.env("CODEX_THREAD_ID", "th-1").env("PATH", &path)).ok();
        told(&repo, name, 1);
    };
    let warnings = |name: &str| repo.task(name)["warnings"].as_array().expect("a list").len();
    for name in ["a", "b", "c", "d"] {
        dispatch(name);
    }
    // Each try is on record; of those by one way the last counts.
    assert_eq!((told(&repo, "a", 3).len(), told(&repo, "d", 1).len()), (3, 1));
    // A verb that saw the mark a moment before it went starts another teller.
    let (state, d) = (repo.state_folder(), repo.task("d"));
    let state = state.to_str().expect("UTF-8");
    let mut late = repo.command(&["tell", "--state", state, text(&d["id"])]);
    sandbox.finish_command(late.env("PATH", &path)).ok();
    assert_eq!(told(&repo, "d", 1).len(), 1);
    assert_eq!(warnings("a"), 1);
    std::fs::write(&open, "").expect("writes");
    dispatch("e");
    wait_until("an empty queue", || inbox_of(&sandbox, &repo, "codex:th-1") == ["a", "b"]);
    let said = repo.read(text(&json!(calls)));
    let times = |name: &str| said.matches(&format!("[offshoot] {name} completed")).count();
    assert_eq!(["a", "b", "c", "d", "e"].map(times), [3, 3, 3, 2, 1], "{said}");
    assert_eq!((warnings("b"), warnings("c"), warnings("d")), (1, 0, 0));
}

#[test]
fn a_session_that_hangs_delays_nothing_and_is_given_up() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("never-opened");
    let wait = format!("exec {} {} true", sandbox.agent("wait_for_gate"), gate.argument());
    let path = with_codex(&sandbox, &wait);
    let commit = sandbox.agent("commit");
    let mut command = repo.command(&["dispatch", "--name", "t", "--", &commit, "t"]);
    command.env("CODEX_THREAD_ID", "th-1").env("PATH", &path).env("OFFSHOOT_MAX_PARALLEL", "1");
    sandbox.finish_command(&mut command).ok();
    gate.wait_for_arrival();
    // It holds no slot, and what was told of is free to be landed; another session is told meanwhile.
    assert_eq!(repo.task("t")["state"], "completed");
    let done = sandbox.root().join("done");
    let on_done = format!("touch {}", done.display());
    let line = ["dispatch", "--name", "next", "--on-done", &on_done, "--", "true"];
    sandbox.finish_command(repo.command(&line).env("OFFSHOOT_MAX_PARALLEL", "1")).ok();
    wait_until("the other one is told", || done.exists());
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.task("t")["told"].is_null(), "it hangs still");
    let delivery = told(&repo, "t", 1)[0].clone();
    assert_eq!((&delivery["channel"], &delivery["delivered"]), (&json!("codex"), &json!(false)));
    assert!(inbox_of(&sandbox, &repo, "codex:th-1").contains(&"t".to_owned()));
}

#[test]
fn a_person_who_asked_for_it_hears_the_bell_and_a_missing_desktop_is_said() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    sandbox.write_config("[notify]\nbell = true\ndesktop = true\n");
    let mut shell = sandbox.command("sh");
    let script = "\"$0\" dispatch --name t -- \"$1\" && until \"$0\" status --json t | grep -q bell; \
                  do sleep 0.05; done";
    let noop = sandbox.agent("noop");
    shell.current_dir(repo.root()).args(["-c", script, program(), &noop]);
    let ran = sandbox.finish_on_terminal(&shell, "").ok();
    assert!(ran.stdout.contains('\x07'), "{ran}");
    let told = told(&repo, "t", 2);
    let by = |channel: &str| told.iter().find(|it| it["channel"] == channel).cloned();
    assert_eq!(by("bell").map(|it| it["delivered"].clone()), Some(json!(true)));
    assert_eq!(by("desktop").map(|it| it["delivered"].clone()), Some(json!(false)));
    let warning = repo.task("t")["warnings"][0]["message"].clone();
    assert!(text(&warning).contains("there is no desktop here"), "{warning}");
    // Off a terminal there is no bell, and by default nobody is told.
    repo.offshoot(&["dispatch", "--name", "quiet", "--", &noop]).ok();
    sandbox.write_config("");
    repo.dispatch_to_end("unasked", &[&noop]);
    assert!(repo.task("unasked").get("told").is_none());
}
