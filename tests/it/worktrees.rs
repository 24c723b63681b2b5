//! Worktrees that are made without the git executable, and the proof that nothing changed in one,
//! each beside what git itself makes of the same.

mod at_hand;
mod changing;
mod handing_over;
mod packed;
mod stock;

use offshoot::environment::Environment;
use offshoot::git::{Checkout, NewWorktree, Repo, Stock};
use offshoot::names::{BranchName, TaskId};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository, a home of its own, and the folder around both.
struct World {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl World {
    /// A repository with files of every kind that git writes as they are.
    fn new() -> Self {
        Self::within(tempfile::tempdir().expect("a temporary folder"))
    }

    fn within(folder: tempfile::TempDir) -> Self {
        let mut environment = Environment::default();
        environment.set("HOME", folder.path().join("home"));
        environment.set("PATH", std::env::var_os("PATH").expect("a PATH"));
        environment.set("GIT_CONFIG_NOSYSTEM", "1");
        environment.set("GIT_COMMITTER_NAME", "Ada");
        environment.set("GIT_COMMITTER_EMAIL", "ada@example.org");
        let world = Self { folder, environment };
        fs::create_dir(world.home()).expect("a home");
        fs::create_dir(world.root()).expect("a folder");
        world.git(&["config", "--global", "user.name", "Ada"]);
        world.git(&["config", "--global", "user.email", "ada@example.org"]);
        world.git(&["init", "-q", "-b", "main"]);
        world.write("a.txt", "one\n");
        world.write("a/b/c.txt", "two\n");
        world.write("a-b", "sorts between the file and the folder\n");
        world.write("empty", "");
        world.write("run.sh", "#!/bin/sh\n");
        fs::set_permissions(world.root().join("run.sh"), fs::Permissions::from_mode(0o755))
            .expect("an executable file");
        symlink("a/b/../nowhere", world.root().join("link")).expect("a link");
        symlink("a", world.root().join("a/folder-link")).expect("a link");
        fs::write(world.root().join(OsStr::from_bytes(b"caf\xe9")), "latin\n").expect("writes");
        world.write("crlf.txt", "stays\r\n");
        world.write(".gitignore", "*.o\n");
        world.commit();
        world
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.root().join(path);
        fs::create_dir_all(file.parent().expect("below the root")).expect("its folder");
        fs::write(file, text).expect("writes");
    }

    fn commit(&self) {
        self.git(&["add", "--all"]);
        self.git(&["commit", "-q", "-m", "files"]);
    }

    /// Removes the files of the main checkout, so that all has to come out of objects.
    fn empty_checkout(&self) {
        for entry in fs::read_dir(self.root()).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.symlink_metadata().expect("is there").is_dir() {
                true if path.ends_with(".git") => {}
                true => fs::remove_dir_all(&path).expect("removes"),
                false => fs::remove_file(&path).expect("removes"),
            }
        }
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.git_in(&self.root(), arguments)
    }

    fn git_in(&self, folder: &Path, arguments: &[&str]) -> String {
        let mut command = Command::new("git");
        command.env_clear().envs(self.environment.iter()).current_dir(folder).args(arguments);
        let output = command.output().expect("runs git");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn repo(&self) -> Repo {
        Repo::discover(&self.root(), &self.environment).expect("opens")
    }

    /// Makes a worktree as a task's supervisor does.
    fn make(&self, task: TaskId) -> Checkout {
        self.try_to_make(task).expect("makes a worktree")
    }

    fn try_to_make(&self, task: TaskId) -> offshoot::error::Result<Checkout> {
        self.try_to_make_from(task, None)
    }

    fn try_to_make_from(
        &self,
        task: TaskId,
        stock: Option<&Stock>,
    ) -> offshoot::error::Result<Checkout> {
        let branch = BranchName::new("offshoot/t").expect("a name");
        let base = self.git(&["rev-parse", "HEAD"]).parse().expect("a commit");
        let (root, intent) = (self.worktree(), self.intent());
        let new = NewWorktree {
            task,
            root: &root,
            branch: &branch,
            base,
            intent: &intent,
            pool: None,
            stock,
        };
        self.repo().create_worktree(&new)
    }

    fn worktree(&self) -> PathBuf {
        self.folder.path().join("worktrees/t")
    }

    fn intent(&self) -> PathBuf {
        self.folder.path().join("making")
    }

    /// Asserts that the worktree is as git makes one, clean, and whole; says whether we made it.
    #[track_caller]
    fn assert_as_git_makes_it(&self, made: &Checkout) {
        let by_git = self.folder.path().join("by-git");
        let path = by_git.to_str().expect("UTF-8");
        self.git(&["worktree", "add", "-q", "--detach", path, "HEAD"]);
        let (ours, gits) = (files_of(&made.root), files_of(&by_git));
        assert!(ours.keys().eq(gits.keys()), "{:?} {:?}", ours.keys(), gits.keys());
        for (path, file) in &ours {
            assert_eq!(file, &gits[path], "{}", path.display());
        }
        let listed = |root: &Path| self.git_in(root, &["ls-files", "--stage", "-t"]);
        assert_eq!(listed(&made.root), listed(&by_git));
        // Clean, but for what git finds in its own when it reads it (a file whose object was replaced); whether
        // it does at once depends on how soon after the file its index was written.
        let status = |root: &Path| self.git_in(root, &["status", "--porcelain", "--ignored"]);
        let at_once = status(&made.root);
        for (root, path) in
            [&made.root, &by_git].iter().flat_map(|it| ours.keys().map(move |path| (it, path)))
        {
            let path = root.join(path);
            if path.symlink_metadata().expect("it is there").is_file() {
                let file = fs::File::open(&path).expect("opens");
                file.set_modified(std::time::UNIX_EPOCH).expect("its owner may");
            }
        }
        let read = status(&made.root);
        assert_eq!(read, status(&by_git));
        assert!(at_once.is_empty() || at_once == read, "{at_once}");
        let head = self.git(&["rev-parse", "HEAD^{tree}"]);
        assert_eq!(self.git_in(&made.root, &["write-tree"]), head);
        let branch = self.git_in(&made.root, &["symbolic-ref", "HEAD"]);
        assert_eq!(branch, "refs/heads/offshoot/t");
        assert!(!made.git_dir.join("locked").exists() && !self.intent().exists());
        self.git(&["fsck", "--no-dangling"]);
        self.git(&["worktree", "prune"]);
        assert!(made.git_dir.is_dir());
    }
}

/// Whether we made the worktree, and not git, which leaves the trace of its `reset --hard`.
fn is_ours(made: &Checkout) -> bool {
    !made.git_dir.join("ORIG_HEAD").exists()
}

/// Every file below a folder, with its mode and what it holds; git's own aside.
fn files_of(root: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let found = path.symlink_metadata().expect("is there");
            let inside = path.strip_prefix(root).expect("inside").to_owned();
            if inside == Path::new(".git") {
                continue;
            }
            let content = if found.is_symlink() {
                fs::read_link(&path).expect("a link").into_os_string().into_encoded_bytes()
            } else if found.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else {
                fs::read(&path).expect("a file")
            };
            files.insert(inside, (found.mode(), content));
        }
    }
    files
}

#[test]
fn a_worktree_of_ours_is_as_git_makes_it() {
    let world = World::new();
    world.write(".gitattributes", "* text=auto\n*.png binary\n# filter=no\n");
    world.commit();
    let made = world.make(TaskId::random());
    assert!(is_ours(&made));
    world.assert_as_git_makes_it(&made);
    // Dated back, so that git need not read them again.
    let written = made.git_dir.join("index").metadata().expect("an index").mtime();
    let file = made.root.join("a.txt").metadata().expect("a file").mtime();
    assert!(file < written, "{file} {written}");
    let log = fs::read_to_string(made.git_dir.join("logs/HEAD")).expect("a log");
    assert!(log.contains(" Ada <ada@example.org> "), "{log}");
}

#[test]
fn many_files_are_written_at_once_and_from_packs() {
    let world = World::new();
    for number in 0..700 {
        let text = format!("{number}\n").repeat(number % 50);
        world.write(&format!("d{}/e{}/f{number}", number % 7, number % 3), &text);
    }
    world.commit();
    world.git(&["gc", "-q"]);
    world.empty_checkout();
    let made = world.make(TaskId::random());
    assert!(is_ours(&made));
    world.assert_as_git_makes_it(&made);
}

#[test]
fn what_was_cut_off_is_made_anew() {
    let world = World::new();
    let task = TaskId::random();
    let made = world.make(task);
    for (step, name) in ["offshoot-task", "index", "HEAD"].into_iter().enumerate() {
        // As a kill at that moment leaves it.
        fs::write(world.intent(), "").expect("writes");
        for gone in ["offshoot-task", name] {
            let _ = fs::remove_file(made.git_dir.join(gone));
        }
        fs::write(made.git_dir.join("locked"), "").expect("writes");
        fs::write(made.root.join("a.txt"), "half").expect("writes");
        if step == 2 {
            // Before the entry was in its place.
            let filling = world.folder.path().join("making.entry");
            fs::rename(&made.git_dir, &filling).expect("moves");
            fs::remove_dir_all(&made.root).expect("removes");
        }
        assert_eq!(world.make(task), made);
        assert!(!world.folder.path().join("making.entry").exists());
    }
    world.assert_as_git_makes_it(&made);
}

#[test]
fn what_lies_in_the_way_is_refused_and_stays() {
    let world = World::new();
    fs::create_dir_all(world.worktree()).expect("a folder");
    fs::write(world.worktree().join("mine"), "mine").expect("writes");
    let error = world.try_to_make(TaskId::random()).expect_err("refuses");
    assert!(error.message.ends_with("is there already"), "{error}");
    assert_eq!(fs::read(world.worktree().join("mine")).expect("is there"), b"mine");
}
