//! How tasks end, one test for each fixture agent that behaves or misbehaves: what state they are in,
//! how large the change is by git's own count, and that nothing of the work is lost.

mod agents;
mod recorded;
mod stubborn;

use crate::sandbox::{TestRepo, text};
use serde_json::{Value, json};

/// Runs an agent of the fixtures to its end as task `t` and checks what holds for every ending.
fn ending(repo: &TestRepo<'_>, command: &[&str]) -> Value {
    let task = repo.dispatch_to_end("t", command);
    check(repo, &task);
    task
}

/// What holds for every ended task: git counts the same, the branch leads to the result (or a warning
/// says that it does not), leftovers name their task, the worktree is clean and on its branch.
fn check(repo: &TestRepo<'_>, task: &Value) {
    assert_eq!(repo.told(text(&task["name"])), ["dispatched", "started", "finished"]);
    let (base, head) = (text(&task["base"]["commit"]), text(&task["head"]));
    let merge_base = repo.git_ran(&["merge-base", "main", head]).stdout;
    let merge_base = merge_base.trim_end();
    let descends = !merge_base.is_empty()
        && repo.git_ran(&["merge-base", "--is-ancestor", base, merge_base]).code == 0;
    let from = if descends { merge_base } else { base };
    assert_eq!(figures(&task["diff"]), numstat(repo, from, head), "{task:#}");
    let commits = repo.git(&["rev-list", "--count", &format!("{from}..{head}")]);
    assert_eq!(task["diff"]["commits"].to_string(), commits);

    let warned = warnings(task);
    let tip = repo.branch_tip(text(&task["branch"]));
    if !warned.contains(&"branch_diverged") {
        assert_eq!(tip.as_deref(), Some(head), "{task:#}");
    }
    if task["diff"]["leftovers_committed"] == true {
        let message = repo.git(&["show", "--no-patch", "--format=%(trailers:only)", head]);
        let (name, id) = (text(&task["name"]), text(&task["id"]));
        assert_eq!(message.trim_end(), format!("Offshoot-Task: {name}\nOffshoot-Id: {id}"));
    }
    if !task["worktree"].is_null() {
        let worktree = repo.worktree_of(task);
        assert_eq!(worktree.head(), head);
        let nested = warned.contains(&"nested_repository");
        assert!(
            nested || worktree.status_porcelain().is_empty(),
            "{}",
            worktree.status_porcelain()
        );
        if !warned.contains(&"branch_diverged") {
            assert_eq!(worktree.git(&["branch", "--show-current"]), text(&task["branch"]));
        }
    }
    repo.git(&["fsck", "--full", "--strict"]);
}

/// Files, insertions and deletions of a task's diff.
fn figures(diff: &Value) -> [u64; 3] {
    ["files", "insertions", "deletions"].map(|name| diff[name].as_u64().expect("a number"))
}

/// The same by `git diff --numstat`.
fn numstat(repo: &TestRepo<'_>, from: &str, to: &str) -> [u64; 3] {
    let text = repo.git(&["diff", "--numstat", "-M", from, to]);
    text.lines().fold([0; 3], |[files, insertions, deletions], line| {
        let mut columns = line.split('\t').map(|column| column.parse().unwrap_or(0));
        let mut next = || columns.next().expect("a column");
        [files + 1, insertions + next(), deletions + next()]
    })
}

/// The paths of a task's diff with what happened to them, as `status path`.
fn changes(task: &Value) -> Vec<String> {
    let changes = task["diff"]["changes"].as_array().expect("changes");
    changes.iter().map(|c| format!("{} {}", text(&c["status"]), text(&c["path"]))).collect()
}

fn warnings(task: &Value) -> Vec<&str> {
    task["warnings"].as_array().expect("a list").iter().map(|w| text(&w["kind"])).collect()
}

fn exited(code: i32) -> Value {
    json!({"kind": "exited", "code": code})
}

/// State and outcome.
fn ended(task: &Value) -> (&str, Value) {
    (text(&task["state"]), task["outcome"].clone())
}
