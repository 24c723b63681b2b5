//! Records that a crash left half-written.

use super::{cut_off_task, held};
use crate::sandbox::{Sandbox, TestRepo, text, wait_until};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use std::path::Path;

/// The cursors of the journal, which must count from 1.
#[track_caller]
fn assert_cursors_count(repo: &TestRepo<'_>) {
    let journal = repo.journal();
    let cursors: Vec<u64> = journal.iter().filter_map(|event| event["cursor"].as_u64()).collect();
    let count = u64::try_from(journal.len()).expect("few");
    assert_eq!(cursors, (1..=count).collect::<Vec<_>>());
}

#[test]
fn a_torn_last_line_of_the_journal_is_cut_and_nothing_is_lost() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("a", &[&sandbox.agent("commit")]);
    let journal = repo.state_folder().join("journal.jsonl");
    let whole = std::fs::read_to_string(&journal).expect("a journal");
    std::fs::write(&journal, format!("{whole}{{\"schema\":1,\"cursor\":4,\"at")).expect("torn");
    let events = repo.offshoot_json(&["events"]);
    assert_eq!(events["events"].as_array().map(Vec::len), Some(3), "what is torn is not shown");
    assert_eq!(repo.offshoot_json(&["inbox"])["events"].as_array().map(Vec::len), Some(1));
    repo.dispatch_to_end("b", &[&sandbox.agent("noop")]);
    let now = std::fs::read_to_string(&journal).expect("a journal");
    assert!(now.starts_with(&whole), "{now}");
    assert_eq!(repo.journal().len(), now.lines().count(), "every line is whole again");
    assert_cursors_count(&repo);
    assert_eq!(repo.told("b"), ["dispatched", "started", "finished"]);
}

/// Puts a task's last event back into its record's outbox, as a crash before telling leaves it.
fn untell(repo: &TestRepo<'_>, task: &Value) {
    let mut draft = repo.journal().pop().expect("an event");
    let fields = draft.as_object_mut().expect("an object");
    fields.remove("schema");
    fields.remove("cursor");
    let mut record = repo.record(task, "state.json");
    record["outbox"] = json!([draft]);
    let state = repo.record_folder(task).join("state.json");
    std::fs::write(state, record.to_string()).expect("the record");
    std::fs::write(repo.state_folder().join("active").join(text(&task["id"])), "").expect("begun");
}

#[test]
fn news_that_were_recorded_and_not_told_are_told_once() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    let journal = repo.state_folder().join("journal.jsonl");
    let whole = std::fs::read_to_string(&journal).expect("a journal");

    untell(&repo, &task);
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    std::fs::write(&journal, lines[..2].concat()).expect("the journal");
    for _ in 0..2 {
        repo.offshoot(&["list"]).ok();
        assert_eq!(repo.told("t"), ["dispatched", "started", "finished"]);
    }
    assert_eq!(std::fs::read_to_string(&journal).expect("a journal"), whole);
    assert_eq!(repo.record(&task, "state.json")["outbox"], json!([]));

    untell(&repo, &task);
    for _ in 0..2 {
        repo.offshoot(&["list"]).ok();
    }
    assert_eq!(std::fs::read_to_string(&journal).expect("a journal"), whole, "told before");
    assert_cursors_count(&repo);
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

#[test]
fn indexes_that_a_power_cut_lost_are_made_again_from_the_records() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("open", &[&sandbox.agent("commit"), "open"]);
    repo.dispatch_to_end("landed", &[&sandbox.agent("commit"), "landed"]);
    repo.offshoot(&["merge", "landed"]).ok();
    let (_, task) = held(&sandbox, &repo, "cut", &[]);
    let agent = sandbox.agent("commit");
    repo.offshoot(&["dispatch", "--request-id", "r", "--name", "queued", "--", &agent]).ok();
    cut_off_task(&sandbox, &repo, &task);

    let state = repo.state_folder();
    for index in ["open", "names", "queue", "active", "requests"] {
        assert!(entries(&state.join(index)) > 0, "{index}");
        std::fs::remove_dir_all(state.join(index)).expect("it was there");
    }
    std::fs::write(state.join("sequence"), format!("{:020}", 1)).expect("the counter");
    std::fs::write(state.join("boot"), "another boot").expect("the boot");
    repo.offshoot_json_exit(&["wait", "cut", "queued"]);
    let list = repo.offshoot_json(&["list"]);
    let tasks = list["tasks"].as_array().expect("tasks");
    let told: Vec<(&str, &str)> =
        tasks.iter().map(|task| (text(&task["name"]), text(&task["state"]))).collect();
    assert_eq!(told, [("open", "completed"), ("cut", "failed"), ("queued", "completed")]);
    assert_eq!(repo.task("landed")["landing"]["kind"], "landed");
    let again = repo.offshoot_json(&["dispatch", "--request-id", "r", "--", "true"]);
    assert_eq!(again["name"], "queued");
    let last = repo.dispatch_to_end("last", &["true"]);
    assert_eq!(repo.record(&last, "spec.json")["sequence"], 5, "nobody is overtaken");
    // Whoever waits is told before the mark goes.
    wait_until("the last mark to go", || entries(&state.join("active")) == 0);
}

#[test]
fn a_dispatch_that_was_cut_off_before_its_record_was_there_is_forgotten() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    let state = repo.state_folder();
    let id = "0f0f0f0f-0000-4000-8000-000000000000";
    let hidden = state.join("tasks").join(format!(".new-{id}"));
    std::fs::create_dir(&hidden).expect("a folder");
    std::fs::write(hidden.join("spec.json"), "{\"sch").expect("half a spec");
    std::fs::write(state.join("active").join(id), "").expect("an entry");
    repo.offshoot(&["list"]).ok();
    assert!(!hidden.exists());
    assert_eq!(entries(&state.join("active")), 0);
    assert_eq!(repo.offshoot_json(&["list", "--all"])["tasks"].as_array().map(Vec::len), Some(1));
}

/// Whoever takes it up may be slower than the one who asks again.
#[test]
fn a_dispatch_that_was_cut_off_before_it_could_be_found_keeps_its_name_and_its_request() {
    let sandbox = Sandbox::new();
    sandbox.write_config("max_parallel = 1\n");
    let repo = sandbox.repo("simple");
    let (gate, _running) = held(&sandbox, &repo, "running", &[]);
    let words = ["dispatch", "--name", "t", "--request-id", "r", "--", "true"];
    let task = repo.offshoot_json(&words);
    let (state, id) = (repo.state_folder(), text(&task["id"]));
    for index in ["names", "requests"] {
        for entry in std::fs::read_dir(state.join(index)).expect("it lists").flatten() {
            if std::fs::read_to_string(entry.path()).expect("an id") == id {
                std::fs::remove_file(entry.path()).expect("it goes");
            }
        }
    }
    std::fs::write(state.join("sequence"), format!("{:020} {id}\n", 2)).expect("the counter");
    std::fs::write(state.join("active").join(id), "").expect("the mark");
    let lock = std::fs::File::open(repo.record_folder(&task).join("lock")).expect("a lock");
    flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody holds it");
    let (code, other) = repo.offshoot_json_exit(&["dispatch", "--name", "t", "--", "true"]);
    assert_eq!((code, &other["error"]["kind"]), (1, &"refused".into()), "{other:#}");
    assert_eq!(repo.offshoot_json(&words)["id"], id);
    let list = repo.offshoot_json(&["list", "--all"]);
    assert_eq!(list["tasks"].as_array().map(Vec::len), Some(2), "{list:#}");
    drop(lock);
    gate.open();
    let (code, ended) = repo.offshoot_json_exit(&["wait", "t", "running"]);
    assert_eq!(code, 0, "{ended:#}");
}

#[test]
fn a_record_of_a_newer_version_is_left_alone_and_said_to_be_newer() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    // The end is on record before its supervisor has told the journal and emptied the outbox.
    wait_until("its supervisor's end", || sandbox.processes().is_empty());
    let mut record = repo.record(&task, "state.json");
    record["schema"] = json!(2);
    let state = repo.record_folder(&task).join("state.json");
    std::fs::write(&state, record.to_string()).expect("the record");
    let (code, document) = repo.offshoot_json_exit(&["discard", "t"]);
    assert_eq!((code, &document["error"]["kind"]), (1, &"unsupported".into()), "{document:#}");
    assert_eq!(std::fs::read_to_string(&state).expect("the record"), record.to_string());
}

#[test]
fn the_mark_of_a_landing_that_was_cut_off_outlives_other_tasks_until_a_verb_has_looked() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let task = repo.dispatch_to_end("landed", &[&sandbox.agent("commit")]);
    let mark = repo.state_folder().join("active").join(text(&task["id"]));
    let (gate, _) = held(&sandbox, &repo, "other", &[]);
    // As a killed `merge` leaves it; the end of another task's supervisor must not take it for done.
    std::fs::write(&mark, "").expect("the mark is made");
    gate.open();
    wait_until("the other task's end", || {
        repo.told("other").last().is_some_and(|event| event == "finished")
    });
    wait_until("its supervisor's end", || sandbox.processes().is_empty());
    assert!(mark.exists());
    repo.offshoot(&["list"]).ok();
    assert!(!mark.exists());
}

#[test]
fn a_lock_on_packed_refs_that_a_killed_verb_left_is_removed_unless_git_is_packing() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    repo.dispatch_to_end("t", &[&sandbox.agent("commit")]);
    let in_git = |name: &str| repo.root().join(".git").join(name);
    std::fs::write(in_git("packed-refs.lock"), "").expect("a lock");
    repo.offshoot(&["list"]).ok();
    assert!(in_git("packed-refs.lock").exists(), "somebody may just have taken it");
    let file = std::fs::File::options().write(true).open(in_git("packed-refs.lock"));
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    file.and_then(|file| file.set_modified(long_ago)).expect("its time");
    std::fs::write(in_git("packed-refs.new"), "").expect("what git packs into");
    repo.offshoot(&["list"]).ok();
    assert!(in_git("packed-refs.lock").exists(), "git has it");
    std::fs::remove_file(in_git("packed-refs.new")).expect("it was there");
    repo.offshoot(&["list"]).ok();
    assert!(!in_git("packed-refs.lock").exists());
    repo.git(&["branch", "other"]);
    repo.git(&["branch", "-D", "other"]);
}
