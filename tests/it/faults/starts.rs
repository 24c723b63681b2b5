//! The start of a task, when any call fails that a dispatch makes, or the supervisor, the shim, the gate and
//! the gits that come of it, or one of them is killed there, or all are. The agent's first act is to make a
//! folder; calls count until then. A disk that stays full, or broken, does so for a while.
//!
//! Whatever happened, after the next command the dispatch has left nothing, or there is one task, which runs
//! once and ends as undisturbed. A task that could not start says why, and runs when it is retried.

use super::lives::{Stretch, Sweep};
use super::persons_files;
use super::picture::{difference, picture};
use super::verdict::{Disturbed, could_not_start, fails, judge, ran_of, tasks};
use super::world::Fault;
use crate::sandbox::{Ran, TestRepo, program, text, wait_until};
use serde_json::Value;

/// Where something once was left, or not told: at this call about that. Why the agent
/// could not start; the lock of the base's pin, empty and whole, or the pin itself, by a dispatch that died or
/// failed before there was a task.
const ONCE: [(&str, &str, usize); 7] = [
    ("/started", "enospc", 2),
    ("/refs/offshoot/base/", "kill", 3),
    ("/refs/offshoot/base/", "kill", 4),
    ("/lock", "kill", 1),
    ("/offshoot/active/", "kill", 1),
    ("/offshoot/tasks/.new-", "kill", 1),
    ("/offshoot/tasks/.new-", "enospc-on", 1),
];

/// The index in which the uncommitted work was recorded.
const ONCE_WITH_CHANGES: [(&str, &str, usize); 1] = [("/objects/", "kill", 4)];

/// An entry that git had only begun to make.
const ONCE_WITH_GIT: [(&str, &str, usize); 1] = [("/worktrees/t/locked", "kill-one", 1)];

/// The agent's first act, and every sort of change.
const WORK: &str = "\
set -e
echo ran >>\"$HOME/../ran\"
(cd \"$HOME/../world\" && mkdir begun) || true
echo changed >>notes.txt
git rm -q src/words.sh
git commit -qm work notes.txt
mkdir -p new/deep && echo new >new/deep/file
";

/// By its whole path: a worktree of the pool lies elsewhere than where it seems to.
const AGENT: &str = "exec sh \"$HOME/../world/work.sh\"";

const DISPATCH: [&str; 9] =
    ["dispatch", "--name", "t", "--request-id", "r", "--", "sh", "-c", AGENT];

const WITH_CHANGES: [&str; 10] =
    ["dispatch", "--with-changes", "--name", "t", "--request-id", "r", "--", "sh", "-c", AGENT];

/// A disk stays full, or broken, for longer than those wait who try again.
const START: Stretch = Stretch {
    options: &["-u", "begun", "-l", "1300"],
    next: (&["list"], &["-u", "begun", "-l", "1300"]),
    calls: 60,
    judge: judge_start,
};

/// The same, when the task was dispatched while another one had the only slot.
const BEHIND: Stretch = Stretch { options: &["-a", "waits", "-u", "begun", "-l", "1300"], ..START };

/// The next command takes back what was half made, and fails at what is about git's entry.
const TAKEN_BACK: Stretch =
    Stretch { next: (&["list"], &["-u", "begun", "-l", "1300", "-i", "/worktrees/t/"]), ..START };

const FIRST: [&str; 9] = [
    "dispatch",
    "--name",
    "u",
    "--request-id",
    "r",
    "--",
    "sh",
    "-c",
    "exec sh \"$HOME/../world/first.sh\"",
];

fn cold(repo: &TestRepo<'_>) {
    persons_files(repo);
    repo.write("../work.sh", WORK);
}

/// Git itself makes the worktree.
fn filtered(repo: &TestRepo<'_>) {
    cold(repo);
    repo.write(".gitattributes", "*.sh text eol=crlf\n");
    repo.git(&["add", ".gitattributes"]);
    repo.git(&["commit", "--quiet", "--only", "-m", "attributes", ".gitattributes"]);
}

/// Files are copied, and a command runs; the task has ports.
fn set_up(repo: &TestRepo<'_>) {
    cold(repo);
    let toml = "[setup]\ncopy = [\"mine/ignored.log\"]\ncommand = \"echo made >made.log\"\n";
    repo.sandbox().write_config(toml);
}

/// The worktree is made of another task's. What fits already, since in a copy of a world none is made fit:
/// the files are not those that were proven.
fn pooled(repo: &TestRepo<'_>) {
    repo.sandbox().write_config("[pool]\nsize = 1\n");
    cold(repo);
    repo.dispatch_to_end("u", &["sh", "-c", "echo u >u; rm -r docs"]);
    repo.offshoot(&["discard", "u"]).ok();
    wait_until("the end of the chores", || repo.sandbox().processes().is_empty());
    assert!(repo.offshoots().join(".pool").read_dir().expect("a folder").next().is_some());
}

/// The supervisor of the one that has the slot starts the one behind it.
fn queued(repo: &TestRepo<'_>) {
    repo.sandbox().write_config("max_parallel = 1\n");
    cold(repo);
    let (offshoot, work) = (program(), "$HOME/../world/work.sh");
    let first = format!(
        "set -e\n'{offshoot}' dispatch --name t -- sh \"{work}\" >&2\ncd \"$HOME/../world\" && mkdir waits\n"
    );
    repo.write("../first.sh", first);
}

fn sweep_start(name: &'static str, prepare: fn(&TestRepo<'_>), verb: &'static [&'static str]) {
    sweep_stretch(&START, name, prepare, verb);
}

fn sweep_stretch(
    stretch: &'static Stretch,
    name: &'static str,
    prepare: fn(&TestRepo<'_>),
    verb: &'static [&'static str],
) {
    if let Some(sweep) = Sweep::of(stretch, name, prepare, verb) {
        sweep.try_all();
    }
}

fn judge_start(sweep: &Sweep, dispatched: &Ran, mut after: Disturbed) -> Vec<String> {
    let (world, repo) = (&sweep.world, sweep.world.repo());
    let mut wrong = Vec::new();
    let list = repo.offshoot(&["list"]);
    if list.code != 0 {
        wrong.push(format!("  the next command: {list}"));
    }
    let known = task(&repo);
    let is_said = dispatched.code == 0 || dispatched.stderr.contains("recorded and queued");
    if !matches!(dispatched.code, 0 | 1 | 137)
        || dispatched.code == 1 && dispatched.stderr.is_empty()
    {
        wrong.push(format!("  the dispatch: {dispatched}"));
    }
    if is_said != known.is_some() && dispatched.code != 137 {
        wrong.push(format!("  it said that there is a task: {is_said}; {dispatched}"));
    }
    if known.is_none() {
        wrong.extend(look_for_nothing(sweep));
    }
    wrong.extend(wait(&repo));
    wrong.extend(dispatch_again(sweep, known.as_ref()));
    wrong.extend(wait(&repo));
    wait_until("the end of all", || world.sandbox.processes().is_empty());
    let ended = repo.task("t");
    let kind = text(&ended["outcome"]["kind"]);
    let mut runs = runs(sweep);
    if could_not_start(kind) && (runs != 0 || !says_why(&ended["outcome"], &after)) {
        wrong.push(format!("  it could not start, and ran {runs} times: {}", ended["outcome"]));
    }
    if could_not_start(kind) || after.end && kind == "interrupted" {
        after.attempts += 1;
        runs = 0;
        let _it_may_have_run = std::fs::remove_file(ran_of(world));
        let retried = repo.offshoot(&["retry", "t"]);
        if retried.code != 0 {
            wrong.push(format!("  it cannot be retried: {retried}"));
        }
        wrong.extend(wait(&repo));
        runs += self::runs(sweep);
    }
    if runs != 1 {
        wrong.push(format!("  it ran {runs} times: {}", repo.task("t")["outcome"]));
    }
    if sweep.verb == WITH_CHANGES {
        // A git that could not write an object leaves what it has of it, and clears that away in its time.
        repo.git(&["prune", "--expire=now"]);
    }
    wrong.extend(judge(world, &sweep.end, &after));
    wrong
}

/// Whether it is said what has kept a task from starting.
fn says_why(outcome: &Value, after: &Disturbed) -> bool {
    let why = outcome["message"].as_str().unwrap_or_default().to_lowercase();
    let says = |words: &[&str]| words.iter().any(|words| why.contains(words));
    // The process that is killed may be the agent's own, or the set-up command.
    let killed = ["its process ended before it", "was ended by signal 9"];
    after.modes.iter().any(|mode| fails(mode)) && says(&["no space left", "input/output error"])
        || after.modes.contains(&"kill-one") && says(&killed)
}

fn task(repo: &TestRepo<'_>) -> Option<Value> {
    tasks(repo).into_iter().find(|task| task["name"] == "t")
}

/// How often an agent has run.
fn runs(sweep: &Sweep) -> usize {
    std::fs::read_to_string(ran_of(&sweep.world)).unwrap_or_default().lines().count()
}

fn wait(repo: &TestRepo<'_>) -> Option<String> {
    task(repo)?;
    let waited = repo.offshoot(&["wait", "--timeout", "20", "t"]);
    (!matches!(waited.code, 0 | 4)).then(|| format!("  it does not end: {waited}"))
}

/// The same request is answered with the same task.
fn dispatch_again(sweep: &Sweep, known: Option<&Value>) -> Option<String> {
    let repo = sweep.world.repo();
    let again = repo.offshoot(sweep.verb);
    let there = tasks(&repo).into_iter().filter(|task| task["name"] == "t").collect::<Vec<_>>();
    let is_same = known.is_none_or(|known| there[0]["id"] == known["id"]);
    let is_right = again.code == 0 && there.len() == 1 && is_same;
    (!is_right).then(|| format!("  dispatched again: {again}{there:#?}"))
}

/// Everything is as before the dispatch.
fn look_for_nothing(sweep: &Sweep) -> Vec<String> {
    let mut wrong = Vec::new();
    let doctor = sweep.world.repo().offshoot(&["doctor"]);
    if doctor.code != 0 {
        wrong.push(format!("  doctor: {doctor}"));
    }
    let now = picture(&sweep.world);
    if now != sweep.before {
        wrong.push(format!("  not as before:\n{}", difference(&sweep.before, &now)));
    }
    wrong
}

fn all_once(
    prepare: fn(&TestRepo<'_>),
    verb: &'static [&'static str],
    once: &[(&str, &'static str, usize)],
) {
    let Some(sweep) = Sweep::of(&START, "once", prepare, verb) else { return };
    for (about, mode, at) in once {
        sweep.assert_right(&["-u", "begun", "-l", "1300", "-i", about], mode, *at);
    }
}

#[test]
fn where_something_went_wrong_once() {
    all_once(cold, &DISPATCH, &ONCE);
}

#[test]
fn where_something_went_wrong_once_with_git() {
    all_once(filtered, &DISPATCH, &ONCE_WITH_GIT);
}

#[test]
fn where_something_went_wrong_once_with_changes() {
    all_once(cold, &WITH_CHANGES, &ONCE_WITH_CHANGES);
}

/// Half of an entry was nobody's.
#[test]
fn what_is_taken_back_may_be_cut_off_again() {
    let Some(sweep) = Sweep::of(&TAKEN_BACK, "taken_back", cold, &DISPATCH) else { return };
    let options = ["-u", "begun", "-i", "/repo.offshoots/t/"];
    let (first, second) = (Fault { mode: "kill", at: 3 }, Fault { mode: "kill-one", at: 5 });
    let wrong = sweep.try_one(&options, first, Some(second));
    assert_eq!(wrong, None, "{}", wrong.clone().unwrap_or_default());
}

#[test]
fn a_fresh_worktree() {
    sweep_start("a_fresh_worktree", cold, &DISPATCH);
}

#[test]
fn a_worktree_made_by_git() {
    sweep_start("a_worktree_made_by_git", filtered, &DISPATCH);
}

#[test]
fn a_worktree_that_is_set_up() {
    sweep_start("a_worktree_that_is_set_up", set_up, &DISPATCH);
}

#[test]
fn a_worktree_of_the_pool() {
    sweep_start("a_worktree_of_the_pool", pooled, &DISPATCH);
}

#[test]
fn with_changes() {
    sweep_start("with_changes", cold, &WITH_CHANGES);
}

#[test]
fn a_task_that_waited_for_a_slot() {
    sweep_stretch(&BEHIND, "a_task_that_waited_for_a_slot", queued, &FIRST);
}
