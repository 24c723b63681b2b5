//! `send --conflict`: a conflict is opened in the task's worktree and handed to its agent.

use super::{landing, refused};
use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::{Value, json};

/// An agent that edits and never uses git: amid a merge it notes what it was told and does what `then`
/// says, else it changes a line.
fn task_in_conflict<'a>(sandbox: &'a Sandbox, then: &str) -> (TestRepo<'a>, Value) {
    let repo = sandbox.repo("simple");
    let told = sandbox.root().join("told");
    let line = format!(
        "if grep -q '^<<<<<<<' notes.txt; then printf %s \"$OFFSHOOT_PROMPT\" >{}; {then}; \
         else sed -i 's/^line 3$/as the task has it/' notes.txt; fi",
        told.display()
    );
    repo.dispatch_to_end("t", &["sh", "-c", &line]);
    let notes = repo.read("notes.txt").replace("line 3\n", "as main has it\n");
    repo.write("notes.txt", notes.replace("line 18\n", "changed by main\n"));
    repo.commit_all("main moves on");
    let task = repo.task("t");
    (repo, task)
}

/// Keeps both sides.
const BOTH: &str = "sed -i '/^[<=>]\\{7\\}/d' notes.txt";

fn next(task: &Value) -> Vec<String> {
    task["next"].as_array().expect("commands").iter().map(|one| text(one).to_owned()).collect()
}

#[test]
fn an_agent_that_knows_no_git_resolves_its_conflict_and_it_lands() {
    let sandbox = Sandbox::new();
    let (repo, task) = task_in_conflict(&sandbox, BOTH);
    let ways = ["diff t", "merge --resolve t", "send --conflict t", "discard t"];
    assert_eq!(next(&task), ways.map(|way| format!("offshoot {way}")));
    repo.offshoot(&["merge", "t"]).exits(3).says("`offshoot send --conflict t` opens it there");
    let before = (repo.head(), repo.status_porcelain());

    let sent = repo.offshoot_json(&["send", "t", "--conflict", "Keep both lines."]);
    assert_eq!((&sent["name"], &sent["attempt"]), (&json!("t"), &json!(2)));
    let task = repo.wait_for("t");
    assert_eq!(task["state"], "completed", "{task:#}");
    assert_eq!((repo.head(), repo.status_porcelain()), before);
    insta::assert_snapshot!(
        sandbox.normalise(&std::fs::read_to_string(sandbox.root().join("told")).expect("told")),
        @r"
    Your work conflicts with the branch `main`, which is at <hash> now. The merge of `main` into your branch is open in your worktree, as `git merge` leaves one: the files hold both sides between the markers `<<<<<<<` (yours), `=======` and `>>>>>>>` (theirs).

    Conflicts:
    - notes.txt: both sides changed the same lines
        line 1
        line 2
        <<<<<<< <hash>
        as the task has it
        =======
        as main has it
        >>>>>>> <hash>
        line 4
        line 5
        line 6

    Make of each of these files what it should be with both changes in it, leave no marker behind, and check that all of it works. Do not give the merge up, and change nothing that it does not ask for. Then commit it (`git add` the files, `git commit --no-edit`), or leave the files as they should be: it is committed for you when you end.

    Keep both lines.
    "
    );
    // A merge commit, as if it had used git.
    let worktree = repo.worktree_of(&task);
    assert_eq!(worktree.status_porcelain(), "");
    assert_eq!(worktree.git_ran(&["rev-parse", "--verify", "--quiet", "MERGE_HEAD"]).code, 1);
    let parents = worktree.git(&["rev-list", "--parents", "-n1", "HEAD"]);
    assert_eq!(parents.split_whitespace().nth(2), Some(&*repo.head()));
    assert!(worktree.git(&["log", "-1", "--format=%s"]).starts_with("Merge branch 'main' into"));
    assert_eq!(task["forecast"]["verdict"], "clean");
    assert_eq!((&task["diff"]["insertions"], &task["warnings"]), (&json!(1), &json!([])));
    assert_eq!(next(&task)[..2], ["offshoot diff t", "offshoot merge t"]);

    assert_eq!(landing(&repo, &["merge", "t"]).1["verdict"], "landed");
    let notes = repo.read("notes.txt");
    assert!(notes.contains("as the task has it\nas main has it\n"), "{notes}");
    assert!(notes.contains("changed by main\n"));
}

#[test]
fn what_the_agent_did_not_decide_stays_open() {
    let sandbox = Sandbox::new();
    // Half of the markers go, by an edit that knows nothing of them.
    let edit = "echo more > more.txt; sed -i '/^<<<<<<</d' notes.txt";
    let (repo, task) = task_in_conflict(&sandbox, edit);
    let head = task["head"].clone();
    // Opened by a person, who then hands it on.
    repo.offshoot(&["merge", "--resolve", "t"]).ok();
    let place = repo.worktree_of(&task);
    let place = text(&place.root().to_str().into()).to_owned();
    let amid = [
        "offshoot merge --continue t".to_owned(),
        "offshoot send --conflict t".to_owned(),
        format!("git -C {place} merge --abort"),
        "offshoot discard t".to_owned(),
    ];
    assert_eq!(next(&repo.task("t")), amid);
    repo.offshoot(&["send", "--conflict", "t"]).ok();
    let task = repo.wait_for("t");
    assert_eq!((&task["state"], &task["head"]), (&json!("completed"), &head), "{task:#}");
    assert_eq!(task["warnings"][0]["kind"], "merge_unresolved");
    assert_eq!(task["warnings"][0]["paths"], json!(["notes.txt"]));
    assert_eq!(next(&task), amid);
    let ran = refused(&sandbox, &repo, "refused", "a merge is in progress", &["merge", "t"]);
    ran.says("merge --continue t");
    // A person does the rest.
    let worktree = repo.worktree_of(&task);
    assert_eq!(worktree.read("more.txt"), "more\n");
    worktree.write("notes.txt", "resolved\n");
    worktree.git(&["add", "--all"]);
    let (code, landed) = landing(&repo, &["merge", "--continue", "t"]);
    assert_eq!((code, &landed["verdict"]), (0, &json!("landed")));
    assert_eq!(
        (repo.read("notes.txt"), repo.read("more.txt")),
        ("resolved\n".into(), "more\n".into())
    );
}

#[test]
fn a_merge_that_the_agent_commits_itself_is_left_alone() {
    let sandbox = Sandbox::new();
    let commit = format!("{BOTH} && git add --all && git commit -qm 'my own words'");
    let (repo, _) = task_in_conflict(&sandbox, &commit);
    repo.offshoot(&["send", "--conflict", "t"]).ok();
    let task = repo.wait_for("t");
    let worktree = repo.worktree_of(&task);
    assert_eq!(worktree.git(&["log", "-1", "--format=%s %P"]).split_whitespace().count(), 5);
    assert_eq!(task["warnings"], json!([]));
    assert_eq!(landing(&repo, &["merge", "t"]).0, 0);
}

#[test]
fn a_program_that_the_agent_planted_has_no_part_in_it() {
    let sandbox = Sandbox::new();
    let ran = sandbox.root().join("ran");
    let plant = format!(
        "git config merge.evil.driver 'touch {}; exit 1'; \
         echo 'notes.txt merge=evil' >>\"$(git rev-parse --git-common-dir)\"/info/attributes",
        ran.display()
    );
    let (repo, task) = task_in_conflict(&sandbox, &plant);
    std::fs::create_dir_all(repo.root().join(".git/info")).expect("a folder");
    repo.offshoot(&["send", "--conflict", "t"]).ok();
    let planted = repo.wait_for("t");
    let keys = &planted["warnings"].to_string();
    assert!(keys.contains("config_changed") && planted["forecast"].is_null(), "{planted:#}");
    for line in [&["forecast"][..], &["status", "t"], &["list"], &["merge", "--continue", "t"]] {
        repo.offshoot(line);
    }
    for line in [&["forecast"][..], &["send", "--conflict", "t"]] {
        repo.offshoot(line).exits(1).says("would run").says("merge.evil.driver");
    }
    assert!(!ran.exists(), "it was run");
    repo.git(&["config", "--remove-section", "merge.evil"]);
    repo.git(&["merge-base", "--is-ancestor", text(&task["head"]), "offshoot/t"]);
    repo.offshoot(&["forecast"]).ok();
}

#[test]
fn every_sort_of_conflict_has_to_be_decided() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("conflicting");
    let resolve = sandbox.root().join("resolve");
    // First only the file with markers, then the others too, without git.
    let line = format!(
        "if grep -q '^<<<<<<<' notes.txt; then echo resolved >notes.txt; \
         elif [ -e {0} ]; then rm -f gone.txt; echo both >added.txt; rm -rf place*; echo p >place; \
         else echo more >>README.md; fi",
        resolve.display()
    );
    repo.offshoot(&[
        "dispatch", "--name", "t", "--base", "topic", "--target", "main", "--", "sh", "-c", &line,
    ])
    .ok();
    repo.wait_for("t");
    repo.offshoot(&["send", "--conflict", "t"]).ok();
    let task = repo.wait_for("t");
    let warning = &task["warnings"][0];
    assert_eq!(warning["kind"], "merge_unresolved", "{task:#}");
    let paths = warning["paths"].to_string();
    assert!(paths.contains("gone.txt") && paths.contains("added.txt"), "{paths}");
    assert!(!paths.contains("notes.txt"), "{paths}");
    std::fs::write(&resolve, "").expect("writes");
    repo.offshoot(&["send", "--conflict", "t"]).ok();
    let task = repo.wait_for("t");
    assert_eq!((&task["warnings"], &task["forecast"]["verdict"]), (&json!([]), &json!("clean")));
    assert_eq!(landing(&repo, &["merge", "t"]).0, 0);
    assert_eq!((repo.read("place"), repo.exists("gone.txt")), ("p\n".into(), false));
}

#[test]
fn what_cannot_be_handed_back_says_why_and_nothing_is_opened() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let line = ["send", "--conflict", "t"];
    repo.dispatch_to_end("t", &["sh", "-c", "echo task > new.txt"]);
    refused(&sandbox, &repo, "refused", "does not conflict with `main`", &line);
    repo.write("new.txt", "main\n");
    repo.commit_all("main adds it too");
    let worktree = repo.worktree_of(&repo.task("t"));
    worktree.write("left.txt", "since\n");
    refused(&sandbox, &repo, "dirty", "was changed after the task had ended", &line);
    std::fs::remove_file(worktree.root().join("left.txt")).expect("removes");
    repo.offshoot(&["send", "t"]).exits(2);
    repo.offshoot(&["discard", "t"]).ok();
    refused(&sandbox, &repo, "refused", "was discarded", &line);
    let gate = sandbox.gate("held");
    repo.dispatch("busy", &[&sandbox.agent("wait_for_gate"), &gate.argument()]);
    gate.wait_for_arrival();
    repo.offshoot(&["send", "--conflict", "busy"]).exits(1).says("is still running");
    gate.open();
    repo.wait_for("busy");
    repo.write("README.md", "mine\n");
    repo.offshoot(&[
        "dispatch",
        "--with-changes",
        "--name",
        "w",
        "--",
        "sh",
        "-c",
        "echo w > w.txt",
    ])
    .ok();
    repo.wait_for("w");
    repo.write("w.txt", "main\n");
    repo.git(&["add", "w.txt"]);
    repo.git(&["commit", "--quiet", "--message", "w too", "w.txt"]);
    let line = ["send", "--conflict", "w"];
    refused(&sandbox, &repo, "refused", "was dispatched with uncommitted work", &line);
}
