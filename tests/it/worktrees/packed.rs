//! Worktrees whose files come out of packs of every form, and out of damaged ones.

use super::{World, is_ours};
use offshoot::names::TaskId;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A repository with files that are alike, so that a pack of them is mostly deltas, and a large one.
fn world() -> World {
    let world = World::new();
    let mut text: Vec<String> = (0..300).map(|line| format!("line {}\n", line * 7919)).collect();
    for number in 0..400 {
        text[number % 300] = format!("changed by {number}\n");
        world.write(&format!("d{}/e{}/f{number}", number % 7, number % 13), &text.concat());
    }
    let large: String = (0..200_000).fold(String::new(), |mut text, number| {
        writeln!(text, "{:x}", number * 2_654_435_761_u64).expect("writes");
        text
    });
    world.write("large", &large);
    world.commit();
    world
}

fn makes_it_as_git_does(world: &World) {
    world.empty_checkout();
    let made = world.make(TaskId::random());
    assert!(is_ours(&made));
    world.assert_as_git_makes_it(&made);
}

fn repack(world: &World, settings: &[&str], depth: &str) {
    let mut arguments: Vec<&str> = settings.iter().flat_map(|setting| ["-c", setting]).collect();
    let window = ["repack", "-adfq", "--window=20", "--depth", depth];
    arguments.extend(window);
    world.git(&arguments);
}

fn files_in_packs(world: &World, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(world.root().join(".git/objects/pack")).expect("packs");
    let files = files.map(|file| file.expect("a file").path());
    files.filter(|file| file.extension() == Some(extension.as_ref())).collect()
}

#[test]
fn objects_that_are_loose_are_found() {
    makes_it_as_git_does(&world());
}

#[test]
fn chains_of_deltas_are_followed() {
    let world = world();
    repack(&world, &[], "250");
    let pack = files_in_packs(&world, "idx");
    let listed = world.git(&["verify-pack", "-v", pack[0].to_str().expect("UTF-8")]);
    assert!(listed.contains("chain length = 6:"), "there are long chains");
    makes_it_as_git_does(&world);
}

#[test]
fn deltas_that_name_their_base_are_followed() {
    let world = world();
    repack(&world, &["repack.useDeltaBaseOffset=false"], "50");
    makes_it_as_git_does(&world);
}

#[test]
fn several_packs_with_an_index_over_them_and_loose_objects_make_one_tree() {
    let world = world();
    repack(&world, &[], "50");
    world.write("d1/second", "of the second pack\n");
    world.commit();
    world.git(&["repack", "-dq"]);
    world.git(&["multi-pack-index", "write"]);
    world.write("d2/third", "loose\n");
    world.commit();
    assert_eq!(files_in_packs(&world, "pack").len(), 2);
    makes_it_as_git_does(&world);
}

#[test]
fn offsets_of_64_bits_are_understood() {
    let world = world();
    repack(&world, &[], "50");
    // Nearly all offsets are written long, as in a pack of more than 2 GiB.
    let pack = files_in_packs(&world, "pack").remove(0);
    for index in files_in_packs(&world, "idx").iter().chain(&files_in_packs(&world, "rev")) {
        fs::remove_file(index).expect("removes");
    }
    world.git(&["index-pack", "--index-version=2,0x100", pack.to_str().expect("UTF-8")]);
    makes_it_as_git_does(&world);
}

#[test]
fn what_fast_import_wrote_is_read() {
    let world = world();
    let mut import = Command::new("git");
    import.env_clear().envs(world.environment.iter()).current_dir(world.root());
    import.args(["-c", "fastimport.unpackLimit=1", "fast-import", "--quiet", "--force"]);
    let mut import = import.stdin(Stdio::piped()).spawn().expect("starts git");
    let mut stream = String::from("commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\n");
    stream.push_str("data 1\nx\n");
    let mut text = "the same line again and again\n".repeat(200);
    for number in 0..600 {
        writeln!(text, "{number}").expect("writes");
        let (length, folder) = (text.len(), number % 11);
        write!(stream, "M 100644 inline g{folder}/f{number}\ndata {length}\n{text}\n")
            .expect("writes");
    }
    let mut input = import.stdin.take().expect("a pipe");
    input.write_all(stream.as_bytes()).expect("writes");
    drop(input);
    assert!(import.wait().expect("ends").success());
    world.git(&["reset", "-q", "--hard"]);
    makes_it_as_git_does(&world);
}

#[test]
fn a_damaged_pack_never_makes_other_files() {
    let world = world();
    repack(&world, &[], "50");
    let pack = files_in_packs(&world, "pack").remove(0);
    let whole = fs::read(&pack).expect("a pack");
    fs::set_permissions(&pack, fs::Permissions::from_mode(0o644)).expect("may be written");
    world.empty_checkout();
    // Somewhere within the files, whichever they are: what is read there is wrong or cannot be read.
    for place in (1..10).map(|tenth| whole.len() * tenth / 10) {
        let mut damaged = whole.clone();
        for byte in &mut damaged[place..place + 40] {
            *byte ^= 0x55;
        }
        fs::write(&pack, &damaged).expect("writes");
        let error = world.try_to_make(TaskId::random()).expect_err("cannot be read");
        assert!(!error.message.is_empty());
        assert!(!world.worktree().exists(), "nothing is left");
    }
    fs::write(&pack, &whole).expect("writes");
    makes_it_as_git_does(&world);
}
