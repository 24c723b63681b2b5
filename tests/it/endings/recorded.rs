//! How leftovers are recorded: names of every kind, identities, signatures, hooks.

use super::{changes, check, ending};
use crate::sandbox::{Sandbox, TestRepo};
use std::os::unix::fs::PermissionsExt;

#[test]
fn names_that_are_not_utf_8_are_recorded_and_told_byte_by_byte() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("non_utf8_names");
    let script = r#"for f in ./*; do [ -d "$f" ] || echo more >>"$f"; done
        printf new >"$(printf 'new\377')"; rm "$(printf 'f\344rg/in.txt')""#;
    let task = ending(&repo, &["sh", "-c", script]);
    let changes = task["diff"]["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 15);
    let of =
        |path: &str| changes.iter().find(|change| change["path"] == path).expect("it is there");
    assert_eq!(of("caf\u{fffd}.txt")["path_bytes"], "Y2Fm6S50eHQ=");
    assert_eq!(of("new\u{fffd}")["path_bytes"], "bmV3/w==");
    assert_eq!(of("f\u{fffd}rg/in.txt")["status"], "deleted");
    for plain in ["café.txt", "two\nlines.txt", "-rf", "red\u{1b}[31m.txt", ":(glob)*.txt"] {
        assert!(of(plain).get("path_bytes").is_none(), "{plain:?}");
    }
    repo.offshoot(&["merge", "t"]).ok();
    assert_eq!(repo.read("-rf"), "-rf\nmore\n");
    assert_eq!(repo.status_porcelain(), "");
}

#[test]
fn without_an_identity_a_fallback_one_is_used_and_nothing_is_signed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    sandbox.write_git_config(
        "[commit]\n\tgpgSign = true\n[gpg]\n\tprogram = false\n[user]\n\tuseConfigOnly = true\n",
    );
    let task = ending(&repo, &[&sandbox.agent("edit_only")]);
    assert_eq!(task["diff"]["leftovers_committed"], true);
    let commit = repo.git(&["cat-file", "commit", "offshoot/t"]);
    assert!(!commit.contains("gpgsig"), "{commit}");
    let names = repo.git(&["log", "-1", "--format=%an|%ae|%cn|%ce", "offshoot/t"]);
    assert!(names.starts_with("offshoot|") && names.contains("|offshoot|"), "{names}");
}

/// Plants hooks that say in a file of the sandbox that they ran, and fail.
fn plant_hooks(sandbox: &Sandbox, repo: &TestRepo<'_>) -> std::path::PathBuf {
    let ran = sandbox.root().join("hooks-that-ran");
    for name in [
        "pre-commit",
        "commit-msg",
        "post-commit",
        "post-checkout",
        "post-merge",
        "pre-merge-commit",
        "pre-rebase",
        "prepare-commit-msg",
        "post-index-change",
        "reference-transaction",
    ] {
        let hook = repo.root().join(".git/hooks").join(name);
        std::fs::create_dir_all(hook.parent().expect("a folder")).expect("a folder");
        let script = format!("#!/bin/sh\necho {name} \"$@\" >>'{}'\nexit 1\n", ran.display());
        std::fs::write(&hook, script).expect("a hook");
        std::fs::set_permissions(&hook, PermissionsExt::from_mode(0o755)).expect("permits");
    }
    ran
}

#[test]
fn no_hook_runs_from_the_dispatch_to_the_landing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let ran = plant_hooks(&sandbox, &repo);
    for (name, landing) in [("m", "merge"), ("r", "rebase"), ("d", "discard")] {
        let file = format!("{name}.txt");
        repo.dispatch_to_end(name, &[&sandbox.agent("edit_only"), "notes.txt", &file]);
        repo.offshoot(&[landing, name]).ok();
    }
    repo.offshoot(&["restore", "d"]).ok();
    let said = std::fs::read_to_string(&ran).unwrap_or_default();
    assert_eq!(said, "", "hooks ran");
}

#[test]
fn a_prompts_first_line_becomes_the_subject_of_the_leftovers() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let prompt = "\n# Fix the \u{1b}[31mtimeouts\nand more";
    let agent = sandbox.agent("edit_only");
    repo.offshoot(&["dispatch", "--name", "t", prompt, "--", &agent]).ok();
    check(&repo, &repo.wait_for("t"));
    let subject = repo.git(&["log", "-1", "--format=%s", "offshoot/t"]);
    assert_eq!(subject, "# Fix the \\u{1b}[31mtimeouts");
}

#[test]
fn filters_and_line_ends_are_applied_as_git_would() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("lfs_like_filter");
    let task = ending(&repo, &["sh", "-c", "echo 'more for people' >> asset.big"]);
    assert_eq!(changes(&task), ["modified asset.big"]);
    let blob = repo.git(&["cat-file", "-p", "offshoot/t:asset.big"]);
    assert!(blob.ends_with("\nzber sbe crbcyr"), "{blob}");
    let crlf = sandbox.repo_named("crlf", "crlf");
    let task = crlf.dispatch_to_end("c", &[&sandbox.agent("crlf_edit")]);
    assert_eq!(changes(&task), ["modified plain.txt"]);
    assert_eq!((&task["diff"]["insertions"], &task["diff"]["deletions"]), (&1.into(), &0.into()));
}

#[test]
fn what_is_shown_of_a_file_follows_the_attributes_that_the_result_has_around_it() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write("one/two/data", "old\n");
    repo.commit_all("data");
    // On top, around it, beside it, elsewhere, or in the main checkout only.
    let places = [("", true), ("one/", true), ("one/two/", true), ("three/", false)];
    for (number, (place, is_binary)) in places.into_iter().enumerate() {
        let name = format!("t{number}");
        let script = format!(
            "echo new >>one/two/data; mkdir -p ./{place}; echo 'data -diff' >{place}.gitattributes"
        );
        repo.offshoot(&["run", "--name", &name, "--", "sh", "-c", &script]).ok();
        let task = repo.task(&name);
        let changes = task["diff"]["changes"].as_array().expect("changes");
        let data = changes.iter().find(|it| it["path"] == "one/two/data").expect("it is there");
        assert_eq!(data["binary"], is_binary, "{place:?}: {task:#}");
        let shown = repo.offshoot(&["diff", &name]).ok().stdout;
        assert_eq!(shown.contains("+new"), !is_binary, "{place:?}: {shown}");
    }
    repo.write(".gitattributes", "data -diff\n");
    repo.offshoot(&["run", "--name", "plain", "--", "sh", "-c", "echo new >>one/two/data"]).ok();
    let task = repo.task("plain");
    assert_eq!(task["diff"]["changes"][0]["binary"], false, "{task:#}");
}
