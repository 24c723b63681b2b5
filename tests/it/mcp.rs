//! The tools of agents: `offshoot mcp`, spoken to line by line.

mod client;

use crate::sandbox::{Sandbox, TestRepo, text, wait_until};
use client::Client;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Verbs that are no tools: for people, shells, or agents' own configuration.
const NO_TOOLS: &[&str] =
    &["run", "review", "trust", "setup", "hook", "mcp", "completions", "supervise"];

/// Options that no tool has: an answer is one document and has an end.
const NO_ARGUMENTS: &[&str] = &["json", "help", "follow"];

fn client<'s>(repo: &TestRepo<'s>) -> Client<'s> {
    Client::start(repo.command(&["mcp"]))
}

/// Whether a verb of ours is being carried out for a server.
fn is_under_way(sandbox: &Sandbox, verb: &str) -> bool {
    let words = format!("as-tool {verb}");
    sandbox.processes().iter().any(|(_, line)| line.contains(&words))
}

#[test]
fn every_verb_is_a_tool_and_every_option_an_argument() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let mut client = client(&repo);
    let tools = client.ask("tools/list", &json!({}))["tools"].take();
    let tools = tools.as_array().expect("a list");
    let names: BTreeSet<&str> = tools.iter().map(|tool| text(&tool["name"])).collect();

    let help = repo.offshoot(&["--help"]).ok().stdout;
    let verbs = help.lines().filter_map(|line| line.strip_prefix("  ")).filter_map(|line| {
        let (verb, rest) = line.split_once(' ')?;
        let is_word = !verb.is_empty() && verb.chars().all(|c| c.is_ascii_lowercase());
        // The descriptions stand in a column of their own; lines of the examples begin otherwise.
        let is_verb = is_word && (rest.starts_with(' ') || verb.len() == 12);
        is_verb.then_some(verb)
    });
    let verbs: Vec<&str> = verbs.filter(|verb| !NO_TOOLS.contains(verb)).collect();
    assert!(verbs.len() > 15, "{verbs:?}");
    for verb in verbs {
        if verb == "lock" {
            assert!(
                ["lock_acquire", "lock_release", "lock_list"].iter().all(|it| names.contains(it))
            );
            continue;
        }
        assert!(names.contains(verb), "`{verb}` is no tool: {names:?}");
        let tool = tools.iter().find(|tool| tool["name"] == verb).expect("it is there");
        let help = repo.offshoot(&[verb, "--help"]).ok().stdout;
        for option in help.lines().filter_map(|line| line.trim_start().split_once("--")) {
            let (before, option) = option;
            let is_listed = before.is_empty() || (before.starts_with('-') && before.len() == 4);
            let option = option.split([' ', '[', '=']).next().unwrap_or_default();
            let endless = (verb, option) == ("dispatch", "wait");
            if !is_listed || endless || NO_ARGUMENTS.contains(&option) {
                continue;
            }
            let argument = option.replace('-', "_");
            let properties = &tool["inputSchema"]["properties"];
            assert!(properties.get(&argument).is_some(), "`{verb} --{option}`: {properties:#}");
        }
    }
    for hidden in NO_TOOLS {
        assert!(!names.contains(hidden), "`{hidden}` is a tool");
    }
    for tool in tools {
        // An object, as the protocol wants it: the tool's own document, or that of an error.
        let answer = &tool["outputSchema"];
        assert_eq!(
            (&answer["type"], answer["anyOf"].as_array().map(Vec::len)),
            (&json!("object"), Some(2)),
            "{tool:#}"
        );
        let schema = &tool["inputSchema"];
        assert_eq!(schema["type"], "object", "{tool:#}");
        assert_eq!(schema["properties"]["directory"]["type"], "string", "{tool:#}");
        assert!(schema["properties"].get("parent").is_none(), "{tool:#}");
    }
}

#[test]
fn the_model_is_told_how_to_work_and_a_person_has_prompts() {
    let sandbox = Sandbox::new();
    let mut client = client(&sandbox.repo("simple"));
    let instructions = text(&client.greeting["instructions"]).to_owned();
    for words in ["Do not poll", "ask first", "3 of 5 completed"] {
        assert!(instructions.contains(words), "{instructions}");
    }
    let prompts = client.ask("prompts/list", &json!({}))["prompts"].take();
    assert_eq!(prompts[0]["name"], "delegate");
    let asked = json!({"name": "delegate", "arguments": {"work": "tidy the docs"}});
    let prompt = client.ask("prompts/get", &asked);
    assert!(text(&prompt["messages"][0]["content"]["text"]).contains("tidy the docs"));
}

#[test]
fn a_task_is_dispatched_waited_for_looked_at_and_landed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let mut client = client(&repo);
    let command = ["sh", "-c", "echo \"$LEVEL $1\" > new.txt", "sh", "--json"];
    let task = client.document(
        "dispatch",
        &json!({"name": "one", "command": command, "env": ["LEVEL=a,b"], "context": "--wait"}),
    );
    assert_eq!((&task["name"], &task["context"]), (&json!("one"), &json!("--wait")));
    let waited = client.document("wait", &json!({"tasks": ["one"]}));
    assert_eq!(waited["tasks"][0]["state"], "completed");

    // The document is what `--json` prints, and the text says the same.
    let result = client.call("result", &json!({"task": "one"}));
    assert_eq!(result["isError"], false);
    assert_eq!(result["structuredContent"], repo.offshoot_json(&["result", "one"]));
    let said: Value = serde_json::from_str(text(&result["content"][0]["text"])).expect("JSON");
    assert_eq!(said, result["structuredContent"]);

    let diff = client.document("diff", &json!({"task": "one", "paths": ["new.txt"]}));
    assert_eq!(diff["patches"][0]["path"], "new.txt");
    let landed = client.document("merge", &json!({"tasks": "one", "squash": true}));
    assert_eq!(landed["landings"][0]["verdict"], "landed");
    assert_eq!(repo.read("new.txt"), "a,b --json\n");
}

#[test]
fn a_refusal_is_the_same_document_and_reads_as_on_a_terminal() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let mut client = client(&repo);
    let refused = client.call("merge", &json!({"tasks": ["nobody"]}));
    assert_eq!(refused["isError"], true);
    let (_, document) = repo.offshoot_json_exit(&["merge", "nobody"]);
    assert_eq!(refused["structuredContent"], document);
    let said = text(&refused["content"][0]["text"]);
    assert!(said.starts_with("error: no task `nobody`\n\nhint: "), "{said}");

    for (tool, arguments, message) in [
        ("list", json!({"bogus": 1}), "`list` has no argument `bogus`"),
        ("list", json!({"all": "maybe"}), "`all` of `list` is no truth value"),
        ("wait", json!({"tasks": {}}), "`tasks` of `wait` is no word"),
        ("wait", json!({"tasks": ["x"], "timeout": "soon"}), "`timeout` of `wait`: write it like"),
        ("dispatch", json!({}), "there is nothing to dispatch"),
        (
            "dispatch",
            json!({"prompt": "x".repeat(200_000)}),
            "`prompt` of `dispatch` is longer than",
        ),
        ("dispatch", json!({"prompt": "-"}), "the prompt is empty"),
        ("list", json!({"parent": 7}), "`parent` is no session"),
        ("list", json!({"directory": "no/such"}), "cannot enter"),
    ] {
        let refused = client.call(tool, &arguments);
        assert_eq!(refused["isError"], true, "{refused:#}");
        let error = &refused["structuredContent"]["error"];
        assert!(text(&error["message"]).contains(message), "{error:#}");
        assert!(text(&refused["content"][0]["text"]).contains(message), "{refused:#}");
    }
    let unknown = client.request("tools/call", &json!({"name": "rm", "arguments": {}}));
    assert_eq!(client.reply(unknown)["error"]["code"], -32602);
}

#[test]
fn what_a_plain_refusal_leaves_out_is_in_the_text_when_something_was_done() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("done", &["sh", "-c", "echo 1 > one.txt"]);
    let gate = sandbox.gate("held");
    repo.dispatch("held", &[&*sandbox.agent("wait_for_gate"), &gate.argument(), "true"]);
    let mut client = client(&repo);
    let stopped = client.call("discard", &json!({"tasks": ["done", "held"]}));
    assert_eq!(stopped["isError"], true);
    let said: Value = serde_json::from_str(text(&stopped["content"][0]["text"])).expect("JSON");
    assert_eq!(said["tasks"][0]["name"], "done");
    assert!(said["error"]["message"].is_string(), "{said:#}");
    gate.open();
    repo.wait_for("held");
}

#[test]
fn a_wait_ends_at_its_limit_and_giving_it_up_touches_no_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let mut client = client(&repo);
    let gate = sandbox.gate("held");
    let command = [&*sandbox.agent("wait_for_gate"), &gate.argument(), "true"];
    client.document("dispatch", &json!({"name": "held", "command": command}));
    gate.wait_for_arrival();

    let waited = client.document("wait", &json!({"tasks": ["held"], "timeout": 1}));
    assert_eq!(waited["tasks"][0]["state"], "running");
    assert!(text(&waited["notes"][0]).contains("time limit"), "{waited:#}");

    // Two calls at once: one waits, the other is answered meanwhile.
    let waiting =
        client.request("tools/call", &json!({"name": "wait", "arguments": {"tasks": ["held"]}}));
    wait_until("the wait", || is_under_way(&sandbox, "wait"));
    assert_eq!(client.document("status", &json!({"task": "held"}))["state"], "running");
    client.tell("notifications/cancelled", &json!({"requestId": waiting, "reason": "Esc"}));
    wait_until("the wait to end", || !is_under_way(&sandbox, "wait"));
    assert_eq!(client.document("status", &json!({"task": "held"}))["state"], "running");

    // opencode says so after every finished call.
    client.tell("notifications/cancelled", &json!({"requestId": waiting}));
    gate.open();
    let waited = client.document("wait", &json!({"tasks": ["held"], "timeout": "10h"}));
    assert_eq!(waited["tasks"][0]["state"], "completed");
}

#[test]
fn a_client_that_goes_away_amid_a_call_leaves_nothing_behind() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("held");
    repo.dispatch("held", &[&*sandbox.agent("wait_for_gate"), &gate.argument(), "true"]);
    let waiting = json!({"name": "wait", "arguments": {"tasks": ["held"]}});
    for killed in [false, true] {
        let mut client = client(&repo);
        client.request("tools/call", &waiting);
        wait_until("the wait", || is_under_way(&sandbox, "wait"));
        if killed {
            client.kill();
        } else {
            client.hang_up();
        }
        wait_until("the wait to end", || !is_under_way(&sandbox, "wait"));
    }
    assert_eq!(repo.task("held")["state"], "running");
    gate.open();
    repo.wait_for("held");
}

#[test]
fn a_completion_goes_along_with_the_next_answer_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let mut client = client(&repo);
    // Neither may end before both are dispatched: the answer to that would tell.
    let gate = sandbox.gate("both");
    let held = |words: &[&str]| {
        let wait = [sandbox.agent("wait_for_gate"), gate.argument()];
        wait.into_iter().chain(words.iter().map(|word| (*word).to_owned())).collect::<Vec<_>>()
    };
    client
        .document("dispatch", &json!({"name": "task-123", "command": held(&["touch", "new.txt"])}));
    client.document("dispatch", &json!({"name": "shown", "command": held(&["true"])}));
    gate.open();
    repo.wait_for("task-123");
    repo.wait_for("shown");

    // Its own end is told by the answer itself.
    let shown = client.document("result", &json!({"task": "shown"}));
    let told = "by the way: `task-123` just ended, completed: 1 file, +0 -0; `result` shows it";
    assert_eq!(shown["notes"], json!([told]));
    assert!(client.document("lock_list", &json!({})).get("notes").is_none());

    // It was told, not acknowledged: another session hears of it.
    let mut another = self::client(&repo);
    let refused = another.call("merge", &json!({"tasks": ["nobody"]}));
    let said = text(&refused["content"][0]["text"]);
    assert!(said.contains("error: no task") && said.contains(told), "{said}");
    assert_eq!(repo.offshoot_json(&["inbox"])["events"].as_array().map(Vec::len), Some(2));
}

#[test]
fn what_an_agent_asks_goes_along_with_the_next_answer_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("g");
    crate::telling::configure_asking_agent(&sandbox, &gate);
    let mut client = client(&repo);
    client.document("dispatch", &json!({"name": "t", "agent": "asks", "prompt": "Do it"}));
    wait_until("the question", || repo.told("t").contains(&"needs_input".into()));
    let told = "by the way: the agent of `t` asks something, or was not allowed something; \
                `status` shows it";
    assert_eq!(client.document("lock_list", &json!({}))["notes"], json!([told]));
    assert!(client.document("lock_list", &json!({})).get("notes").is_none());
    assert_eq!(client.document("status", &json!({"task": "t"}))["needs_input"], "may it touch x");
    gate.open();
    repo.wait_for("t");
}

#[test]
fn the_session_that_calls_is_found_in_the_call() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let mut client = client(&repo);
    let codex = json!({
        "name": "dispatch", "arguments": {"name": "a", "command": ["true"]},
        "_meta": {"threadId": "0199-thread"},
    });
    let task = client.ask("tools/call", &codex)["structuredContent"].take();
    assert_eq!(task["parent"], "codex:0199-thread");
    let arguments = json!({"name": "b", "command": ["true"], "parent": "opencode:ses_1"});
    assert_eq!(client.document("dispatch", &arguments)["parent"], "opencode:ses_1");
    repo.wait_for("a");
    repo.wait_for("b");
}

#[test]
fn a_server_outside_of_any_repository_answers_and_serves_others() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let mut command = repo.command(&["mcp"]);
    command.current_dir(sandbox.root());
    let mut client = Client::start(command);
    let refused = client.call("list", &json!({}));
    assert_eq!(refused["isError"], true);
    assert_eq!(refused["structuredContent"]["error"]["kind"], "not_found");
    assert_eq!(client.document("list", &json!({"directory": repo.root()}))["tasks"], json!([]));
    assert_eq!(client.document("list", &json!({"directory": "repo"}))["tasks"], json!([]));

    let elsewhere = Client::start(sandbox.open(sandbox.root()).command(&["mcp", "-C", "repo"]));
    let mut elsewhere = elsewhere;
    assert_eq!(elsewhere.document("list", &json!({}))["tasks"], json!([]));
}
