//! Contents that are taken out of the main checkout's files, where these are as they are stored.

use super::*;
use rustix::fs::{CWD, Mode};
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// More files than one thread takes at a time, in folders.
fn fill(world: &World) {
    for number in 0..600 {
        let text = format!("{number}\n").repeat(number % 50);
        world.write(&format!("d{}/e{}/f{number}", number % 7, number % 3), &text);
    }
    world.commit();
}

fn path_of(world: &World, name: &str) -> PathBuf {
    world.root().join(name)
}

#[test]
fn what_the_main_checkout_holds_need_not_be_unpacked() {
    // A file system on which files are in memory always, so that it is certain what is at hand.
    let folder = tempfile::tempdir_in("/dev/shm").expect("a temporary folder");
    let world = World::within(folder);
    fill(&world);
    let wanted = files_of(&world.root());
    let blobs = world.git(&["ls-files", "--stage"]);
    let mut gone = Vec::new();
    for line in blobs.lines().filter(|line| !line.starts_with("120000")) {
        let id = line.split(' ').nth(1).expect("an id");
        let (folder, name) = id.split_at(2);
        let object = world.root().join(".git/objects").join(folder).join(name);
        gone.extend(fs::read(&object).ok().map(|content| (object.clone(), content)));
        let _ = fs::remove_file(object);
    }
    let made = world.make(TaskId::random());
    assert!(is_ours(&made));
    assert_eq!(files_of(&made.root), wanted);
    for (object, content) in gone {
        fs::write(object, content).expect("writes");
    }
    world.assert_as_git_makes_it(&made);
}

#[test]
fn what_differs_there_is_never_taken() {
    let world = World::new();
    fill(&world);
    let file =
        |number: usize| path_of(&world, &format!("d{}/e{}/f{number}", number % 7, number % 3));
    let replace = |number: usize| {
        fs::remove_file(file(number)).expect("removes");
        file(number)
    };
    fs::write(file(20), "longer than it was, by far\n".repeat(50)).expect("writes");
    // Of the same size, and as old as it was, so that nobody's index tells.
    let stat = file(30).metadata().expect("is there");
    let opened = fs::File::options().write(true).open(file(30)).expect("opens");
    (&opened).write_all(b"X").expect("writes");
    opened.set_modified(stat.modified().expect("a time")).expect("sets");
    world.git(&["update-index", "--assume-unchanged", "d2/e0/f30"]);
    fs::write(file(21), "").expect("writes");
    symlink(file(32), replace(31)).expect("a link");
    symlink("/dev/zero", replace(33)).expect("a link");
    rustix::fs::mkfifoat(CWD, replace(34), Mode::RUSR | Mode::WUSR).expect("a fifo");
    fs::create_dir(replace(35)).expect("a folder");
    replace(36);
    let mode = fs::Permissions::from_mode;
    fs::set_permissions(file(37), mode(0o755)).expect("may be set");
    fs::set_permissions(file(38), mode(0o000)).expect("may be set");
    fs::set_permissions(path_of(&world, "run.sh"), mode(0o644)).expect("may be set");
    // Larger than what is read at a time.
    let large = "0123456789abcdef".repeat(70_000);
    fs::write(file(39), &large).expect("writes");
    // A folder that is a link now, to one with other files of these names.
    fs::rename(path_of(&world, "d3/e0"), path_of(&world, "moved")).expect("moves");
    fs::rename(path_of(&world, "d4"), path_of(&world, "elsewhere")).expect("moves");
    symlink("../moved", path_of(&world, "d3/e0")).expect("a link");
    symlink("d5", path_of(&world, "d4")).expect("a link");
    let made = world.make(TaskId::random());
    assert!(is_ours(&made));
    world.assert_as_git_makes_it(&made);
}

#[test]
fn a_large_file_comes_out_of_its_object() {
    let world = World::new();
    world.write("large", &"0123456789abcdef".repeat(70_000));
    world.write("just-as-large", &"x".repeat(1024 * 1024));
    world.commit();
    let made = world.make(TaskId::random());
    assert!(is_ours(&made));
    world.assert_as_git_makes_it(&made);
}

#[test]
fn a_file_that_is_being_written_is_taken_whole_or_not_at_all() {
    let world = World::new();
    fill(&world);
    let wanted = files_of(&world.root());
    let files: Vec<PathBuf> = (0..40)
        .map(|number| {
            let number = 560 + number;
            path_of(&world, &format!("d{}/e{}/f{number}", number % 7, number % 3))
        })
        .collect();
    let texts: Vec<Vec<u8>> = files.iter().map(|file| fs::read(file).expect("reads")).collect();
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                for (file, text) in files.iter().zip(&texts) {
                    // Truncated, half there, of the same size with other bytes, and whole again.
                    let mut writer = fs::File::create(file).expect("opens");
                    writer.write_all(&text[..text.len() / 2]).expect("writes");
                    writer.write_all(&vec![b'x'; text.len() - text.len() / 2]).expect("writes");
                    fs::write(file, text).expect("writes");
                }
            }
        });
        for turn in 0..10 {
            let made = world.make(TaskId::random());
            let is_right = is_ours(&made) && files_of(&made.root) == wanted;
            world.git(&["worktree", "remove", "--force", made.root.to_str().expect("UTF-8")]);
            world.git(&["branch", "-D", "offshoot/t"]);
            if turn == 9 || !is_right {
                ended.store(true, Ordering::Relaxed);
            }
            assert!(is_right);
        }
    });
}
