//! Presets and prompts: the prompt reaches the agent as one argument that is never an option.

use crate::sandbox::{Sandbox, TestRepo};
use std::os::unix::fs::PermissionsExt;

/// Puts programs of the presets' names first on the path of the commands made by `dispatch`; each
/// prints its arguments, one a line.
fn install(sandbox: &Sandbox) -> std::ffi::OsString {
    let folder = sandbox.root().join("bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    for name in ["opencode", "claude", "codex"] {
        let script =
            "#!/bin/sh\npwd -P\nprintf '<%s>\\n' \"${0##*/}\" \"$@\"\necho to-errors >&2\n";
        let path = folder.join(name);
        std::fs::write(&path, script).expect("a script");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("permits");
    }
    let mut path = folder.into_os_string();
    path.push(":");
    path.push(std::env::var_os("PATH").unwrap_or_default());
    path
}

fn dispatch(repo: &TestRepo<'_>, sandbox: &Sandbox, line: &[&str], input: &str) {
    let mut command = repo.command(line);
    command.env("PATH", install(sandbox));
    sandbox.finish_reading(&mut command, input.as_bytes()).ok();
}

#[test]
fn a_prompt_from_standard_input_stands_behind_two_dashes() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for (agent, before) in [
        ("opencode", "<run>\n<--format>\n<json>\n<--model=-m>\n"),
        ("codex", "<exec>\n<--json>\n<--sandbox>\n<workspace-write>\n<--model=-m>\n"),
    ] {
        let line = ["dispatch", "--name", agent, "--agent", agent, "--model=-m", "-"];
        dispatch(&repo, &sandbox, &line, "--version");
        let task = repo.wait_for(agent);
        assert_eq!((&task["agent"], &task["prompt"]), (&agent.into(), &"--version".into()));
        assert_eq!(task["model"], "-m");
        let log = repo.offshoot(&["logs", agent]).ok().stdout;
        let arguments = log.split_once('\n').expect("the folder, then arguments").1;
        assert_eq!(arguments, format!("<{agent}>\n{before}<-->\n<--version>\n"));
        assert_eq!(repo.offshoot(&["logs", "--stderr", agent]).ok().stdout, "to-errors\n");
    }
}

#[test]
fn an_agent_whose_conversation_we_name_is_given_the_id_that_the_task_shows() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    dispatch(&repo, &sandbox, &["dispatch", "--name", "c", "--agent", "claude", "Hi\n\"you\""], "");
    let task = repo.wait_for("c");
    let session = crate::sandbox::text(&task["session"]);
    let log = repo.offshoot(&["logs", "c"]).ok().stdout;
    assert!(log.contains(&format!("<--session-id>\n<{session}>\n<-->\n<Hi\n\"you\">\n")), "{log}");
}

#[test]
fn a_preset_starts_at_the_root_of_the_worktree_and_is_found_by_configuration_or_caller() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    sandbox.write_config("default_agent = \"codex\"\n");
    let mut command = repo.command(&["dispatch", "--name", "configured", "Do it"]);
    command.env("PATH", install(&sandbox)).current_dir(repo.root().join("src"));
    sandbox.finish_command(&mut command).ok();
    let task = repo.wait_for("configured");
    assert_eq!(task["agent"], "codex");
    let log = repo.offshoot(&["logs", "configured"]).ok().stdout;
    assert_eq!(log.lines().next(), task["worktree"].as_str());

    sandbox.write_config("");
    let mut command = repo.command(&["dispatch", "--name", "callers", "Do it"]);
    command.env("PATH", install(&sandbox)).env("CLAUDE_CODE_SESSION_ID", "s-1");
    sandbox.finish_command(&mut command).ok();
    let task = repo.wait_for("callers");
    assert_eq!((&task["agent"], &task["parent"]), (&"claude".into(), &"claude:s-1".into()));
}

#[test]
fn a_prompt_beside_a_command_is_in_the_commands_environment() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let show = "printf '<%s>' \"$OFFSHOOT_PROMPT\"";
    let task = repo.offshoot_json(&["dispatch", "--", "sh", "-c", show]);
    let name = crate::sandbox::text(&task["name"]).to_owned();
    repo.wait_for(&name);
    assert_eq!(repo.offshoot(&["logs", &name]).ok().stdout, "<>");
    repo.offshoot(&["dispatch", "--name", "p", "Why $HOME?", "--", "sh", "-c", show]).ok();
    assert_eq!(repo.wait_for("p")["prompt"], "Why $HOME?");
    assert_eq!(repo.offshoot(&["logs", "p"]).ok().stdout, "<Why $HOME?>");
}
