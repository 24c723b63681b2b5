//! What is kept stays in order: `doctor` finds what was damaged and mends it, `gc` frees what has
//! expired and nothing else.

mod background;
mod by_hand;
mod collecting;
mod finding;

use crate::sandbox::TestRepo;
use serde_json::Value;
use std::path::Path;

/// What `doctor` says.
fn findings(repo: &TestRepo<'_>, line: &[&str]) -> (i32, Vec<Value>) {
    let (code, document) = repo.offshoot_json_exit(&[&["doctor"], line].concat());
    assert_eq!(document["schema"], 1, "{document:#}");
    (code, document["findings"].as_array().unwrap_or_else(|| panic!("{document:#}")).clone())
}

/// The sorts of what `doctor` finds, which must exit 1 if there are any.
#[track_caller]
fn kinds(repo: &TestRepo<'_>) -> Vec<String> {
    let (code, found) = findings(repo, &[]);
    assert_eq!(code, i32::from(!found.is_empty()), "{found:#?}");
    found.iter().map(|it| it["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[track_caller]
fn assert_in_order(repo: &TestRepo<'_>) {
    let (code, found) = findings(repo, &[]);
    assert!(code == 0 && found.is_empty(), "{found:#?}");
}

/// Something was damaged: `doctor` tells these sorts, changes nothing, mends all of it with `--fix`,
/// and has nothing to tell afterwards.
#[track_caller]
fn is_found_and_mended(repo: &TestRepo<'_>, expected: &[&str]) {
    let before = snapshot(repo);
    assert_eq!(kinds(repo), expected);
    assert_eq!(snapshot(repo), before, "looking changed something");
    let (code, fixed) = findings(repo, &["--fix"]);
    assert_eq!(code, 0, "{fixed:#?}");
    assert!(fixed.iter().all(|it| it["fixed"] == true && it["fix"].is_string()), "{fixed:#?}");
    assert_in_order(repo);
}

/// Every ref, every file of our state and what lies among the worktrees.
fn snapshot(repo: &TestRepo<'_>) -> String {
    let mut text = repo.git(&["for-each-ref"]);
    for folder in [repo.state_folder(), repo.offshoots()] {
        list(&folder, &mut text);
    }
    text
}

fn list(folder: &Path, text: &mut String) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        // The locks that looking needs come into being.
        if path.extension().is_some_and(|extension| extension == "lock") {
            continue;
        }
        text.push_str(&format!("\n{}", path.display()));
        if path.is_dir() && !path.is_symlink() {
            list(&path, text);
        }
    }
}
