//! `logs`, `inbox`, `events`, `run`: what is told while it happens.

use super::held;
use crate::sandbox::{Sandbox, finish, program, text, wait_until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};

#[test]
fn a_followed_log_ends_with_its_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("t");
    let script = "echo one; \"$0\" \"$1\"; echo two >&2; printf three";
    repo.dispatch("t", &["sh", "-c", script, &sandbox.agent("wait_for_gate"), &gate.argument()]);
    gate.wait_for_arrival();
    assert_eq!(repo.offshoot(&["logs", "t"]).ok().stdout, "one\n");
    let following = repo.offshoot_spawn(&["logs", "-f", "t"]);
    gate.open();
    assert_eq!(finish(following, "offshoot logs").ok().stdout, "one\ntwo\nthree");
    assert_eq!(repo.wait_for("t")["state"], "completed");
    for (lines, shown) in [("0", ""), ("1", "three"), ("2", "two\nthree"), ("9", "one\ntwo\nthree")]
    {
        assert_eq!(repo.offshoot(&["logs", "--tail", lines, "t"]).ok().stdout, shown);
    }
    let json = repo.offshoot(&["logs", "--json", "t"]).ok().stdout;
    let lines: Vec<Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect();
    assert_eq!(lines, ["one", "two", "three"].map(|line| json!({"schema": 1, "line": line})));
    repo.offshoot(&["logs", "--stderr", "t"]).exits(1).says("one log in order").says("hint: ");
}

#[test]
fn an_end_stays_in_the_inbox_until_it_is_acknowledged() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("a", &[&sandbox.agent("commit"), "a"]);
    repo.dispatch_to_end("b", &[&sandbox.agent("commit"), "b"]);
    let entries = |line: &[&str]| {
        let document = repo.offshoot_json(line);
        assert_eq!(document["schema"], 1);
        let events = document["events"].as_array().expect("events").clone();
        events
            .iter()
            .map(|event| (text(&event["task"]["name"]).to_owned(), event["cursor"].to_string()))
            .collect::<Vec<_>>()
    };
    let both = entries(&["inbox"]);
    assert_eq!(both.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(entries(&["inbox"]), both, "looking acknowledges nothing");
    assert_eq!(entries(&["inbox", "--ack", &both[0].1]), both[..1]);
    assert_eq!(entries(&["inbox"]), both[1..]);
    repo.offshoot(&["inbox", "--ack", "999"]).exits(1).says("the inbox has no entry 999");
    assert_eq!(entries(&["inbox", "--ack"]), both[1..]);
    assert_eq!(entries(&["inbox"]), []);
    assert_eq!(entries(&["inbox", "--ack"]), []);
    repo.offshoot(&["inbox", "--wait", "20ms"]).exits(124).says("nothing new");
    let waiting = repo.offshoot_spawn(&["inbox", "--wait", "20s", "--json"]);
    repo.dispatch("c", &[&sandbox.agent("fail")]);
    let ran = finish(waiting, "offshoot inbox").ok();
    assert!(ran.stdout.contains("\"name\":\"c\""), "{ran}");
}

#[test]
fn an_inbox_is_the_sessions_own_unless_all_are_asked_for() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let noop = sandbox.agent("noop");
    let by = |parent: &str, line: &[&str]| {
        let mut command = repo.command(line);
        sandbox.finish_command(command.env("OFFSHOOT_PARENT", parent)).ok()
    };
    by("codex:1", &["dispatch", "--name", "one", "--", &noop]);
    by("codex:2", &["dispatch", "--name", "two", "--", &noop]);
    repo.offshoot(&["wait", "one", "two"]).ok();
    let names = |ran: crate::sandbox::Ran| {
        let document: Value = serde_json::from_str(&ran.stdout).expect("one document");
        let events = document["events"].as_array().expect("events").iter();
        events.map(|event| text(&event["task"]["name"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(by("codex:1", &["inbox", "--json"])), ["one"]);
    assert_eq!(names(by("codex:1", &["inbox", "--all", "--json"])).len(), 2);
    assert_eq!(names(by("codex:2", &["inbox", "--ack", "--json"])), ["two"]);
    assert_eq!(names(by("codex:2", &["inbox", "--all", "--json"])), ["one"]);
}

#[test]
fn events_are_told_in_order_from_any_cursor_on_and_as_they_happen() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("a", &[&sandbox.agent("commit"), "a"]);
    let all = repo.offshoot_json(&["events"]);
    let (all, since) = (&all["events"], repo.offshoot_json(&["events", "--since", "2"]));
    assert_eq!(all.as_array().map(Vec::len), Some(3));
    assert_eq!(since["events"], json!([all[2]]));

    let mut following = repo.offshoot_spawn(&["events", "--since", "3", "--follow", "--json"]);
    let lines = BufReader::new(following.stdout.take().expect("it is piped"));
    let gate = held(&sandbox, &repo, "b", &[&sandbox.agent("commit"), "b"]);
    gate.open();
    repo.wait_for("b");
    repo.offshoot(&["merge", "b"]).ok();
    let told: Vec<Value> = lines
        .lines()
        .take(4)
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("a document a line"))
        .collect();
    following.kill().expect("it follows for ever");
    following.wait().expect("it ended");
    let words: Vec<&str> = told.iter().map(|event| text(&event["event"])).collect();
    assert_eq!(words, ["dispatched", "started", "finished", "landed"]);
    assert_eq!(told[..], repo.journal()[3..]);
}

#[test]
fn run_follows_the_log_and_exits_by_how_the_task_ended() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let ran = repo.offshoot(&["run", "--name", "good", "--", "sh", "-c", "echo hi; echo x > new"]);
    let ran = ran.ok();
    assert!(ran.stdout.starts_with("hi\ngood  completed: exited 0 after "), "{ran}");
    assert!(ran.stderr.starts_with("dispatched `good`, id "), "{ran}");
    repo.offshoot(&["run", "--name", "bad", "--", &sandbox.agent("fail")]).exits(4);
    let (code, task) =
        repo.offshoot_json_exit(&["run", "--name", "j", "--", &sandbox.agent("fail")]);
    assert_eq!((code, &task["state"]), (4, &"failed".into()));
    let line = ["dispatch", "--wait", "--name", "w", "--", &sandbox.agent("noop")];
    repo.offshoot(&line).ok();
}

#[test]
fn off_a_terminal_a_signal_to_run_cancels_its_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for (name, signal) in [("int", Signal::INT), ("term", Signal::TERM), ("hup", Signal::HUP)] {
        let gate = sandbox.gate(name);
        let agent = [sandbox.agent("wait_for_gate"), gate.argument()];
        let run = repo.offshoot_spawn(&["run", "--name", name, "--", &agent[0], &agent[1]]);
        gate.wait_for_arrival();
        kill_process(Pid::from_child(&run), signal).expect("it is there");
        let ran = finish(run, "offshoot run").exits(4).says(&format!("cancelling `{name}`"));
        assert!(ran.stdout.contains("cancelled"), "{ran}");
        assert_eq!(repo.task(name)["state"], "cancelled");
    }
}

#[test]
fn a_person_who_presses_ctrl_c_leaves_the_task_running() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("t");
    // The terminal turns the character into the signal once `run` follows the agent's log.
    let line = ["run", "--name", "t", "--", &sandbox.agent("wait_for_gate"), &gate.argument()];
    let command = repo.command(&line);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            gate.wait_for_arrival();
            let runs = |line: &str| line.starts_with(program());
            let run = || sandbox.processes().into_iter().find(|(_, line)| runs(line));
            wait_until("the run", || run().is_some());
            let (pid, _) = run().expect("it was there");
            kill_process(pid, Signal::INT).expect("it is there");
        });
        let ran = sandbox.finish_on_terminal(&command, "").exits(130);
        assert!(ran.stdout.contains("`t` goes on without you"), "{ran}");
    });
    assert_eq!(repo.task("t")["state"], "running");
    gate.open();
    assert_eq!(repo.wait_for("t")["state"], "completed");
}

#[test]
fn a_person_at_a_terminal_is_asked_what_to_do() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let line = ["run", "--name", "t", "--", &sandbox.agent("commit")];
    let ran = repo.offshoot_on_terminal("merge\n", &line).ok();
    assert!(ran.stdout.contains("(m)erge, (r)ebase, (d)iff, (dis)card or (l)ater?"), "{ran}");
    assert!(repo.exists("agent.txt"));
    // Nobody is asked off a terminal.
    let ran = repo.offshoot(&["run", "--name", "u", "--", &sandbox.agent("commit"), "u"]).ok();
    assert!(!ran.to_string().contains("erge,"), "{ran}");
}

#[test]
fn nobody_is_asked_in_the_terminal_of_a_coding_agents_command() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let line = ["run", "--name", "t", "--", &sandbox.agent("commit")];
    // As Gemini CLI runs commands: nobody would answer, and it would wait for ever.
    let mut command = repo.command(&line);
    let ran = sandbox.finish_on_terminal(command.env("GEMINI_CLI", "1"), "").ok();
    assert!(ran.stdout.contains("completed") && !ran.stdout.contains("(m)erge"), "{ran}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("flood"), "1"]);
    let mut logs = repo.offshoot_spawn(&["logs", "t"]);
    drop(logs.stdout.take());
    let ran = finish(logs, "offshoot logs").ok();
    assert_eq!(ran.stderr, "");
}
