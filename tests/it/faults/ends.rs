//! The end of a task, when any call fails that its supervisor or its shim makes, or one of them is killed
//! there, or all are. The agent's last act is to make a folder; calls count from then on. A disk that
//! stays full, or broken, does so for a while.
//!
//! Whatever happened, after the next command the task has ended as its agent did, once, and everybody is
//! told of it once; the result is what the agent left, or stands in the worktree as it was left there and
//! a warning says so; and it lands as if nothing had happened.

use super::picture::{difference, left_about, picture};
use super::sweep::{Extent, Scenario, Steps, try_all};
use super::world::{Fault, World};
use crate::sandbox::{TestRepo, text, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Where a task once was not finished as it should be by whoever came after: that many calls after one of
/// that object. Git has the locks by which it moves the branch; it has moved it, and the worktree's log
/// does not tell of that yet; the log does, and the worktree's index does not know.
const ONCE: [(&str, usize, &str); 4] = [
    ("HEAD.lock", 1, "kill-one"),
    ("HEAD.lock", 4, "kill-one"),
    ("HEAD.lock", 5, "kill"),
    ("index.offshoot.new", 1, "kill-one"),
];

/// What the agent does first: every sort of change, some of it committed.
const CHANGES: &str = "\
echo changed >>notes.txt
git rm -q src/words.sh
git commit -qm work notes.txt
chmod +x docs/guide.md
mkdir -p new/deep && echo new >new/deep/file
ln -s notes.txt link
";

/// So much that it is recorded as a pack.
const MUCH: &str = "for n in $(seq 40); do echo $n >new/deep/$n; done\n";

/// The agent's last act.
const LAST: &str = "mkdir ../../ended\n";

const DISPATCH: [&str; 8] =
    ["dispatch", "--name", "t", "--request-id", "r", "--", "sh", "../../work.sh"];

/// With another attempt, and somebody who is told.
const TWICE: [&str; 12] = [
    "dispatch",
    "--name",
    "t",
    "--request-id",
    "r",
    "--retries",
    "1",
    "--on-done",
    "echo told >>../../told",
    "--",
    "sh",
    "../../work.sh",
];

/// How long a disk stays full, or broken: longer than those wait who try again.
const FOR_A_WHILE: [&str; 4] = ["-a", "ended", "-l", "1300"];

/// The next command waits for the end of the task that was cut off.
const NEXT: [&str; 2] = ["wait", "t"];

fn work(repo: &TestRepo<'_>, script: &str) {
    repo.write("../work.sh", format!("set -e\n{script}"));
}

fn few(repo: &TestRepo<'_>) {
    work(repo, &format!("{CHANGES}{LAST}"));
}

/// Nothing of it committed.
fn uncommitted(repo: &TestRepo<'_>) {
    work(repo, &format!("echo new >new\nrm notes.txt\n{LAST}"));
}

fn many(repo: &TestRepo<'_>) {
    work(repo, &format!("{CHANGES}{MUCH}{LAST}"));
}

/// The first attempt fails.
fn twice(repo: &TestRepo<'_>) {
    work(repo, &format!("test ! -e ../../ended || exit 0\n{CHANGES}{LAST}exit 1\n"));
}

/// It leaves the branch, and a process.
fn left(repo: &TestRepo<'_>) {
    let end = "git checkout -q --detach\nsleep 100 &\n";
    work(repo, &format!("{CHANGES}{MUCH}{end}{LAST}"));
}

/// Another task waits for the slot, so that the supervisor goes on with it.
fn followed(repo: &TestRepo<'_>) {
    repo.sandbox().write_config("max_parallel = 1\n");
    let offshoot = env!("CARGO_BIN_EXE_offshoot");
    work(repo, &format!("{CHANGES}'{offshoot}' dispatch --name u -- true >&2\n{LAST}"));
}

/// What there is after an end that nothing disturbed, and when that has landed.
struct Undisturbed {
    picture: String,
    worktree: Vec<String>,
    state: BTreeSet<String>,
    landed: String,
    is_told: bool,
}

/// What nobody can know any more.
struct Lost {
    /// How an agent ended.
    end: bool,
    /// How many processes it left.
    left: bool,
}

/// A world in which a task ends, and what comes of it undisturbed.
struct Sweep {
    name: &'static str,
    verb: &'static [&'static str],
    world: World,
    calls: usize,
    end: Undisturbed,
}

impl Sweep {
    #[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
    fn of(
        name: &'static str,
        prepare: fn(&TestRepo<'_>),
        verb: &'static [&'static str],
    ) -> Option<Self> {
        let Some(world) = World::new(&Scenario { name, prepare, verb, steps: Steps::Many }) else {
            println!("faults: skipped, processes cannot be traced here (ptrace, seccomp)");
            return None;
        };
        let calls = run(&world, &FOR_A_WHILE, verb, Fault { mode: "kill", at: 0 }).1;
        assert!(calls > 40, "{calls} calls are not the end of a task");
        let end = undisturbed(&world);
        Some(Self { name, verb, world, calls, end })
    }

    fn try_all(&self) {
        let calls_of_next = |first| {
            run(&self.world, &FOR_A_WHILE, self.verb, first);
            self.world.run(&NEXT, Fault { mode: "kill", at: 0 }).calls
        };
        try_all(
            (self.name, Extent::least(self.name)),
            self.calls,
            &calls_of_next,
            &mut |first, second| self.try_one(&FOR_A_WHILE, first, second),
        );
    }

    /// What is wrong after a fault in the dispatch and what it starts, and another one in the next command.
    fn try_one(&self, options: &[&str], first: Fault, second: Option<Fault>) -> Option<String> {
        let world = &self.world;
        let (what, _) = run(world, options, self.verb, first);
        let mut what = format!("{}: {what}", self.name);
        let mut lost = Lost {
            end: first.mode == "kill" && !knows_the_ends(world),
            // A kill of everything is one of them too, and of the shim when it has not written it down.
            left: first.mode == "kill" || first.mode == "kill-one" && what.contains("status"),
        };
        if let Some(second) = second {
            let again = world.run_with(&FOR_A_WHILE[2..], &NEXT, second);
            what += &format!(", then {} at {} ({:?})", second.mode, second.at, again.at);
            lost.end |= [first.mode, second.mode].contains(&"kill") && !knows_the_ends(world);
            lost.left |= second.mode.starts_with("kill");
        }
        let modes = [Some(first.mode), second.map(|second| second.mode)];
        let wrong = judge(world, &self.end, &modes.map(Option::unwrap_or_default), &lost);
        (!wrong.is_empty()).then(|| format!("{what}\n{}", wrong.join("\n")))
    }
}

fn sweep_end(name: &'static str, prepare: fn(&TestRepo<'_>), verb: &'static [&'static str]) {
    if let Some(sweep) = Sweep::of(name, prepare, verb) {
        sweep.try_all();
    }
}

/// Lays the world out, dispatches with a fault after the agent's end, and tells it and how many calls there were.
fn run(world: &World, options: &[&str], verb: &[&str], fault: Fault) -> (String, usize) {
    world.lay_out();
    let _nobody_was_told = std::fs::remove_file(told(world));
    let ran = world.run_with(options, verb, fault);
    assert!(matches!(ran.ran.code, 0 | 137), "{}", ran.ran);
    let at = ran.at.unwrap_or_else(|| "not reached".to_owned());
    (format!("{} at {} of {} ({at})", fault.mode, fault.at, ran.calls), ran.calls)
}

/// What `--on-done` writes, outside of where calls fail.
fn told(world: &World) -> std::path::PathBuf {
    world.sandbox.root().join("told")
}

/// Whether it is on record how the agents ended; nobody can know it otherwise when all have died.
fn knows_the_ends(world: &World) -> bool {
    let tasks = world.repo().state_folder().join("tasks").read_dir().expect("a folder");
    tasks.flatten().all(|task| {
        let state = std::fs::read_to_string(task.path().join("state.json")).unwrap_or_default();
        task.path().join("status").exists() || !state.contains("\"phase\":\"agent\"")
    })
}

fn undisturbed(world: &World) -> Undisturbed {
    let repo = world.repo();
    repo.offshoot(&NEXT).ok();
    let picture = seen(world);
    let worktree = worktree(&picture);
    assert!(worktree.iter().any(|line| line.contains("/new")), "{picture}");
    let state = state_files(&repo);
    let (landed, is_told) = (land(&repo).expect("it lands"), told(world).exists());
    Undisturbed { picture, worktree, state, landed, is_told }
}

fn judge(world: &World, end: &Undisturbed, modes: &[&str; 2], lost: &Lost) -> Vec<String> {
    let repo = world.repo();
    let mut wrong = Vec::new();
    let list = repo.offshoot(&["list"]);
    if list.code != 0 {
        wrong.push(format!("  the next command: {list}"));
    }
    for task in tasks(&repo) {
        let waited = repo.offshoot(&["wait", "--timeout", "20", text(&task["name"])]);
        if !matches!(waited.code, 0 | 4) {
            wrong.push(format!("  it does not end: {waited}"));
        }
    }
    wait_until("the end of all", || world.sandbox.processes().is_empty());
    let now = seen(world);
    let ended = tasks(&repo);
    for task in &ended {
        let name = text(&task["name"]);
        let finished = repo.told(name).iter().filter(|event| *event == "finished").count();
        if finished != 1 {
            wrong.push(format!("  `{name}` has {finished} ends: {:?}", repo.told(name)));
        }
    }
    let inbox = repo.offshoot_json(&["inbox", "--all"]);
    let entries = inbox["events"].as_array().map_or(0, Vec::len);
    if entries != ended.len() {
        wrong.push(format!("  {entries} entries of the inbox: {inbox}"));
    }
    let all = |seen: &str| match lost.left {
        true => seen.replace(" stragglers", ""),
        false => seen.to_owned(),
    };
    if all(&now) != all(&end.picture) && !ended.iter().any(|task| is_told(&repo, task, modes, lost))
    {
        wrong.push(format!("  not as undisturbed:\n{}", difference(&end.picture, &now)));
    }
    // At least once; a command that cannot be started is on record as that.
    if told(world).exists() != end.is_told && modes.iter().all(|mode| !fails(mode)) {
        wrong.push("  nobody was told".to_owned());
    }
    if worktree(&now) != end.worktree {
        wrong.push("  the worktree is not as the agent left it".to_owned());
    }
    let more: Vec<_> = state_files(&repo).difference(&end.state).cloned().collect();
    if !more.is_empty() {
        wrong.push(format!("  left in the state folder: {more:?}"));
    }
    let doctor = repo.offshoot(&["doctor"]);
    if doctor.code != 0 {
        wrong.push(format!("  doctor: {doctor}"));
    }
    wrong.extend(look_at_objects(&repo, modes));
    match land(&repo) {
        Ok(landed) if landed == end.landed => {}
        Ok(landed) => wrong.push(format!("  landed:\n{}", difference(&end.landed, &landed))),
        Err(said) => wrong.push(format!("  it does not land: {said}")),
    }
    wrong.extend(left_about(world).into_iter().map(|path| format!("  left about: {path}")));
    wrong
}

/// Whether a task says itself why something is not as undisturbed.
fn is_told(repo: &TestRepo<'_>, task: &Value, modes: &[&str; 2], lost: &Lost) -> bool {
    let task = repo.task(text(&task["name"]));
    let warns = task["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
    let kind = text(&task["outcome"]["kind"]);
    let could_not_start = matches!(kind, "setup_failed" | "spawn_failed");
    // The agent's own process, that of another attempt, may be the one that is killed.
    let is_killed = kind == "spawn_failed" && modes.contains(&"kill-one");
    let has_failed = modes.iter().any(|mode| fails(mode)) && (warns || could_not_start);
    lost.end && kind == "interrupted" || is_killed || has_failed
}

/// Whether calls fail in this mode, instead of processes being killed.
fn fails(mode: &str) -> bool {
    mode.starts_with("eno") || mode.starts_with("eio")
}

fn tasks(repo: &TestRepo<'_>) -> Vec<Value> {
    let list = repo.offshoot_json(&["list", "--all"]);
    list["tasks"].as_array().cloned().unwrap_or_default()
}

/// The picture, whatever the tasks' ids, which decide on an order too.
fn seen(world: &World) -> String {
    let mut words = picture(world);
    for task in tasks(&world.repo()) {
        let task = world.repo().task(text(&task["name"]));
        let diff = &task["diff"];
        let told = [&diff["files"], &diff["commits"], &diff["leftovers_committed"]];
        words += &format!("of {} {told:?}", task["name"]);
        for warning in task["warnings"].as_array().into_iter().flatten() {
            words += &format!(" {}", text(&warning["kind"]));
        }
        words.push('\n');
    }
    let words = nameless(&world.repo(), words);
    let mut lines: Vec<&str> = words.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}

fn nameless(repo: &TestRepo<'_>, words: String) -> String {
    tasks(repo).iter().fold(words, |known, task| known.replace(text(&task["id"]), "ID"))
}

/// What stands in the worktree, git's own files aside.
fn worktree(picture: &str) -> Vec<String> {
    let lines = picture.lines().filter(|line| line.starts_with("repo.offshoots/t"));
    lines.map(str::to_owned).collect()
}

/// The files of our state, whatever the tasks' ids. Who replaces a file of a task uses a sibling of one
/// name, which the next one uses again, or goes with the task, as does the mark of a worktree half made.
fn state_files(repo: &TestRepo<'_>) -> BTreeSet<String> {
    let mut found = String::new();
    let state = repo.state_folder();
    files_below(&state, &mut |path| {
        let name = path.strip_prefix(&state).expect("below").display().to_string();
        let is_sibling = name.rsplit('/').next().is_some_and(|name| name.starts_with('.'));
        let is_entry = name.starts_with("inbox/");
        let goes = [".lock", ".new", "/making"].iter().any(|end| name.ends_with(end));
        if !is_sibling && !is_entry && !goes {
            found.push_str(&format!("{name}\n"));
        }
    });
    nameless(repo, found).lines().map(str::to_owned).collect()
}

/// Git finds nothing wrong, and nothing of ours lies among its objects for ever.
fn look_at_objects(repo: &TestRepo<'_>, modes: &[&str; 2]) -> Vec<String> {
    let mut wrong = Vec::new();
    let fsck = repo.git_ran(&["fsck", "--full", "--strict", "--no-dangling"]);
    if fsck.code != 0 {
        wrong.push(format!("  fsck: {fsck}"));
    }
    // Who was killed, or may not remove anything, leaves what git clears away.
    if modes.iter().any(|mode| mode.starts_with("kill") || mode.starts_with("eio")) {
        repo.git(&["prune", "--expire=now"]);
    }
    let objects = repo.root().join(".git/objects");
    files_below(&objects, &mut |path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let is_alone = name.ends_with(".pack") && !path.with_extension("idx").exists();
        // One whose index failed at the very last stays: it may just have become somebody else's.
        if name.starts_with("tmp") || is_alone && !modes.iter().any(|mode| fails(mode)) {
            wrong.push(format!("  left about: {}", path.display()));
        }
    });
    wrong
}

fn files_below(folder: &Path, look: &mut dyn FnMut(&Path)) {
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        match entry.file_type().expect("it is there").is_dir() {
            true => files_below(&entry.path(), look),
            false => look(&entry.path()),
        }
    }
}

/// Lands the task and tells what there is then, or what is said against it.
fn land(repo: &TestRepo<'_>) -> Result<String, String> {
    let landed = repo.offshoot(&["merge", "--take-leftovers", "t"]);
    if landed.code != 0 {
        return Err(landed.to_string());
    }
    let there = repo.git(&["ls-tree", "-r", "-t", "HEAD"]);
    Ok(format!("{}\n{there}\n", repo.status_porcelain()))
}

/// There is room for what tells of the end, and none for what it came to.
#[test]
fn what_cannot_be_recorded_stays_in_the_worktree_and_lands_from_there() {
    let Some(sweep) = Sweep::of("unrecorded", uncommitted, &DISPATCH) else { return };
    let full = Fault { mode: "enospc-on", at: 1 };
    let wrong = sweep.try_one(&["-a", "ended", "-i", "/objects/"], full, None);
    assert_eq!(wrong, None, "{}", wrong.clone().unwrap_or_default());
    let task = sweep.world.repo().task("t");
    assert_eq!(task["outcome"]["code"], 0);
    assert_eq!(task["warnings"][0]["kind"], "snapshot_failed", "{task:#}");
}

#[test]
fn where_somebody_died_once() {
    let Some(sweep) = Sweep::of("where_somebody_died_once", uncommitted, &DISPATCH) else { return };
    for (after, at, mode) in ONCE {
        let wrong = sweep.try_one(&["-a", after], Fault { mode, at }, None);
        assert_eq!(wrong, None, "{}", wrong.clone().unwrap_or_default());
    }
}

#[test]
fn a_few_files() {
    sweep_end("a_few_files", few, &DISPATCH);
}

#[test]
fn many_files() {
    sweep_end("many", many, &DISPATCH);
}

#[test]
fn off_the_branch_with_a_process_left() {
    sweep_end("off_the_branch", left, &DISPATCH);
}

#[test]
fn another_attempt_and_somebody_who_is_told() {
    sweep_end("another_attempt", twice, &TWICE);
}

#[test]
fn another_task_behind() {
    sweep_end("another_task_behind", followed, &DISPATCH);
}
