//! `setup`: what is written into agents' own files, and taken out again.

use crate::sandbox::{Ran, Sandbox, program, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

const AGENTS: [&str; 4] = ["opencode", "claude", "codex", "gemini"];

/// Offshoot as a person calls it outside of any repository.
fn setup(sandbox: &Sandbox, line: &[&str]) -> Ran {
    let mut command = sandbox.command(program());
    sandbox.finish_command(command.arg("setup").args(line))
}

/// Every file of the person's home and configuration, by its path.
fn files(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![sandbox.root().join("home"), sandbox.root().join("config")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.clone(), std::fs::read(path).expect("it can be read"));
            }
        }
    }
    found
}

fn write(sandbox: &Sandbox, path: &str, content: &str) -> PathBuf {
    let path = sandbox.root().join(path);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("its folder");
    std::fs::write(&path, content).expect("writes");
    path
}

/// What people have in these files, with all that may be lost.
fn furnish(sandbox: &Sandbox) {
    let jsonc = "// mine\n{\n\t\"theme\": \"x\", // behind\n\t\"mcp\": {\n\t\t\"other\": {\"type\": \"local\"},\n\t},\n}\n";
    write(sandbox, "config/opencode/opencode.jsonc", jsonc);
    write(sandbox, "home/.claude.json", "{\n  \"numStartups\": 3,\n  \"projects\": {}\n}");
    let hook =
        "{\"hooks\":{\"Stop\":[{\"hooks\":[{\"type\":\"command\",\"command\":\"say done\"}]}]}}";
    write(sandbox, "home/.claude/settings.json", hook);
    let toml = "# mine\r\nmodel = \"m\" # behind\r\n\r\n[mcp_servers.other]\r\ncommand = \"o\"\r\n";
    write(sandbox, "home/.codex/config.toml", toml);
    write(sandbox, "home/.gemini/settings.json", "{ /* none yet */ }\n");
}

#[test]
fn set_up_and_removed_again_every_file_is_as_it_was_to_the_byte() {
    for furnished in [false, true] {
        let sandbox = Sandbox::new();
        if furnished {
            furnish(&sandbox);
        }
        let before = files(&sandbox);
        for agent in AGENTS {
            let dry = setup(&sandbox, &["--dry-run", agent]).ok();
            assert!(
                dry.stdout.contains("would write") && dry.stderr.contains("nothing was changed"),
                "{dry}"
            );
        }
        assert_eq!(files(&sandbox), before, "a dry run writes nothing");
        for agent in AGENTS {
            let ran = setup(&sandbox, &[agent]).ok();
            assert!(
                ran.stdout.contains("the MCP server") && ran.stdout.contains("SKILL.md"),
                "{ran}"
            );
            assert_eq!(ran.stdout.contains("as it was before"), furnished, "{ran}");
            let once = files(&sandbox);
            let again = setup(&sandbox, &[agent]).ok();
            assert!(again.stdout.lines().all(|line| line.starts_with("unchanged ")), "{again}");
            assert_eq!(files(&sandbox), once, "a second time changes nothing");
        }
        let texts: String = files(&sandbox)
            .values()
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
            .collect();
        for comment in ["// mine", "// behind", "# mine", "# behind", "/* none yet */", "say done"]
        {
            assert_eq!(texts.contains(comment), furnished, "{comment}");
        }
        for agent in AGENTS {
            setup(&sandbox, &["--remove", agent]).ok();
        }
        assert_eq!(files(&sandbox), before, "furnished: {furnished}");
        let ran = setup(&sandbox, &["--remove", "claude"]).ok();
        assert!(ran.stdout.lines().all(|line| line.starts_with("unchanged")), "{ran}");
    }
}

#[test]
fn what_the_person_wrote_since_stays_and_only_ours_is_taken_out() {
    let sandbox = Sandbox::new();
    furnish(&sandbox);
    for agent in AGENTS {
        setup(&sandbox, &[agent]).ok();
    }
    let edit = |path: &str, from: &str, to: &str| {
        let path = sandbox.root().join(path);
        let text = std::fs::read_to_string(&path).expect("it is there");
        assert!(text.contains(from), "{text}");
        std::fs::write(&path, text.replace(from, to)).expect("writes");
    };
    edit("home/.claude/settings.json", "say done", "say finished");
    edit("home/.codex/config.toml", "\"m\"", "\"n\"");
    edit("home/.gemini/settings.json", "\"inject\"", "\"notify\"");
    edit("config/opencode/plugins/offshoot.js", "FIRST_PAUSE_MS = 2_000", "FIRST_PAUSE_MS = 9_000");
    for agent in AGENTS {
        setup(&sandbox, &["--remove", agent]).ok();
    }
    let read = |path: &str| std::fs::read_to_string(sandbox.root().join(path)).expect("is there");
    let settings: Value = serde_json::from_str(&read("home/.claude/settings.json")).expect("JSON");
    let theirs =
        json!({"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "say finished"}]}]}});
    assert_eq!(settings, theirs);
    let toml = "# mine\r\nmodel = \"n\" # behind\r\n\r\n[mcp_servers.other]\r\ncommand = \"o\"\r\n";
    assert_eq!(read("home/.codex/config.toml"), toml);
    assert!(read("config/opencode/plugins/offshoot.js").contains("9_000"), "theirs now");
    let gemini = read("home/.gemini/settings.json");
    assert!(gemini.contains("\"notify\"") && !gemini.contains("modelSteering"), "{gemini}");
}

#[test]
fn a_file_that_cannot_be_changed_leaves_all_as_it_was() {
    let sandbox = Sandbox::new();
    furnish(&sandbox);
    for (path, content, agent) in [
        ("home/.claude/settings.json", "{ \"hooks\": ", "claude"),
        ("home/.codex/hooks.json", "{\"hooks\": []}", "codex"),
        ("home/.gemini/settings.json", "[]", "gemini"),
    ] {
        let file = write(&sandbox, path, content);
        let before = files(&sandbox);
        let ran = setup(&sandbox, &[agent]).exits(1).says("cannot change").says("hint: ");
        assert!(ran.stderr.contains(&file.display().to_string()), "{ran}");
        assert_eq!(files(&sandbox), before);
    }
    // What cannot even be read.
    write(&sandbox, "home/.claude/settings.json", "{}");
    std::fs::remove_file(sandbox.root().join("home/.claude.json")).expect("removes");
    std::fs::create_dir(sandbox.root().join("home/.claude.json")).expect("a folder");
    let file = sandbox.root().join("home/.codex/config.toml");
    std::fs::write(&file, b"name = \"\xff\"\n").expect("writes");
    let before = files(&sandbox);
    for (agent, name) in [("claude", ".claude.json"), ("codex", "config.toml")] {
        let ran = setup(&sandbox, &[agent]).exits(1).says("cannot read").says("hint: mend ");
        assert!(ran.stderr.contains(name), "{ran}");
    }
    assert_eq!(files(&sandbox), before);
    setup(&sandbox, &["vim"]).exits(2);
    let mut inside = sandbox.command(program());
    inside.args(["setup", "opencode"]).env("OFFSHOOT_TASK_ID", "x");
    sandbox.finish_command(&mut inside).exits(1).says("a task cannot change");
}

#[test]
fn a_link_stays_a_link_a_mode_stays_and_a_shared_skill_goes_with_its_last_agent() {
    let sandbox = Sandbox::new();
    let real = write(&sandbox, "home/dotfiles/codex.toml", "model = \"m\"\n");
    std::fs::set_permissions(&real, PermissionsExt::from_mode(0o600)).expect("permits");
    std::fs::create_dir_all(sandbox.root().join("home/.codex")).expect("a folder");
    let link = sandbox.root().join("home/.codex/config.toml");
    symlink(&real, &link).expect("links");
    setup(&sandbox, &["codex"]).ok();
    setup(&sandbox, &["gemini"]).ok();
    assert!(link.is_symlink());
    assert!(std::fs::read_to_string(&real).expect("there").contains("[mcp_servers.offshoot]"));
    assert_eq!(std::fs::metadata(&real).expect("there").permissions().mode() & 0o777, 0o600);
    let skill = sandbox.root().join("home/.agents/skills/offshoot/SKILL.md");
    let ran = setup(&sandbox, &["--remove", "codex"]).ok();
    assert!(ran.stdout.contains("left alone") && skill.exists(), "{ran}");
    setup(&sandbox, &["--remove", "gemini"]).ok();
    assert!(!skill.exists() && link.is_symlink());
    assert_eq!(std::fs::read_to_string(&real).expect("there"), "model = \"m\"\n");
}

#[test]
fn in_a_repository_nothing_is_written_that_runs_by_itself() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let before = files(&sandbox);
    for (agent, paths) in [
        ("opencode", ["opencode.json", ".agents/skills/offshoot/SKILL.md"]),
        ("claude", [".mcp.json", ".claude/skills/offshoot/SKILL.md"]),
        ("codex", [".codex/config.toml", ".agents/skills/offshoot/SKILL.md"]),
        ("gemini", [".gemini/settings.json", ".agents/skills/offshoot/SKILL.md"]),
    ] {
        let document = repo.offshoot_json(&["setup", "--repo", agent]);
        let files = document["files"].as_array().expect("files").iter();
        let written: Vec<&Path> = files
            .map(|file| Path::new(text(&file["path"])).strip_prefix(repo.root()).expect("inside"))
            .collect();
        assert_eq!(written, paths.map(Path::new), "{document:#}");
        for path in paths {
            assert!(!repo.read(path).contains(" hook "), "{path}");
        }
    }
    assert_eq!(files(&sandbox), before);
    for agent in AGENTS {
        repo.offshoot(&["setup", "--repo", "--remove", agent]).ok();
    }
    assert_eq!(repo.status_porcelain(), "");
    let mut outside = sandbox.command(program());
    sandbox.finish_command(outside.args(["setup", "--repo", "claude"])).exits(1);
}

#[test]
fn what_is_written_calls_a_program_that_is_there() {
    let sandbox = Sandbox::new();
    setup(&sandbox, &["claude"]).ok();
    let read = |path: &str| -> Value {
        let text = std::fs::read_to_string(sandbox.root().join(path)).expect("it is there");
        serde_json::from_str(&text).expect("JSON")
    };
    let server = read("home/.claude.json")["mcpServers"]["offshoot"].clone();
    assert_eq!(server["args"], json!(["mcp"]));
    assert!(Path::new(text(&server["command"])).is_file(), "not in PATH, so by its whole path");
    let hooks = read("home/.claude/settings.json")["hooks"].clone();
    for event in ["PostToolUse", "UserPromptSubmit", "Stop", "SessionStart"] {
        let line = text(&hooks[event][0]["hooks"][0]["command"]);
        let mut shell = sandbox.command("sh");
        let input = json!({"session_id": "s", "hook_event_name": event}).to_string();
        let ran = sandbox.finish_reading(shell.args(["-c", line]), input.as_bytes()).ok();
        assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("", ""), "{line}");
    }
    // In `PATH` it is called by its name, so that an update in another place counts.
    let bin = sandbox.root().join("bin");
    std::fs::create_dir(&bin).expect("a folder");
    symlink(program(), bin.join("offshoot")).expect("links");
    let mut command = sandbox.command(program());
    command.args(["setup", "claude"]).env("PATH", &bin);
    sandbox.finish_command(&mut command).ok();
    assert_eq!(read("home/.claude.json")["mcpServers"]["offshoot"]["command"], "offshoot");
    assert_eq!(
        read("home/.claude/settings.json")["hooks"]["Stop"].as_array().map(Vec::len),
        Some(1)
    );
    setup(&sandbox, &["--remove", "claude"]).ok();
    assert!(files(&sandbox).is_empty(), "{:?}", files(&sandbox).keys());
}
