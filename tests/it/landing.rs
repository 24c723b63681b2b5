//! Landing and giving up, driven through the program: targets move whole or not at all, other
//! people's files stay as they are, and nothing that a task did is lost.

mod applying;
mod cut_off;
mod giving_up;
mod handing_back;
mod hooking;
mod merging;
mod parts;
mod racing;
mod real_history;
mod refusing;
mod resolving;
mod undoing;
mod ways;

use crate::sandbox::{Ran, Sandbox, TestRepo, text};
use serde_json::Value;

/// Runs a landing with `--json` and gives its exit status and the one landing.
fn landing(repo: &TestRepo<'_>, line: &[&str]) -> (i32, Value) {
    let (code, mut document) = repo.offshoot_json_exit(line);
    assert_eq!(document["schema"], 1, "{document:#}");
    let landings = document["landings"].as_array().expect("landings");
    assert_eq!(landings.len(), 1, "{document:#}");
    (code, document["landings"][0].take())
}

/// Everything that a refused landing must leave as it is: refs, index, files and records.
fn everything(sandbox: &Sandbox, repo: &TestRepo<'_>) -> String {
    let mut text = repo.git(&["for-each-ref"]);
    text.push_str(&files(sandbox, repo));
    text.push_str(&repo.git(&["ls-files", "--stage"]));
    text.push_str(&repo.git(&["diff", "--cached"]));
    let list = repo.offshoot(&["list", "--all", "--json"]).ok().stdout;
    text + &list
}

/// The checkout's files with their sums.
fn files(sandbox: &Sandbox, repo: &TestRepo<'_>) -> String {
    let mut command = sandbox.command("sh");
    let script = "find . -name .git -prune -o -type f -print0 | sort -z | xargs -0 sha1sum";
    command.args(["-c", script]).current_dir(repo.root());
    sandbox.finish_command(&mut command).ok().stdout
}

/// A landing that is refused with exit 1 and this kind: says `words` and changes nothing.
#[track_caller]
fn refused(sandbox: &Sandbox, repo: &TestRepo<'_>, kind: &str, words: &str, line: &[&str]) -> Ran {
    let before = everything(sandbox, repo);
    let (code, document) = repo.offshoot_json_exit(line);
    assert_eq!((code, text(&document["error"]["kind"])), (1, kind), "{document:#}");
    let ran = repo.offshoot(line).exits(1).says(words).says("\nhint: ");
    assert_eq!(everything(sandbox, repo), before);
    ran
}

/// How many checkouts git knows.
fn checkouts(repo: &TestRepo<'_>) -> usize {
    repo.git(&["worktree", "list"]).lines().count()
}
