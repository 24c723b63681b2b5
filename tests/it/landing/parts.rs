//! `merge --only` and `--patch-file`: a part lands, the task goes on with the rest.

use super::{cut_off, everything, files, landing, refused};
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::{Value, json};

/// A task that changes the first and the last line of `notes.txt`, adds a file and removes another.
fn task(repo: &TestRepo<'_>) -> Value {
    let script = "sed -i -e '1s/$/ first/' -e '$s/$/ last/' notes.txt && mkdir new && echo x >new/x && \
                  rm docs/guide.md && git add --all && git commit -qm all && echo i >ignored.log";
    repo.dispatch_to_end("t", &["sh", "-c", script])
}

/// The paths of a task's diff.
fn paths(task: &Value) -> Vec<&str> {
    let changes = task["diff"]["changes"].as_array().expect("changes");
    changes.iter().map(|change| text(&change["path"])).collect()
}

#[test]
fn some_paths_land_and_the_rest_sits_on_the_result() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let before = task(&repo);
    let worktree = repo.worktree_of(&before);
    worktree.write("mine.txt", "changed after the end\n");
    repo.write("theirs.txt", "meanwhile\n");
    let tip = repo.commit_all("main moves on");
    let whole = everything(&sandbox, &repo);
    let (_, planned) = landing(&repo, &["merge", "t", "--dry-run", "--only", "new", "docs"]);
    assert_eq!((&planned["verdict"], everything(&sandbox, &repo)), (&"planned".into(), whole));

    let (code, landed) = landing(&repo, &["merge", "t", "--only", "new", "docs"]);
    assert_eq!(
        (code, &landed["verdict"], &landed["strategy"]),
        (0, &"landed".into(), &"squash".into())
    );
    assert_eq!(repo.git(&["rev-parse", "HEAD^@"]), tip);
    assert_eq!((repo.exists("new/x"), repo.exists("docs/guide.md")), (true, false));
    assert!(!repo.read("notes.txt").contains("first"));
    assert_eq!(repo.status_porcelain(), "");

    let rest = repo.task("t");
    assert_eq!(rest["landing"]["kind"], "open");
    assert_eq!(paths(&rest), ["notes.txt"]);
    assert_eq!(rest["base"]["commit"], repo.head());
    assert_eq!(rest["base"]["dispatched"], before["base"]["dispatched"]);
    assert_eq!(repo.git(&["rev-parse", "offshoot/t~1"]), repo.head());
    assert_eq!(worktree.status_porcelain(), "?? mine.txt");
    assert_eq!(worktree.read("ignored.log"), "i\n");
    assert!(worktree.exists("theirs.txt") && worktree.read("notes.txt").contains("last"));
    let told = repo.told("t");
    assert_eq!(told.last().map(String::as_str), Some("landed"));

    std::fs::remove_file(worktree.root().join("mine.txt")).expect("it was there");
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.read("notes.txt").contains("first") && repo.read("notes.txt").contains("last"));
    assert_eq!(repo.task("t")["landing"]["kind"], "landed");
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn one_hunk_of_the_diff_lands() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    task(&repo);
    let diff = repo.offshoot(&["diff", "t", "--", "notes.txt"]).ok().stdout;
    let second = diff.rfind("\n@@ ").expect("two hunks") + 1;
    assert_eq!(diff.matches("\n@@ ").count(), 2);
    repo.write("../part.patch", &diff[..second]);
    repo.offshoot_in("src", &["merge", "t", "--patch-file", "../../part.patch"]).ok();
    assert!(repo.read("notes.txt").contains("first") && !repo.read("notes.txt").contains("last"));
    let rest = repo.task("t");
    assert_eq!(paths(&rest), ["docs/guide.md", "new/x", "notes.txt"]);
    assert_eq!(rest["diff"]["insertions"], 2);
    let rest = repo.offshoot(&["diff", "t"]).ok().stdout;
    repo.offshoot_reading(rest.as_bytes(), &["merge", "t", "--patch-file", "-"]).ok();
    assert_eq!(repo.task("t")["landing"]["kind"], "landed", "all of it is no part");
    assert!(repo.read("notes.txt").contains("last") && repo.exists("new/x"));
}

#[test]
fn what_is_no_part_of_the_task_is_refused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    task(&repo);
    let only = |path| ["merge", "t", "--only", path];
    let words = "nothing that the task changed matches `README.md`";
    refused(&sandbox, &repo, "refused", words, &only("README.md"));
    let diff = repo.offshoot(&["diff", "t"]).ok().stdout;
    for (patch, words) in [
        (diff.replace(" first", " other"), "does something that the task did not"),
        (diff.replace("notes.txt", "README.md"), "the patch does not fit"),
        ("no patch\n".to_owned(), "the patch does not fit"),
        (
            format!(
                "{diff}diff --git a/z b/z\nnew file mode 100644\n--- /dev/null\n+++ b/z\n@@ -0,0 +1 @@\n+z\n"
            ),
            "does something that the task did not",
        ),
    ] {
        let file = sandbox.root().join("p");
        std::fs::write(&file, patch).expect("written");
        let line = ["merge", "t", "--patch-file", text(&json!(file))].map(str::to_owned);
        let line: Vec<&str> = line.iter().map(String::as_str).collect();
        refused(&sandbox, &repo, "refused", words, &line);
    }
    repo.offshoot(&only("")).exits(2).says("--only");
    repo.offshoot(&only("nothing")).exits(1).says("`offshoot diff --name-only t`");
    repo.write("new", "in the way\n");
    refused(&sandbox, &repo, "dirty", "is in the way: `new`", &only("new"));
    std::fs::remove_file(repo.root().join("new")).expect("out of the way");
    // A git that was killed leaves the lock of our index.
    let lock = repo.record_folder(&repo.task("t")).join("part.lock");
    std::fs::write(&lock, "").expect("a lock");
    repo.offshoot(&["merge", "t", "--dry-run", "--only", "new"]).ok();
    assert!(!lock.exists());
    repo.offshoot(&["merge", "t", "--ff-only", "--only", "new"]).exits(2);
}

#[test]
fn what_is_in_the_way_in_the_tasks_worktree_refuses_it_before_anything_has_moved() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let worktree = repo.worktree_of(&task(&repo));
    repo.write("theirs.log", "meanwhile\n");
    repo.git(&["add", "--force", "theirs.log"]);
    repo.commit_all("main moves on");
    worktree.write("theirs.log", "ignored, and precious\n");
    let ran = refused(
        &sandbox,
        &repo,
        "dirty",
        "is in the way: `theirs.log`",
        &["merge", "t", "--only", "new"],
    );
    assert!(ran.stderr.contains("repo.offshoots"), "{ran}");
    assert_eq!(worktree.read("theirs.log"), "ignored, and precious\n");
}

#[test]
fn a_rest_that_contradicts_the_target_stays_with_the_task() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    task(&repo);
    let notes = repo.read("notes.txt");
    repo.write("notes.txt", notes.replacen('\n', " contradicts\n", 1));
    repo.commit_all("main moves on");
    repo.offshoot(&["merge", "t"]).exits(3);
    repo.offshoot(&["merge", "t", "--only", "notes.txt"]).exits(3);
    let ran = repo.offshoot(&["merge", "t", "--only", "new", "docs"]).ok();
    ran.says(
        "the rest stays with `t` and conflicts with `main` in 1 path; `offshoot status t` shows",
    );
    assert!(repo.exists("new/x"));
    let rest = repo.task("t");
    assert_eq!(paths(&rest), ["notes.txt"]);
    assert_eq!(rest["forecast"]["verdict"], "conflicts");
    assert_eq!(rest["forecast"]["conflicts"].as_array().map(Vec::len), Some(1));
    assert_eq!(repo.worktree_of(&rest).status_porcelain(), "");
}

#[test]
fn a_part_is_taken_back_and_is_the_tasks_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let before = task(&repo);
    let tip = repo.head();
    repo.offshoot(&["merge", "t", "--only", "new"]).ok();
    let (_, undone) = landing(&repo, &["undo"]);
    assert_eq!((&undone["verdict"], repo.head()), (&"undone".into(), tip));
    let again = repo.task("t");
    assert_eq!(paths(&again), paths(&before));
    assert_eq!(again["forecast"]["verdict"], "clean");
    repo.offshoot(&["merge", "t"]).ok();
    assert!(repo.exists("new/x") && repo.read("notes.txt").contains("first"));
}

#[test]
fn a_part_that_others_may_build_on_is_taken_back_by_a_commit_and_is_the_tasks_again() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let before = task(&repo);
    let worktree = repo.worktree_of(&before);
    repo.offshoot(&["merge", "t", "--only", "new", "docs"]).ok();
    repo.write("since.txt", "since\n");
    repo.commit_all("main moves on");
    let words = "`main` has moved on since landing 1";
    refused(&sandbox, &repo, "refused", words, &["undo"]).says("undo 1 --revert");
    // What is in the way in the worktree, or was committed there, keeps it from being taken back.
    worktree.write("since.txt", "in the way\n");
    refused(&sandbox, &repo, "dirty", "is in the way: `since.txt`", &["undo", "--revert"]);
    std::fs::remove_file(worktree.root().join("since.txt")).expect("it was there");
    worktree.write("mine.txt", "changed after the end\n");
    let rest = worktree.read("notes.txt");

    let (_, undone) = landing(&repo, &["undo", "--revert"]);
    assert_eq!(
        (&undone["verdict"], undone["after"].as_str()),
        (&"undone".into(), Some(&*repo.head()))
    );
    assert!(!repo.exists("new/x") && repo.exists("docs/guide.md") && repo.exists("since.txt"));
    assert!(repo.git(&["log", "-1", "--format=%s"]).starts_with("Revert \""));
    let again = repo.task("t");
    assert_eq!(paths(&again), paths(&before));
    assert_eq!(
        (&again["landing"]["kind"], &again["forecast"]["verdict"]),
        (&"open".into(), &"clean".into())
    );
    assert_eq!(again["base"]["commit"], repo.head());
    assert!(
        worktree.exists("new/x")
            && !worktree.exists("docs/guide.md")
            && worktree.exists("since.txt")
    );
    assert_eq!(
        (worktree.read("notes.txt"), worktree.status_porcelain()),
        (rest, "?? mine.txt".into())
    );
    assert_eq!(repo.told("t").last().map(String::as_str), Some("undone"));
    repo.offshoot(&["merge", "t", "--take-leftovers"]).ok();
    assert!(
        repo.exists("new/x") && repo.exists("mine.txt") && repo.read("notes.txt").contains("first")
    );
    assert_eq!(repo.status_porcelain(), "");
    repo.offshoot(&["doctor"]).ok();
}

#[test]
fn a_part_is_not_taken_back_where_its_task_has_gone_on() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let worktree = repo.worktree_of(&task(&repo));
    repo.offshoot(&["merge", "t", "--only", "new"]).ok();
    worktree.git(&["commit", "--quiet", "--allow-empty", "-m", "more"]);
    let words = "`t` has gone on since landing 1";
    refused(&sandbox, &repo, "refused", words, &["undo", "--revert"]);
}

#[test]
fn a_part_that_was_killed_has_landed_or_not() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let worktree = repo.worktree_of(&task(&repo));
    worktree.write("mine.txt", "changed after the end\n");
    let look = || {
        let now = repo.task("t");
        let mut paths = paths(&now).join(" ");
        // After the way back the same work is in two commits.
        paths.push_str(&repo.git(&["rev-parse", "main^{tree}", "offshoot/t^{tree}"]));
        format!("{paths}\n{}\n{}", files(&sandbox, &repo), files(&sandbox, &worktree))
            + &worktree.status_porcelain()
            + &repo.status_porcelain()
    };
    let line = ["merge", "t", "--only", "new"];
    cut_off::everywhere(&sandbox, &repo, (&line, 9), &look, &|| {
        repo.offshoot(&["undo"]).ok();
    });
}

#[test]
fn a_part_is_verified_as_it_would_land() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    task(&repo);
    let before = repo.head();
    let line = ["merge", "t", "--only", "new", "--verify", "test ! -e new/x"];
    let (code, red) = landing(&repo, &line);
    assert_eq!((code, &red["verdict"], repo.head()), (6, &"verify_failed".into(), before));
    let green = "test -e new/x && test -e docs/guide.md";
    repo.offshoot(&["merge", "t", "--only", "new", "--verify", green]).ok();
    assert!(repo.exists("new/x"));
}
