//! Several tasks with a verify command: verified together, bisected when red.

use super::{land, nothing_left, noting, run, runs, standing, tree};
use crate::sandbox::{Sandbox, text};
use serde_json::json;

fn verdicts(told: &[(&str, &str)]) -> Vec<(String, String)> {
    told.iter().map(|(task, verdict)| ((*task).to_owned(), (*verdict).to_owned())).collect()
}

#[test]
fn a_green_train_is_verified_once_at_its_end_and_lands_task_by_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("a", "echo a > a"), ("b", "echo b > b"), ("c", "echo c > c")]);
    let (code, landed) =
        land(&repo, &["merge", "a", "b", "c", "--verify", &noting(&sandbox, "test -f a -a -f b")]);
    let all = [("a", "landed"), ("b", "landed"), ("c", "landed")];
    assert_eq!((code, landed), (0, verdicts(&all)));
    assert_eq!(runs(&sandbox), [tree(&repo, "HEAD")]);
    let subjects = repo.git(&["log", "--first-parent", "-3", "--format=%s"]);
    assert_eq!(subjects, "Merge task c\nMerge task b\nMerge task a");
    assert_eq!(repo.status_porcelain(), "");
    nothing_left(&repo);
}

#[test]
fn a_red_train_is_bisected_the_green_ones_land_and_the_red_one_is_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let names = ["a", "b", "c", "bad", "e", "f", "g", "h"];
    let lines = names.map(|name| format!("echo {name} > {name}"));
    let tasks: Vec<_> =
        names.iter().zip(&lines).map(|(name, line)| (*name, line.as_str())).collect();
    run(&repo, &tasks);
    let command = noting(&sandbox, "test ! -f bad");
    let (code, document) =
        repo.offshoot_json_exit(&[&["merge", "--verify", &command], names.as_slice()].concat());
    let landings = document["landings"].as_array().expect("landings");
    let told: Vec<_> =
        landings.iter().map(|one| (text(&one["task"]), text(&one["verdict"]))).collect();
    let expected = names.map(|name| (name, if name == "bad" { "verify_failed" } else { "landed" }));
    assert_eq!((code, told), (6, expected.to_vec()));
    assert_eq!((&landings[3]["id"], &landings[3]["verify"]["code"]), (&json!(null), &json!(1)));
    assert_eq!(repo.task("bad")["landing"]["kind"], "open");
    assert_eq!(repo.git(&["ls-files", "bad", "h"]), "h");
    // The end, three of eight by halves, and the end of those that are left.
    assert_eq!(runs(&sandbox).len(), 5, "{:?}", runs(&sandbox));
    assert_eq!(runs(&sandbox)[4], tree(&repo, "HEAD"));
    nothing_left(&repo);
}

#[test]
fn of_two_that_are_red_only_together_the_later_one_is_left_out() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(
        &repo,
        &[("a", "echo a > a"), ("b", "echo b > b"), ("c", "echo c > c"), ("d", "echo d > d")],
    );
    let command = noting(&sandbox, "test ! -f a || test ! -f c");
    let (code, landed) = land(&repo, &["rebase", "a", "b", "c", "d", "--verify", &command]);
    let expected = [("a", "landed"), ("b", "landed"), ("c", "verify_failed"), ("d", "landed")];
    assert_eq!((code, landed), (6, verdicts(&expected)));
    let ran = repo.offshoot(&["merge", "c", "--verify", &command]).exits(6);
    assert!(
        ran.stdout.starts_with("c: the verify command failed on the result for `main`"),
        "{ran}"
    );
}

#[test]
fn where_everything_is_red_nothing_moves_and_the_runs_are_bounded() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(
        &repo,
        &[("a", "echo a > a"), ("b", "echo b > b"), ("c", "echo c > c"), ("d", "echo d > d")],
    );
    let before = standing(&repo);
    let (code, landed) =
        land(&repo, &["merge", "a", "b", "c", "d", "--verify", &noting(&sandbox, "false")]);
    let all = ["a", "b", "c", "d"].map(|name| (name, "verify_failed"));
    assert_eq!((code, landed), (6, verdicts(&all)));
    assert_eq!(standing(&repo), before);
    let mut tried = runs(&sandbox);
    let count = tried.len();
    tried.sort();
    tried.dedup();
    assert_eq!((tried.len(), count <= 9), (count, true), "no tree twice: {count}");
}

#[test]
fn one_that_conflicts_with_the_train_is_left_out_and_named() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("a", "echo a > same"), ("b", "echo b > same"), ("c", "echo c > c")]);
    let (code, landed) =
        land(&repo, &["merge", "a", "b", "c", "--verify", &noting(&sandbox, "true")]);
    let expected = [("a", "landed"), ("b", "conflicts"), ("c", "landed")];
    assert_eq!((code, landed), (3, verdicts(&expected)));
    assert_eq!(runs(&sandbox), [tree(&repo, "HEAD")]);
    // When the one it conflicts with is the red one, it fits.
    run(&repo, &[("red", "echo 1 > other; echo red > red"), ("fits", "echo 2 > other")]);
    let (code, landed) = land(&repo, &["merge", "red", "fits", "--verify", "test ! -f red"]);
    assert_eq!((code, landed), (6, verdicts(&[("red", "verify_failed"), ("fits", "landed")])));
    assert_eq!(repo.read("other"), "2\n");
}

#[test]
fn tasks_with_commands_or_targets_of_their_own_form_trains_of_their_own() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.git(&["branch", "release"]);
    let dispatch = |name: &str, options: &[&str]| {
        let line = format!("echo {name} > {name}");
        let line = ["--", "sh", "-c", &line];
        repo.offshoot(&[&["dispatch", "--name", name], options, &line].concat()).ok();
        repo.wait_for(name);
    };
    dispatch("plain", &[]);
    dispatch("strict", &["--verify", "test ! -f strict"]);
    dispatch("release", &["--target", "release", "--verify", "test -f release"]);
    dispatch("last", &[]);
    let (code, landed) = land(&repo, &["merge", "plain", "strict", "release", "last"]);
    let expected = [
        ("plain", "landed"),
        ("strict", "verify_failed"),
        ("release", "landed"),
        ("last", "landed"),
    ];
    assert_eq!((code, landed), (6, verdicts(&expected)));
    assert_eq!(repo.git(&["ls-tree", "--name-only", "release", "release", "plain"]), "release");
    assert_eq!(repo.git(&["ls-files", "plain", "last", "strict"]), "last\nplain");
}
