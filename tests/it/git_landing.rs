//! Planning and landing against real git in temporary folders.
//!
//! Every test makes its own repository and compares with what git itself makes of the same merge, or
//! with the bytes that were there before.

mod equality;
mod in_progress;
mod landing;
mod matrix;
mod planning;
mod refusing;
mod twin;

use offshoot::environment::Environment;
use offshoot::git::{Landing, Plan, PlanRequest, Planned, Purpose, Repo};
use offshoot::landing::Strategy;
use offshoot::names::{BranchName, CommitId};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
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
            purpose: Purpose::default(),
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
