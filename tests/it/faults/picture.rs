//! What there is, as text: equal before two runs of a verb and equal after them, whatever the time.

use super::world::World;
use crate::sandbox::{TestRepo, wait_until};
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Everything that people and git see: files byte for byte, indexes, refs, the tasks and their news.
pub(super) fn picture(world: &World) -> String {
    // What a verb leaves to a process in the background belongs to it.
    let deletes = |(_, line): &(_, String)| line.starts_with("offshoot upkeep");
    wait_until("the end of the chores", || !world.sandbox.processes().iter().any(deletes));
    let repo = world.repo();
    let mut text = String::new();
    for place in checkouts(&repo) {
        let there = world.sandbox.open(&place);
        line(&mut text, &format!("checkout {place}"));
        if !there.exists(".git") {
            line(&mut text, "is gone");
            continue;
        }
        line(&mut text, &there.git(&["status", "--porcelain", "--ignored", "--branch"]));
        line(&mut text, &there.git(&["ls-files", "--stage"]));
    }
    // Dates differ, so commits are told by their trees.
    let format = "--format=%(refname) %(tree) %(contents:subject)";
    line(&mut text, &repo.git(&["for-each-ref", format]));
    files(&world.place(), &world.place(), &mut text);
    let list = repo.offshoot_json(&["list", "--all"]);
    for task in list["tasks"].as_array().into_iter().flatten() {
        for field in ["name", "state", "branch", "worktree"] {
            line(&mut text, &format!("{field} {}", task[field]));
        }
        line(&mut text, &format!("landing {}", task["landing"]["kind"]));
    }
    line(&mut text, &format!("told {:?}", repo.told("t")));
    text
}

/// What lies about that is in the way of somebody: locks, staging folders, marks.
pub(super) fn left_about(world: &World) -> Vec<String> {
    let repo = world.repo();
    let mut left = Vec::new();
    let state = repo.state_folder();
    walk(&world.place(), &mut |path, _| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        let is_lock = name.ends_with(".lock") && !path.starts_with(&state);
        let ours =
            ["offshoot-snapshot-", "verify~", "offshoot-landing-", "offshoot-apply", ".offshoot-"];
        let is_ours = ours.iter().any(|prefix| name.starts_with(prefix));
        let is_mark = path.parent() == Some(&state.join("active"));
        let is_entry = path.parent().is_some_and(|parent| parent.ends_with(".git/worktrees"));
        let is_half = is_entry && !path.join("gitdir").exists();
        if is_lock || is_ours || is_mark || is_half {
            left.push(path.display().to_string());
        }
    });
    left
}

fn checkouts(repo: &TestRepo<'_>) -> Vec<String> {
    let list = repo.git(&["worktree", "list", "--porcelain"]);
    let mut places: Vec<String> =
        list.lines().filter_map(|line| line.strip_prefix("worktree ")).map(str::to_owned).collect();
    places.sort();
    places
}

/// The bytes and modes of all files but git's own.
fn files(root: &Path, folder: &Path, text: &mut String) {
    walk(folder, &mut |path, metadata| {
        let is_gits = path.components().any(|part| part.as_os_str() == ".git");
        let is_link = path.components().next_back().is_some_and(|part| part.as_os_str() == ".git");
        if is_gits && !is_link {
            return;
        }
        let shown = path.strip_prefix(root).expect("it is below").display().to_string();
        let content = if metadata.is_dir() {
            Vec::new()
        } else if metadata.is_symlink() {
            std::fs::read_link(path).expect("a link").as_os_str().as_bytes().to_vec()
        } else {
            std::fs::read(path).expect("a file")
        };
        let content = content.escape_ascii();
        line(text, &format!("{shown} {:o} {content}", metadata.permissions().mode()));
    });
}

fn walk(folder: &Path, look: &mut dyn FnMut(&Path, &std::fs::Metadata)) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let Ok(metadata) = std::fs::symlink_metadata(&path) else { continue };
        look(&path, &metadata);
        if metadata.is_dir() {
            walk(&path, look);
        }
    }
}

fn line(text: &mut String, words: &str) {
    writeln!(text, "{words}").expect("it is memory");
}

/// The first lines in which two pictures differ, not in full.
pub(super) fn difference(one: &str, other: &str) -> String {
    let only = |mine: &str, theirs: &str, sign: &str| {
        let known: Vec<&str> = theirs.lines().collect();
        let lines = mine.lines().filter(|line| !known.contains(line)).take(8);
        let shown = |line: &str| line.chars().take(110).collect::<String>();
        lines.map(|line| format!("    {sign} {}\n", shown(line))).collect::<String>()
    };
    only(one, other, "-") + &only(other, one, "+")
}
