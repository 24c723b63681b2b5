//! What the command line refuses, and what it says about itself.

use crate::sandbox::Sandbox;
use serde_json::Value;

#[test]
fn under_json_every_error_is_a_document_with_the_contracts_exit_status() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for (line, code, kind) in [
        (&["status", "nobody"][..], 1, "not_found"),
        (&["wait", "nobody"], 1, "not_found"),
        (&["logs", "nobody"], 1, "not_found"),
        (&["merge", "nobody"], 1, "not_found"),
        (&["discard"], 2, "usage"),
        (&["wait"], 2, "usage"),
        (&["list", "--no-such-option"], 2, "usage"),
        (&["no-such-verb"], 2, "usage"),
        (&["dispatch", "x", "--timeout", "soon"], 2, "usage"),
        (&["review"], 2, "usage"),
        (&["undo"], 1, "refused"),
        (&["undo", "7"], 1, "not_found"),
        (&["-C", "/nowhere/at-all", "list"], 1, "io"),
    ] {
        let ran = repo.offshoot(&[line, &["--json"]].concat()).exits(code);
        let document: Value = serde_json::from_str(&ran.stdout)
            .unwrap_or_else(|cause| panic!("no document ({cause}): {ran}"));
        assert_eq!(document["error"]["kind"], kind, "{ran}");
        assert_eq!(document["schema"], 1);
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("\nhint: "), "{ran}");
    }
}

#[test]
fn what_a_later_version_brings_is_said_to_be_not_built_yet() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for line in [
        &["review"][..],
        &["dispatch", "--count", "3", "--", "true"],
        &["dispatch", "--sandbox", "strict", "--", "true"],
    ] {
        let ran = repo.offshoot(line).exits(2).says("is not built yet").says("\nhint: ");
        assert_eq!(ran.stdout, "", "{ran}");
    }
    repo.assert_nothing_left_behind();
}

#[test]
fn help_shows_every_verb_in_its_group_with_examples() {
    let sandbox = Sandbox::new();
    let repo = sandbox.open(sandbox.root());
    let help = repo.offshoot(&["--help"]).ok();
    let verbs = [
        "dispatch",
        "run",
        "list",
        "status",
        "wait",
        "logs",
        "cancel",
        "result",
        "diff",
        "merge",
        "rebase",
        "apply",
        "discard",
        "restore",
        "inbox",
        "lock",
        "events",
        "setup",
        "hook",
        "mcp",
        "completions",
    ];
    for verb in verbs {
        assert!(help.stdout.contains(&format!("\n  {verb} ")), "{verb}: {help}");
        let own = repo.offshoot(&[verb, "--help"]).ok();
        assert!(own.stdout.contains("Example"), "{own}");
    }
    for hidden in ["supervise", "shim", "gate", "as-tool", "\n  tell", "\n  review"] {
        assert!(!help.stdout.contains(hidden), "{hidden}: {help}");
    }
    assert!(help.stdout.contains("Exit status:"), "{help}");
    let version = repo.offshoot(&["--version"]).ok().stdout;
    assert_eq!(version, format!("offshoot {}\n", env!("CARGO_PKG_VERSION")));
    repo.offshoot(&[]).exits(2).says("Usage: offshoot");
    let ran = repo.offshoot(&["mrege", "x"]).exits(2);
    ran.says("there is no verb `mrege`").says("hint: did you mean `offshoot merge`");
}

#[test]
fn completions_are_scripts_that_their_shells_accept() {
    let sandbox = Sandbox::new();
    let repo = sandbox.open(sandbox.root());
    for shell in ["bash", "zsh", "fish"] {
        let script = repo.offshoot(&["completions", shell]).ok().stdout;
        assert!(
            script.contains("dispatch") && script.contains("--with-changes") || shell == "fish",
            "{shell}"
        );
        assert!(script.contains("offshoot"), "{shell}");
        assert!(!script.contains("supervise"), "{shell}: hidden verbs are not completed");
        let mut check = sandbox.command("sh");
        let installed = sandbox.finish_command(check.args(["-c", &format!("command -v {shell}")]));
        if installed.code == 0 {
            let mut check = sandbox.command(shell);
            sandbox.finish_reading(check.arg("-n"), script.as_bytes()).ok();
        }
    }
    repo.offshoot(&["completions", "csh"]).exits(2).says("hint: ");
}
