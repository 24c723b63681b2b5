//! Planning and landing against real git in temporary folders.
//!
//! Every test makes its own repository and compares with what git itself makes of the same merge, or
//! with the bytes that were there before.

use offshoot::environment::Environment;
use offshoot::error::ErrorKind;
use offshoot::git::{Forecast, Landing, Plan, PlanRequest, Planned, Recovery, Repo};
use offshoot::landing::{ConflictKind, Strategy};
use offshoot::names::{BranchName, CommitId};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository with a `main` that is checked out, and a home of its own.
struct Sandbox {
    folder: tempfile::TempDir,
    environment: Environment,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut environment = Environment::default();
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_AUTHOR_NAME", "Ada"),
            ("GIT_AUTHOR_EMAIL", "ada@example.org"),
            ("GIT_COMMITTER_NAME", "Carl"),
            ("GIT_COMMITTER_EMAIL", "carl@example.org"),
            ("TZ", "UTC"),
        ] {
            environment.set(name, value);
        }
        environment.set("HOME", folder.path());
        environment.set("XDG_CONFIG_HOME", folder.path());
        environment.set("PATH", std::env::var_os("PATH").expect("a PATH"));
        let sandbox = Self { folder, environment };
        fs::create_dir(sandbox.root()).expect("make the repository's folder");
        sandbox.git(&["init", "-q", "-b", "main"]);
        sandbox
    }

    /// A sandbox with `files` committed on `main`, and a branch `task` at the same commit.
    fn with(files: &[(&str, &str)]) -> Self {
        let sandbox = Self::new();
        for (path, text) in files {
            sandbox.write(path, text);
        }
        sandbox.commit("base");
        sandbox.git(&["branch", "task"]);
        sandbox
    }

    fn root(&self) -> PathBuf {
        self.folder.path().join("repo")
    }

    fn journals(&self) -> PathBuf {
        self.folder.path().join("landings")
    }

    fn git(&self, arguments: &[&str]) -> String {
        self.git_at(&self.root(), arguments)
    }

    fn git_at(&self, place: &Path, arguments: &[&str]) -> String {
        let output = self.try_git(place, arguments);
        assert!(
            output.status.success(),
            "git {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    fn try_git(&self, place: &Path, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new("git");
        command.env_clear().envs(self.environment.iter()).current_dir(place);
        command.args(arguments).output().expect("git runs")
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.root().join(path);
        fs::create_dir_all(file.parent().expect("a parent")).expect("make folders");
        fs::write(file, text).expect("write a file");
    }

    fn read(&self, path: &str) -> String {
        String::from_utf8(fs::read(self.root().join(path)).expect("read a file")).expect("text")
    }

    fn commit(&self, message: &str) -> CommitId {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.at("HEAD")
    }

    fn at(&self, revision: &str) -> CommitId {
        self.git(&["rev-parse", revision]).parse().expect("a commit")
    }

    /// Commits on `task` what `work` does, then goes back to `main`.
    fn on_task(&self, work: impl FnOnce(&Self)) -> CommitId {
        self.git(&["checkout", "-q", "task"]);
        work(self);
        let tip = self.commit("work");
        self.git(&["checkout", "-q", "main"]);
        tip
    }

    fn repo(&self) -> Repo {
        Repo::discover(&self.root(), &self.environment).expect("the repository opens")
    }

    fn plan_of(&self, strategy: Strategy) -> Plan {
        let request = PlanRequest {
            target: self.at("main"),
            tip: self.at("task"),
            snapshot: None,
            strategy,
            message: "Land the task\n\nTask: t\n",
        };
        self.repo().plan(&request).expect("a plan")
    }

    fn ready(&self, strategy: Strategy) -> Planned {
        match self.plan_of(strategy) {
            Plan::Ready(planned) => planned,
            other => panic!("not ready: {other:?}"),
        }
    }

    fn landing(&self, planned: Planned) -> Landing {
        let number = self.repo().next_landing_number(&self.journals()).expect("a number");
        Landing {
            number,
            task: "t".to_owned(),
            target: BranchName::new("main").expect("a branch"),
            before: self.at("main"),
            after: planned.commit,
            strategy: Strategy::Merge,
            reflog: "offshoot: land t".to_owned(),
        }
    }

    fn land_planned(&self, planned: Planned) -> offshoot::error::Result<()> {
        self.repo().land(&self.journals(), &self.landing(planned))
    }

    /// Plans a merge of `task` and lands it.
    fn land(&self) -> offshoot::error::Result<()> {
        self.land_planned(self.ready(Strategy::Merge))
    }

    /// Everything outside `.git` byte for byte, and what git thinks of it.
    fn picture(&self) -> Picture {
        let mut files = BTreeMap::new();
        collect(&self.root(), &self.root(), &mut files);
        Picture {
            files,
            status: self.git(&["status", "--porcelain=v2", "--ignored", "--untracked-files=all"]),
            refs: self.git(&["for-each-ref"]) + &self.git(&["rev-parse", "HEAD"]),
            index: self.git(&["ls-files", "--stage"]),
        }
    }

    fn assert_clean(&self) {
        assert_eq!(self.git(&["status", "--porcelain"]), "");
        self.assert_nothing_left();
    }

    fn assert_nothing_left(&self) {
        for git_dir in [self.root().join(".git")] {
            for entry in fs::read_dir(&git_dir).expect("a git directory").flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                assert!(!name.starts_with("offshoot") && name != "index.lock", "{name} is left");
            }
        }
    }
}

#[derive(Debug, PartialEq)]
struct Picture {
    files: BTreeMap<PathBuf, (u32, Vec<u8>)>,
    status: String,
    refs: String,
    index: String,
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path == root.join(".git") {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).expect("metadata");
        let content = if metadata.is_dir() {
            collect(root, &path, files);
            Vec::new()
        } else if metadata.is_symlink() {
            fs::read_link(&path).expect("a link").as_os_str().as_bytes().to_vec()
        } else {
            fs::read(&path).expect("a file")
        };
        files.insert(path, (metadata.permissions().mode(), content));
    }
}

#[test]
fn a_clean_merge_makes_the_tree_that_git_merge_makes() {
    let sandbox = Sandbox::with(&[("a", "1\n2\n3\n4\n5\n"), ("b", "b\n")]);
    sandbox.on_task(|s| s.write("a", "1\n2\n3\n4\ntask\n"));
    sandbox.write("a", "main\n2\n3\n4\n5\n");
    sandbox.commit("main moves on");
    let planned = sandbox.ready(Strategy::Merge);
    assert_eq!(planned.commits, 1);
    sandbox.git(&["branch", "twin", "main"]);
    sandbox.git(&["checkout", "-q", "twin"]);
    sandbox.git(&["merge", "-q", "-m", "twin", "task"]);
    assert_eq!(sandbox.git(&["rev-parse", "twin^{tree}"]), planned.tree.to_string());
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.land_planned(planned).expect("it lands");
    assert_eq!(sandbox.at("main"), planned.commit);
    assert_eq!(sandbox.read("a"), "main\n2\n3\n4\ntask\n");
    sandbox.assert_clean();
    assert_eq!(sandbox.git(&["log", "-1", "--format=%an %cn %s %P"]), {
        let (main, task) = (sandbox.at("main^1"), sandbox.at("task"));
        format!("Ada Carl Land the task {main} {task}")
    });
    assert!(sandbox.git(&["reflog", "-1", "HEAD"]).ends_with("offshoot: land t"));
    assert!(sandbox.git(&["reflog", "-1", "main"]).ends_with("offshoot: land t"));
    assert_eq!(sandbox.at("ORIG_HEAD"), sandbox.at("main^1"));
}

#[test]
fn a_squash_is_one_commit_and_squashed_work_is_recognised() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "2\n"));
    sandbox.on_task(|s| s.write("b", "3\n"));
    let planned = sandbox.ready(Strategy::Squash);
    assert_eq!(planned.commits, 2);
    sandbox.land_planned(planned).expect("it lands");
    assert_eq!(sandbox.git(&["rev-list", "--count", "main"]), "2");
    assert_eq!(
        sandbox.git(&["rev-parse", "main^{tree}"]),
        sandbox.git(&["rev-parse", "task^{tree}"])
    );
    for strategy in [Strategy::Merge, Strategy::Squash, Strategy::Rebase] {
        assert_eq!(sandbox.plan_of(strategy), Plan::UpToDate, "{strategy:?}");
    }
}

#[test]
fn a_fast_forward_lands_the_tip_itself_or_says_that_it_cannot() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let tip = sandbox.on_task(|s| s.write("a", "2\n"));
    let planned = sandbox.ready(Strategy::FastForward);
    assert_eq!(planned.commit, tip);
    sandbox.write("b", "main\n");
    sandbox.commit("main moves on");
    assert_eq!(sandbox.plan_of(Strategy::FastForward), Plan::NotFastForward);
}

#[test]
fn a_rebase_makes_the_commits_that_git_rebase_makes() {
    let sandbox = Sandbox::with(&[("a", "1\n2\n3\n"), ("b", "b\n")]);
    sandbox.on_task(|s| s.write("a", "1\n2\ntask\n"));
    sandbox.git(&["checkout", "-q", "task"]);
    sandbox.write("c", "picked\n");
    let picked = sandbox.commit("picked");
    sandbox.write("d", "d\n");
    sandbox.git(&["add", "-A"]);
    let message = sandbox.folder.path().join("message");
    fs::write(&message, b"caf\xe9\n\nReviewed-by: Zo\xeb\n").expect("a message");
    let message = message.to_str().expect("UTF-8");
    sandbox.git(&[
        "-c",
        "i18n.commitEncoding=latin1",
        "commit",
        "-q",
        "--author=Eve <e@x>",
        "-F",
        message,
    ]);
    sandbox.git(&["commit", "-q", "--allow-empty", "-m", "empty from the start"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.git(&["cherry-pick", &picked.to_string()]);
    sandbox.write("a", "main\n2\n3\n");
    sandbox.commit("main moves on");
    let planned = sandbox.ready(Strategy::Rebase);
    sandbox.git(&["checkout", "-q", "-b", "twin", "task"]);
    sandbox.git(&["rebase", "-q", "main"]);
    let shown = |revision: &str| {
        sandbox.git(&["log", "--format=%T %an %ae %ad %s", &format!("main..{revision}")])
    };
    assert_eq!(shown(&planned.commit.to_string()), shown("twin"));
    assert_eq!(planned.commits, 3);
    let raw = |revision: &str| {
        let object = sandbox.try_git(&sandbox.root(), &["cat-file", "commit", revision]).stdout;
        let end = object.windows(2).position(|two| two == b"\n\n").expect("a message");
        object[end..].to_vec()
    };
    assert_eq!(raw(&format!("{}~1", planned.commit)), b"\n\ncaf\xe9\n\nReviewed-by: Zo\xeb\n");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.land_planned(planned).expect("it lands");
    sandbox.assert_clean();
}

#[test]
fn a_rebase_of_a_task_that_is_ahead_keeps_its_commits() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let tip = sandbox.on_task(|s| s.write("a", "2\n"));
    assert_eq!(sandbox.ready(Strategy::Rebase).commit, tip);
}

#[test]
fn conflicts_are_answers_and_change_nothing() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new", "task\n");
        s.write("gone", "task\n");
    });
    sandbox.write("a", "main\n");
    sandbox.write("new", "main\n");
    fs::remove_file(sandbox.root().join("gone")).expect("remove");
    sandbox.commit("main moves on");
    let index = fs::read(sandbox.root().join(".git/index")).expect("an index");
    let before = sandbox.picture();
    for strategy in [Strategy::Merge, Strategy::Squash, Strategy::Rebase] {
        let Plan::Conflicts(conflicts) = sandbox.plan_of(strategy) else { panic!("no conflicts") };
        let found: Vec<_> = conflicts.iter().map(|c| (c.path.shown(), c.kind)).collect();
        assert_eq!(
            found,
            [
                ("a".to_owned(), ConflictKind::Content),
                ("gone".to_owned(), ConflictKind::ModifyDelete),
                ("new".to_owned(), ConflictKind::AddAdd)
            ]
        );
        assert!(conflicts[1].ours.is_none() && conflicts[1].theirs.is_some());
        assert!(conflicts[2].base.is_none());
    }
    let forecast = sandbox.repo().forecast(sandbox.at("main"), sandbox.at("task"), None);
    assert!(matches!(forecast.expect("a forecast"), Forecast::Conflicts(list) if list.len() == 3));
    assert_eq!(sandbox.picture(), before);
    assert_eq!(fs::read(sandbox.root().join(".git/index")).expect("an index"), index);
}

#[test]
fn sorts_of_conflicts_are_told_apart() {
    let sandbox =
        Sandbox::with(&[("bin", "\0a"), ("moved", "1\n2\n3\n4\n5\n6\n7\n"), ("x/keep", "k\n")]);
    sandbox.on_task(|s| {
        s.write("bin", "\0b");
        s.git(&["mv", "moved", "task-name"]);
        s.write("place", "a file\n");
        symlink("target", s.root().join("sort")).expect("a link");
    });
    sandbox.write("bin", "\0c");
    sandbox.git(&["mv", "moved", "main-name"]);
    sandbox.write("place/inside", "a folder\n");
    sandbox.write("sort", "a file\n");
    sandbox.commit("main moves on");
    let Plan::Conflicts(conflicts) = sandbox.plan_of(Strategy::Merge) else { panic!("clean") };
    let kinds: Vec<_> = conflicts.iter().map(|c| c.kind).collect();
    for kind in [
        ConflictKind::Binary,
        ConflictKind::Rename,
        ConflictKind::FileDirectory,
        ConflictKind::Mode,
    ] {
        assert!(kinds.contains(&kind), "{kind:?} is not among {conflicts:?}");
    }
    assert!(!kinds.contains(&ConflictKind::Other), "{conflicts:?}");
}

#[test]
fn unrelated_histories_are_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.git(&["checkout", "-q", "--orphan", "lonely"]);
    let lonely = sandbox.commit("lonely");
    let request = PlanRequest {
        target: sandbox.at("main"),
        tip: lonely,
        snapshot: None,
        strategy: Strategy::Merge,
        message: "m",
    };
    let error = sandbox.repo().plan(&request).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Refused);
}

#[test]
fn a_task_with_the_callers_changes_lands_without_them() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("b", "1\n2\n3\n4\n5\n6\n")]);
    sandbox.git(&["checkout", "-q", "task"]);
    sandbox.write("b", "mine\n2\n3\n4\n5\n6\n");
    let snapshot = sandbox.commit("snapshot");
    sandbox.write("b", "mine\n2\n3\n4\n5\ntask\n");
    sandbox.commit("work");
    sandbox.git(&["checkout", "-q", "main"]);
    let mut request = PlanRequest {
        target: sandbox.at("main"),
        tip: sandbox.at("task"),
        snapshot: Some(snapshot),
        strategy: Strategy::Merge,
        message: "m",
    };
    let error = sandbox.repo().plan(&request).expect_err("a merge is refused");
    assert!(error.hints.iter().any(|hint| hint.contains("--squash")));
    for strategy in [Strategy::Squash, Strategy::Rebase] {
        request.strategy = strategy;
        let Plan::Ready(planned) = sandbox.repo().plan(&request).expect("a plan") else {
            panic!("not ready")
        };
        assert_eq!(planned.commits, 1);
        let text = sandbox.git(&["show", &format!("{}:b", planned.commit)]);
        assert_eq!(text, "1\n2\n3\n4\n5\ntask");
    }
}

#[test]
fn a_tree_with_a_git_folder_in_it_is_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let blob = sandbox.git(&["rev-parse", "main:a"]);
    let list = sandbox.folder.path().join("list");
    fs::write(&list, format!("100644 blob {blob}\tconfig\n")).expect("write");
    let tree = |input: &Path| {
        let output = Command::new("git")
            .env_clear()
            .envs(sandbox.environment.iter())
            .current_dir(sandbox.root())
            .arg("mktree")
            .stdin(fs::File::open(input).expect("open"))
            .output()
            .expect("git runs");
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let inner = tree(&list);
    fs::write(&list, format!("040000 tree {inner}\t.GIT\n100644 blob {blob}\ta\n")).expect("write");
    let outer = tree(&list);
    let tip = sandbox.git(&["commit-tree", &outer, "-p", "main", "-m", "evil"]);
    sandbox.git(&["update-ref", "refs/heads/task", &tip]);
    for strategy in [Strategy::Merge, Strategy::FastForward, Strategy::Rebase] {
        let request = PlanRequest {
            target: sandbox.at("main"),
            tip: sandbox.at("task"),
            snapshot: None,
            strategy,
            message: "m",
        };
        let error = sandbox.repo().plan(&request).expect_err("refused");
        assert!(error.message.contains(".GIT/config"), "{error}");
    }
}

#[test]
fn without_an_identity_the_commit_is_offshoots_and_unsigned() {
    let mut sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "2\n"));
    sandbox.git(&["config", "commit.gpgSign", "true"]);
    sandbox.git(&["config", "gpg.program", "/bin/false"]);
    for name in ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"]
    {
        sandbox.environment.set(name, "");
    }
    let commit = sandbox.ready(Strategy::Merge).commit.to_string();
    let shown = sandbox.git(&["log", "-1", "--format=%an <%ae> %cn <%ce>", &commit]);
    assert_eq!(shown, "offshoot <offshoot@localhost> offshoot <offshoot@localhost>");
}

#[test]
fn overlapping_work_is_refused_by_name_and_stays_as_it_is() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("b", "1\n"), ("c", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("b", "task\n");
        s.write("c", "task\n");
    });
    sandbox.write("a", "mine\n");
    sandbox.write("b", "staged\n");
    sandbox.git(&["add", "b"]);
    sandbox.write("b", "1\n");
    let before = sandbox.picture();
    let error = sandbox.land().expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Dirty);
    assert!(error.message.contains("`a`, `b`"), "{error}");
    assert!(!error.message.contains("`c`"), "{error}");
    assert!(!error.hints.is_empty());
    assert_eq!(sandbox.picture(), before);
    sandbox.assert_nothing_left();
    assert!(sandbox.repo().recover_landings(&sandbox.journals()).expect("fine").is_empty());
}

#[test]
fn assume_unchanged_does_not_hide_a_persons_edit() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["update-index", "--assume-unchanged", "a"]);
    sandbox.write("a", "mine\n");
    assert_eq!(sandbox.land().expect_err("refused").kind, ErrorKind::Dirty);
    assert_eq!(sandbox.read("a"), "mine\n");
}

#[test]
fn other_dirty_staged_untracked_and_ignored_files_stay() {
    let sandbox = Sandbox::with(&[
        ("a", "1\n"),
        ("dirty", "1\n"),
        ("staged", "1\n"),
        ("both", "1\n"),
        (".gitignore", "*.log\n"),
    ]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new/deep/file", "task\n");
    });
    sandbox.write("dirty", "mine\n");
    sandbox.write("staged", "mine\n");
    sandbox.write("both", "staged\n");
    sandbox.write("added", "mine\n");
    sandbox.git(&["add", "staged", "both", "added"]);
    sandbox.write("both", "on disk\n");
    sandbox.write("new/untracked", "mine\n");
    sandbox.write("x.log", "ignored\n");
    let before = sandbox.picture();
    sandbox.land().expect("it lands");
    let mut after = sandbox.picture();
    assert_eq!(after.status, before.status);
    assert_eq!(sandbox.read("a"), "task\n");
    assert_eq!(sandbox.read("new/deep/file"), "task\n");
    let root = sandbox.root();
    for path in ["new/deep", "new/deep/file"] {
        after.files.remove(&root.join(path));
    }
    let a = root.join("a");
    after.files.insert(a.clone(), before.files[&a].clone());
    assert_eq!(after.files, before.files);
    sandbox.assert_nothing_left();
}

#[test]
fn an_untracked_or_ignored_file_in_the_way_is_never_replaced() {
    for (path, content, shown) in [
        ("new", "mine\n", "`new`"),
        ("x.log", "mine\n", "`x.log`"),
        ("folder", "a file where a folder is needed\n", "`folder`"),
        ("as-file/inside", "a folder where a file is needed\n", "`as-file/inside`"),
    ] {
        let sandbox = Sandbox::with(&[("a", "1\n"), (".gitignore", "*.log\n")]);
        sandbox.on_task(|s| {
            s.write("new", "task\n");
            s.write("x.log", "task\n");
            s.write("folder/inside", "task\n");
            s.write("as-file", "task\n");
            s.git(&["add", "-f", "x.log"]);
        });
        sandbox.write(path, content);
        let before = sandbox.picture();
        let error = sandbox.land().expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Dirty);
        assert!(error.message.contains(shown), "{error}");
        assert_eq!(sandbox.picture(), before);
    }
}

#[test]
fn nothing_is_written_through_a_symbolic_link() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("d/old", "1\n")]);
    sandbox.on_task(|s| {
        s.write("link/new", "task\n");
        s.write("d/old", "task\n");
    });
    let outside = sandbox.folder.path().join("outside");
    fs::create_dir(&outside).expect("make");
    fs::write(outside.join("old"), "1\n").expect("write");
    symlink(&outside, sandbox.root().join("link")).expect("link");
    fs::remove_dir_all(sandbox.root().join("d")).expect("remove");
    symlink(&outside, sandbox.root().join("d")).expect("link");
    let error = sandbox.land().expect_err("refused");
    assert!(error.message.contains("`link`") && error.message.contains("`d/old`"), "{error}");
    assert_eq!(fs::read(outside.join("old")).expect("read"), b"1\n");
    assert!(!outside.join("new").exists());
}

#[test]
fn deletions_modes_links_and_changes_of_sort_land_as_git_has_them() {
    let sandbox = Sandbox::with(&[
        ("gone/deep/file", "1\n"),
        ("script", "#!\n"),
        ("becomes-link", "1\n"),
        ("file-to-folder", "1\n"),
        ("folder-to-file/x", "1\n"),
        ("folder-to-file/deep/y", "1\n"),
        ("stays", "1\n"),
    ]);
    sandbox.on_task(|s| {
        let root = s.root();
        fs::remove_dir_all(root.join("gone")).expect("remove");
        fs::set_permissions(root.join("script"), fs::Permissions::from_mode(0o755)).expect("mode");
        fs::remove_file(root.join("becomes-link")).expect("remove");
        symlink("stays", root.join("becomes-link")).expect("link");
        fs::remove_file(root.join("file-to-folder")).expect("remove");
        s.write("file-to-folder/inside", "task\n");
        fs::remove_dir_all(root.join("folder-to-file")).expect("remove");
        s.write("folder-to-file", "task\n");
        symlink("nowhere", root.join("dangling")).expect("link");
        let odd = OsStr::from_bytes(b"caf\xe9 \n");
        fs::write(root.join(odd), "odd\n").expect("write");
    });
    sandbox.git(&["branch", "twin", "task"]);
    sandbox.land().expect("it lands");
    sandbox.assert_clean();
    let landed = sandbox.picture().files;
    sandbox.git(&["checkout", "-q", "-f", "twin"]);
    assert_eq!(landed, sandbox.picture().files);
    assert!(!sandbox.root().join("gone").exists());
}

#[test]
fn line_endings_and_filters_come_out_as_git_checkout_leaves_them() {
    let sandbox = Sandbox::new();
    sandbox.git(&["config", "filter.rot.clean", "tr a-z n-za-m"]);
    sandbox.git(&["config", "filter.rot.smudge", "tr a-z n-za-m"]);
    sandbox.write(".gitattributes", "*.txt text eol=crlf\n*.rot filter=rot\n");
    sandbox.write("a.txt", "one\r\ntwo\r\n");
    sandbox.write("a.rot", "secret\n");
    sandbox.commit("base");
    sandbox.git(&["branch", "task"]);
    sandbox.on_task(|s| {
        s.write("a.txt", "one\r\ntwo\r\nthree\r\n");
        s.write("a.rot", "other\n");
        s.write("new.rot", "fresh\n");
        s.write(".gitattributes", "*.txt text eol=crlf\n*.rot filter=rot\n*.dos text eol=crlf\n");
        s.write("new.dos", "x\r\n");
    });
    sandbox.land().expect("it lands");
    sandbox.assert_clean();
    assert_eq!(sandbox.read("a.txt"), "one\r\ntwo\r\nthree\r\n");
    assert_eq!(sandbox.read("a.rot"), "other\n");
    assert_eq!(sandbox.read("new.rot"), "fresh\n");
    assert_eq!(sandbox.read("new.dos"), "x\r\n");
    assert_eq!(sandbox.git(&["show", "main:a.rot"]), "bgure");
}

#[test]
fn a_target_in_a_linked_worktree_is_moved_there() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    sandbox.git(&["checkout", "-q", "-b", "elsewhere"]);
    let linked = sandbox.folder.path().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().expect("UTF-8"), "main"]);
    fs::write(linked.join("mine"), "mine\n").expect("write");
    let before = sandbox.picture();
    sandbox.land().expect("it lands");
    assert_eq!(sandbox.git_at(&linked, &["status", "--porcelain"]), "?? mine");
    assert_eq!(fs::read(linked.join("a")).expect("read"), b"task\n");
    assert!(sandbox.git_at(&linked, &["reflog", "-1", "HEAD"]).ends_with("offshoot: land t"));
    assert_eq!(sandbox.picture().files, before.files);
}

#[test]
fn a_target_that_is_checked_out_nowhere_moves_alone() {
    for head in [&["checkout", "-q", "-b", "elsewhere"][..], &["checkout", "-q", "--detach"]] {
        let sandbox = Sandbox::with(&[("a", "1\n")]);
        sandbox.on_task(|s| s.write("a", "task\n"));
        sandbox.git(head);
        sandbox.write("a", "mine\n");
        let planned = sandbox.ready(Strategy::Merge);
        sandbox.land_planned(planned).expect("it lands");
        assert_eq!(sandbox.at("main"), planned.commit);
        assert_eq!(sandbox.read("a"), "mine\n");
        sandbox.assert_nothing_left();
    }
}

#[test]
fn a_branch_in_the_middle_of_something_is_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("other", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    sandbox.write("other", "side\n");
    sandbox.commit("side");
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("other", "main\n");
    sandbox.commit("main");
    let planned = sandbox.ready(Strategy::Merge);
    let refused = |word: &str| {
        let error = sandbox.land_planned(planned).expect_err("refused");
        assert_eq!(error.kind, ErrorKind::Refused);
        assert!(error.message.contains(word), "{error}");
    };
    assert!(!sandbox.try_git(&sandbox.root(), &["merge", "side"]).status.success());
    refused("a merge");
    sandbox.git(&["merge", "--abort"]);
    assert!(!sandbox.try_git(&sandbox.root(), &["rebase", "side"]).status.success());
    refused("rebased");
    sandbox.git(&["rebase", "--abort"]);
    sandbox.git(&["bisect", "start"]);
    refused("bisected");
    sandbox.git(&["bisect", "reset"]);
    sandbox.land_planned(planned).expect("it lands");
}

#[test]
fn a_lock_that_somebody_holds_is_waited_for_and_never_removed() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    let lock = sandbox.root().join(".git/index.lock");
    fs::write(&lock, "").expect("write");
    let planned = sandbox.ready(Strategy::Merge);
    let error = sandbox.land_planned(planned).expect_err("busy");
    assert_eq!(error.kind, ErrorKind::Busy);
    assert!(error.message.contains("index.lock"), "{error}");
    assert!(lock.exists());
    fs::remove_file(&lock).expect("remove");
    assert_eq!(sandbox.read("a"), "1\n");
    sandbox.assert_nothing_left();
    sandbox.land_planned(planned).expect("it lands");
}

#[test]
fn a_target_that_moved_is_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    let landing = sandbox.landing(sandbox.ready(Strategy::Merge));
    sandbox.write("b", "b\n");
    sandbox.commit("main moves on");
    let before = sandbox.picture();
    let error = sandbox.repo().land(&sandbox.journals(), &landing).expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Refused);
    assert!(error.message.contains("moved"), "{error}");
    assert_eq!(sandbox.picture(), before);
}

#[test]
fn a_ref_that_cannot_move_takes_everything_back() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone/file", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new/file", "task\n");
        fs::remove_dir_all(s.root().join("gone")).expect("remove");
    });
    sandbox.write("mine", "mine\n");
    let planned = sandbox.ready(Strategy::Merge);
    let lock = sandbox.root().join(".git/refs/heads/main.lock");
    fs::write(&lock, "").expect("write");
    let before = sandbox.picture();
    sandbox.land_planned(planned).expect_err("the ref is locked");
    assert_eq!(sandbox.picture(), before);
    sandbox.assert_nothing_left();
    fs::remove_file(&lock).expect("remove");
    sandbox.land_planned(planned).expect("it lands");
}

#[test]
fn a_sparse_checkout_stays_sparse() {
    let sandbox = Sandbox::with(&[("in/a", "1\n"), ("out/b", "1\n")]);
    sandbox.on_task(|s| {
        s.write("in/a", "task\n");
        s.write("out/b", "task\n");
        s.write("out/new", "task\n");
    });
    let planned = sandbox.ready(Strategy::Merge);
    sandbox.git(&["sparse-checkout", "set", "in"]);
    sandbox.land_planned(planned).expect("it lands");
    sandbox.assert_clean();
    assert_eq!(sandbox.read("in/a"), "task\n");
    assert!(!sandbox.root().join("out").exists());
}

#[test]
fn a_submodule_moves_in_index_and_ref_only() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let commit = sandbox.at("main").to_string();
    sandbox.git(&["checkout", "-q", "task"]);
    sandbox.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    sandbox.git(&["commit", "-q", "-m", "submodule"]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.land().expect("it lands");
    sandbox.assert_clean();
    assert!(sandbox.git(&["ls-files", "-s", "sub"]).starts_with("160000"));
}

#[test]
fn undoing_is_landing_the_other_way_round() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new/file", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    let before = sandbox.picture();
    let mut landing = sandbox.landing(sandbox.ready(Strategy::Merge));
    sandbox.repo().land(&sandbox.journals(), &landing).expect("it lands");
    std::mem::swap(&mut landing.before, &mut landing.after);
    landing.number = sandbox.repo().next_landing_number(&sandbox.journals()).expect("a number");
    assert_eq!(landing.number, 2);
    sandbox.repo().land(&sandbox.journals(), &landing).expect("it lands");
    assert_eq!(sandbox.picture(), before);
    assert!(sandbox.repo().recover_landings(&sandbox.journals()).expect("fine").is_empty());
}

#[test]
fn applying_changes_files_alone_and_all_or_nothing() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("b", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    sandbox.write("b", "mine\n");
    let planned = sandbox.ready(Strategy::Squash);
    let repo = sandbox.repo();
    let here = repo.here().expect("a checkout").clone();
    let head = sandbox.at("HEAD");
    let index = sandbox.git(&["ls-files", "--stage"]);
    let done = repo.apply_uncommitted(&here, head, planned.tree).expect("it applies");
    assert_eq!(done.len(), 3);
    assert_eq!(sandbox.git(&["status", "--porcelain"]), " M a\n M b\n D gone\n?? new");
    assert_eq!(sandbox.git(&["ls-files", "--stage"]), index);
    assert_eq!(sandbox.at("HEAD"), head);
    let before = sandbox.picture();
    let error = repo.apply_uncommitted(&here, head, planned.tree).expect_err("in the way");
    assert_eq!(error.kind, ErrorKind::Dirty);
    assert_eq!(sandbox.picture(), before);
    sandbox.assert_nothing_left();
}

#[test]
fn recovery_with_nothing_to_recover_says_so() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    let reports = sandbox.repo().recover_landings(&sandbox.journals()).expect("fine");
    assert!(!reports.iter().any(|report| matches!(report.outcome, Recovery::Stuck(_))));
    assert!(reports.is_empty());
}

#[test]
fn a_checkout_on_another_device_is_served() {
    use std::os::unix::fs::MetadataExt;
    let sandbox = Sandbox::with(&[("a", "1\n"), ("gone", "1\n")]);
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else { return };
    let device = |path: &Path| fs::metadata(path).expect("metadata").dev();
    if device(elsewhere.path()) == device(&sandbox.root()) {
        return;
    }
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    sandbox.git(&["checkout", "-q", "-b", "side"]);
    let linked = elsewhere.path().join("linked");
    sandbox.git(&["worktree", "add", "-q", linked.to_str().expect("UTF-8"), "main"]);
    sandbox.land().expect("it lands");
    assert_eq!(sandbox.git_at(&linked, &["status", "--porcelain", "--ignored"]), "");
    assert_eq!(fs::read(linked.join("new")).expect("read"), b"task\n");
    assert_eq!(fs::read_dir(&linked).expect("a folder").count(), 3);
}

#[test]
fn a_branch_that_is_checked_out_twice_moves_in_both_or_in_none() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    let linked = sandbox.folder.path().join("linked");
    sandbox.git(&["worktree", "add", "-q", "-f", linked.to_str().expect("UTF-8"), "main"]);
    let planned = sandbox.ready(Strategy::Merge);
    fs::write(linked.join("a"), "mine\n").expect("write");
    assert_eq!(sandbox.land_planned(planned).expect_err("refused").kind, ErrorKind::Dirty);
    assert_eq!(sandbox.read("a"), "1\n");
    fs::write(linked.join("a"), "1\n").expect("write");
    sandbox.land_planned(planned).expect("it lands");
    sandbox.assert_clean();
    assert_eq!(sandbox.git_at(&linked, &["status", "--porcelain"]), "");
}

#[test]
fn unresolved_conflicts_in_the_index_are_refused() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("other", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.write("other", "stashed\n");
    sandbox.git(&["stash", "-q"]);
    sandbox.write("other", "main\n");
    sandbox.commit("main moves on");
    assert!(!sandbox.try_git(&sandbox.root(), &["stash", "pop"]).status.success());
    let error = sandbox.land().expect_err("refused");
    assert_eq!(error.kind, ErrorKind::Dirty);
    assert!(error.message.contains("`other`"), "{error}");
}

#[test]
fn a_split_index_stays_whole() {
    let sandbox = Sandbox::with(&[("a", "1\n"), ("b", "1\n"), ("gone", "1\n")]);
    sandbox.on_task(|s| {
        s.write("a", "task\n");
        s.write("new", "task\n");
        fs::remove_file(s.root().join("gone")).expect("remove");
    });
    sandbox.git(&["update-index", "--split-index"]);
    sandbox.write("b", "mine\n");
    sandbox.git(&["add", "b"]);
    sandbox.land().expect("it lands");
    assert_eq!(sandbox.git(&["status", "--porcelain"]), "M  b");
    sandbox.assert_nothing_left();
}

#[test]
fn a_file_that_git_was_told_to_skip_is_not_overwritten() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["update-index", "--skip-worktree", "a"]);
    sandbox.write("a", "mine\n");
    assert_eq!(sandbox.land().expect_err("refused").kind, ErrorKind::Dirty);
    assert_eq!(sandbox.read("a"), "mine\n");
    sandbox.assert_nothing_left();
}

#[test]
fn commits_are_signed_where_that_is_configured() {
    let sandbox = Sandbox::with(&[("a", "1\n")]);
    sandbox.on_task(|s| s.write("a", "task\n"));
    sandbox.git(&["checkout", "-q", "task"]);
    sandbox.git(&[
        "commit",
        "-q",
        "--amend",
        "--author=J\u{f6}rg <j@x>",
        "--date=@1600000000 +0300",
        "--no-edit",
    ]);
    sandbox.git(&["checkout", "-q", "main"]);
    sandbox.write("b", "main\n");
    sandbox.commit("main moves on");
    let signer = sandbox.folder.path().join("signer");
    let script = "#!/bin/sh\ncat >/dev/null\necho '[GNUPG:] SIG_CREATED ' >&2\n\
                  echo '-----BEGIN PGP SIGNATURE-----'\necho x\necho '-----END PGP SIGNATURE-----'\n";
    fs::write(&signer, script).expect("write");
    fs::set_permissions(&signer, fs::Permissions::from_mode(0o755)).expect("mode");
    sandbox.git(&["config", "commit.gpgSign", "true"]);
    sandbox.git(&["config", "gpg.program", signer.to_str().expect("UTF-8")]);
    for strategy in [Strategy::Merge, Strategy::Rebase] {
        let commit = sandbox.ready(strategy).commit.to_string();
        let object = sandbox.git(&["cat-file", "commit", &commit]);
        assert!(object.contains("\ngpgsig -----BEGIN PGP SIGNATURE-----"), "{object}");
        if strategy == Strategy::Rebase {
            assert!(object.contains("\nauthor J\u{f6}rg <j@x> 1600000000 +0300\n"), "{object}");
        }
    }
}
