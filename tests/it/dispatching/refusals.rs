//! What is refused at dispatch: with a hint, the contract's exit status, and nothing left behind.

use crate::sandbox::{Sandbox, TestRepo};

/// Dispatches, expects a refusal that says `words` with a hint, and nothing left behind.
#[track_caller]
fn refused(repo: &TestRepo<'_>, code: i32, words: &str, line: &[&str]) {
    let ran = repo.offshoot(&[&["dispatch"], line].concat()).exits(code).says(words);
    assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("\n\nhint: "), "{ran}");
    assert_eq!(ran.stdout, "", "{ran}");
    repo.assert_nothing_left_behind();
}

#[test]
fn a_prompt_without_an_agent_is_refused_with_the_ways_out() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let ran = repo.offshoot(&["dispatch", "Fix the timeouts"]);
    insta::assert_snapshot!(ran.snapshot(&sandbox), @r#"
    exit 2
    --- stdout
    --- stderr
    error: no agent was named for the prompt

    hint: offshoot dispatch --agent opencode|claude|codex|gemini|copilot|amp|cursor-agent|aider|goose "…"
    hint: offshoot dispatch -- CMD ARG…  runs any other command
    hint: `default_agent = "…"` in the configuration names one for good
    "#);
    repo.assert_nothing_left_behind();
}

#[test]
fn what_makes_no_sense_is_refused_and_leaves_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    refused(&repo, 2, "nothing to dispatch", &[]);
    refused(&repo, 2, "the prompt is empty", &[" \n"]);
    refused(&repo, 1, "there is no agent `nobody`", &["--agent", "nobody", "x"]);
    refused(&repo, 2, "is no agent's name", &["--agent", "../x", "x"]);
    for name in ["a b", "-x", "..", "a..b", "a/b", "x.lock", "é", "\u{1b}[31m", ""] {
        let name = format!("--name={name}");
        refused(&repo, 2, "is no valid task name", &[&name, "--", "true"]);
    }
    let long = "x".repeat(65);
    refused(&repo, 2, "longer than 64", &["--name", &long, "--", "true"]);
    refused(&repo, 1, "no revision `missing`", &["--base", "missing", "--", "true"]);
    refused(&repo, 1, "no revision `--all`", &["--base=--all", "--", "true"]);
    refused(&repo, 1, "is no commit", &["--base", "HEAD^{tree}", "--", "true"]);
    refused(&repo, 1, "there is no branch `missing`", &["--target", "missing", "--", "true"]);
    refused(&repo, 2, "no valid branch name", &["--target", "a..b", "--", "true"]);
    refused(&repo, 2, "time limit of zero", &["--timeout", "0s", "--", "true"]);
    refused(&repo, 2, "write it like `90s`", &["--timeout", "soon", "--", "true"]);
    refused(&repo, 2, "sets no environment variable", &["--env", "X", "--", "true"]);
    refused(&repo, 2, "exclude each other", &["--agent", "codex", "--", "true"]);
}

#[test]
fn a_prompt_that_is_no_text_or_too_long_is_refused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let long = "x".repeat(200 * 1024);
    for (input, words) in [
        (&b"caf\xe9"[..], "is not UTF-8 text"),
        (b"  \n", "the prompt is empty"),
        (long.as_bytes(), "the prompt is longer than 120 KiB"),
    ] {
        let ran = repo.offshoot_reading(input, &["dispatch", "-", "--", "true"]).exits(2);
        ran.says(words).says("\nhint: ");
    }
    repo.assert_nothing_left_behind();
}

#[test]
fn a_refusal_under_json_is_a_document_and_a_message() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let ran = repo.offshoot(&["dispatch", "--json", "--base", "missing", "--", "true"]).exits(1);
    let document: serde_json::Value = serde_json::from_str(&ran.stdout).expect("a document");
    assert_eq!(document["schema"], 1);
    assert_eq!(document["error"]["kind"], "not_found");
    assert_eq!(document["error"]["message"], "no revision `missing`");
    assert!(document["error"]["hints"][0].is_string(), "{document:#}");
    assert!(ran.stderr.starts_with("error: no revision `missing`\n"), "{ran}");
    repo.assert_nothing_left_behind();
}

#[test]
fn a_chosen_name_that_is_taken_is_refused_and_the_bearer_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("taken", &[&sandbox.agent("commit")]);
    let refs = || repo.git(&["for-each-ref"]);
    let before = refs();
    let ran = repo.offshoot(&["dispatch", "--name", "taken", "--", "true"]).exits(1);
    let id = &crate::sandbox::text(&task["id"])[..8];
    let ran = ran.says(&format!("the name `taken` is taken by task {id}"));
    ran.says("hint: offshoot status taken");
    repo.git(&["branch", "offshoot/by-hand"]);
    let with_branch = refs();
    repo.offshoot(&["dispatch", "--name", "by-hand", "--", "true"])
        .exits(1)
        .says("the branch `offshoot/by-hand` is there already");
    assert_eq!(refs(), with_branch);
    assert_eq!(with_branch.lines().count(), before.lines().count() + 1);
    // Once its work is landed, the name is free again.
    repo.offshoot(&["merge", "taken"]).ok();
    let again = repo.dispatch_to_end("taken", &[&sandbox.agent("noop")]);
    assert_ne!(again["id"], task["id"]);
    assert_eq!(repo.task("taken")["id"], again["id"]);
}

#[test]
fn a_branch_that_is_in_the_way_of_all_task_branches_is_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.git(&["branch", "offshoot"]);
    refused(&repo, 1, "there is a branch `offshoot`", &["--", "true"]);
    repo.offshoot(&["dispatch", "--", "true"])
        .exits(1)
        .says("hint: choose another `branch_prefix`");
    sandbox.write_config("branch_prefix = \"task-\"\n");
    assert_eq!(repo.dispatch_to_end("x", &["true"])["branch"], "task-x");
}

#[test]
fn a_repository_without_a_commit_is_refused_with_the_command_that_makes_one() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("unborn");
    refused(&repo, 1, "there is no commit to start from yet", &["--", "true"]);
    let ran = repo.offshoot(&["dispatch", "--with-changes", "--", "true"]).exits(1);
    ran.says("hint: git commit --allow-empty");
}

#[test]
fn outside_any_repository_every_verb_is_refused_with_a_hint() {
    let sandbox = Sandbox::new();
    let folder = sandbox.open(sandbox.root().join("home"));
    for line in
        [&["dispatch", "--", "true"][..], &["list"], &["merge", "x"], &["run", "--", "true"]]
    {
        let ran = folder.offshoot(line).exits(1);
        assert!(ran.stderr.contains("\nhint: "), "{ran}");
    }
    let (code, document) = folder.offshoot_json_exit(&["list"]);
    assert_eq!((code, &document["error"]["kind"]), (1, &"not_found".into()));
    assert_eq!(std::fs::read_dir(folder.root()).expect("a folder").count(), 0);
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused_and_names_its_file() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write(".offshoot.toml", "max_paralel = 3\n");
    let ran = repo.offshoot(&["dispatch", "--", "true"]).exits(2);
    ran.says(".offshoot.toml");
    repo.assert_nothing_left_behind();
}
