//! Ways to land besides the usual ones: cherry-pick, with leftovers, and bringing a branch up to date
//! without landing it.

use super::{cut_off, everything, files, landing, refused};
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::json;

/// A task of two commits, one with trailers, and a target that has moved on since.
fn two_commits(sandbox: &Sandbox, repo: &TestRepo<'_>) {
    let script = "echo 1 >one && git add one && git commit -qm 'first\n\nbody' && \
                  echo 2 >two && git add two && git commit -qm 'second\n\nSigned-off-by: A <a@b>'";
    repo.dispatch_to_end("t", &["sh", "-c", script]);
    repo.write("theirs.txt", "meanwhile\n");
    repo.commit_all("main moves on");
    let _ = sandbox;
}

#[test]
fn a_cherry_pick_makes_what_git_cherry_pick_x_makes() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    two_commits(&sandbox, &repo);
    let before = repo.head();
    repo.git(&["switch", "--quiet", "--create", "twin"]);
    repo.git(&["cherry-pick", "-x", "main~1..offshoot/t"]);
    let of = |tip: &str| repo.git(&["log", "--format=%an %ad %T%n%B", &format!("{before}..{tip}")]);
    let wanted = of("twin");
    repo.git(&["switch", "--quiet", "main"]);
    let tip = repo.branch_tip("offshoot/t");
    let (code, planned) = landing(&repo, &["merge", "--cherry-pick", "--dry-run", "t"]);
    assert_eq!((code, &planned["verdict"]), (0, &"planned".into()));
    let (code, landed) = landing(&repo, &["merge", "--cherry-pick", "--keep", "t"]);
    assert_eq!((code, &landed["strategy"]), (0, &"cherry_pick".into()));
    assert_eq!(of("main"), wanted);
    assert_eq!((repo.branch_tip("offshoot/t"), repo.status_porcelain()), (tip, String::new()));
    repo.offshoot(&["undo"]).ok();
    assert_eq!(repo.head(), before);
}

#[test]
fn a_cherry_pick_is_made_anew_even_where_the_target_has_not_moved() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    repo.offshoot(&["merge", "--cherry-pick", "t"]).ok();
    let note = format!("(cherry picked from commit {})", text(&task["head"]));
    assert!(repo.git(&["log", "-1", "--format=%B"]).contains(&note));
    let usage = repo.offshoot(&["merge", "--cherry-pick", "--squash", "t"]);
    usage.exits(2);
}

#[test]
fn what_was_changed_after_the_end_is_refused_or_taken_along() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("edit_only")]);
    let worktree = repo.worktree_of(&task);
    worktree.write("notes.txt", "mine\n");
    worktree.write("later.txt", "later\n");
    let words = "was changed after the task had ended";
    refused(&sandbox, &repo, "dirty", words, &["merge", "t"]).says("--take-leftovers");
    let before = everything(&sandbox, &repo);
    let (_, planned) = landing(&repo, &["merge", "--take-leftovers", "--dry-run", "t"]);
    assert_eq!(planned["verdict"], "planned");
    assert_eq!(everything(&sandbox, &repo), before);
    assert_eq!(worktree.status_porcelain(), " M notes.txt\n?? later.txt");

    repo.offshoot(&["merge", "--take-leftovers", "t"]).ok();
    assert_eq!(
        (repo.read("notes.txt"), repo.read("later.txt")),
        ("mine\n".into(), "later\n".into())
    );
    assert!(!repo.exists("ignored.log"));
    let message = repo.git(&["log", "-1", "--format=%B", "HEAD^2"]);
    assert!(message.starts_with("What was changed after the task had ended\n\nOffshoot-Task: t"));
    repo.offshoot(&["undo"]).ok();
    assert_eq!(worktree.status_porcelain(), " M notes.txt\n?? later.txt", "as it was before");

    repo.offshoot(&["merge", "--take-leftovers", "--keep", "t"]).ok();
    assert_eq!(worktree.status_porcelain(), "");
    assert_eq!(worktree.head(), repo.git(&["rev-parse", "HEAD^2"]));
    assert_eq!(worktree.read("ignored.log"), "ignored\n");
}

#[test]
fn a_branch_is_brought_up_to_date_without_landing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("mixed")]);
    let worktree = repo.worktree_of(&task);
    worktree.write("ignored.log", "ignored\n");
    let line = ["rebase", "--no-land", "t"];
    let (_, already) = landing(&repo, &line);
    assert_eq!(already["verdict"], "up_to_date");
    repo.write("theirs.txt", "meanwhile\n");
    repo.write("README.md", "changed\n");
    let tip = repo.commit_all("main moves on");

    let before = everything(&sandbox, &repo);
    let (_, planned) = landing(&repo, &["rebase", "--no-land", "--dry-run", "t"]);
    assert_eq!(planned["verdict"], "planned");
    assert_eq!(everything(&sandbox, &repo), before);
    worktree.write("theirs.txt", "in the way\n");
    repo.offshoot(&[&line[..], &["--take-leftovers", "--dry-run"]].concat()).exits(3);
    std::fs::remove_file(worktree.root().join("theirs.txt")).expect("it was there");
    // Leftovers that are taken along stay leftovers where something ignored is in the way.
    worktree.write("later.txt", "later\n");
    worktree.write("theirs.txt", "ignored\n");
    std::fs::write(repo.root().join(".git/info/exclude"), "theirs.txt\n").expect("writes");
    let (status, head) = (worktree.status_porcelain(), worktree.head());
    let taking = [&line[..], &["--take-leftovers"]].concat();
    let ran = refused(&sandbox, &repo, "dirty", "`theirs.txt`", &taking);
    assert!(!ran.stderr.contains("--into"), "{}", ran.stderr);
    assert_eq!((worktree.status_porcelain(), worktree.head()), (status, head));
    for name in ["theirs.txt", "later.txt"] {
        std::fs::remove_file(worktree.root().join(name)).expect("it was there");
    }
    std::fs::write(repo.root().join(".git/info/exclude"), "").expect("writes");

    let (code, moved) = landing(&repo, &line);
    assert_eq!((code, &moved["verdict"], &moved["id"]), (0, &"rebased".into(), &json!(null)));
    assert_eq!((&moved["before"], &moved["after"]), (&json!(tip), &json!(tip)));
    assert_eq!((repo.head(), repo.status_porcelain()), (tip.clone(), String::new()));
    let now = repo.task("t");
    assert_eq!(
        now["base"],
        json!({"branch": "main", "commit": tip, "dispatched": task["base"]["commit"]})
    );
    assert_eq!(now["diff"], task["diff"]);
    assert_eq!(now["landing"]["kind"], "open");
    assert_eq!(
        (worktree.head().as_str(), worktree.status_porcelain()),
        (text(&now["head"]), String::new())
    );
    assert_eq!(
        (worktree.read("theirs.txt"), worktree.read("ignored.log")),
        ("meanwhile\n".into(), "ignored\n".into())
    );
    assert_eq!(worktree.git(&["branch", "--show-current"]), "offshoot/t");
    assert_eq!(repo.git(&["rev-parse", "offshoot/t~2"]), tip);
    repo.offshoot(&["merge", "--ff-only", "t"]).ok();
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn conflicts_with_the_target_leave_the_branch_where_it_is() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("edit_only")]);
    repo.write("new.txt", "contradicts\n");
    repo.commit_all("main moves on");
    let before = everything(&sandbox, &repo);
    let (code, answer) = landing(&repo, &["rebase", "--no-land", "t"]);
    assert_eq!((code, &answer["conflicts"][0]["path"]), (3, &"new.txt".into()));
    assert_eq!(everything(&sandbox, &repo), before);
}

#[test]
fn a_task_with_the_callers_changes_loses_them_when_it_is_brought_up_to_date() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write("README.md", "not committed\n");
    let agent = sandbox.agent("commit");
    repo.offshoot(&["dispatch", "--with-changes", "--name", "t", "--", &agent]).ok();
    repo.wait_for("t");
    repo.git(&["stash", "--quiet"]);
    repo.write("theirs.txt", "meanwhile\n");
    repo.commit_all("main moves on");
    repo.offshoot(&["merge", "t"]).exits(1).says("uncommitted work");
    repo.offshoot(&["rebase", "--no-land", "t"]).ok();
    let task = repo.task("t");
    assert_eq!(task["diff"]["files"], 1);
    assert_eq!(task["next"][1], "offshoot merge t");
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.exists("agent.txt") && repo.read("README.md") != "not committed\n");
}

#[test]
fn bringing_up_to_date_that_was_killed_has_happened_or_not() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("edit_only")]);
    let worktree = repo.worktree_of(&task);
    let old = repo.head();
    repo.write("theirs.txt", "meanwhile\n");
    let new = repo.commit_all("main moves on");
    let look = || {
        let now = repo.task("t");
        let (base, at) = (&now["base"]["commit"], worktree.git(&["rev-parse", "HEAD^{tree}"]));
        let clean = worktree.status_porcelain();
        format!("{base} {at} {}\n{clean}{}", now["diff"]["files"], files(&sandbox, &worktree))
    };
    cut_off::everywhere(&sandbox, &repo, (&["rebase", "--no-land", "t"], 5), &look, &|| {
        // Back onto where the target was.
        repo.git(&["branch", "--quiet", "--force", "aside", &old]);
        let kept = text(&task["head"]);
        worktree.git(&["reset", "--quiet", "--hard", kept]);
        let state = repo.record_folder(&task).join("state.json");
        let mut record = repo.record(&task, "state.json");
        record["base"] = json!(old);
        record["head"] = json!(kept);
        std::fs::write(state, record.to_string()).expect("the record");
    });
    assert_eq!(repo.head(), new);
}
