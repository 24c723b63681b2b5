//! What a person has in a checkout of the target × what the landing does there × where the target is
//! checked out. Every cell lands, with ref, index and files in agreement and the person's bytes as they
//! were, or is refused by name with everything byte for byte as it was.

use super::{Sandbox, collect};
use offshoot::error::ErrorKind;
use offshoot::git::Planned;
use offshoot::landing::Strategy;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// Files by path: their modes and bytes.
type Files = BTreeMap<PathBuf, (u32, Vec<u8>)>;

/// What the result does to a path, and whether the target has that path.
struct Outcome {
    name: &'static str,
    path: &'static str,
    is_tracked: bool,
    work: fn(&Sandbox),
}

const fn outcome(name: &'static str, path: &'static str, work: fn(&Sandbox)) -> Outcome {
    Outcome { name, path, is_tracked: true, work }
}

const OUTCOMES: [Outcome; 8] = [
    Outcome { is_tracked: false, ..outcome("added", "new", |s| s.write("new", "task\n")) },
    outcome("modified", "a", |s| s.write("a", "task\n")),
    outcome("deleted", "b", |s| remove(s, "b")),
    outcome("mode", "m", |s| executable(&s.root(), "m")),
    outcome("symlink", "l", to_link),
    outcome("file to folder", "f", file_to_folder),
    outcome("folder to file", "d/x", folder_to_file),
    Outcome { is_tracked: false, ..outcome("submodule", "sub", submodule) },
];

fn remove(sandbox: &Sandbox, path: &str) {
    fs::remove_file(sandbox.root().join(path)).expect("it was there");
}

fn executable(root: &Path, path: &str) {
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(root.join(path), mode).expect("it is there");
}

fn to_link(sandbox: &Sandbox) {
    remove(sandbox, "l");
    symlink("c", sandbox.root().join("l")).expect("a link");
}

fn file_to_folder(sandbox: &Sandbox) {
    remove(sandbox, "f");
    sandbox.write("f/inside", "task\n");
}

fn folder_to_file(sandbox: &Sandbox) {
    fs::remove_dir_all(sandbox.root().join("d")).expect("it was there");
    sandbox.write("d", "task\n");
}

/// A submodule's commit, which git never looks into.
fn submodule(sandbox: &Sandbox) {
    let commit = sandbox.at("main");
    sandbox.git(&["add", "-A"]);
    sandbox.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    fs::create_dir(sandbox.root().join("sub")).expect("a folder");
}

/// What a person has done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mine {
    Dirty,
    Staged,
    StagedAndPutBack,
    Removed,
    Executable,
    Untracked,
    Ignored,
    OtherCase,
}

const ALL: [Mine; 8] = [
    Mine::Dirty,
    Mine::Staged,
    Mine::StagedAndPutBack,
    Mine::Removed,
    Mine::Executable,
    Mine::Untracked,
    Mine::Ignored,
    Mine::OtherCase,
];

impl Mine {
    /// Does it; answers whether it makes sense there.
    fn happens(self, sandbox: &Sandbox, root: &Path, (path, is_tracked): (&str, bool)) -> bool {
        let git = |line: &[&str]| drop(sandbox.git_at(root, line));
        let write = |text: &str| fs::write(root.join(path), text).expect("write");
        match self {
            Self::Dirty if is_tracked => write("mine\n"),
            Self::Dirty => {
                write("mine\n");
                git(&["add", "--intent-to-add", path]);
            }
            Self::Staged => {
                write("mine\n");
                git(&["add", path]);
            }
            Self::StagedAndPutBack if is_tracked => {
                write("mine\n");
                git(&["add", path]);
                write("1\n");
            }
            Self::Removed if is_tracked => fs::remove_file(root.join(path)).expect("removed"),
            Self::Executable if is_tracked => executable(root, path),
            Self::StagedAndPutBack | Self::Removed | Self::Executable => return false,
            Self::Untracked if is_tracked => git(&["rm", "-q", "-f", "--cached", path]),
            Self::Untracked => write("mine\n"),
            Self::Ignored => {
                let exclude = sandbox.root().join(".git/info/exclude");
                fs::write(exclude, format!("/{path}\n")).expect("write");
                return Self::Untracked.happens(sandbox, root, (path, is_tracked));
            }
            Self::OtherCase => {
                fs::write(root.join(path.to_uppercase().replace('/', "-")), "mine\n")
                    .expect("write");
            }
        }
        true
    }
}

/// Where the target is checked out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Main,
    Linked,
    Several,
    Nowhere,
}

/// A repository, a planned result, and the checkouts of the target.
struct Cell {
    sandbox: Sandbox,
    planned: Planned,
    checkouts: Vec<PathBuf>,
}

impl Cell {
    /// All outcomes in one result.
    fn new(place: Place) -> Self {
        let base = ["a", "b", "m", "l", "f", "d/x", "d/y", "c", "e/f"].map(|path| (path, "1\n"));
        let sandbox = Sandbox::with(&base);
        sandbox.git(&["checkout", "-q", "task"]);
        for outcome in &OUTCOMES {
            (outcome.work)(&sandbox);
        }
        sandbox.git(&["commit", "-q", "-m", "work"]);
        sandbox.git(&["checkout", "-q", "main"]);
        let planned = sandbox.ready(Strategy::Merge);
        let linked = sandbox.folder.path().join("linked");
        if matches!(place, Place::Linked | Place::Nowhere) {
            sandbox.git(&["checkout", "-q", "-b", "elsewhere"]);
        }
        if matches!(place, Place::Linked | Place::Several) {
            let to = linked.to_str().expect("UTF-8");
            sandbox.git(&["worktree", "add", "-q", "--force", to, "main"]);
        }
        let checkouts = match place {
            Place::Main => vec![sandbox.root()],
            Place::Linked => vec![linked],
            Place::Several => vec![linked, sandbox.root()],
            Place::Nowhere => Vec::new(),
        };
        Self { sandbox, planned, checkouts }
    }

    /// Files, index, status and refs of every checkout, the target's or not.
    fn everything(&self) -> Vec<(Files, String)> {
        let mut places = self.checkouts.clone();
        places.push(self.sandbox.root());
        places.dedup();
        let look = |root: &PathBuf| {
            let mut files = BTreeMap::new();
            collect(root, root, &mut files);
            let mut told = self.sandbox.git_at(root, &["status", "--porcelain", "--ignored", "-b"]);
            told += &self.sandbox.git_at(root, &["ls-files", "--stage", "--debug"]);
            (files, told + &self.sandbox.git(&["for-each-ref"]))
        };
        places.iter().map(look).collect()
    }

    /// Forgets what the person did.
    fn tidy(&self, root: &Path) {
        fs::write(self.sandbox.root().join(".git/info/exclude"), "").expect("write");
        self.sandbox.git_at(root, &["reset", "-q", "--hard"]);
        self.sandbox.git_at(root, &["clean", "-qfdx"]);
    }

    /// After a landing the changed paths are as git itself checks them out.
    fn assert_landed(&self, what: &str) {
        let sandbox = &self.sandbox;
        assert_eq!(sandbox.at("main"), self.planned.commit, "{what}");
        let fresh = sandbox.folder.path().join("fresh");
        let to = fresh.to_str().expect("UTF-8");
        sandbox.git(&["worktree", "add", "-q", "--detach", to, "main"]);
        let diff = ["diff", "--name-only", "--no-renames", "main^1", "main"];
        let changed = sandbox.git(&diff);
        for root in &self.checkouts {
            for path in changed.lines() {
                let at = |root: &Path| entry(&root.join(path));
                assert_eq!(at(root), at(&fresh), "{what}: {path} in {}", root.display());
                assert_eq!(sandbox.git_at(root, &["diff", "HEAD", "--", path]), "", "{what}");
            }
        }
    }
}

/// The mode and content of a file; a folder has no content.
fn entry(path: &Path) -> Option<(u32, Vec<u8>)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    let content = match &metadata {
        it if it.is_symlink() => {
            fs::read_link(path).expect("a link").into_os_string().into_encoded_bytes()
        }
        it if it.is_dir() => Vec::new(),
        _ => fs::read(path).expect("a file"),
    };
    Some((metadata.permissions().mode(), content))
}

/// What stands in the way is refused by name, and nothing stands there any more once it is gone.
fn refuses_what_overlaps(place: Place, rows: &[Mine]) {
    let cell = Cell::new(place);
    let root = cell.checkouts[0].clone();
    for (outcome, mine) in OUTCOMES.iter().flat_map(|it| rows.iter().map(move |mine| (it, mine))) {
        let what = format!("{mine:?} × {} in {place:?}", outcome.name);
        if !mine.happens(&cell.sandbox, &root, (outcome.path, outcome.is_tracked)) {
            continue;
        }
        let before = cell.everything();
        let error = cell.sandbox.land_planned(cell.planned).expect_err(&what);
        assert_eq!(error.kind, ErrorKind::Dirty, "{what}: {error}");
        assert!(error.message.ends_with(&format!(": `{}`", outcome.path)), "{what}: {error}");
        assert_eq!(cell.everything(), before, "{what}");
        cell.sandbox.assert_nothing_left();
        cell.tidy(&root);
    }
    cell.sandbox.land_planned(cell.planned).expect("it lands");
    cell.assert_landed("nothing in the way");
    for root in &cell.checkouts {
        assert_eq!(cell.sandbox.git_at(root, &["status", "--porcelain"]), "");
    }
}

#[test]
fn in_the_main_worktree_what_overlaps_is_refused_by_name() {
    // Names that differ in case are different files on most systems; see below.
    let rows: Vec<Mine> = ALL.into_iter().filter(|mine| *mine != Mine::OtherCase).collect();
    refuses_what_overlaps(Place::Main, &rows);
}

#[test]
fn in_a_linked_worktree_what_overlaps_is_refused_by_name() {
    refuses_what_overlaps(Place::Linked, &[Mine::Dirty, Mine::Staged, Mine::Untracked]);
}

#[test]
fn in_one_of_several_checkouts_what_overlaps_is_refused_by_name() {
    refuses_what_overlaps(Place::Several, &[Mine::Dirty, Mine::StagedAndPutBack, Mine::Ignored]);
}

#[test]
fn what_does_not_overlap_lands_beside_whatever_a_person_has() {
    for place in [Place::Main, Place::Linked, Place::Several, Place::Nowhere] {
        let cell = Cell::new(place);
        let root = cell.checkouts.first().cloned().unwrap_or_else(|| cell.sandbox.root());
        let before = beside(&cell, &root);
        cell.sandbox.land_planned(cell.planned).expect("it lands");
        cell.assert_landed(&format!("{place:?}"));
        assert_eq!(persons(&cell, &root), before, "{place:?}");
        cell.sandbox.assert_nothing_left();
    }
}

/// Lets the person do everything, each to a file of its own beside those that change; where nothing is
/// checked out, to a path that changes too.
fn beside(cell: &Cell, root: &Path) -> String {
    for (number, mine) in ALL.into_iter().enumerate() {
        let own = format!("own-{number}");
        mine.happens(&cell.sandbox, root, (&own, false));
    }
    for (path, mine) in [("c", Mine::StagedAndPutBack), ("e/f", Mine::Dirty)] {
        mine.happens(&cell.sandbox, root, (path, true));
    }
    if cell.checkouts.is_empty() {
        Mine::Removed.happens(&cell.sandbox, root, ("b", true));
        Mine::Dirty.happens(&cell.sandbox, root, ("a", true));
    }
    persons(cell, root)
}

/// The person's own: every file beside those that the landing concerns, and what git thinks of them.
fn persons(cell: &Cell, root: &Path) -> String {
    let mut files = BTreeMap::new();
    collect(root, root, &mut files);
    let concerned = |path: &Path| {
        let path = path.strip_prefix(root).expect("it is below");
        ["new", "a", "b", "m", "l", "f", "d", "sub"].iter().any(|it| path.starts_with(it))
    };
    files.retain(|path, _| cell.checkouts.is_empty() || !concerned(path));
    let status = cell.sandbox.git_at(root, &["status", "--porcelain", "--ignored"]);
    format!("{status}\n{files:?}")
}

#[test]
fn where_names_differ_only_in_case_both_files_stay() {
    // The setting is git's word for the file system; a clone that came from another one may have it wrong.
    for told in ["false", "true"] {
        for mine in [Mine::Untracked, Mine::Staged, Mine::Ignored] {
            let what = format!("{mine:?}, core.ignoreCase={told}");
            let cell = Cell::new(Place::Main);
            let root = cell.sandbox.root();
            cell.sandbox.git(&["config", "core.ignoreCase", told]);
            assert!(mine.happens(&cell.sandbox, &root, ("NEW", false)), "{what}");
            if root.join("new").exists() {
                // A file system that takes both names for one: then the person's is in the way.
                let before = cell.everything();
                let error = cell.sandbox.land_planned(cell.planned).expect_err(&what);
                assert_eq!(error.kind, ErrorKind::Dirty, "{what}");
                assert_eq!(cell.everything(), before, "{what}");
                continue;
            }
            if mine == Mine::Untracked {
                in_other_case(&root);
            }
            let staged = || cell.sandbox.git(&["ls-files", "--stage", "--", ":(literal)NEW"]);
            let before = staged();
            cell.sandbox.land_planned(cell.planned).expect(&what);
            cell.assert_landed(&what);
            let both = (cell.sandbox.read("NEW"), cell.sandbox.read("new"));
            assert_eq!(both, ("mine\n".into(), "task\n".into()), "{what}");
            assert_eq!(staged(), before, "{what}");
            for outcome in OUTCOMES.iter().filter(|_| mine == Mine::Untracked) {
                let kept = fs::read(root.join(outcome.path.to_uppercase())).expect(outcome.name);
                assert_eq!(kept, b"mine\n", "{what}: {}", outcome.name);
            }
            cell.sandbox.assert_nothing_left();
        }
    }
}

/// A file of the person's beside everything that the landing changes.
fn in_other_case(root: &Path) {
    for outcome in &OUTCOMES {
        let file = root.join(outcome.path.to_uppercase());
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(file, "mine\n").expect("write");
    }
}
