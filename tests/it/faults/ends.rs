//! The end of a task, when any call fails that its supervisor or its shim makes, or one of them is killed
//! there, or all are. The agent's last act is to make a folder; calls count from then on. A disk that
//! stays full, or broken, does so for a while.
//!
//! Whatever happened, after the next command the task has ended as its agent did, once, and everybody is
//! told of it; the result is what the agent left, or stands in the worktree as it was left there and
//! a warning says so; and it lands as if nothing had happened.

use super::sweep::{Extent, Scenario, Steps, try_all};
use super::verdict::{Lost, Undisturbed, judge, knows_the_ends, told, undisturbed};
use super::world::{Fault, World};
use crate::sandbox::TestRepo;

/// Where a task once was not finished as it should be by whoever came after: at the first call about that.
/// Git has not moved the branch; it has, and the worktree's log does not tell of that; the worktree's index
/// does not know of it.
const ONCE: [(&str, &str); 4] = [
    ("heads/offshoot/t.lock", "kill-one"),
    ("t/logs/HEAD", "kill-one"),
    ("t/logs/HEAD", "kill"),
    ("t/index.offshoot", "kill-one"),
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
    "echo told >>\"$HOME/../told\"",
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
    for (about, mode) in ONCE {
        let options = ["-a", "ended", "-i", about];
        let wrong = sweep.try_one(&options, Fault { mode, at: 1 }, None);
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
