//! Telling of ends: the inbox and its sessions, following, commands, sessions that are woken.

mod asking;
mod following;
mod hooks;
mod opencode;
mod others;
mod sessions;
mod waking;

use crate::sandbox::{Gate, Sandbox, TestRepo, program, text};
use offshoot::timestamp::Timestamp;
use serde_json::Value;
use std::process::Command;

/// Offshoot as a session's command runs it.
fn by(repo: &TestRepo<'_>, session: &str, line: &[&str]) -> Command {
    let mut command = repo.command(line);
    command.env("OFFSHOOT_PARENT", session);
    command
}

/// Dispatches in the name of a session whose process has ended by the time this returns.
fn dispatch_by_closed(sandbox: &Sandbox, repo: &TestRepo<'_>, session: &str, line: &str) {
    let mut shell = sandbox.command("sh");
    // The second command keeps the shell from becoming offshoot: it is the process of the session.
    let script = format!("OFFSHOOT_PARENT={session} \"$0\" {line} && :");
    shell.current_dir(repo.root()).args(["-c", &script, program()]);
    sandbox.finish_command(&mut shell).ok();
}

/// Configures the agent `asks`, which is not allowed something, says so, and goes on behind the gate.
pub(crate) fn configure_asking_agent(sandbox: &Sandbox, gate: &Gate) {
    let denied = r#"{"type":"tool.execution_complete","data":{"success":false,"error":{"code":"denied","message":"may it touch x"}}}"#;
    let wait = [sandbox.agent("wait_for_gate"), gate.argument()].map(|word| format!("'{word}'"));
    let script = "'echo \"$0\"; exec \"$@\"'";
    sandbox.write_config(&format!(
        "[agents.asks]\nstream = 'copilot'\ncommand = ['sh', '-c', {script}, '{denied}', {}, 'true']\n",
        wait.join(", ")
    ));
}

/// Whether two tasks ended so soon after each other that they are told together on any machine: not at the very
/// end of the second for which the first waits.
fn ended_together(repo: &TestRepo<'_>, names: [&str; 2]) -> bool {
    let [one, other] = names.map(|name| {
        let at = repo.task(name)["finished_at"].take();
        serde_json::from_value::<Timestamp>(at).expect("a moment").as_millis()
    });
    one.abs_diff(other) < 300
}

/// The names of the tasks in a document of the inbox.
fn names(document: &str) -> Vec<String> {
    let document: Value = serde_json::from_str(document).expect("one document");
    let events = document["events"].as_array().expect("events").iter();
    events.map(|event| text(&event["task"]["name"]).to_owned()).collect()
}

/// What a session finds in its inbox.
fn inbox_of(sandbox: &Sandbox, repo: &TestRepo<'_>, session: &str) -> Vec<String> {
    names(&sandbox.finish_command(&mut by(repo, session, &["inbox", "--json"])).ok().stdout)
}
