//! `list --all` reads one file about what is decided; what it shows must be what the records say.

use crate::sandbox::{Sandbox, TestRepo};
use std::path::PathBuf;

/// What `list --all` shows without ages; shown from the records alone it must be the same.
#[track_caller]
fn listed(repo: &TestRepo<'_>) -> Vec<(String, String)> {
    let shown = || {
        let table = repo.offshoot(&["list", "--all"]).ok().stdout;
        let work = |row: &str| {
            ["to decide", "discarded", "on main", "no change"]
                .into_iter()
                .find(|words| row.contains(words))
                .unwrap_or_else(|| panic!("no work in `{row}`"))
                .to_owned()
        };
        let name = |row: &str| row.split(' ').next().unwrap_or_default().to_owned();
        table.lines().skip(1).map(|row| (name(row), work(row))).collect::<Vec<_>>()
    };
    let known = shown();
    let aside = history(repo).with_extension("aside");
    if history(repo).exists() {
        std::fs::rename(history(repo), &aside).expect("moved aside");
        assert_eq!(shown(), known, "by the records");
        std::fs::rename(&aside, history(repo)).expect("moved back");
    }
    known
}

fn history(repo: &TestRepo<'_>) -> PathBuf {
    repo.state_folder().join("history.jsonl")
}

fn row(name: &str, work: &str) -> (String, String) {
    (name.to_owned(), work.to_owned())
}

#[test]
fn what_is_kept_of_a_decided_task_follows_every_change_of_mind() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("a", &[&sandbox.agent("commit")]);
    repo.dispatch_to_end("b", &["true"]);
    let b = || row("b", "no change");
    assert_eq!(listed(&repo), [row("a", "to decide"), b()]);
    for (verb, work) in [
        ("discard", "discarded"),
        ("restore", "to decide"),
        ("merge", "on main"),
        ("undo", "to decide"),
        ("discard", "discarded"),
        ("restore", "to decide"),
        ("discard", "discarded"),
    ] {
        repo.offshoot(&[verb, "a"]).ok();
        assert_eq!(listed(&repo), [row("a", work), b()], "after {verb}");
    }
    let states = repo.offshoot(&["list", "--all", "--state", "failed"]).ok();
    assert!(!states.stdout.contains("discarded"), "{}", states.stdout);
}

#[test]
fn lines_that_are_torn_lost_or_of_another_boot_count_for_nothing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for name in ["a", "b"] {
        repo.dispatch_to_end(name, &[&sandbox.agent("commit"), name]);
        repo.offshoot(&["discard", name]).ok();
    }
    let both = [row("a", "discarded"), row("b", "discarded")];
    let whole = std::fs::read_to_string(history(&repo)).expect("it is there");
    std::fs::write(history(&repo), &whole[..whole.len() - 20]).expect("torn");
    assert_eq!(listed(&repo), both);
    repo.offshoot(&["restore", "b"]).ok();
    repo.offshoot(&["discard", "b"]).ok();
    assert_eq!(listed(&repo), both, "after a torn line");

    // What a power cut has left is of no use, however whole it looks.
    std::fs::write(history(&repo), whole.replace("discarded", "empty")).expect("written");
    std::fs::write(repo.state_folder().join("boot"), "another").expect("written");
    assert_eq!(listed(&repo), both, "after a boot");
    assert!(history(&repo).exists(), "and it is kept anew");
}

#[test]
fn a_folder_more_or_less_than_is_known_is_noticed() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for name in ["a", "b", "c"] {
        repo.dispatch_to_end(name, &[&sandbox.agent("commit"), name]);
        repo.offshoot(&["discard", name]).ok();
    }
    let all = ["a", "b", "c"].map(|name| row(name, "discarded"));
    assert_eq!(listed(&repo), all);
    let lines = std::fs::read_to_string(history(&repo)).expect("it is there");
    let (known, _) = lines.rsplit_once('\n').expect("several lines");
    std::fs::write(history(&repo), known).expect("written");
    assert_eq!(listed(&repo), all, "one without a line");

    std::fs::write(history(&repo), &lines).expect("written");
    let b = std::fs::read_to_string(repo.state_folder().join("names/b")).expect("an id");
    std::fs::remove_dir_all(repo.state_folder().join("tasks").join(b)).expect("removed");
    assert_eq!(listed(&repo), [all[0].clone(), all[2].clone()], "one without a folder");
}
