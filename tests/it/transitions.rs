//! The table of transitions, walked cell by cell through the library's public words: every standing
//! of a task × every change gives a new standing and an event, or is refused. And the records: what
//! was written once loads for ever, and what a newer version added survives.

use crate::sandbox::fixtures;
use offshoot::error::ErrorKind;
use offshoot::event::Event;
use offshoot::task::{
    Afterwards, AgentWords, Change, Custody, FinishedWork, FollowUp, Landing, Moved, PartLanded,
    PauseStage, PausedSlot, Phase, ProcessIdentity, RetryIn, Running, StateName, StopReason,
    TakenBack, Task, TaskRecord, TaskSpec, TaskState, Then,
};
use offshoot::timestamp::Timestamp;
use serde_json::{Value, json};

/// The standings, as the columns of the table name them. `new` is recorded nowhere yet; `+stop` means
/// that it was asked to end; `waiting` is paused and is to go on once it has a slot; the four last have
/// ended.
const STANDINGS: [&str; 16] = [
    "new",
    "pending",
    "held",
    "preparing",
    "preparing+stop",
    "agent",
    "agent+stop",
    "pausing",
    "paused",
    "waiting",
    "finishing",
    "finishing+stop",
    "open",
    "empty",
    "landed",
    "discarded",
];

/// Of each change: its name, then for every standing in the order above where it leads and what it
/// tells (`open!finished`), `.` for "nothing changes and nothing is told", `-` for a refusal.
const TABLE: &str = "
                  new                pending           held           preparing      preparing+stop agent             agent+stop             pausing             paused             waiting             finishing      finishing+stop open                empty               landed      discarded
dispatched        pending!dispatched -                 -              -              -              -                 -                      -                   -                  -                   -              -              -                   -                   -           -
held              .                  held              .              -              -              -                 -                      -                   -                  -                   -              -              -                   -                   -           -
let_go            .                  .                 pending        -              -              -                 -                      -                   -                  -                   -              -              -                   -                   -           -
prioritised       .                  .                 .              -              -              -                 -                      -                   -                  -                   -              -              -                   -                   -           -
dependency_failed empty!finished     empty!finished    empty!finished -              -              -                 -                      -                   -                  -                   -              -              -                   -                   -           -
started           preparing!started  preparing!started -              -              -              -                 -                      -                   -                  -                   -              -              -                   -                   -           -
agent_ready       -                  -                 -              agent          -              -                 -                      -                   -                  -                   -              -              -                   -                   -           -
never_started     -                  -                 -              .              .              preparing         preparing+stop         preparing           preparing          preparing           -              -              -                   -                   -           -
cancel            empty!finished     empty!finished    empty!finished preparing+stop .              agent+stop        .                      agent+stop          agent+stop         agent+stop          -              -              -                   -                   -           -
time_out          -                  -                 -              preparing+stop .              agent+stop        .                      agent+stop          agent+stop         agent+stop          -              -              -                   -                   -           -
pause_asked       -                  -                 -              -              -              pausing           -                      -                   -                  -                   -              -              -                   -                   -           -
paused            -                  -                 -              -              -              -                 -                      paused!paused       -                  -                   -              -              -                   -                   -           -
resume_asked      -                  -                 -              -              -              -                 -                      -                   waiting            -                   -              -              -                   -                   -           -
resumed           -                  -                 -              -              -              -                 -                      -                   -                  agent!resumed       -              -              -                   -                   -           -
needs_input       -                  -                 -              -              -              agent!needs_input agent+stop!needs_input pausing!needs_input paused!needs_input waiting!needs_input -              -              -                   -                   -           -
agent_ended       -                  -                 -              finishing      finishing+stop finishing         finishing+stop         finishing           finishing          finishing           -              -              -                   -                   -           -
finished_work     -                  -                 -              -              -              -                 -                      -                   -                  -                   open!finished  open!finished  -                   -                   -           -
finished_empty    -                  -                 -              -              -              -                 -                      -                   -                  -                   empty!finished empty!finished -                   -                   -           -
finished_again    -                  -                 -              -              -              -                 -                      -                   -                  -                   pending        pending        -                   -                   -           -
finished_on       -                  -                 -              -              -              -                 -                      -                   -                  -                   pending        pending        -                   -                   -           -
retried           -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              pending!dispatched  pending!dispatched  -           -
followed_up       -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              pending!dispatched  pending!dispatched  -           -
acknowledged      -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              .                   .                   .           .
landed            -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              landed!landed       landed!landed       -           -
landed_open       -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              -                   -                   -           -
discarded         -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              discarded!discarded discarded!discarded -           -
release_asked     -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              -                   -                   .           -
undone            -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              open!undone         empty!undone        open!undone -
part_landed       -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              open!landed         empty!landed        -           -
moved             -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              .                   .                   -           -
released          -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              -                   -                   .           .
restored          -                  -                 -              -              -              -                 -                      -                   -                  -                   -              -              -                   -                   -           open!restored
";

#[test]
fn every_cell_of_the_table_is_as_it_is_written_there() {
    let mut rows = TABLE.lines().filter(|line| !line.trim().is_empty());
    let header: Vec<&str> = rows.next().expect("a header").split_whitespace().collect();
    assert_eq!(header, STANDINGS);
    let mut walked = Vec::new();
    for row in rows {
        let mut cells = row.split_whitespace();
        let name = cells.next().expect("a change");
        let cells: Vec<&str> = cells.collect();
        assert_eq!(cells.len(), STANDINGS.len(), "the row of {name}");
        for (standing, expected) in STANDINGS.iter().zip(cells) {
            assert_eq!(cell(standing, name), expected, "{standing} × {name}");
        }
        walked.push(name);
    }
    assert_eq!(walked, CHANGES, "every change has its row");
}

/// What really happens in a cell, written as the table writes it.
fn cell(standing: &str, change: &str) -> String {
    let task = task(standing);
    match task.apply(self::change(change), at()) {
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::Refused, "{standing} × {change}");
            assert!(error.message.contains("`fix`"), "{error:?}");
            assert!(!error.hints.is_empty(), "{error:?}");
            "-".to_owned()
        }
        Ok(next) => {
            assert_eq!(next.spec, task.spec, "what was asked for never changes");
            let told = &next.record.outbox[task.record.outbox.len()..];
            let after = standing_of(&next);
            match told {
                [] if after == standing => ".".to_owned(),
                [] => after.to_owned(),
                [draft] => {
                    assert_eq!(draft.serial, task.record.events + 1);
                    assert_eq!(draft.state, next.record.state.name());
                    assert_eq!(draft.next, next.next());
                    format!("{after}!{}", draft.event.as_str())
                }
                several => panic!("{standing} × {change} tells {several:?}"),
            }
        }
    }
}

fn at() -> Timestamp {
    Timestamp::from_millis(1_700_000_000_000)
}

const CHANGES: [&str; 32] = [
    "dispatched",
    "held",
    "let_go",
    "prioritised",
    "dependency_failed",
    "started",
    "agent_ready",
    "never_started",
    "cancel",
    "time_out",
    "pause_asked",
    "paused",
    "resume_asked",
    "resumed",
    "needs_input",
    "agent_ended",
    "finished_work",
    "finished_empty",
    "finished_again",
    "finished_on",
    "retried",
    "followed_up",
    "acknowledged",
    "landed",
    "landed_open",
    "discarded",
    "release_asked",
    "undone",
    "part_landed",
    "moved",
    "released",
    "restored",
];

fn change(name: &str) -> Change {
    let landing = |landing| Change::Landed { landing, worktree: Afterwards::Release };
    match name {
        "dispatched" => Change::Dispatched,
        "started" => Change::Started { tick_ms: 1000, boot_id: "boot".to_owned() },
        "agent_ready" => Change::AgentReady {
            worktree: "/r.offshoots/fix".into(),
            shim: identity(10),
            agent: identity(11),
        },
        "never_started" => Change::AgentNeverStarted,
        "cancel" => Change::StopAsked(StopReason::Cancelled),
        "time_out" => Change::StopAsked(StopReason::TimedOut),
        "agent_ended" => Change::AgentEnded(from_json(json!({"kind": "exited", "code": 0}))),
        "finished_work" => Change::Finished(work(1)),
        "finished_empty" => Change::Finished(work(0)),
        "finished_again" => Change::Finished(FinishedWork { then: Then::TryAgain, ..work(1) }),
        "finished_on" => {
            Change::Finished(FinishedWork { then: Then::GoOn(follow_up()), ..work(1) })
        }
        "needs_input" => Change::NeedsInput("may it?".to_owned()),
        "followed_up" => Change::FollowedUp(follow_up(), RetryIn::SameWorktree),
        "held" => Change::Held,
        "let_go" => Change::LetGo,
        "prioritised" => Change::Prioritised(5),
        "dependency_failed" => Change::DependencyFailed { task: "other".to_owned() },
        "pause_asked" => Change::PauseAsked(PausedSlot::GivenBack),
        "paused" => Change::Paused { tick_ms: 2000 },
        "resume_asked" => Change::ResumeAsked,
        "resumed" => Change::Resumed { tick_ms: 2500 },
        "retried" => Change::Retried(RetryIn::SameWorktree),
        "release_asked" => Change::ReleaseAsked,
        "acknowledged" => Change::Acknowledged,
        "landed" => landing(landed()),
        // A landing that is none makes no sense wherever it comes.
        "landed_open" => landing(Landing::Open),
        "discarded" => Change::Discarded(Custody::default()),
        "undone" => Change::Undone(TakenBack {
            landing: landed().reference().expect("it is one"),
            by: 2,
            worktree: None,
            work: None,
        }),
        "part_landed" => {
            let landing = landed().reference().expect("it is one");
            let rest = Moved { by: 2, work: None, worktree: None };
            Change::PartLanded(PartLanded { landing, rest })
        }
        "moved" => Change::Moved(Moved { by: 2, work: None, worktree: None }),
        "released" => Change::Released(Custody::default()),
        "restored" => Change::Restored { worktree: "/r.offshoots/fix".into() },
        other => panic!("there is no change {other}"),
    }
}

fn task(standing: &str) -> Task {
    let mut task = Task { spec: spec(), record: TaskRecord::new(spec().id, spec().base.commit) };
    if standing == "new" {
        return task;
    }
    let (name, stop) = match standing.strip_suffix("+stop") {
        Some(name) => (name, Some(StopReason::Cancelled)),
        None => (standing, None),
    };
    let mut changes = vec!["dispatched"];
    match name {
        "pending" => {}
        "held" => changes.push("held"),
        "pausing" => changes.extend(["started", "agent_ready", "pause_asked"]),
        "paused" => changes.extend(["started", "agent_ready", "pause_asked", "paused"]),
        "waiting" => {
            changes.extend(["started", "agent_ready", "pause_asked", "paused", "resume_asked"]);
        }
        "preparing" => changes.push("started"),
        "agent" => changes.extend(["started", "agent_ready"]),
        "finishing" => changes.extend(["started", "agent_ready"]),
        "empty" => changes.extend(["started", "agent_ready", "agent_ended", "finished_empty"]),
        "open" | "landed" | "discarded" => {
            changes.extend(["started", "agent_ready", "agent_ended", "finished_work"]);
        }
        other => panic!("there is no standing {other}"),
    }
    if stop.is_some() {
        changes.push("cancel");
    }
    match name {
        "finishing" => changes.push("agent_ended"),
        "landed" | "discarded" => changes.push(name),
        _ => {}
    }
    for name in changes {
        task = task.apply(change(name), at()).expect("the way there is allowed");
    }
    assert_eq!(standing_of(&task), standing);
    task
}

/// A task's standing in the table's words.
fn standing_of(task: &Task) -> &'static str {
    let name = match (&task.record.state, &task.record.landing) {
        (TaskState::Pending { .. }, _) if task.record.events == 0 => "new",
        (TaskState::Pending { held: true }, _) => "held",
        (TaskState::Pending { held: false }, _) => "pending",
        (
            TaskState::Running(Running {
                phase: Phase::Agent { .. },
                pause: Some(pause),
                stopping: None,
                ..
            }),
            _,
        ) => {
            assert_eq!(
                task.record.state.name() == StateName::Paused,
                pause.stage != PauseStage::Stopping
            );
            match pause.stage {
                PauseStage::Stopping => "pausing",
                PauseStage::Stopped { .. } => "paused",
                PauseStage::Waiting { .. } => "waiting",
            }
        }
        (TaskState::Running(Running { phase, stopping, .. }), _) => match (phase, stopping) {
            (Phase::Preparing, None) => "preparing",
            (Phase::Preparing, Some(_)) => "preparing+stop",
            (Phase::Agent { .. }, None) => "agent",
            (Phase::Agent { .. }, Some(_)) => "agent+stop",
            (Phase::Finishing { .. }, None) => "finishing",
            (Phase::Finishing { .. }, Some(_)) => "finishing+stop",
        },
        (TaskState::Ended { .. }, Landing::Open) => "open",
        (TaskState::Ended { .. }, Landing::Empty { .. }) => "empty",
        (TaskState::Ended { .. }, Landing::Landed { .. }) => "landed",
        (TaskState::Ended { .. }, Landing::Discarded { .. }) => "discarded",
    };
    assert_eq!(task.ended().is_some(), matches!(task.record.state, TaskState::Ended { .. }));
    STANDINGS.into_iter().find(|standing| *standing == name).expect("it is a column")
}

fn from_json<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it is well formed")
}

fn spec() -> TaskSpec {
    from_json(record("spec.json"))
}

fn identity(pid: i32) -> ProcessIdentity {
    ProcessIdentity { pid, start_time: 1, boot_id: "boot".to_owned(), pid_namespace: 1 }
}

fn landed() -> Landing {
    let commit = |digit: &str| from_json(digit.repeat(40).into());
    Landing::Landed {
        id: 1,
        target: from_json("main".into()),
        strategy: offshoot::landing::Strategy::Merge,
        before: commit("1"),
        after: commit("3"),
        at: at(),
        custody: Custody::default(),
    }
}

fn work(commits: usize) -> FinishedWork {
    let mut diff = offshoot::diff::DiffSummary { commits, ..Default::default() };
    diff.figures.files = commits;
    FinishedWork {
        worktree: Some("/r.offshoots/fix".into()),
        head: if commits == 0 { spec().base.commit } else { from_json("2".repeat(40).into()) },
        diff,
        verify: None,
        warnings: Vec::new(),
        tick_ms: 3500,
        boot_id: "boot".to_owned(),
        then: Then::End,
        words: AgentWords::default(),
    }
}

fn follow_up() -> FollowUp {
    FollowUp { prompt: "go on".to_owned(), session: None, message: Some("1-m".to_owned()) }
}

#[test]
fn the_first_reason_to_stop_decides_how_a_task_ended() {
    let outcome = |first: &str, second: &str| {
        let mut task = task("agent");
        for name in [first, second, "agent_ended", "finished_work"] {
            task = task.apply(change(name), at()).expect("allowed");
        }
        let outcome = task.ended().expect("it has ended").outcome().clone();
        (task.record.state.name().as_str(), serde_json::to_value(outcome).expect("serialises"))
    };
    assert_eq!(outcome("cancel", "time_out"), ("cancelled", json!({"kind": "cancelled"})));
    assert_eq!(outcome("time_out", "cancel"), ("failed", json!({"kind": "timed_out"})));
}

#[test]
fn a_duration_is_told_only_within_one_boot() {
    let duration = |boot: &str| {
        let work = FinishedWork { boot_id: boot.to_owned(), ..work(1) };
        let ended = task("finishing").apply(Change::Finished(work), at()).expect("allowed");
        serde_json::to_value(ended.record.state).expect("serialises")["duration_ms"].clone()
    };
    assert_eq!(duration("boot"), 2500);
    assert_eq!(duration("another"), Value::Null);
}

#[test]
fn noting_the_end_of_a_task_without_work_is_all_that_it_needs() {
    let noted = |standing: &str| {
        task(standing).apply(change("acknowledged"), at()).expect("allowed").needs_somebody()
    };
    assert!(task("empty").needs_somebody() && task("open").needs_somebody());
    assert!(!noted("empty") && noted("open"));
    assert!(!task("landed").needs_somebody() && !task("discarded").needs_somebody());
}

/// A record of the fixtures.
fn record(name: &str) -> Value {
    let path = fixtures().join("records/v1").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).expect("it is JSON")
}

/// The records of the fixtures whose names begin so.
fn records(beginning: &str) -> Vec<(String, Value)> {
    let folder = std::fs::read_dir(fixtures().join("records/v1")).expect("the folder is there");
    let names = folder.map(|entry| entry.expect("it can be listed").file_name());
    let names = names.map(|name| name.into_string().expect("UTF-8"));
    let found: Vec<_> = names
        .filter(|name| name.starts_with(beginning))
        .map(|name| (name.clone(), record(&name)))
        .collect();
    assert!(!found.is_empty(), "there is no {beginning}");
    found
}

#[test]
fn records_of_version_1_load_for_ever_and_are_written_as_they_were() {
    for (name, value) in records("spec") {
        let spec: TaskSpec = from_json(value.clone());
        assert_keeps(&serde_json::to_value(spec).expect("serialises"), &value, &name);
    }
    for (name, value) in records("state_") {
        let record: TaskRecord = from_json(value.clone());
        assert_keeps(&serde_json::to_value(record).expect("serialises"), &value, &name);
    }
    let journal = std::fs::read_to_string(fixtures().join("records/v1/journal.jsonl"));
    for line in journal.expect("it is there").lines() {
        let event: Event = serde_json::from_str(line).expect("a line of the journal");
        assert_eq!(serde_json::to_string(&event).expect("serialises"), line);
    }
}

/// What is written has everything that was read, and perhaps fields that are newer.
fn assert_keeps(written: &Value, read: &Value, place: &str) {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (name, value) in read {
                let kept = written.get(name).unwrap_or_else(|| panic!("{place}.{name} is lost"));
                assert_keeps(kept, value, &format!("{place}.{name}"));
            }
        }
        _ => assert_eq!(written, read, "{place}"),
    }
}

#[test]
fn the_records_of_version_1_hold_every_state_and_landing() {
    let mut standings: Vec<&str> = Vec::new();
    for (_, value) in records("state_") {
        let record: TaskRecord = from_json(value);
        standings.push(standing_of(&Task { spec: spec(), record }));
    }
    standings.sort_unstable();
    standings.dedup();
    let expected = ["agent", "agent+stop", "discarded", "empty", "landed", "open", "pending"];
    assert_eq!(standings, expected);
}

#[test]
fn what_a_newer_version_wrote_beside_survives_a_rewrite() {
    for (name, mut value) in records("state_") {
        value["invented"] = json!({"by": ["a", "newer", "version"]});
        let record: TaskRecord = from_json(value.clone());
        assert_keeps(&serde_json::to_value(&record).expect("serialises"), &value, &name);
    }
    let mut value = record("state_open.json");
    value["invented"] = json!(7);
    let task = Task { spec: spec(), record: from_json(value) };
    let next = task.apply(change("landed"), at()).expect("allowed");
    let written = serde_json::to_value(next.record).expect("serialises");
    assert_eq!((&written["invented"], &written["landing"]["kind"]), (&7.into(), &"landed".into()));
}

#[test]
fn every_standing_survives_being_written_and_read() {
    for standing in STANDINGS {
        let task = task(standing);
        let text = serde_json::to_string(&task.record).expect("serialises");
        let read: TaskRecord = serde_json::from_str(&text).expect("parses");
        assert_eq!(read, task.record, "{standing}");
    }
}
