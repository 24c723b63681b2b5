//! Agents that fail, ask, or are tried again; agents of one's own and of a repository.

use super::mine;
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::Value;

/// An agent that writes these lines and exits so.
fn writing(stream: &str, lines: &str, code: i32) -> String {
    let script = format!("cat <<'END'\n{lines}\nEND\nexit {code}");
    format!("[agents.a]\ncommand = [\"sh\", \"-c\", '''{script}''']\nstream = \"{stream}\"\n")
}

fn run(sandbox: &Sandbox, repo: &TestRepo<'_>, name: &str, config: &str) -> Value {
    sandbox.write_config(config);
    repo.offshoot(&["dispatch", "--name", name, "--agent", "a", "Do it"]).ok();
    repo.wait_for(name)
}

#[test]
fn an_agent_that_exits_0_and_reports_an_error_has_failed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let refused = r#"{"type":"result","is_error":true,"subtype":"success","session_id":"s","result":"Invalid API key"}"#;
    let task = run(&sandbox, &repo, "t", &writing("claude", refused, 0));
    assert_eq!(task["state"], "failed");
    let outcome = serde_json::json!({"kind": "agent_error", "message": "Invalid API key"});
    assert_eq!(task["outcome"], outcome);
    let ran = repo.offshoot(&["result", "t"]).exits(4);
    assert!(ran.stdout.contains(": the agent reported: Invalid API key\n"), "{ran}");
    // The same with another status is the process's own ending, and the reason stands beside it.
    let task = run(&sandbox, &repo, "u", &writing("claude", refused, 1));
    assert_eq!(
        (&task["outcome"]["code"], &task["agent_error"]),
        (&1.into(), &"Invalid API key".into())
    );
}

#[test]
fn what_an_agent_asks_is_told_as_it_happens_and_shown() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("g");
    let denied = r#"{"type":"tool.execution_complete","data":{"success":false,"error":{"code":"denied","message":"may it touch x"}}}"#;
    let wait = format!("[\"{}\", \"{}\", ", sandbox.agent("wait_for_gate"), gate.argument());
    // It says so, then waits at the gate.
    let config = writing("copilot", denied, 0).replace("exit 0", "exec \"$@\"");
    let config = config.replace("''']", &format!("''', \"sh\", {}\"true\"]", &wait[1..]));
    sandbox.write_config(&config);
    let mut dispatch = repo.command(&["dispatch", "--name", "t", "--agent", "a", "Do it"]);
    sandbox.finish_command(dispatch.env("OFFSHOOT_PARENT", "claude:s")).ok();
    crate::sandbox::wait_until("the question", || repo.told("t").contains(&"needs_input".into()));
    let task = repo.task("t");
    assert_eq!(
        (&task["state"], &task["needs_input"]),
        (&"running".into(), &"may it touch x".into())
    );
    gate.open();
    repo.wait_for("t");
    let shown = repo.offshoot(&["status", "t"]).ok().stdout;
    assert!(shown.contains("asks      may it touch x\n"), "{shown}");
    assert!(shown.contains("offshoot send t"), "{shown}");
    assert_eq!(repo.told("t"), ["dispatched", "started", "needs_input", "finished"]);
    // Whoever is told of the end is told of that too.
    let input = br#"{"session_id": "s", "hook_event_name": "Stop"}"#;
    let mut hook = repo.command(&["hook", "claude"]);
    let ran = sandbox.finish_reading(hook.env("OFFSHOOT_PARENT", "claude:s"), input).ok();
    assert!(ran.stdout.contains("not allowed something: see the result."), "{ran}");
}

#[test]
fn a_retry_with_feedback_takes_the_failure_along() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let script = "printf '%s' \"$OFFSHOOT_PROMPT\" > told.txt; test -e again || { touch again; \
                  echo 'assertion failed: 2 != 3'; exit 3; }";
    repo.offshoot(&["dispatch", "--name", "t", "Make it so", "--", "sh", "-c", script]).ok();
    assert_eq!(repo.wait_for("t")["outcome"]["code"], 3);
    repo.offshoot(&["retry", "--with-feedback", "t"]).ok();
    let task = repo.wait_for("t");
    assert_eq!(task["state"], "completed");
    assert_eq!(
        repo.worktree_of(&task).read("told.txt"),
        "Make it so\n\nThe last attempt ended, and not well: exited 3.\nThe last lines of its log:\n\
         assertion failed: 2 != 3\n\nFind out why, and do the task."
    );
    let refused = repo.offshoot(&["retry", "--with-feedback", "t"]).exits(1);
    refused.says("there is no failure to tell of").says("offshoot send t");
}

#[test]
fn a_retry_with_feedback_takes_what_the_verify_command_said_along() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let script = "printf '%s' \"$OFFSHOOT_PROMPT\" >> told.txt";
    let verify = "echo '2 is not 3'; exit 1";
    let line = ["dispatch", "--name", "t", "--verify", verify, "Do it", "--", "sh", "-c", script];
    repo.offshoot(&line).ok();
    assert_eq!(repo.wait_for("t")["verify"]["verdict"], "red");
    repo.offshoot(&["retry", "--with-feedback", "t"]).ok();
    let told = repo.worktree_of(&repo.wait_for("t")).read("told.txt");
    let said = format!("`{verify}` says no to its result. It ends:\n$ {verify}\n2 is not 3\n");
    assert!(told.starts_with("Do itDo it\n\nThe last attempt") && told.contains(&said), "{told}");
}

#[test]
fn a_retry_begins_a_conversation_of_its_own() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    sandbox.write_config(
        "[agents.a]\ncommand = [\"sh\", \"-c\", \"echo $0; exit 3\", \"{session}\"]\n",
    );
    repo.offshoot(&["dispatch", "--name", "t", "--agent", "a", "x"]).ok();
    let first = repo.wait_for("t");
    repo.offshoot(&["retry", "t"]).ok();
    let second = repo.wait_for("t");
    assert_ne!(first["session"], second["session"]);
    let log = repo.offshoot(&["logs", "t"]).ok().stdout;
    assert_eq!(log.trim_end(), text(&second["session"]));
    assert_eq!(second["last_lines"], serde_json::json!([second["session"]]));
}

#[test]
fn an_agent_of_the_repository_runs_only_once_it_is_trusted() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write(
        ".offshoot.toml",
        "[agents.theirs]\ncommand = [\"sh\", \"-c\", \"echo $0\", \"{prompt}\"]\n",
    );
    let line = ["dispatch", "--name", "t", "--agent", "theirs", "hello"];
    repo.offshoot(&line).exits(1).says("that you have not accepted").says("offshoot trust");
    let shown = repo.offshoot(&["trust"]).ok();
    assert!(
        format!("{shown}").contains("agents.theirs.command = sh -c 'echo $0' '{prompt}'"),
        "{shown}"
    );
    repo.offshoot(&line).ok();
    repo.wait_for("t");
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "hello\n");
}

#[test]
fn an_unknown_agent_a_missing_program_and_a_model_for_nobody_are_refused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    sandbox.write_config("[agents.a]\ncommand = [\"no-such-program\"]\n[agents.b]\ncommand = [\"sh\"]\n[agents.c]\nstream = \"claude\"\n");
    let refused = |agent: &str, more: &[&str], words: &str| {
        let line = [&["dispatch", "--agent", agent, "x"], more].concat();
        let ran = repo.offshoot(&line);
        assert!(
            ran.code != 0 && ran.stderr.contains(words) && ran.stderr.contains("hint: "),
            "{ran}"
        );
    };
    refused("a", &[], "`no-such-program` is not installed");
    refused("b", &["--model", "m"], "`sh` is not known to take a model");
    refused("c", &[], "the configuration gives `c` no command");
    refused("d", &[], "there is no agent `d`");
    repo.assert_nothing_left_behind();
}

#[test]
fn the_log_of_an_agent_is_shown_as_people_read_it() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    mine(&sandbox, &repo, "t");
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "");
    let piece = |words: &str| {
        format!(
            "{{\"type\":\"message\",\"role\":\"assistant\",\"content\":\"{words}\",\"delta\":true}}\n"
        )
    };
    let lines = format!("{}{}not a document", piece("one\\ntw"), piece("o"));
    run(&sandbox, &repo, "u", &writing("gemini", &lines, 0));
    assert_eq!(repo.offshoot(&["logs", "u"]).ok().stdout, "one\ntwo\nnot a document\n");
    assert_eq!(repo.offshoot(&["logs", "--tail", "2", "u"]).ok().stdout, "two\nnot a document\n");
    assert_eq!(repo.offshoot(&["logs", "-f", "--tail", "1", "u"]).ok().stdout, "not a document\n");
    assert_eq!(repo.offshoot(&["logs", "--raw", "u"]).ok().stdout, lines.clone() + "\n");
    let json = repo.offshoot(&["logs", "--json", "--tail", "1", "u"]).ok().stdout;
    assert_eq!(json, "{\"schema\":1,\"line\":\"not a document\"}\n");
}
