//! What landing now would do: of a task by itself, of any two together, and which of them land together.

use crate::sandbox::{Sandbox, TestRepo, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Runs tasks that each are a shell line in its worktree, to their ends.
fn run(repo: &TestRepo<'_>, tasks: &[(&str, &str)]) {
    for (name, line) in tasks {
        repo.dispatch(name, &["sh", "-c", line]);
    }
    let names: Vec<&str> = tasks.iter().map(|(name, _)| *name).collect();
    repo.offshoot(&[&["wait"], names.as_slice()].concat()).ok();
}

/// The verdicts by name.
fn verdicts(report: &Value) -> BTreeMap<&str, &str> {
    let forecasts = report["forecasts"].as_array().expect("forecasts").iter();
    forecasts.map(|one| (text(&one["task"]), text(&one["verdict"]))).collect()
}

/// What is said of two tasks: the paths that both change, and the verdict.
#[track_caller]
fn pair(report: &Value, one: &str, other: &str) -> (Vec<String>, String) {
    let pairs = report["pairs"].as_array().expect("pairs").iter();
    let found: Vec<_> = pairs.filter(|pair| pair["tasks"] == json!([one, other])).collect();
    assert_eq!(found.len(), 1, "{one} and {other}: {report:#}");
    let paths = found[0]["overlap"].as_array().expect("paths").iter();
    (paths.map(|path| text(path).to_owned()).collect(), text(&found[0]["verdict"]).to_owned())
}

/// The order, landed for real: each of them must land, as the forecast promised.
#[track_caller]
fn land_in_order(repo: &TestRepo<'_>, report: &Value) {
    let order: Vec<&str> = report["order"].as_array().expect("order").iter().map(text).collect();
    let landed = repo.offshoot_json(&[&["merge"], order.as_slice()].concat());
    let landings = landed["landings"].as_array().expect("landings");
    assert!(landings.iter().all(|landing| landing["verdict"] == "landed"), "{landed:#}");
    assert_eq!(landings.len(), order.len());
}

/// Twenty lines of which one is replaced, so that changes far apart merge.
fn line(file: &str, number: u8, word: &str) -> String {
    format!("sed -i '{number}s/.*/{word}/' {file}")
}

#[test]
fn each_verdict_is_told_against_the_targets_present_tip() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(
        &repo,
        &[
            ("clean", "echo new > new.txt"),
            ("rival", &line("notes.txt", 3, "rival")),
            ("gone", "git rm -q docs/guide.md"),
            (
                "there",
                "echo there > there.txt && git add . && git commit -qm one && echo 2 >> there.txt",
            ),
        ],
    );
    let clean = repo.offshoot_json(&["forecast"]);
    let all_clean = BTreeMap::from(["clean", "gone", "rival", "there"].map(|name| (name, "clean")));
    assert_eq!(verdicts(&clean), all_clean);
    assert!(clean["forecasts"].as_array().expect("some").iter().all(|one| one["behind"] == 0));

    // The target moves: by the change of one task as one commit, and by two that contradict others.
    repo.git(&["merge", "--quiet", "--squash", "offshoot/there"]);
    repo.commit_all("there, squashed by hand");
    repo.write("there.txt", "changed since\n");
    let notes = repo.read("notes.txt").replace("line 3\n", "ours\n");
    repo.write("notes.txt", &notes);
    repo.write("docs/guide.md", "still here\n");
    repo.commit_all("moved on");
    let refs = || repo.git(&["for-each-ref"]) + &repo.status_porcelain();
    let before = refs();
    let objects = repo.git(&["count-objects", "-v"]);
    let report = repo.offshoot_json(&["forecast"]);
    let expected = [
        ("clean", "clean"),
        ("gone", "conflicts"),
        ("rival", "conflicts"),
        ("there", "up_to_date"),
    ];
    assert_eq!(verdicts(&report), BTreeMap::from(expected), "{report:#}");
    for (name, count) in [("clean", 2), ("rival", 2)] {
        assert_eq!(repo.task(name)["forecast"]["behind"], count, "{name}");
    }
    let said = repo.offshoot(&["status", "clean"]).ok().stdout;
    assert!(said.contains("lands cleanly on `main`, which has moved on by 2 commits\n"), "{said}");
    let named = |name: &str| {
        let forecasts = report["forecasts"].as_array().expect("forecasts");
        forecasts.iter().find(|one| one["task"] == name).expect("it is there")
    };
    assert_eq!(named("rival")["conflicts"][0]["path"], "notes.txt");
    assert_eq!(named("rival")["conflicts"][0]["kind"], "content");
    assert_eq!(named("gone")["conflicts"][0]["kind"], "modify_delete");
    assert_eq!(
        (&named("clean")["behind"], &named("clean")["target_commit"]),
        (&json!(2), &json!(repo.head()))
    );
    assert_eq!(report["order"], json!(["clean"]));
    for (name, verdict) in expected {
        assert_eq!(repo.task(name)["forecast"]["verdict"], verdict, "{name}");
    }
    let ran = repo.offshoot(&["forecast"]).ok();
    insta::assert_snapshot!(ran.snapshot(&sandbox), @r"
    exit 0
    --- stdout
    clean  lands cleanly on `main`, which has moved on by 2 commits
    rival  conflicts with `main`, which has moved on by 2 commits, in `notes.txt`
    gone   conflicts with `main`, which has moved on by 2 commits, in `docs/guide.md`
    there  `main` holds this change already

    order
      clean
    --- stderr
    ");
    // Nothing was made of it: no ref, no file, no object, no folder of ours.
    assert_eq!((refs(), repo.git(&["count-objects", "-v"])), (before, objects));
    let scratch = std::fs::read_dir(repo.state_folder().join("scratch")).expect("it was made");
    assert_eq!(scratch.count(), 0);
    // What the forecast calls already there, landing does too; and taken back it is not there.
    let (code, landed) = repo.offshoot_json_exit(&["merge", "there"]);
    assert_eq!((code, &landed["landings"][0]["verdict"]), (0, &json!("up_to_date")));
}

#[test]
fn a_change_that_was_taken_back_is_not_there() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("t", &line("notes.txt", 3, "theirs"))]);
    repo.git(&["cherry-pick", "--no-commit", "offshoot/t"]);
    repo.commit_all("by hand");
    let notes = repo.read("notes.txt").replace("theirs\n", "again\n");
    repo.write("notes.txt", &notes);
    let changed = repo.commit_all("changed since");
    assert_eq!(verdicts(&repo.offshoot_json(&["forecast", "t"]))["t"], "up_to_date");
    repo.git(&["reset", "--quiet", "--hard", &format!("{changed}~1")]);
    repo.git(&["revert", "--no-edit", "HEAD"]);
    let notes = repo.read("notes.txt").replace("line 3\n", "again\n");
    repo.write("notes.txt", &notes);
    repo.commit_all("taken back, then changed");
    assert_eq!(verdicts(&repo.offshoot_json(&["forecast", "t"]))["t"], "conflicts");
}

#[test]
fn pairs_overlap_or_conflict_and_the_order_lands_the_most() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(
        &repo,
        &[
            // It alone conflicts with three that go well together.
            ("greedy", &[2, 10, 18].map(|at| line("notes.txt", at, "greedy")).join(" && ")),
            ("top", &line("notes.txt", 2, "top")),
            ("middle", &line("notes.txt", 10, "middle")),
            ("bottom", &line("notes.txt", 18, "bottom")),
            ("apart", "echo apart > apart.txt"),
        ],
    );
    let report = repo.offshoot_json(&["forecast"]);
    assert_eq!(report["pairs"].as_array().expect("pairs").len(), 10);
    let notes = || vec!["notes.txt".to_owned()];
    for rival in ["top", "middle", "bottom"] {
        assert_eq!(pair(&report, "greedy", rival), (notes(), "conflicts".to_owned()));
    }
    assert_eq!(pair(&report, "top", "bottom"), (notes(), "clean".to_owned()));
    assert_eq!(pair(&report, "greedy", "apart"), (Vec::new(), "clean".to_owned()));
    assert_eq!(report["order"], json!(["top", "middle", "bottom", "apart"]));
    let one = repo.offshoot_json(&["forecast", "apart", "greedy"]);
    assert_eq!(verdicts(&one).len(), 2);
    assert_eq!(one["pairs"].as_array().expect("pairs").len(), 7);
    assert_eq!(one["order"], json!(["greedy", "apart"]));

    // The same as the field of a task, also where many are told at once.
    let field = json!(
        ["bottom", "greedy", "middle"].map(|task| json!({"task": task, "paths": ["notes.txt"]}))
    );
    let waited = repo.offshoot_json(&["wait", "apart", "top"]);
    for told in [&repo.task("top"), &waited["tasks"][1]] {
        let mut overlaps = told["forecast"]["overlaps"].as_array().expect("overlaps").clone();
        overlaps.sort_by_key(|overlap| text(&overlap["task"]).to_owned());
        assert_eq!(json!(overlaps), field);
    }
    assert_eq!(waited["tasks"][0]["forecast"]["overlaps"], json!([]));
    insta::assert_snapshot!(repo.offshoot(&["forecast"]).ok().snapshot(&sandbox), @r"
    exit 0
    --- stdout
    greedy  lands cleanly on `main`
    top     lands cleanly on `main`
    middle  lands cleanly on `main`
    bottom  lands cleanly on `main`
    apart   lands cleanly on `main`

    together
      greedy and top     conflict: both change `notes.txt`
      greedy and middle  conflict: both change `notes.txt`
      greedy and bottom  conflict: both change `notes.txt`
      top and middle     merge cleanly: both change `notes.txt`
      top and bottom     merge cleanly: both change `notes.txt`
      middle and bottom  merge cleanly: both change `notes.txt`

    order
      top, middle, bottom, apart
      greedy then conflicts with `top`, `middle`, `bottom`
    --- stderr

    hint: offshoot merge top middle bottom apart
    ");
    land_in_order(&repo, &report);
}

#[test]
fn two_may_conflict_without_a_path_in_common() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(
        &repo,
        &[
            ("file", "echo file > place"),
            ("folder", "mkdir place && echo folder > place/inside"),
            // What is new in a folder that somebody renames: git asks which it shall be.
            ("renames", "git mv src source"),
            ("adds", "echo new > src/new.sh"),
        ],
    );
    let report = repo.offshoot_json(&["forecast"]);
    let conflict = (Vec::new(), "conflicts".to_owned());
    assert_eq!(pair(&report, "file", "folder"), conflict);
    assert_eq!(pair(&report, "renames", "adds"), conflict);
    assert_eq!(pair(&report, "file", "adds").1, "clean");
    assert_eq!(report["order"].as_array().expect("order").len(), 2);
    land_in_order(&repo, &report);
}

#[test]
fn a_folder_that_moves_with_all_that_is_below_it_is_a_conflict_too() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.write("box/inner/deep/file", "some text\n".repeat(20));
    repo.commit_all("a box in a box");
    run(&repo, &[("moves", "git mv box crate"), ("adds", "echo new > box/new")]);
    let report = repo.offshoot_json(&["forecast"]);
    assert_eq!(pair(&report, "moves", "adds"), (vec![], "conflicts".to_owned()));
    land_in_order(&repo, &report);
    let rest = if text(&report["order"][0]) == "moves" { "adds" } else { "moves" };
    repo.offshoot(&["merge", rest]).exits(3);
}

#[test]
fn three_that_only_conflict_all_together_are_not_all_promised() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // While a file is left in the folder, what is new there stays there. Once both are moved, git
    // asks whether what is new shall follow them.
    repo.write("box/a", "a\n");
    repo.write("box/b", "b\n");
    repo.commit_all("a box");
    run(
        &repo,
        &[
            ("a", "mkdir crate && git mv box/a crate/a"),
            ("b", "mkdir crate && git mv box/b crate/b"),
            ("c", "echo c > box/c"),
        ],
    );
    let report = repo.offshoot_json(&["forecast"]);
    for (one, other) in [("a", "b"), ("a", "c"), ("b", "c")] {
        assert_eq!(pair(&report, one, other), (Vec::new(), "clean".to_owned()));
    }
    assert_eq!(report["order"], json!(["a", "b"]));
    let said = repo.offshoot(&["forecast"]).ok().stdout;
    assert!(said.contains("  c then conflicts with the others together\n"), "{said}");
    land_in_order(&repo, &report);
    repo.offshoot(&["merge", "c"]).exits(3);
}

#[test]
fn tasks_of_other_targets_are_not_compared_and_what_cannot_be_landed_says_why() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.git(&["branch", "release"]);
    repo.git(&["branch", "passing"]);
    let change = line("notes.txt", 3, "changed");
    let rival = line("notes.txt", 3, "rival");
    for (name, target) in [("rival-main", "main"), ("rival-release", "release")] {
        let task = ["dispatch", "--name", name, "--target", target, "--", "sh", "-c", &rival];
        repo.offshoot(&task).ok();
    }
    for (name, target) in [("main", "main"), ("release", "release"), ("orphan", "passing")] {
        let task = ["dispatch", "--name", name, "--target", target, "--", "sh", "-c", &change];
        repo.offshoot(&task).ok();
    }
    repo.dispatch("empty", &["true"]);
    repo.dispatch("failed", &["sh", "-c", "echo x > x; exit 1"]);
    repo.offshoot(&["wait", "main", "release", "orphan", "empty", "failed"]).exits(4);
    repo.offshoot(&["wait", "rival-main", "rival-release"]).ok();
    repo.git(&["branch", "--delete", "--quiet", "passing"]);
    let report = repo.offshoot_json(&["forecast"]);
    let mut expected: BTreeMap<_, _> = ["rival-main", "rival-release", "main", "release", "failed"]
        .map(|name| (name, "clean"))
        .into();
    expected.insert("orphan", "impossible");
    assert_eq!(verdicts(&report), expected);
    assert_eq!(report["pairs"].as_array().expect("pairs").len(), 4, "{report:#}");
    for (one, other) in [("rival-main", "main"), ("rival-release", "release")] {
        assert_eq!(pair(&report, one, other), (vec!["notes.txt".into()], "conflicts".into()));
    }
    assert_eq!(report["order"], json!(["rival-main", "failed", "rival-release"]));
    let orphan = &report["forecasts"][4];
    assert_eq!(
        (&orphan["reason"], &orphan["target_commit"]),
        (&json!("there is no branch `passing`"), &Value::Null)
    );
    for (task, words) in [("empty", "has changed nothing"), ("nobody", "no task")] {
        let ran = repo.offshoot(&["forecast", task]).exits(1).says(words).says("\nhint: ");
        assert_eq!(ran.stdout, "");
    }
    repo.offshoot(&["merge", "main"]).ok();
    repo.offshoot(&["forecast", "main"]).exits(1).says("is already landed on `main`");
    let gate = sandbox.gate("held");
    repo.dispatch("busy", &[&sandbox.agent("wait_for_gate"), &gate.argument()]);
    gate.wait_for_arrival();
    repo.offshoot(&["forecast", "busy"]).exits(1).says("is still running");
    gate.open();
    repo.wait_for("busy");
}

#[test]
fn one_task_that_shares_no_history_spoils_nobody_elses_forecast() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(
        &repo,
        &[
            ("alien", "git checkout -q --orphan other && git commit -qm alien"),
            ("one", "echo 1 > one"),
            ("two", "echo 2 > two"),
        ],
    );
    let report = repo.offshoot_json(&["forecast"]);
    let expected = [("alien", "impossible"), ("one", "clean"), ("two", "clean")];
    assert_eq!(verdicts(&report), BTreeMap::from(expected), "{report:#}");
    assert!(text(&report["forecasts"][0]["reason"]).contains("share no history"));
    assert_eq!(report["order"], json!(["one", "two"]));
}

#[test]
fn what_a_person_had_not_committed_is_no_part_of_a_forecast() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for (name, words) in [("one", "first thoughts"), ("two", "second thoughts")] {
        repo.write("README.md", words);
        let line = format!("echo {name} > {name}.txt");
        repo.offshoot(&["dispatch", "--with-changes", "--name", name, "--", "sh", "-c", &line])
            .ok();
        repo.wait_for(name);
    }
    let report = repo.offshoot_json(&["forecast"]);
    assert_eq!(verdicts(&report), BTreeMap::from([("one", "clean"), ("two", "clean")]));
    assert_eq!(pair(&report, "one", "two"), (Vec::new(), "clean".to_owned()));
    assert_eq!(report["order"], json!(["one", "two"]));
}

#[test]
fn what_is_told_of_many_tasks_at_once_is_what_is_told_of_each() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(
        &repo,
        &[
            ("edits", &line("notes.txt", 3, "edited")),
            (
                "moves",
                "git mv notes.txt 'with space.txt' && printf 'a\\0b' > binary && rm docs/guide.md",
            ),
            // With it the same sort of file has no lines to count.
            ("attributes", "echo '*.txt -diff' > .gitattributes; echo more >> notes.txt"),
            ("folds", "mkdir a && echo 1 > a/b && chmod -x src/greet.sh"),
        ],
    );
    repo.dispatch_to_end("empty", &["true"]);
    let listed = repo.offshoot_json(&["list"]);
    let names = ["edits", "moves", "attributes", "folds", "empty"];
    let waited = repo.offshoot_json(&[&["wait"], names.as_slice()].concat());
    for (at, name) in names.into_iter().enumerate() {
        let task = repo.task(name);
        assert_eq!(listed["tasks"][at]["diff"], task["diff"], "{name}");
        assert_eq!(waited["tasks"][at], task, "{name}");
    }
    let binary = |name: &str| repo.task(name)["diff"]["changes"][1]["binary"].clone();
    assert_eq!((binary("attributes"), binary("folds")), (json!(true), json!(false)));
}

#[test]
fn attributes_are_the_results_wherever_they_lie_and_no_others() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let below = "mkdir -p a/b && echo '*.dat -diff' > a/.gitattributes && echo 1 > a/b/x.dat";
    run(&repo, &[("below", below), ("plain", &line("notes.txt", 3, "edited"))]);
    // Those of a checkout are about something else.
    repo.write(".gitattributes", "* -diff\n");
    repo.git(&["add", ".gitattributes"]);
    let binary = |name: &str, at: usize| repo.task(name)["diff"]["changes"][at]["binary"].clone();
    assert_eq!((binary("below", 0), binary("below", 1)), (json!(false), json!(true)));
    assert_eq!(binary("plain", 0), json!(false));
}

#[test]
fn what_a_killed_forecast_left_is_swept_by_the_next_one() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    run(&repo, &[("t", "echo 1 > one")]);
    // No process can have that number (pid_max is at most 2^22).
    let left = repo.state_folder().join("scratch/objects-99999999-0/aa");
    std::fs::create_dir_all(&left).expect("a folder");
    repo.offshoot(&["forecast"]).ok();
    assert!(!left.exists());
}
