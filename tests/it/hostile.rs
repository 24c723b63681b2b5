//! What a task may have prepared against whoever lands it: the cases in `fixtures/hostile`, each `safe`
//! (it lands, and nothing of it runs or leaves the checkout) or `refused` (with nothing changed). A
//! canary file tells what ran.

use crate::sandbox::{Sandbox, TestRepo, fixtures};
use serde_json::Value;
use std::path::PathBuf;

fn cases(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(fixtures().join("hostile").join(file)).expect("it is there");
    let cases: Vec<Value> = serde_json::from_str(&text).expect("it is JSON");
    assert!(cases.len() > 15, "{file} holds only {}", cases.len());
    for case in &cases {
        let verdict = case["verdict"].as_str().expect("a verdict");
        assert!(["safe", "refused"].contains(&verdict), "{case}");
    }
    cases
}

fn word<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap_or_else(|| panic!("{case} has no {field}"))
}

fn canary(sandbox: &Sandbox) -> PathBuf {
    sandbox.root().join("canary")
}

/// The canaries that are there; none after a good end.
fn ran(sandbox: &Sandbox) -> Vec<String> {
    let entries = std::fs::read_dir(sandbox.root()).expect("a folder").flatten();
    let names = entries.map(|entry| entry.file_name().display().to_string());
    names.filter(|name| name.starts_with("canary")).collect()
}

/// Our own repository's hooks, configuration and what lies beside the checkout.
fn surroundings(repo: &TestRepo<'_>) -> String {
    let script =
        "sha1sum .git/config .git/hooks/* .git/info/* ; ls -a .. ../outside; cat ../outside/*";
    let mut command = repo.sandbox().command("sh");
    command.current_dir(repo.root()).args(["-c", script]);
    repo.sandbox().finish_command(&mut command).ok().stdout
}

/// Writes a tree byte for byte, since git makes none of these by itself.
fn tree(repo: &TestRepo<'_>, entries: &[(String, String, String)]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for (_, path, _) in entries {
        let first = path.split_once('/').map_or(path.as_str(), |(first, _)| first);
        let is_folder = path.contains('/');
        // A folder stands once, a file as often as it is listed.
        if !is_folder || !names.contains(&first) || entries.iter().any(|it| it.1 == first) {
            names.push(first);
        }
    }
    let mut bytes = Vec::new();
    let mut put = |mode: &str, name: &str, id: &str| {
        bytes.extend(format!("{mode} {name}\0").into_bytes());
        let byte = |at| u8::from_str_radix(&id[at..at + 2], 16).expect("hex");
        bytes.extend((0..id.len()).step_by(2).map(byte));
    };
    let mut files = entries.iter().filter(|(_, path, _)| !path.contains('/'));
    for name in names {
        let below: Vec<_> = entries
            .iter()
            .filter_map(|(mode, path, text)| {
                let rest = path.strip_prefix(name)?.strip_prefix('/')?;
                Some((mode.clone(), rest.to_owned(), text.clone()))
            })
            .collect();
        let is_file = entries.iter().any(|(_, path, _)| path == name);
        match files.next() {
            Some((mode, path, text)) if is_file && path == name => {
                let id = match mode.as_str() {
                    "160000" => repo.head(),
                    _ => written(repo, "blob", text.as_bytes()),
                };
                put(mode, name, &id);
                if !below.is_empty() {
                    put("40000", name, &tree(repo, &below));
                }
            }
            _ => put("40000", name, &tree(repo, &below)),
        }
    }
    written(repo, "tree", &bytes)
}

fn written(repo: &TestRepo<'_>, kind: &str, bytes: &[u8]) -> String {
    let mut command = repo.sandbox().command("git");
    command.current_dir(repo.root());
    command.args(["hash-object", "-w", "--literally", "--stdin", "-t", kind]);
    let ran = repo.sandbox().finish_reading(&mut command, bytes).ok();
    ran.stdout.trim_end().to_owned()
}

#[test]
fn no_tree_leaves_the_checkout() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    std::fs::create_dir(sandbox.root().join("outside")).expect("a folder");
    std::fs::write(sandbox.root().join("outside/precious"), "precious\n").expect("a file");
    std::os::unix::fs::symlink("../outside", repo.root().join("way-out")).expect("a link");
    repo.commit_all("a link out of the repository");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    // What is landed is the branch, then.
    repo.git(&["worktree", "remove", "--force", "../repo.offshoots/t"]);
    let before = surroundings(&repo);
    for case in cases("trees.json") {
        let name = word(&case, "case");
        let canary = canary(&sandbox).display().to_string();
        let entries = case["entries"].as_array().expect("entries").iter();
        let entries: Vec<_> = entries
            .map(|entry| {
                let field =
                    |at: usize| entry[at].as_str().expect("text").replace("$CANARY", &canary);
                // A name cannot hold the canary's slashes.
                let path = entry[1].as_str().expect("text").to_owned();
                (field(0), path, field(2))
            })
            .collect();
        let hostile = tree(&repo, &entries);
        let tip = repo.git(&["commit-tree", "-p", "offshoot/t", "-m", "hostile", &hostile]);
        let old = repo.git(&["rev-parse", "refs/heads/offshoot/t"]);
        repo.git(&["update-ref", "refs/heads/offshoot/t", &tip]);
        lands_or_not(&repo, &case, &before);
        assert_eq!(ran(&sandbox), [""; 0], "{name}");
        repo.git(&["update-ref", "refs/heads/offshoot/t", &old]);
    }
}

/// By every way to land it is planned or refused alike; `apply` writes the files.
fn lands_or_not(repo: &TestRepo<'_>, case: &Value, before: &str) {
    let (name, base) = (word(case, "case"), repo.head());
    let ways = [
        &["merge", "--dry-run"][..],
        &["merge", "--squash", "--dry-run"],
        &["rebase", "--dry-run"],
    ];
    for line in [&ways[..], &[&["apply"]]].concat() {
        let concerns = case["only"].as_str().is_none_or(|only| line[0] == only);
        let is_refused = concerns && word(case, "verdict") == "refused";
        let ran = repo.offshoot(&[line, &["t"]].concat());
        assert_eq!(ran.code, i32::from(is_refused), "{name}: {ran}");
        let reason = ["would refuse to check out", "empty filename in tree entry"];
        assert!(!is_refused || reason.iter().any(|it| ran.stderr.contains(it)), "{name}: {ran}");
        // Control characters, and those that turn the line round.
        let is_wild = |c: char| {
            let turns = ['\u{61c}', '\u{200e}', '\u{200f}'].contains(&c)
                || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            turns || (c.is_control() && c != '\n')
        };
        let shown = format!("{}{}", ran.stdout, ran.stderr);
        assert!(!shown.contains(is_wild), "{name}: {ran}");
        assert_eq!((surroundings(repo), repo.head()), (before.to_owned(), base.clone()), "{name}");
    }
    repo.git(&["reset", "-q", "--hard"]);
    repo.git(&["clean", "-qffdx"]);
    assert_eq!(
        (surroundings(repo), repo.status_porcelain()),
        (before.to_owned(), String::new()),
        "{name}"
    );
}

/// What an agent runs in front of each script.
const PRELUDE: &str = "common=$(git rev-parse --path-format=absolute --git-common-dir)
printf '#!/bin/sh\\ntouch \"%s\"\\ncat\\n' \"$CANARY\" >\"$CANARY_RUN\"; chmod +x \"$CANARY_RUN\"; run=$CANARY_RUN
";

/// An agent that plants, commits past what it planted, and looks innocent.
fn plant(sandbox: &Sandbox, number: usize, script: &str) -> String {
    let (canary, run) = (canary(sandbox), sandbox.root().join(format!("run-{number}")));
    let work = "git -c core.hooksPath=/dev/null -c core.fsmonitor=false commit -qm innocent --no-verify \
        --no-gpg-sign || true";
    format!(
        "export CANARY={0} CANARY_RUN={1}\n{PRELUDE}echo {number} >>notes.txt; echo new >new-{number}\n\
         git add -A; {work}\n{script}\n",
        canary.display(),
        run.display()
    )
}

#[test]
fn what_an_agent_planted_and_is_safe_does_not_run() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let safe = |case: &Value| word(case, "verdict") == "safe";
    let cases: Vec<Value> = cases("state.json").into_iter().filter(safe).collect();
    let scripts: Vec<&str> = cases.iter().map(|case| word(case, "script")).collect();
    repo.dispatch_to_end("t", &["sh", "-c", &plant(&sandbox, 0, &scripts.join("\n"))]);
    assert!(sandbox.root().join("run-0").exists(), "the agent came to its planting");
    // Git that the test itself runs must not set off what was planted.
    let head = || {
        let mut command = sandbox.command("git");
        let options = ["-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null"];
        command.current_dir(repo.root()).args(options).args(["rev-parse", "refs/heads/main"]);
        sandbox.finish_command(&mut command).ok().stdout
    };
    let before = head();
    for name in ran(&sandbox) {
        // Whatever the agent set off by itself.
        std::fs::remove_file(sandbox.root().join(name)).expect("it is there");
    }
    for line in
        [&["status", "t"][..], &["diff", "t"], &["list"], &["merge", "--dry-run", "t"], &["doctor"]]
    {
        repo.offshoot(line);
        assert_eq!(ran(&sandbox), [""; 0], "{line:?}");
    }
    repo.offshoot(&["discard", "t"]).ok();
    repo.offshoot(&["restore", "t"]).ok();
    assert_eq!((head(), ran(&sandbox)), (before.clone(), Vec::new()));
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(ran(&sandbox), [""; 0]);
    assert_ne!(head(), before);
    assert!(repo.read("notes.txt").ends_with("0\n") && repo.exists("new-0"));
}

#[test]
fn what_an_agent_planted_and_git_would_run_is_refused_by_name() {
    let refused = |case: &Value| word(case, "verdict") == "refused";
    for (number, case) in cases("state.json").into_iter().filter(refused).enumerate() {
        let name = word(&case, "case");
        let sandbox = Sandbox::new();
        let repo = sandbox.repo("simple");
        let before = repo.head();
        repo.dispatch_to_end("t", &["sh", "-c", &plant(&sandbox, number, word(&case, "script"))]);
        for left in ran(&sandbox) {
            std::fs::remove_file(sandbox.root().join(left)).expect("it is there");
        }
        for line in
            [&["merge", "t"][..], &["merge", "--squash", "t"], &["rebase", "t"], &["apply", "t"]]
        {
            let ran =
                repo.offshoot(line).exits(1).says("while `t` ran").says("\nhint: git config ");
            assert!(!ran.stderr.contains("panicked"), "{name}: {ran}");
        }
        repo.offshoot(&["discard", "t"]).ok();
        assert_eq!(ran(&sandbox), [""; 0], "{name}");
        assert_eq!(repo.git(&["rev-parse", "refs/heads/main"]), before, "{name}");
    }
}
