//! What nobody waits for is done in the background, and survives whoever does it.

use super::{assert_in_order, findings};
use crate::sandbox::{Sandbox, TestRepo, text, wait_until};
use offshoot::clock::Clock;
use offshoot::layout::Layout;
use offshoot::names::TaskId;
use offshoot::store::{Chore, Store};
use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::PathBuf;

const AT_ONCE: &str = "[keep]\nrefs_days = 0\nfolders_days = 0\n";

/// A discarded task, and where its folder and its entry are.
fn discarded(repo: &TestRepo<'_>) -> (PathBuf, PathBuf) {
    let task = repo.dispatch_to_end("t", &[&repo.sandbox().agent("commit")]);
    repo.offshoot(&["discard", "t"]).ok();
    let id = text(&task["id"]);
    (repo.offshoots().join(".trash").join(id), repo.state_folder().join("trash").join(id))
}

/// Holds the lock of whoever does chores, so that nobody does any.
fn keep_from_chores(repo: &TestRepo<'_>) -> File {
    let lock = File::create(repo.state_folder().join("upkeep.lock")).expect("a lock file");
    flock(&lock, FlockOperation::NonBlockingLockExclusive).expect("nobody holds it");
    lock
}

fn doomed(folder: &std::path::Path) -> PathBuf {
    let name = folder.file_name().expect("a name").to_str().expect("UTF-8");
    folder.with_file_name(format!(".deleting-{name}"))
}

#[test]
fn folders_are_out_of_use_at_once_and_gone_later() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    let (folder, entry) = discarded(&repo);
    sandbox.write_config(AT_ONCE);
    let nobody = keep_from_chores(&repo);
    repo.offshoot(&["gc"]).ok().says("freed 3 things, ").says("deleted in the background");
    assert!(!folder.exists() && !entry.exists());
    assert!(doomed(&folder).is_dir() && doomed(&entry).is_dir(), "the process was kept from it");
    assert_eq!(findings(&repo, &[]).1, Vec::<serde_json::Value>::new());
    // It was told, and is not told again.
    repo.offshoot(&["gc"]).ok().says("nothing has expired");
    repo.offshoot(&["restore", "t"]).ok().says("is a new one");
    drop(nobody);
    // As after a kill: whichever verb comes next has it done.
    repo.offshoot(&["list"]).ok();
    wait_until("the deletion", || !doomed(&folder).exists() && !doomed(&entry).exists());
    let chores = repo.state_folder().join("chores");
    wait_until("the end of the chores", || {
        std::fs::read_dir(&chores).expect("a folder").next().is_none()
    });
    assert_in_order(&repo);
    assert_eq!(repo.worktree_of(&repo.task("t")).status_porcelain(), "");
}

#[test]
fn a_chore_deletes_nothing_but_what_was_put_aside_for_it() {
    let sandbox = Sandbox::new();
    let repo = sandbox.repo("simple");
    discarded(&repo);
    let precious = repo.offshoots().join("precious");
    std::fs::create_dir_all(&precious).expect("a folder");
    let common = repo.state_folder().parent().expect("a folder").to_owned();
    let store = Store::new(Layout::of(&common), Clock);
    let task = TaskId::random();
    let gone = precious.with_file_name(".trash").join(".deleting-gone");
    for folder in [&precious, &gone] {
        store.note_chore(&Chore::delete(task, folder)).expect("writes");
    }
    std::fs::write(repo.state_folder().join("chores/half"), "{").expect("a file");
    repo.offshoot(&["list"]).ok();
    wait_until("the end of the process", || sandbox.processes().is_empty());
    assert!(precious.is_dir());
    assert_eq!(store.chores().expect("lists"), []);
}
