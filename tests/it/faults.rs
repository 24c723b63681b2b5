//! Every state-changing system call of a verb goes wrong once: `kill -9` of all processes or of one,
//! a full disk, an I/O error, and the same again while the next command recovers. Whatever happened,
//! after the next command everything is exactly as before the verb or as after it, the person's own
//! files are as they were, nothing of ours lies about, `doctor` and `git fsck` find nothing, and the
//! verb goes through when it is asked for again. A task's start and end are in `starts.rs` and `ends.rs`.
//!
//! A scenario is one line below: what is prepared, and the verb. `fault.c` makes calls fail. The tests
//! take a sample of the calls, always the same; `scripts/faults` takes all of them. Where processes
//! cannot be traced, the tests say so in one line and pass.

mod ends;
mod lives;
mod picture;
mod starts;
mod sweep;
mod verdict;
mod worktrees;
mod world;

use crate::sandbox::TestRepo;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use sweep::{Scenario, Steps, sweep};

/// What the task does: every sort of change, away from what the person has in hands.
const WORK: &str = "\
set -e
echo changed >>notes.txt
git rm -q src/words.sh
mkdir -p new/deep && echo new >new/deep/file
rm -rf README.txt && mkdir README.txt && echo inside >README.txt/inside
chmod +x docs/guide.md
ln -s notes.txt link
git add -A && git commit -qm work
echo 'a leftover' >leftover.txt
";

/// What the person has in hands meanwhile.
fn persons_files(repo: &TestRepo<'_>) {
    for (path, words) in [("mine/staged", "1\n"), ("mine/both", "1\n"), ("mine/modified", "1\n")] {
        repo.write(path, words);
    }
    repo.write("README.txt", "a file that becomes a folder\n");
    repo.commit_all("the person's files");
    repo.write("mine/staged", "2\n");
    repo.write("mine/both", "2\n");
    repo.git(&["add", "mine"]);
    repo.write("mine/both", "3\n");
    repo.write("mine/modified", "2\n");
    repo.write("mine/untracked", "never recorded\n");
    repo.write("mine/ignored.log", "ignored\n");
}

fn task(repo: &TestRepo<'_>) {
    persons_files(repo);
    repo.dispatch_to_end("t", &["sh", "-c", WORK]);
}

/// The target has moved on since, so that a landing merges.
fn diverged(repo: &TestRepo<'_>) {
    task(repo);
    repo.git(&["commit", "--quiet", "--only", "-m", "meanwhile", "mine/modified"]);
    repo.write("mine/modified", "4\n");
}

/// The target is checked out twice, and once more beside the repository.
fn twice(repo: &TestRepo<'_>) {
    diverged(repo);
    repo.git(&["worktree", "add", "--quiet", "--force", "../linked", "main"]);
    std::fs::write(repo.root().with_file_name("linked").join("mine/own"), "own\n").expect("write");
}

/// The target is checked out nowhere.
fn nowhere(repo: &TestRepo<'_>) {
    diverged(repo);
    repo.git(&["checkout", "--quiet", "-b", "elsewhere"]);
}

fn discarded(repo: &TestRepo<'_>) {
    task(repo);
    let worktree = repo.worktree_of(&repo.task("t"));
    worktree.write("ignored.log", "ignored\n");
    worktree.write("changed_after_the_end", "by a person\n");
    repo.offshoot(&["discard", "t"]).ok();
}

fn landed_and_kept(repo: &TestRepo<'_>) {
    task(repo);
    repo.offshoot(&["merge", "--keep", "t"]).ok();
}

fn landed(repo: &TestRepo<'_>) {
    diverged(repo);
    repo.offshoot(&["merge", "t"]).ok();
}

/// Some hunks of the work, as a patch.
fn picked(repo: &TestRepo<'_>) {
    diverged(repo);
    let patch = repo.offshoot(&["diff", "t", "--", "new", "notes.txt"]).ok().stdout;
    repo.write("../part.patch", patch);
}

/// A part has landed, and the target has gone on since.
fn part_landed(repo: &TestRepo<'_>) {
    diverged(repo);
    repo.offshoot(&["merge", "t", "--only", "new", "docs"]).ok();
    repo.git(&["commit", "--quiet", "--only", "-m", "since", "mine/modified"]);
    repo.write("mine/modified", "5\n");
}

/// The landing cannot be taken back any more but by a commit.
fn landed_and_gone_on(repo: &TestRepo<'_>) {
    landed(repo);
    repo.git(&["commit", "--quiet", "--only", "-m", "since", "mine/modified"]);
    repo.write("mine/modified", "5\n");
}

/// The target has changed what the task changed too.
fn contradicting(repo: &TestRepo<'_>) {
    task(repo);
    repo.write("notes.txt", "contradicts\n");
    repo.git(&["commit", "--quiet", "--only", "-m", "meanwhile", "notes.txt"]);
}

/// Everything that is kept has expired.
fn expired(repo: &TestRepo<'_>) {
    repo.sandbox().write_config("[keep]\nrefs_days = 0\nfolders_days = 0\n");
    discarded(repo);
}

/// A program of the person's that runs where this hook does.
fn hook(repo: &TestRepo<'_>, name: &str, script: &str) {
    let file = repo.root().join(".git/hooks").join(name);
    std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
    std::fs::write(&file, format!("#!/bin/sh\n{script}\n")).expect("a hook");
    std::fs::set_permissions(&file, Permissions::from_mode(0o755)).expect("executable");
}

/// The hooks have a say in what lands.
fn hooked(repo: &TestRepo<'_>) {
    diverged(repo);
    hook(repo, "pre-merge-commit", "echo hooked >hooked && git add hooked");
    hook(repo, "commit-msg", "echo 'Hooked: yes' >>\"$1\"");
}

/// Two tasks that land together.
fn two(repo: &TestRepo<'_>) {
    diverged(repo);
    repo.dispatch_to_end("u", &["sh", "-c", "echo u >u"]);
}

/// The agent's next attempt resolves the conflict, but there is no room to begin it yet.
fn handed_back(repo: &TestRepo<'_>) {
    contradicting(repo);
    repo.sandbox().write_config("min_free_disk_mib = 999999999999\n");
}

/// A merge that a person has resolved, staged and not.
fn resolved(repo: &TestRepo<'_>) {
    contradicting(repo);
    repo.offshoot(&["merge", "--resolve", "t"]).ok();
    let worktree = repo.worktree_of(&repo.task("t"));
    worktree.write("notes.txt", "resolved\n");
    worktree.git(&["add", "notes.txt"]);
}

/// Somebody has gone on in the worktree after the end.
fn gone_on(repo: &TestRepo<'_>) {
    diverged(repo);
    let worktree = repo.worktree_of(&repo.task("t"));
    worktree.write("changed_after_the_end", "by a person\n");
    worktree.write("notes.txt", "by a person\n");
}

/// Whoever plans a merge finds the target elsewhere when it is to land, five times; then it stays.
fn always_elsewhere(repo: &TestRepo<'_>) {
    repo.write(".gitattributes", "mine/driven merge=meanwhile\n");
    repo.write("mine/driven", "1\n2\n3\n");
    repo.commit_all("what a driver merges");
    persons_files(repo);
    let work = format!("{WORK}\nsed -i 's/1/task/' mine/driven && git commit -qam driven");
    repo.dispatch_to_end("t", &["sh", "-c", &work]);
    repo.write("mine/driven", "1\n2\nmain\n");
    repo.git(&["commit", "--quiet", "--only", "-m", "mine", "mine/driven"]);
    let git = repo.root().join(".git");
    // Each commit is there before, and to move is to rename a file: the person's own calls that go wrong
    // leave nothing half done.
    let mut tips = String::new();
    for number in ["1", "2", "3", "4", "5"] {
        let words = ["commit-tree", "-m", "mine", "-m", number, "-p", "HEAD", "HEAD^{tree}"];
        let new = repo.git(&words);
        tips.push_str(&format!("{new}\n"));
    }
    std::fs::write(git.join("tips"), tips).expect("the tips");
    let script = format!(
        "cd '{0}' && read -r tip <tips && echo $tip >moved && tail -n +2 tips >left &&\n\
         mv moved refs/heads/main && mv left tips\ncd \"$OLDPWD\"\n\
         exec git merge-file -q \"$1\" \"$2\" \"$3\"\n",
        git.display()
    );
    std::fs::write(git.join("driver"), script).expect("the driver");
    let driver = format!("sh '{}' %A %O %B", git.join("driver").display());
    repo.git(&["config", "merge.meanwhile.driver", &driver]);
}

/// One test a scenario: `name: prepared by, the verb's words`.
macro_rules! scenarios {
    ($($name:ident: $prepare:ident, $($word:literal)+;)+) => {
        $(#[test]
        fn $name() {
            sweep(&Scenario { name: stringify!($name), prepare: $prepare, verb: &[$($word),+], steps: Steps::One });
        })+
    };
}

scenarios! {
    merge: diverged, "merge" "t";
    fast_forward: task, "merge" "--ff-only" "t";
    rebase: diverged, "rebase" "t";
    squash: diverged, "merge" "--squash" "t";
    merge_into_two_checkouts: twice, "merge" "t";
    merge_where_nothing_is_checked_out: nowhere, "merge" "t";
    merge_and_keep: diverged, "merge" "--keep" "t";
    apply: diverged, "apply" "t";
    discard: task, "discard" "t";
    discard_what_was_landed_and_kept: landed_and_kept, "discard" "t";
    restore: discarded, "restore" "t";
    undo: landed, "undo";
    undo_by_a_commit: landed_and_gone_on, "undo" "--revert" "t";
    undo_a_part_by_a_commit: part_landed, "undo" "--revert" "t";
    bring_up_to_date: diverged, "rebase" "--no-land" "t";
    merge_a_part: diverged, "merge" "t" "--only" "new";
    merge_a_part_by_a_patch: picked, "merge" "t" "--patch-file" "../part.patch";
    resolve: contradicting, "merge" "--resolve" "t";
    merge_with_hooks: hooked, "merge" "--hooks" "t";
    merge_with_what_came_after_the_end: gone_on, "merge" "--take-leftovers" "t";
    merge_what_is_verified: diverged, "merge" "--verify" "test -e leftover.txt" "t";
    cherry_pick: diverged, "merge" "--cherry-pick" "t";
    merge_at_last_while_nobody_may_commit: always_elsewhere, "merge" "t";
    merge_a_part_at_last: always_elsewhere, "merge" "t" "--only" "mine/driven";
}

/// One lands after the other, so that one may have landed alone.
#[test]
fn merge_two() {
    let verb = &["merge", "--verify", "true", "t", "u"];
    let steps = Steps::Two { first: &["merge", "t"], rest: &["merge", "--verify", "true", "u"] };
    sweep(&Scenario { name: "merge_two", prepare: two, verb, steps });
}

/// The merge is committed first, which stays when it cannot land.
#[test]
fn merge_what_was_resolved() {
    let verb = &["merge", "--continue", "t"];
    let first = &["merge", "--continue", "--verify", "false", "t"];
    let steps = Steps::Two { first, rest: verb };
    sweep(&Scenario { name: "merge_what_was_resolved", prepare: resolved, verb, steps });
}

/// The merge is opened first, and then the agent is told.
#[test]
fn hand_a_conflict_back() {
    let verb = &["send", "--conflict", "t"];
    let steps = Steps::Two { first: &["merge", "--resolve", "t"], rest: verb };
    sweep(&Scenario { name: "hand_a_conflict_back", prepare: handed_back, verb, steps });
}

/// What is freed piece by piece may be half gone.
#[test]
fn gc() {
    sweep(&Scenario { name: "gc", prepare: expired, verb: &["gc"], steps: Steps::Many });
}
