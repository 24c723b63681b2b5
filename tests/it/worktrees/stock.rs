//! Worktrees whose files come out of the stock: one of another tree, and damaged ones.

use super::{World, files_of, is_ours};
use offshoot::git::Stock;
use offshoot::names::TaskId;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// More files than a stock is made for at least.
const MANY: usize = 1100;

impl World {
    fn stock(&self) -> Stock {
        Stock { folder: self.folder.path().join("stock"), most: 1 << 20 }
    }

    fn in_stock(&self, file: &str) -> PathBuf {
        self.stock().folder.join(file)
    }

    /// Makes a worktree in the place of the one before and asserts that it is as git makes it.
    #[track_caller]
    fn make_out_of(&self, stock: &Stock) {
        self.make_room();
        let made = self.try_to_make_from(TaskId::random(), Some(stock)).expect("makes a worktree");
        assert!(is_ours(&made));
        self.assert_as_git_makes_it(&made);
    }

    fn make_room(&self) {
        for name in ["worktrees/t", "by-git"] {
            let folder = self.folder.path().join(name);
            if folder.exists() {
                let path = folder.to_str().expect("UTF-8");
                self.git(&["worktree", "remove", "--force", path]);
            }
        }
        if !self.git(&["branch", "--list", "offshoot/t"]).is_empty() {
            self.git(&["branch", "-qD", "offshoot/t"]);
        }
    }

    fn change(&self, files: impl Iterator<Item = usize>) {
        for number in files {
            self.write(&format!("d{}/e{}/f{number}", number % 9, number % 5), "another\n");
        }
        self.commit();
    }
}

/// One of many files, where these are made fast.
fn world() -> World {
    let world = World::within(tempfile::tempdir_in("/dev/shm").expect("a temporary folder"));
    for number in 0..MANY {
        let text = format!("line of {number}\n").repeat(number % 40);
        world.write(&format!("d{}/e{}/f{number}", number % 9, number % 5), &text);
    }
    world.commit();
    world
}

/// One whose stock holds all of HEAD.
fn stocked() -> World {
    let world = world();
    let stock = world.stock();
    world.make_out_of(&stock);
    assert!(stock.is_asked_for());
    world.repo().restock(&stock).expect("makes it");
    assert!(!stock.is_asked_for());
    world
}

#[test]
fn what_is_lost_everywhere_else_is_in_the_stock() {
    let world = stocked();
    let index = world.in_stock("stock.idx");
    world.git(&["verify-pack", index.to_str().expect("UTF-8")]);
    world.empty_checkout();
    let stock = world.stock();
    let before = stock.look().expect("a stock").used;
    world.make_out_of(&stock);
    assert!(!stock.is_asked_for());
    // As when it was not in memory: it is not made again.
    let tree = world.git(&["rev-parse", "HEAD^{tree}"]);
    fs::write(world.in_stock("wanted"), format!("{tree} 10")).expect("writes");
    let used = stock.look();
    assert!(used.as_ref().expect("a stock").used > before, "it has served");
    world.repo().restock(&stock).expect("there is one");
    assert_eq!(stock.look(), used);
    assert!(!stock.is_asked_for());

    let lost = world.git(&["rev-parse", "HEAD:d7/e4/f79"]);
    let (folder, file) = lost.split_at(2);
    let object = world.root().join(".git/objects").join(folder).join(file);
    fs::remove_file(object).expect("a loose object");
    world.make_room();
    let made = world.try_to_make_from(TaskId::random(), Some(&world.stock())).expect("makes it");
    let text = fs::read_to_string(made.root.join("d7/e4/f79")).expect("a file");
    assert_eq!(text, "line of 79\n".repeat(39));
    world.make_room();
    world.try_to_make_from(TaskId::random(), None).expect_err("it is nowhere else");
}

#[test]
fn what_has_changed_since_comes_from_elsewhere() {
    let world = stocked();
    let stock = world.stock();
    world.change(0..60);
    fs::remove_file(world.root().join("d8/e3/f98")).expect("removes");
    world.write("new/file", "of a new folder\n");
    world.commit();
    world.make_out_of(&stock);
    assert!(!stock.is_asked_for(), "most was there");

    world.change(100..400);
    world.empty_checkout();
    world.make_out_of(&stock);
    assert!(stock.is_asked_for());
    world.repo().restock(&stock).expect("makes it");
    world.make_out_of(&stock);
    assert!(!stock.is_asked_for());
}

#[test]
fn a_damaged_stock_is_of_no_use_and_no_harm() {
    let world = stocked();
    let wanted = files_of(&world.worktree());
    world.empty_checkout();
    let read = |file: &str| fs::read(world.in_stock(file)).expect("a file");
    let (index, pack) = (read("stock.idx"), read("stock.pack"));
    let (listed, whole) = (index.clone(), pack.clone());
    let asked = format!("{} 10", world.git(&["rev-parse", "HEAD^{tree}"]));
    let put = |file: &str, bytes: &[u8]| {
        let path = world.in_stock(file);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("its owner may");
        fs::write(path, bytes).expect("writes");
    };
    let flipped = |bytes: &[u8], from: usize, step: usize| {
        let mut bytes = bytes.to_vec();
        let end = bytes.len() - 20;
        bytes[from..end].iter_mut().step_by(step).for_each(|byte| *byte ^= 0x55);
        bytes
    };
    let emptied = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let end = bytes.len() - 20;
        bytes[4096..end].chunks_mut(4096).step_by(2).for_each(|page| page.fill(0));
        bytes
    };
    for (index, pack) in [
        (index.clone(), flipped(&pack, 12, 701)),
        (index.clone(), flipped(&pack, 12, 13)),
        (index.clone(), emptied(&pack)),
        (index.clone(), pack[..pack.len() / 2].to_vec()),
        (index.clone(), Vec::new()),
        (index[..index.len() / 2].to_vec(), pack.clone()),
        (Vec::new(), pack.clone()),
        (emptied(&index), pack.clone()),
        // Another's index.
        (index[..index.len() - 40].iter().chain(&[7; 40]).copied().collect(), pack.clone()),
    ] {
        put("stock.idx", &index);
        put("stock.pack", &pack);
        world.make_room();
        let made = world.try_to_make_from(TaskId::random(), Some(&world.stock()));
        assert!(files_of(&made.expect("makes a worktree").root) == wanted);
        // Asked for again, it is seen.
        fs::write(world.in_stock("wanted"), &asked).expect("writes");
        world.repo().restock(&world.stock()).expect("makes it");
        assert!(read("stock.pack") == whole && read("stock.idx") == listed);
    }
}

#[test]
fn none_is_asked_for_that_would_be_small_or_too_large() {
    let world = World::new();
    world.make_out_of(&world.stock());
    assert!(!world.stock().is_asked_for(), "of few files");

    let world = self::world();
    for most in [0, 10_000] {
        let stock = Stock { most, ..world.stock() };
        world.make_out_of(&stock);
        assert!(!stock.is_asked_for(), "{most}");
    }
    // The disk was emptier when it was asked for.
    world.make_out_of(&world.stock());
    let stock = Stock { most: 10_000, ..world.stock() };
    world.repo().restock(&stock).expect("makes none");
    assert!(!stock.is_asked_for() && stock.look().is_none());
}

#[test]
fn what_was_cut_off_or_cannot_be_made_leaves_the_one_before() {
    let world = stocked();
    let stock = world.stock();
    let before = stock.look().expect("a stock");
    let ask = |text: &str| fs::write(world.in_stock("wanted"), text).expect("writes");
    fs::create_dir_all(world.in_stock("making/pack")).expect("a folder");
    fs::write(world.in_stock("making/pack/tmp_pack_1"), "half").expect("writes");
    ask("no tree");
    world.repo().restock(&stock).expect("forgets it");
    ask(&format!("{} 10", "7".repeat(40)));
    world.repo().restock(&stock).expect_err("there is no such tree");
    assert!(!stock.is_asked_for() && !world.in_stock("making").exists());
    assert_eq!(stock.look(), Some(before));

    stock.remove().expect("removes");
    stock.remove().expect("is gone");
    assert_eq!(stock.look(), None);
    world.make_out_of(&stock);
}
