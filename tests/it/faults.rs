//! Every state-changing system call of a verb goes wrong once: `kill -9` of all processes or of one,
//! a full disk, an I/O error, and the same again while the next command recovers. Whatever happened,
//! after the next command everything is exactly as before the verb or as after it, the person's own
//! files are as they were, nothing of ours lies about, `doctor` and `git fsck` find nothing, and the
//! verb goes through when it is asked for again.
//!
//! A scenario is one line below: what is prepared, and the verb. `fault.c` makes calls fail. The tests
//! take a sample of the calls, always the same; `scripts/faults` takes all of them. Where processes
//! cannot be traced, the tests say so in one line and pass.

mod picture;
mod pool;
mod sweep;
mod world;

use crate::sandbox::TestRepo;
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
    bring_up_to_date: diverged, "rebase" "--no-land" "t";
    merge_a_part: diverged, "merge" "t" "--only" "new";
    resolve: contradicting, "merge" "--resolve" "t";
}

/// What is freed piece by piece may be half gone.
#[test]
fn gc() {
    sweep(&Scenario { name: "gc", prepare: expired, verb: &["gc"], steps: Steps::Many });
}
