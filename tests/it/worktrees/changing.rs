//! Whatever an agent does to a worktree, what is recorded of it is what git finds.

use super::*;
use offshoot::git::{SnapshotRequest, SnapshotStart, copy_index};
use std::time::{Duration, SystemTime};

/// What the snapshot of a worktree is after `change`, and what git itself would record of it.
#[track_caller]
fn recorded(change: impl FnOnce(&Path)) -> (String, String) {
    let world = World::new();
    let made = world.make(TaskId::random());
    let seed = world.folder.path().join("seed");
    copy_index(&made.git_dir.join("index"), &seed).expect("copies");
    change(&made.root);
    let head = world.git(&["rev-parse", "HEAD"]).parse().expect("a commit");
    let index = world.folder.path().join("snapshot");
    let start = SnapshotStart::Commit { head, seed: &seed };
    let request = SnapshotRequest { checkout: &made, index: &index, start };
    let ours = world.repo().snapshot(&request).expect("a snapshot").tree.to_string();
    // From nothing but the files: no index can mislead it.
    fs::remove_file(made.git_dir.join("index")).expect("removes");
    world.git_in(&made.root, &["add", "--all"]);
    (ours, world.git_in(&made.root, &["write-tree"]))
}

#[track_caller]
fn is_as_git_records_it(change: impl FnOnce(&Path)) {
    let (ours, gits) = recorded(change);
    assert_eq!(ours, gits);
}

fn write(path: PathBuf, text: &str) {
    fs::write(path, text).expect("writes");
}

#[test]
fn an_untouched_worktree_is_its_base() {
    is_as_git_records_it(|_| {});
    is_as_git_records_it(|root| drop(fs::read(root.join("a.txt"))));
}

#[test]
fn content_that_changed_is_found_even_if_nothing_else_did() {
    is_as_git_records_it(|root| write(root.join("a.txt"), "ONE\n"));
    is_as_git_records_it(|root| {
        let file = root.join("a/b/c.txt");
        let before = file.metadata().expect("is there").modified().expect("a time");
        write(file.clone(), "TWO\n");
        let file = fs::File::options().append(true).open(file).expect("opens");
        file.set_modified(before).expect("sets its time");
    });
    is_as_git_records_it(|root| {
        let past = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        write(root.join("empty"), "x");
        let file = fs::File::options().append(true).open(root.join("empty")).expect("opens");
        file.set_modified(past).expect("sets its time");
    });
}

#[test]
fn modes_and_kinds_that_changed_are_found() {
    is_as_git_records_it(|root| {
        let file = root.join("a.txt");
        fs::set_permissions(file, fs::Permissions::from_mode(0o755)).expect("sets");
    });
    is_as_git_records_it(|root| {
        fs::remove_file(root.join("a.txt")).expect("removes");
        symlink("one\n", root.join("a.txt")).expect("links");
    });
    is_as_git_records_it(|root| {
        fs::remove_file(root.join("link")).expect("removes");
        symlink("a/b/../nowherf", root.join("link")).expect("links");
    });
    is_as_git_records_it(|root| {
        fs::remove_file(root.join("a.txt")).expect("removes");
        fs::create_dir(root.join("a.txt")).expect("a folder");
        write(root.join("a.txt/in"), "x");
    });
}

#[test]
fn folders_and_links_that_took_each_others_place_are_found() {
    let into_link = |root: &Path, folder: &str, to: &str| {
        fs::remove_dir_all(root.join(folder)).expect("removes");
        symlink(to, root.join(folder)).expect("links");
    };
    is_as_git_records_it(|root| into_link(root, "a/b", "../a.txt"));
    is_as_git_records_it(|root| into_link(root, "a", "/"));
    is_as_git_records_it(|root| {
        // To a folder in which there are files of the same names.
        fs::rename(root.join("a"), root.join("moved")).expect("moves");
        symlink("moved", root.join("a")).expect("links");
    });
    is_as_git_records_it(|root| {
        into_link(root, "a/b", "nowhere");
        write(root.join("a.txt"), "changed besides\n");
        fs::remove_file(root.join("run.sh")).expect("removes");
    });
    for link in ["link", "a/folder-link"] {
        is_as_git_records_it(|root| {
            fs::remove_file(root.join(link)).expect("removes");
            fs::create_dir(root.join(link)).expect("a folder");
            write(root.join(link).join("in"), "x");
        });
    }
}

#[test]
fn files_that_came_and_went_are_found() {
    is_as_git_records_it(|root| write(root.join("new"), "new"));
    is_as_git_records_it(|root| write(root.join("a/b/new.c"), "new"));
    is_as_git_records_it(|root| write(root.join("ignored.o"), "not recorded"));
    is_as_git_records_it(|root| fs::create_dir(root.join("nothing-in-it")).expect("a folder"));
    is_as_git_records_it(|root| fs::remove_file(root.join("run.sh")).expect("removes"));
    is_as_git_records_it(|root| fs::remove_dir_all(root.join("a")).expect("removes"));
    is_as_git_records_it(|root| {
        // The same content in another file.
        write(root.join("copy"), "one\n");
        fs::rename(root.join("copy"), root.join("a.txt")).expect("moves");
    });
}

#[test]
fn marks_in_the_agents_index_hide_nothing() {
    is_as_git_records_it(|root| {
        let hide = ["update-index", "--assume-unchanged", "a.txt"];
        let ran = Command::new("git").current_dir(root).args(hide).status().expect("runs git");
        assert!(ran.success());
        write(root.join("a.txt"), "hidden\n");
    });
}
