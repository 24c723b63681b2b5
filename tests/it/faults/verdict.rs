//! What is wrong after the end of a task that was disturbed, by the side of one that was not.

use super::picture::{difference, left_about, picture};
use super::world::World;
use crate::sandbox::{TestRepo, text, wait_until};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What there is after an end that nothing disturbed, and when that has landed.
pub(super) struct Undisturbed {
    picture: String,
    worktree: Vec<String>,
    state: BTreeSet<String>,
    landed: String,
    landing: &'static str,
    is_told: bool,
}

/// What was done to a task.
pub(super) struct Disturbed {
    /// How calls went wrong, first and in the next command.
    pub(super) modes: [&'static str; 2],
    /// Nobody can know any more how an agent ended.
    pub(super) end: bool,
    /// Nor how many processes it left.
    pub(super) left: bool,
    /// How often it was asked for.
    pub(super) attempts: usize,
}

/// What `--on-done` writes, outside of where calls fail.
pub(super) fn told(world: &World) -> PathBuf {
    world.sandbox.root().join("told")
}

/// What an agent writes that runs, outside of where calls fail.
pub(super) fn ran_of(world: &World) -> PathBuf {
    world.sandbox.root().join("ran")
}

/// Whether it is on record how the agents ended; nobody can know it otherwise when all have died.
pub(super) fn knows_the_ends(world: &World) -> bool {
    let tasks = world.repo().state_folder().join("tasks").read_dir();
    tasks.into_iter().flatten().flatten().all(|task| {
        let state = std::fs::read_to_string(task.path().join("state.json")).unwrap_or_default();
        // Without that the agent has not begun.
        let has_begun = task.path().join("started").exists();
        let is_running = state.contains("\"phase\":\"agent\"");
        task.path().join("status").exists() || !is_running || !has_begun
    })
}

pub(super) fn undisturbed(world: &World, landing: &'static str) -> Undisturbed {
    let repo = world.repo();
    repo.offshoot(&["wait", "t"]).ok();
    let picture = seen(world);
    let worktree = worktree(&picture);
    assert!(worktree.iter().any(|line| line.contains("/new")), "{picture}");
    let state = state_files(&repo);
    let (landed, is_told) = (land(&repo, landing).expect("it lands"), told(world).exists());
    Undisturbed { picture, worktree, state, landed, landing, is_told }
}

pub(super) fn judge(world: &World, end: &Undisturbed, after: &Disturbed) -> Vec<String> {
    let modes = &after.modes;
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
        let expected = if name == "t" { after.attempts } else { 1 };
        if finished != expected {
            wrong.push(format!("  `{name}` has {finished} ends: {:?}", repo.told(name)));
        }
    }
    let inbox = repo.offshoot_json(&["inbox", "--all"]);
    let entries = inbox["events"].as_array().map_or(0, Vec::len);
    if entries + 1 != ended.len() + after.attempts {
        wrong.push(format!("  {entries} entries of the inbox: {inbox}"));
    }
    let all = |seen: &str| {
        let seen = if after.left { seen.replace(" stragglers", "") } else { seen.to_owned() };
        // What was tried twice is told of twice.
        let lines = seen.lines().filter(|line| after.attempts == 1 || !line.starts_with("told "));
        lines.collect::<Vec<_>>().join("\n")
    };
    if all(&now) != all(&end.picture) && !ended.iter().any(|task| is_told(&repo, task, after)) {
        wrong.push(format!("  not as undisturbed:\n{}", difference(&end.picture, &now)));
    }
    // At least once; a command that cannot be started is on record as that.
    if told(world).exists() != end.is_told && modes.iter().all(|mode| !fails(mode)) {
        wrong.push("  nobody was told".to_owned());
    }
    if worktree(&now) != end.worktree {
        wrong.push("  the worktree is not as the agent left it".to_owned());
    }
    // The first attempt's log is kept.
    let is_log = |file: &String| after.attempts > 1 && file.ends_with("/output.1.log");
    let more = state_files(&repo);
    let more: Vec<_> = more.difference(&end.state).filter(|file| !is_log(file)).collect();
    if !more.is_empty() {
        wrong.push(format!("  left in the state folder: {more:?}"));
    }
    let doctor = repo.offshoot(&["doctor"]);
    if doctor.code != 0 {
        wrong.push(format!("  doctor: {doctor}"));
    }
    wrong.extend(look_at_objects(&repo, modes));
    match land(&repo, end.landing) {
        Ok(landed) if landed == end.landed => {}
        Ok(landed) => wrong.push(format!("  landed:\n{}", difference(&end.landed, &landed))),
        Err(said) => wrong.push(format!("  it does not land: {said}")),
    }
    wrong.extend(left_about(world).into_iter().map(|path| format!("  left about: {path}")));
    wrong
}

/// Whether a task says itself why something is not as undisturbed.
fn is_told(repo: &TestRepo<'_>, task: &Value, after: &Disturbed) -> bool {
    let modes = &after.modes;
    let task = repo.task(text(&task["name"]));
    let warns = task["warnings"].as_array().is_some_and(|warnings| !warnings.is_empty());
    let kind = text(&task["outcome"]["kind"]);
    // The agent's own process, that of another attempt, may be the one that is killed.
    let is_killed = kind == "spawn_failed" && modes.contains(&"kill-one");
    let has_failed = modes.iter().any(|mode| fails(mode)) && (warns || could_not_start(kind));
    after.end && kind == "interrupted" || is_killed || has_failed
}

/// Whether an agent that ended like this has not run.
pub(super) fn could_not_start(kind: &str) -> bool {
    matches!(kind, "setup_failed" | "spawn_failed")
}

/// Whether calls fail in this mode, instead of processes being killed.
pub(super) fn fails(mode: &str) -> bool {
    mode.starts_with("eno") || mode.starts_with("eio")
}

pub(super) fn tasks(repo: &TestRepo<'_>) -> Vec<Value> {
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
    let mut lines: Vec<&str> = words.lines().filter(|line| !is_of_the_pool(line)).collect();
    lines.sort_unstable();
    lines.join("\n")
}

/// Whatever the tasks' ids, and wherever their worktrees lie.
fn nameless(repo: &TestRepo<'_>, words: String) -> String {
    tasks(repo).iter().fold(words, |known, task| {
        let place = task["worktree"].as_str().and_then(|place| place.split_once("/.trees/"));
        let known = known.replace(text(&task["id"]), "ID");
        place.map_or(known.clone(), |(_, place)| {
            let name = text(&task["name"]);
            let known = known.replace(&format!(".trees/{place}"), name);
            known.replace(&format!("/worktrees/{place}"), &format!("/worktrees/{name}"))
        })
    })
}

/// What there is of the pool, and the link by which a task has a worktree of it.
fn is_of_the_pool(line: &str) -> bool {
    let folders = ["repo.offshoots/.trees 40755", "repo.offshoots/.trash 40755"];
    line.starts_with("repo.offshoots/.pool")
        || folders.contains(&line.trim_end())
        || line.starts_with("repo.offshoots/t 120777 ")
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
        // `doctor` tells of what is amiss with the pool; a task need not take what is there.
        let is_spare = name.starts_with("pool/");
        let goes = [".lock", ".new", "/making"].iter().any(|end| name.ends_with(end));
        if !is_sibling && !is_entry && !is_spare && !goes {
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

/// Lands the task with this option and tells what there is then, or what is said against it.
fn land(repo: &TestRepo<'_>, option: &str) -> Result<String, String> {
    let landed = repo.offshoot(&["merge", option, "t"]);
    if landed.code != 0 {
        return Err(landed.to_string());
    }
    let there = repo.git(&["ls-tree", "-r", "-t", "HEAD"]);
    Ok(format!("{}\n{there}\n", repo.status_porcelain()))
}
