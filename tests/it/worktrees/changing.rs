//! Whatever an agent does to a worktree, what is recorded of it is what git finds.

use super::*;
use offshoot::git::{Snapshot, SnapshotRequest, SnapshotStart, copy_index};
use std::time::{Duration, SystemTime};

/// What the snapshot of a worktree is after `change`, and what git itself would record of it.
#[track_caller]
fn recorded(change: impl FnOnce(&Path)) -> (String, String) {
    let world = World::new();
    let (made, snapshot) = snapshot_after(&world, |made| change(&made.root));
    assert_eq!(snapshot.nested, [], "nothing is left out");
    (snapshot.tree.to_string(), gits_word(&world, &made))
}

/// Takes a snapshot of a worktree of `world` after `change`, as at the end of a task; its index is the
/// worktree's own then, and goes with the tree.
#[track_caller]
fn snapshot_after(world: &World, change: impl FnOnce(&Checkout)) -> (Checkout, Snapshot) {
    let made = world.make(TaskId::random());
    let seed = world.folder.path().join("seed");
    copy_index(&made.git_dir.join("index"), &seed).expect("copies");
    change(&made);
    let head = world.git_in(&made.root, &["rev-parse", "HEAD"]).parse().expect("a commit");
    let index = world.folder.path().join("snapshot");
    let start = SnapshotStart::Commit { head, seed: &seed };
    let request = SnapshotRequest { checkout: &made, index: &index, start };
    let snapshot = world.repo().snapshot(&request).expect("a snapshot");
    copy_index(&index, &made.git_dir.join("index")).expect("copies");
    let tree = snapshot.tree.to_string();
    assert_eq!(world.git_in(&made.root, &["write-tree"]), tree);
    let differing = ["diff-index", "--cached", "--name-only", &tree];
    assert_eq!(world.git_in(&made.root, &differing), "");
    world.git_in(&made.root, &["fsck", "--no-dangling"]);
    (made, snapshot)
}

/// What git would record: what is tracked by the commit, and what it does not ignore.
fn gits_word(world: &World, made: &Checkout) -> String {
    // From nothing but the files and the commit: no index can mislead it.
    fs::remove_file(made.git_dir.join("index")).expect("removes");
    world.git_in(&made.root, &["read-tree", "HEAD"]);
    world.git_in(&made.root, &["add", "--all"]);
    world.git_in(&made.root, &["write-tree"])
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

/// As the agent: with the worktree's own repository.
#[track_caller]
fn git(root: &Path, arguments: &[&str]) {
    let identity = ["-c", "user.name=Agent", "-c", "user.email=agent@example.org"];
    let mut command = Command::new("git");
    let ran = command.current_dir(root).args(identity).args(arguments).status();
    assert!(ran.expect("runs git").success(), "git {arguments:?}");
}

#[test]
fn what_the_agent_committed_counts_as_tracked() {
    is_as_git_records_it(|root| {
        write(root.join("a.txt"), "committed\n");
        write(root.join("fresh"), "committed too\n");
        fs::remove_file(root.join("run.sh")).expect("removes");
        git(root, &["add", "--all"]);
        git(root, &["commit", "-q", "-m", "work"]);
        // And some more of it.
        write(root.join("fresh"), "changed after that\n");
        write(root.join("empty"), "no more\n");
        write(root.join("later"), "left\n");
    });
    is_as_git_records_it(|root| {
        // Ignored, but tracked by force, in a folder that the base did not have.
        fs::create_dir(root.join("built")).expect("a folder");
        write(root.join("built/kept.o"), "one\n");
        git(root, &["add", "--force", "built/kept.o"]);
        git(root, &["commit", "-q", "-m", "forced"]);
        write(root.join("built/kept.o"), "two\n");
        write(root.join("built/other.o"), "ignored\n");
    });
    is_as_git_records_it(|root| {
        // No longer tracked, but still there: one that is ignored now, one that is not.
        write(root.join(".gitignore"), "*.o\na.txt\n");
        git(root, &["rm", "-q", "--cached", "a.txt", "empty"]);
        git(root, &["commit", "-q", "-a", "-m", "untracked"]);
    });
    is_as_git_records_it(|root| {
        // The commit goes back to what the files were; they are not.
        write(root.join("a.txt"), "other\n");
        git(root, &["commit", "-q", "-a", "-m", "other"]);
        git(root, &["reset", "-q", "--soft", "HEAD^"]);
    });
}

#[test]
fn attributes_and_line_ends_are_gits_business() {
    for (attributes, text) in [
        ("* text=auto\n", "one\r\ntwo\r\n"),
        ("* text=auto\n", "one\ntwo\n"),
        // Of files that nobody touched git does not ask what the filter makes.
        ("a.txt filter=upper\nnew.txt filter=upper\n", "as it is\n"),
        ("a.txt ident\nnew.txt ident\n", "$Id: 123 $\n"),
        ("new.txt working-tree-encoding=UTF-16LE\n", "u\0t\0f\0"),
    ] {
        for place in [".gitattributes", "a/.gitattributes"] {
            is_as_git_records_it(|root| {
                git(root, &["config", "filter.upper.clean", "tr a-z A-Z"]);
                write(root.join(place), attributes);
                write(root.join("a.txt"), text);
                write(root.join("a/new.txt"), text);
            });
        }
    }
    is_as_git_records_it(|root| {
        git(root, &["config", "core.autocrlf", "input"]);
        write(root.join("a.txt"), "one\r\n");
    });
}

#[test]
fn repositories_inside_are_named_and_left_out() {
    let nested = |place: &'static str| {
        move |made: &Checkout| {
            let place = made.root.join(place);
            fs::create_dir_all(&place).expect("a folder");
            git(&place, &["init", "-q"]);
            write(place.join("inner"), "of another repository\n");
            git(&place, &["add", "--all"]);
            git(&place, &["commit", "-q", "-m", "inner"]);
            write(made.root.join("beside"), "of ours\n");
        }
    };
    for place in ["theirs", "new/folder/theirs"] {
        let world = World::new();
        let (made, snapshot) = snapshot_after(&world, nested(place));
        let paths: Vec<_> = snapshot.nested.iter().map(|path| path.lossy()).collect();
        assert_eq!(paths, [place]);
        let listed = world.git_in(&made.root, &["ls-files"]);
        assert!(listed.contains("beside") && !listed.contains("inner"), "{listed}");
    }
    // In a folder of ours, whose files stay ours.
    let world = World::new();
    let (made, _) = snapshot_after(&world, nested("a"));
    let listed = world.git_in(&made.root, &["ls-files"]);
    assert!(listed.contains("a/b/c.txt") && listed.contains("beside"), "{listed}");
}

#[test]
fn submodules_stay_as_the_commit_has_them() {
    let world = World::new();
    let head = world.git(&["rev-parse", "HEAD"]);
    world.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{head},sub")]);
    world.git(&["commit", "-q", "-m", "a submodule"]);
    for name in ["a.txt", "new"] {
        let (made, snapshot) =
            snapshot_after(&world, |made| write(made.root.join(name), "changed\n"));
        let listed = world.git(&["ls-tree", &snapshot.tree.to_string(), "sub", name]);
        assert!(listed.contains(&format!("160000 commit {head}\tsub")), "{listed}");
        assert!(listed.contains("blob"), "{listed}");
        world.git(&["worktree", "remove", "--force", made.root.to_str().expect("UTF-8")]);
        world.git(&["branch", "-q", "-D", "offshoot/t"]);
    }
}

#[test]
fn only_what_changed_is_stored() {
    let world = World::new();
    for number in 0..1500 {
        world.write(&format!("d{}/{number}", number % 9), &format!("{number}\n"));
    }
    world.commit();
    world.git(&["gc", "-q"]);
    let (made, snapshot) = snapshot_after(&world, |made| {
        write(made.root.join("d3/3"), "changed\n");
        // The same again, in a file of its own.
        write(made.root.join("copy"), "3\n");
        fs::remove_file(made.root.join("d4/4")).expect("removes");
    });
    assert_eq!(snapshot.tree.to_string(), gits_word(&world, &made));
    // The changed file, two folders and the root.
    let counted = world.git(&["count-objects"]);
    assert!(counted.starts_with("4 objects"), "{counted}");
}

#[test]
fn what_is_much_comes_as_one_pack() {
    let world = World::new();
    // How many objects lie by themselves, how many packs there are, and how many files that are nothing.
    let counted = || -> Vec<usize> {
        let told = world.git(&["count-objects", "-v"]);
        let count =
            |name: &str| told.lines().find_map(|line| line.strip_prefix(name)?.parse().ok());
        ["count: ", "packs: ", "garbage: "].map(|name| count(name).expect("a number")).to_vec()
    };
    let before = counted();
    let (made, snapshot) = snapshot_after(&world, |made| {
        for number in 0..60 {
            let folder = made.root.join(format!("new/{}/deep", number % 7));
            fs::create_dir_all(&folder).expect("makes");
            write(folder.join(number.to_string()), &format!("{number}\n"));
        }
    });
    assert_eq!(counted(), [before[0], before[1] + 1, 0]);
    assert_eq!(snapshot.tree.to_string(), gits_word(&world, &made));
}
