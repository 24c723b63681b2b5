//! What forecasts came to is told again without a merge, and never once anything that it rests on has
//! changed. Which merges git makes its own trace tells.

use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

/// Two tasks that change the same line of `notes.txt`, and a third that moves the folder in which a
/// fourth adds a file.
fn four_tasks(sandbox: &Sandbox) -> TestRepo<'_> {
    let repo = sandbox.repo("simple");
    for (name, line) in [
        ("one", "sed -i 3s/.*/one/ notes.txt"),
        ("two", "sed -i 3s/.*/two/ notes.txt"),
        ("moves", "git mv src source"),
        ("adds", "echo new > src/new.sh"),
    ] {
        repo.dispatch_to_end(name, &["sh", "-c", line]);
    }
    repo
}

/// The whole answer, and how many merges git was asked for.
#[track_caller]
fn forecast(repo: &TestRepo<'_>) -> (Value, usize) {
    let trace = repo.sandbox().root().join("trace");
    drop(fs::remove_file(&trace));
    let mut command = repo.command(&["forecast", "--json"]);
    let ran = repo.sandbox().finish_command(command.env("GIT_TRACE", &trace)).ok();
    let calls = fs::read_to_string(&trace).expect("git was called");
    let merges = calls.lines().filter(|line| line.contains("built-in: git merge-tree")).count();
    (serde_json::from_str(&ran.stdout).expect("JSON"), merges)
}

/// The answer as it is without anything kept.
fn afresh(repo: &TestRepo<'_>) -> Value {
    drop(fs::remove_file(kept(repo)));
    let (told, merges) = forecast(repo);
    assert!(merges > 0, "nothing was kept, so it was merged");
    told
}

fn kept(repo: &TestRepo<'_>) -> PathBuf {
    repo.state_folder().join("foreseen")
}

#[track_caller]
fn verdict(told: &Value, one: &str, other: &str) -> String {
    let pairs = told["pairs"].as_array().expect("pairs").iter();
    let found: Vec<_> = pairs.filter(|pair| pair["tasks"] == json!([one, other])).collect();
    assert_eq!(found.len(), 1, "{told:#}");
    text(&found[0]["verdict"]).to_owned()
}

/// What is told now is what is told without anything kept, and the next time it is told without a merge.
#[track_caller]
fn changed(repo: &TestRepo<'_>, before: &Value) -> Value {
    let (told, merges) = forecast(repo);
    assert!(merges > 0 && told != *before, "it was told again: {told:#}");
    let (again, merges) = forecast(repo);
    assert_eq!((&again, merges), (&told, 0));
    assert_eq!(afresh(repo), told);
    told
}

#[test]
fn what_has_not_changed_is_not_merged_again() {
    let sandbox = Sandbox::new();
    let repo = four_tasks(&sandbox);
    let first = afresh(&repo);
    assert_eq!(verdict(&first, "one", "two"), "conflicts");
    assert_eq!(verdict(&first, "moves", "adds"), "conflicts");
    assert_eq!(forecast(&repo), (first.clone(), 0));
    // Nor for one of them, told by another verb.
    let trace = sandbox.root().join("trace");
    drop(fs::remove_file(&trace));
    let mut command = repo.command(&["result", "one", "--json"]);
    let told = sandbox.finish_command(command.env("GIT_TRACE", &trace)).ok();
    let told: Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!(told["forecast"]["overlaps"], json!([{"task": "two", "paths": ["notes.txt"]}]));
    assert!(!fs::read_to_string(&trace).expect("git was called").contains("merge-tree"));

    // One more task: only what is new is merged, and the pairs of which it is one are right.
    repo.dispatch_to_end("three", &["sh", "-c", "sed -i 3s/.*/three/ notes.txt"]);
    let told = changed(&repo, &first);
    assert_eq!(verdict(&told, "two", "three"), "conflicts");
    repo.offshoot(&["discard", "three"]).ok();
    assert_eq!(forecast(&repo), (first, 0));
}

#[test]
fn what_meets_nothing_is_told_without_a_merge() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for (name, line) in [
        ("one", "sed -i 3s/.*/one/ notes.txt"),
        ("moves", "git mv src source"),
        ("drops", "git rm -q docs/guide.md"),
    ] {
        repo.dispatch_to_end(name, &["sh", "-c", line]);
    }
    repo.write("new", "the target moves\n");
    repo.commit_all("main moves");
    let (told, merges) = forecast(&repo);
    assert_eq!((told["order"].clone(), merges), (json!(["one", "moves", "drops"]), 0));
    // Another line of the same file: only that file is merged, as git does it.
    repo.dispatch_to_end("two", &["sh", "-c", "sed -i 9s/.*/two/ notes.txt"]);
    let (told, merges) = forecast(&repo);
    assert_eq!((verdict(&told, "one", "two"), merges), ("clean".to_owned(), 1));
}

#[test]
fn a_tip_that_moves_takes_its_answers_with_it() {
    let sandbox = Sandbox::new();
    let repo = four_tasks(&sandbox);
    let first = afresh(&repo);
    // A task's own.
    let worktree = repo.worktree_of(&repo.task("two"));
    worktree.git(&["reset", "--quiet", "--hard", "HEAD~1"]);
    worktree.write("notes.txt", worktree.read("notes.txt").replace("line 9\n", "nine\n"));
    worktree.commit_all("another change");
    // Only a descendant of what was measured counts as the task's.
    assert_eq!(forecast(&repo), (first.clone(), 0));
    worktree.git(&["reset", "--quiet", "--hard", text(&repo.task("two")["head"])]);
    worktree.git(&["revert", "--no-edit", "HEAD"]);
    worktree.write("notes.txt", worktree.read("notes.txt").replace("line 9\n", "nine\n"));
    worktree.commit_all("another change");
    let second = changed(&repo, &first);
    assert_eq!(verdict(&second, "one", "two"), "clean");
    // The target's.
    repo.write("notes.txt", repo.read("notes.txt").replace("line 3\n", "main\n"));
    repo.commit_all("main moves");
    let third = changed(&repo, &second);
    assert_eq!(third["forecasts"][0]["verdict"], "conflicts");
    // Nothing is kept of the tip that was.
    let text = fs::read_to_string(kept(&repo)).expect("a file");
    let before = repo.git(&["rev-parse", "main~1"]);
    assert!(!text.contains(&format!("\"{}\":{{", before.trim())), "{text}");
}

#[test]
fn what_two_tasks_contradict_each_other_in_is_known_for_the_next_target_too() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for file in ["notes.txt", "docs/guide.md"] {
        for name in ["one", "two"] {
            let line = format!("sed -i '1s/$/ {name}/' {file}");
            let name = format!("{name}-{}", &file[..4]);
            repo.dispatch_to_end(&name, &["sh", "-c", &line]);
        }
    }
    let conflicting = |told: &Value| {
        ["note", "docs"].map(|file| verdict(told, &format!("one-{file}"), &format!("two-{file}")))
    };
    let target_gains = |file: &str, content: &str| {
        repo.write(file, content);
        repo.commit_all(file);
    };
    let first = afresh(&repo);
    assert_eq!(conflicting(&first), ["conflicts", "conflicts"]);
    // Twice, the first time for a verb that asks for no pair.
    target_gains("new", "what meets nothing\n");
    repo.offshoot(&["result", "one-note"]).ok();
    target_gains("new", "once more\n");
    let (told, merges) = forecast(&repo);
    assert_eq!((conflicting(&told), merges), (conflicting(&first), 0));
    assert_eq!(afresh(&repo), told);

    // What the target says of files, near them or far, and no longer.
    target_gains(".gitattributes", "notes.txt merge=union\n");
    assert_eq!(conflicting(&changed(&repo, &told)), ["clean", "conflicts"]);
    target_gains("docs/.gitattributes", "*.md merge=union\n");
    assert_eq!(conflicting(&changed(&repo, &told)), ["clean", "clean"]);
    target_gains("docs/.gitattributes", "*.txt merge=union\n");
    repo.git(&["rm", "-q", ".gitattributes"]);
    repo.commit_all("no attributes");
    assert_eq!(conflicting(&changed(&repo, &told)), conflicting(&first));
    // The files themselves.
    let notes = repo.read("notes.txt");
    target_gains("notes.txt", &notes.replacen("line 9\n", "nine\n", 1));
    assert_eq!(conflicting(&changed(&repo, &told)), conflicting(&first));
    let (_, rest) = notes.split_once('\n').expect("lines");
    target_gains("notes.txt", rest);
    assert_eq!(changed(&repo, &told)["forecasts"][0]["verdict"], "conflicts");
}

#[test]
fn attributes_and_settings_outside_the_commits_count() {
    let sandbox = Sandbox::new();
    let repo = four_tasks(&sandbox);
    let first = afresh(&repo);
    let global = sandbox.root().join("config/git");
    fs::create_dir_all(&global).expect("a folder");
    let info = repo.root().join(".git/info");
    fs::create_dir_all(&info).expect("a folder");
    for place in [info.join("attributes"), global.join("attributes")] {
        fs::write(&place, "notes.txt merge=union\n").expect("writes");
        assert_eq!(verdict(&changed(&repo, &first), "one", "two"), "clean");
        fs::write(&place, "notes.txt merge=binary\n").expect("writes");
        assert_eq!(verdict(&afresh(&repo), "one", "two"), "conflicts");
        fs::remove_file(&place).expect("removes");
        assert_eq!(forecast(&repo).0, first);
    }
    let elsewhere = sandbox.root().join("attributes");
    fs::write(&elsewhere, "notes.txt merge=union\n").expect("writes");
    let elsewhere = text(&elsewhere.to_str().into()).to_owned();
    repo.git(&["config", "core.attributesFile", &elsewhere]);
    let told = changed(&repo, &first);
    assert_eq!(verdict(&told, "one", "two"), "clean");
    fs::write(&elsewhere, "notes.txt -merge\n").expect("writes");
    assert_eq!(changed(&repo, &told), first);
    // A setting in a file that another one includes.
    let included = sandbox.root().join("included");
    fs::write(&included, "").expect("writes");
    repo.git(&["config", "include.path", text(&included.to_str().into())]);
    assert_eq!(forecast(&repo).0, first);
    assert_eq!(forecast(&repo), (first.clone(), 0));
    fs::write(&included, "[merge]\n\tdirectoryRenames = true\n").expect("writes");
    assert_eq!(verdict(&changed(&repo, &first), "moves", "adds"), "clean");
}

#[test]
fn nothing_is_kept_where_a_program_or_something_replaced_takes_part() {
    let sandbox = Sandbox::new();
    let repo = four_tasks(&sandbox);
    let first = afresh(&repo);
    let is_merged_each_time = |why: &str| {
        let twice = [forecast(&repo), forecast(&repo)];
        assert!(twice.iter().all(|(_, merges)| *merges > 0), "{why}");
        twice[0].0.clone()
    };
    // A driver that goes by something outside.
    let flag = sandbox.root().join("flag");
    let driver = format!("test -e {}", flag.display());
    repo.git(&["config", "merge.ask.driver", &driver]);
    fs::create_dir_all(repo.root().join(".git/info")).expect("a folder");
    let attributes = repo.root().join(".git/info/attributes");
    fs::write(&attributes, "notes.txt merge=ask\n").expect("writes");
    assert_eq!(verdict(&is_merged_each_time("a driver"), "one", "two"), "conflicts");
    fs::write(&flag, "").expect("writes");
    assert_eq!(verdict(&is_merged_each_time("a driver"), "one", "two"), "clean");
    repo.git(&["config", "--unset", "merge.ask.driver"]);
    fs::remove_file(&attributes).expect("removes");
    assert_eq!(forecast(&repo).0, first);
    // Filters may run where both sides are normalised.
    repo.git(&["config", "merge.renormalize", "true"]);
    is_merged_each_time("renormalised");
    repo.git(&["config", "--unset", "merge.renormalize"]);
    // What stands for a commit may be exchanged, so that the same ids mean something else.
    let (one, two) = (text(&repo.task("one")["head"]).to_owned(), repo.task("two"));
    repo.git(&["replace", &one, text(&two["head"])]);
    assert_eq!(verdict(&is_merged_each_time("a replaced commit"), "one", "two"), "clean");
    repo.git(&["replace", "--delete", &one]);
    for place in ["modules", "info/grafts", "shallow"] {
        let place = repo.root().join(".git").join(place);
        fs::create_dir(&place).expect("a folder");
        is_merged_each_time(&place.display().to_string());
        fs::remove_dir(&place).expect("removes");
    }
    assert_eq!(forecast(&repo).0, first);
    assert_eq!(forecast(&repo), (first, 0));
}

#[test]
fn a_file_that_was_cut_off_or_edited_is_no_answer() {
    let sandbox = Sandbox::new();
    let repo = four_tasks(&sandbox);
    let first = afresh(&repo);
    let whole = fs::read(kept(&repo)).expect("a file");
    let lie = String::from_utf8_lossy(&whole).replace("true", "false").into_bytes();
    assert_ne!(lie, whole);
    for bytes in [&whole[..whole.len() / 2], &lie, b"", b"\xff\n{}", &whole[..whole.len() - 1]] {
        fs::write(kept(&repo), bytes).expect("writes");
        let (told, merges) = forecast(&repo);
        assert!(merges > 0 && told == first, "{}", String::from_utf8_lossy(bytes));
        assert_eq!(fs::read(kept(&repo)).expect("a file"), whole);
    }
    // A folder of that name, where nothing can be kept, is no reason to tell nothing.
    fs::remove_file(kept(&repo)).expect("removes");
    fs::create_dir(kept(&repo)).expect("a folder");
    assert_eq!(forecast(&repo).0, first);
}

#[test]
fn two_that_together_look_like_a_move_may_conflict_with_a_third() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let body: String = (0..40).map(|number| format!("line {number}\n")).collect();
    repo.write("box/a", &body);
    repo.commit_all("a box");
    for (name, line) in [
        ("drops", "rm box/a"),
        ("copies", "mkdir crate && cp box/a crate/a"),
        ("adds", "echo new > box/b"),
    ] {
        repo.dispatch_to_end(name, &["sh", "-c", line]);
    }
    let (told, _) = forecast(&repo);
    for (one, other) in [("drops", "copies"), ("drops", "adds"), ("copies", "adds")] {
        assert_eq!(verdict(&told, one, other), "clean");
    }
    assert_eq!(told["order"], json!(["drops", "copies"]));
    assert_eq!(forecast(&repo), (told, 0));
    repo.offshoot(&["merge", "drops", "copies"]).ok();
    repo.offshoot(&["merge", "adds"]).exits(3);
}
