//! Claims and locks on paths: who waits for whom, who is told, what falls by itself, and what two
//! running tasks have both changed.

use crate::sandbox::{Gate, Sandbox, TestRepo, finish, program, text, wait_until};
use serde_json::{Value, json};

/// Dispatches a task with claims that waits at a gate of its own name and then runs `agent`.
fn claiming(
    sandbox: &Sandbox,
    repo: &TestRepo<'_>,
    name: &str,
    (options, agent): (&[&str], &[&str]),
) -> Gate {
    let gate = sandbox.gate(name);
    let (wait, argument) = (sandbox.agent("wait_for_gate"), gate.argument());
    let line = [&["dispatch", "--name", name], options, &["--", &wait, &argument], agent].concat();
    repo.offshoot_json(&line);
    gate
}

fn claim(sandbox: &Sandbox, repo: &TestRepo<'_>, name: &str, claim: &str) -> Gate {
    claiming(sandbox, repo, name, (&["--claim", claim], &[]))
}

/// What a task waits for: `kind: name, name`.
fn waits_for(repo: &TestRepo<'_>, name: &str) -> String {
    let waiting = &repo.task(name)["waiting_for"];
    let Some(tasks) = waiting["tasks"].as_array() else { return String::new() };
    let names: Vec<&str> = tasks.iter().map(text).collect();
    format!("{}: {}", text(&waiting["kind"]), names.join(", "))
}

/// `owner: path, path` of each lock that stands.
fn locks(repo: &TestRepo<'_>) -> Vec<String> {
    let listed = repo.offshoot_json(&["lock", "list"]);
    assert_eq!(listed["schema"], 1);
    let shown = |lock: &Value| {
        let paths: Vec<&str> = lock["paths"].as_array().expect("paths").iter().map(text).collect();
        format!("{}: {}", text(&lock["owner"]), paths.join(", "))
    };
    listed["locks"].as_array().expect("locks").iter().map(shown).collect()
}

#[test]
fn tasks_whose_claims_overlap_run_one_after_the_other_in_order() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // However few cores there are.
    sandbox.write_config("max_parallel = 4\n");
    let first = claim(&sandbox, &repo, "first", "src");
    first.wait_for_arrival();
    let second = claim(&sandbox, &repo, "second", "src/a.rs,docs");
    // It would fit beside the first one, and must not overtake the second.
    let third = claim(&sandbox, &repo, "third", "docs/*.md");
    let free = claim(&sandbox, &repo, "free", "notes.txt");
    let unclaimed = claiming(&sandbox, &repo, "unclaimed", (&[], &[]));
    free.wait_for_arrival();
    unclaimed.wait_for_arrival();
    assert_eq!(repo.task("second")["claims"], json!(["src/a.rs", "docs"]));
    assert_eq!(waits_for(&repo, "second"), "claim: first");
    assert_eq!(waits_for(&repo, "third"), "claim: second");
    let status = repo.offshoot(&["status", "second"]).ok().stdout;
    assert!(status.contains("pending, waiting for paths that `first` has\n"), "{status}");
    assert!(status.contains("  claims    src/a.rs, docs\n"), "{status}");
    assert!(repo.offshoot(&["list"]).ok().stdout.contains("for claim"));

    first.open();
    second.wait_for_arrival();
    assert_eq!(waits_for(&repo, "third"), "claim: second");
    second.open();
    third.wait_for_arrival();
    for gate in [third, free, unclaimed] {
        gate.open();
    }
    repo.offshoot(&["wait", "first", "second", "third", "free", "unclaimed"]).ok();
}

#[test]
fn a_task_that_waits_for_others_or_is_held_reserves_no_paths() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let needed = claiming(&sandbox, &repo, "needed", (&["--claim", "src"], &[]));
    needed.wait_for_arrival();
    let urgent = ["--claim", "docs", "--after", "needed", "--priority", "9"];
    let urgent = claiming(&sandbox, &repo, "urgent", (&urgent, &[]));
    assert_eq!(waits_for(&repo, "urgent"), "task: needed");
    let gate = claim(&sandbox, &repo, "beside", "docs");
    gate.wait_for_arrival();
    needed.open();
    repo.wait_for("needed");
    assert_eq!(waits_for(&repo, "urgent"), "claim: beside");
    repo.offshoot(&["pause", "urgent"]).ok();
    let later = claim(&sandbox, &repo, "later", "docs");
    gate.open();
    later.wait_for_arrival();
    later.open();
    urgent.open();
    repo.offshoot(&["resume", "urgent"]).ok();
    repo.offshoot(&["wait", "urgent", "beside", "later"]).ok();
}

#[test]
fn a_task_inside_a_task_may_have_what_the_outer_one_claims() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("outer");
    let inner = format!(
        "{} run --name inner --claim . -- true && {} lock acquire src",
        program(),
        program()
    );
    let (wait, argument) = (sandbox.agent("wait_for_gate"), gate.argument());
    let agent = ["--", &wait, &argument, "sh", "-c", &inner];
    repo.offshoot_json(&[&["dispatch", "--name", "outer", "--claim", "src"], &agent[..]].concat());
    gate.wait_for_arrival();
    // It waits for the outer one, and must not make the inner one wait.
    let waiting = claim(&sandbox, &repo, "waiting", ".");
    waiting.open();
    gate.open();
    assert_eq!(
        repo.wait_for("outer")["state"],
        "completed",
        "{:?}",
        repo.offshoot(&["logs", "outer"])
    );
    assert_eq!(repo.wait_for("waiting")["state"], "completed");
    assert_eq!(locks(&repo), [""; 0]);
}

#[test]
fn a_lock_is_told_to_others_and_keeps_tasks_with_such_claims_waiting() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let acquired = repo.offshoot_json(&[
        "lock",
        "acquire",
        "--owner",
        "ada",
        "--purpose",
        "a talk",
        "--for",
        "1h",
        "src",
        "docs/",
    ]);
    let lock = &acquired["locks"][0];
    assert_eq!(lock["paths"], json!(["src", "docs"]));
    assert_eq!((&lock["owner"], &lock["purpose"]), (&json!("ada"), &json!("a talk")));
    assert!(text(&lock["expires"]) > text(&lock["since"]), "{lock}");
    assert_eq!(repo.offshoot_json(&["lock", "list"]), acquired);

    let ran = repo.offshoot(&["lock", "acquire", "--owner", "bob", "src/a.rs", "notes.txt"]);
    insta::assert_snapshot!(ran.snapshot(&sandbox), @r"
    exit 5
    --- stdout
    --- stderr
    error: cannot lock `src/a.rs`: `ada` holds `src` (a talk)

    hint: offshoot lock acquire --owner=bob --wait <duration> -- src/a.rs notes.txt
    hint: offshoot lock release --owner=ada
    ");
    let (code, refused) = repo.offshoot_json_exit(&["lock", "acquire", "--wait", "0s", "src"]);
    assert_eq!((code, &refused["error"]["kind"]), (5, &json!("busy")));

    let gate = claim(&sandbox, &repo, "t", "src/*.rs");
    assert_eq!(waits_for(&repo, "t"), "claim: ada");
    repo.offshoot(&["lock", "release", "src"]).exits(1).says("--owner=ada");
    repo.offshoot(&["lock", "release", "--owner", "ada"]).ok();
    gate.wait_for_arrival();
    assert_eq!(locks(&repo), ["t: src/*.rs"]);
    let ran = repo.offshoot(&["lock", "acquire", "src/a.rs"]).exits(5);
    let ran = ran.says("`t` holds `src/*.rs`").says("hint: offshoot status t");
    assert!(!ran.stderr.contains("release"), "a claim cannot be released: {ran}");
    gate.open();
    repo.wait_for("t");
    repo.offshoot(&["lock", "acquire", "--owner", "bob", "src/a.rs"]).ok();
}

#[test]
fn ones_own_lock_is_extended_and_released_in_parts() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.offshoot(&["lock", "acquire", "src/a.rs", "src/b.rs", "docs"]).ok();
    let owner = text(&repo.offshoot_json(&["lock", "list"])["locks"][0]["owner"]).to_owned();
    assert!(owner.starts_with(&format!("pid:{}@", std::process::id())), "{owner}");
    repo.offshoot_in("src", &["lock", "acquire", "--for", "10m", "a.rs"]).ok();
    assert_eq!(locks(&repo), [format!("{owner}: src/b.rs, docs"), format!("{owner}: src/a.rs")]);
    let released = repo.offshoot_json(&["lock", "release", "src"]);
    assert_eq!(released["locks"].as_array().map(Vec::len), Some(2), "{released}");
    assert_eq!(locks(&repo), [format!("{owner}: docs")]);
    repo.offshoot(&["lock", "release", "src"]).exits(1).says("you hold no lock on `src`");
    repo.offshoot(&["lock", "release"]).ok();
    repo.offshoot(&["lock", "release"]).ok().says("you held no lock");
    repo.offshoot(&["lock", "list"]).ok().says("nobody holds any paths");
}

#[test]
fn a_lock_falls_with_its_owner_its_time_or_its_boot() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let program = program();
    // The shell is the owner, and it is gone when this returns.
    let mut shell = sandbox.command("sh");
    let script = format!("{program} lock acquire src && {program} lock list; true");
    let ran = sandbox.finish_command(shell.current_dir(repo.root()).args(["-c", &script])).ok();
    assert_eq!(ran.stdout.matches("pid:").count(), 2, "{ran}");
    assert_eq!(locks(&repo), [""; 0]);

    // A session's lock outlives the shells in which it runs commands.
    let script = format!("{program} lock acquire src; true");
    let mut session = sandbox.command("sh");
    session.env("OFFSHOOT_PARENT", "agent:1").current_dir(repo.root());
    sandbox.finish_command(session.args(["-c", &script])).ok();
    assert_eq!(locks(&repo), ["agent:1: src"]);
    let mut again = repo.command(&["lock", "acquire", "src/a.rs", "src"]);
    sandbox.finish_command(again.env("OFFSHOOT_PARENT", "agent:1")).ok();
    assert_eq!(locks(&repo), ["agent:1: src/a.rs, src"]);

    repo.offshoot(&["lock", "acquire", "--owner", "late", "--for", "1ms", "docs"]).ok();
    wait_until("the lock to fall", || locks(&repo).len() == 1);

    let file = repo.state_folder().join("paths.json");
    let written = std::fs::read_to_string(&file).expect("it is there");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("a boot");
    std::fs::write(&file, written.replace(boot.trim(), "another")).expect("it can be written");
    assert_eq!(locks(&repo), [""; 0]);
}

#[test]
fn a_tasks_locks_are_its_own_and_fall_with_its_end() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let gate = sandbox.gate("after");
    let script = format!(
        "{} lock acquire --owner somebody --purpose edits src && exec {} {}",
        program(),
        sandbox.agent("wait_for_gate"),
        gate.argument()
    );
    repo.dispatch("t", &["sh", "-c", &script]);
    gate.wait_for_arrival();
    assert_eq!(locks(&repo), ["t: src"]);
    repo.offshoot(&["lock", "acquire", "src"]).exits(5).says("`t` holds `src` (edits)");
    gate.open();
    repo.wait_for("t");
    assert_eq!(locks(&repo), [""; 0]);
}

#[test]
fn whoever_waits_for_paths_gets_them_when_they_are_released() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.offshoot(&["lock", "acquire", "--owner", "ada", "src"]).ok();
    let waiting =
        repo.offshoot_spawn(&["lock", "acquire", "--json", "--owner", "bob", "--wait", "src/a.rs"]);
    let id = waiting.id();
    // It holds a notification descriptor once it waits.
    wait_until("it to wait", || {
        let entries = std::fs::read_dir(format!("/proc/{id}/fd")).into_iter().flatten().flatten();
        let mut links = entries.filter_map(|entry| std::fs::read_link(entry.path()).ok());
        links.any(|link| link.to_string_lossy().contains("inotify"))
    });
    repo.offshoot(&["lock", "release", "--owner", "ada"]).ok();
    let ran = finish(waiting, "offshoot lock acquire").ok();
    assert!(ran.stdout.contains(r#""paths":["src/a.rs"],"owner":"bob""#), "{ran}");
    repo.offshoot(&["lock", "acquire", "--owner", "eve", "--wait=50ms", "src"]).exits(5);
}

#[test]
fn what_makes_no_sense_to_lock_is_refused() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    for line in [
        &["lock", "acquire", "/etc"][..],
        &["lock", "acquire", "../x"],
        &["lock", "acquire", ":(exclude)x"],
        &["lock", "acquire"],
        &["lock", "acquire", "--for", "0", "x"],
        &["lock", "acquire", "--owner", "", "x"],
        &["lock", "release", "--owner", "a", "x"],
        &["lock"],
        &["dispatch", "--claim", "/etc", "--", "true"],
        &["dispatch", "--claim", "a/../b", "--", "true"],
    ] {
        repo.offshoot(line).exits(2).says("\nhint: ");
    }
    repo.assert_nothing_left_behind();
}

#[test]
fn what_two_running_tasks_have_both_changed_is_told_while_they_run() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    // However few cores there are.
    sandbox.write_config("max_parallel = 4\n");
    let held = |name: &str, script: &str| {
        let gate = sandbox.gate(name);
        let wait = sandbox.agent("wait_for_gate");
        repo.dispatch(name, &["sh", "-c", &format!("{script}; exec {wait} {}", gate.argument())]);
        gate.wait_for_arrival();
        gate
    };
    let one = held("one", "echo 1 >>notes.txt; echo 1 >new; touch README.md");
    assert_eq!(repo.task("one")["overlaps"], json!([]));
    let two = held("two", "git rm -q notes.txt; git commit -qm x; echo 2 >new; echo 2 >other");
    let three = held("three", "echo 3 >>README.md");
    let before = worktree_index(&repo, "one");
    let told = json!([{"task": "two", "paths": ["new", "notes.txt"]}]);
    assert_eq!(repo.task("one")["overlaps"], told);
    assert_eq!(worktree_index(&repo, "one"), before, "the agent's index is its own");
    let listed = repo.offshoot_json(&["list"]);
    let overlaps: Vec<&Value> =
        listed["tasks"].as_array().expect("tasks").iter().map(|task| &task["overlaps"]).collect();
    assert_eq!(
        overlaps,
        [&told, &json!([{"task": "one", "paths": ["new", "notes.txt"]}]), &json!([])]
    );
    let status = repo.offshoot(&["status", "one"]).ok().stdout;
    assert!(status.contains("  overlaps  `two` has changed `new`, `notes.txt` too\n"), "{status}");
    let list = repo.offshoot(&["list"]).ok().stdout;
    assert_eq!(list.matches("agent, overlaps").count(), 2, "{list}");
    for gate in [one, two, three] {
        gate.open();
    }
    repo.offshoot(&["wait", "one", "two", "three"]).ok();
    assert_eq!(repo.task("one")["overlaps"], json!([]));
    let left = std::fs::read_dir(repo.record_folder(&repo.task("one"))).expect("its folder");
    let left: Vec<_> = left.flatten().map(|entry| entry.file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().starts_with("live")), "{left:?}");
}

fn worktree_index(repo: &TestRepo<'_>, name: &str) -> Vec<u8> {
    let worktree = repo.worktree_of(&repo.task(name));
    let index = worktree.git(&["rev-parse", "--path-format=absolute", "--git-path", "index"]);
    std::fs::read(index).expect("the index is there")
}
