//! The pool: a task gets a worktree that another one had, as good as new.

mod reusing;
mod staying;
mod stocking;

use crate::sandbox::{Sandbox, TestRepo, text, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A repository with a pool, files in folders, and what git ignores.
fn pooled<'s>(sandbox: &'s Sandbox, config: &str) -> TestRepo<'s> {
    sandbox.write_config(&format!("[pool]\n{config}\n"));
    let repo = sandbox.repo("simple");
    repo.write(".gitignore", "*.log\n/target/\n.env\n");
    for number in 0..40 {
        repo.write(&format!("d{}/e{}/f{number}", number % 5, number % 3), format!("{number}\n"));
    }
    repo.write("run.sh", "#!/bin/sh\n");
    std::fs::set_permissions(repo.root().join("run.sh"), PermissionsExt::from_mode(0o755))
        .expect("an executable file");
    std::os::unix::fs::symlink("d0/../nowhere", repo.root().join("link")).expect("a link");
    std::fs::write(repo.root().join(OsStr::from_bytes(b"caf\xe9")), "latin\n").expect("writes");
    repo.commit_all("files");
    repo
}

/// Releases a task, and waits until everything that is done about it in the background is.
fn discard(repo: &TestRepo<'_>, name: &str) {
    repo.offshoot(&["discard", name]).ok();
    settle(repo);
}

fn settle(repo: &TestRepo<'_>) {
    wait_until("the end of the chores", || repo.sandbox().processes().is_empty());
}

/// The names of the spare worktrees.
fn spares(repo: &TestRepo<'_>) -> Vec<String> {
    let entries = std::fs::read_dir(repo.state_folder().join("pool"));
    let entries = entries.into_iter().flatten().flatten();
    let mut names: Vec<_> =
        entries.map(|entry| entry.file_name().into_string().expect("UTF-8")).collect();
    names.sort();
    names
}

/// The folder of a task's worktree.
fn place(task: &Value) -> PathBuf {
    PathBuf::from(text(&task["worktree"]))
}

/// Asserts that a task's worktree, not yet changed, is as git makes one at the same commit: files, modes,
/// index, status; and git's entry of it as that of a worktree which was never anybody else's.
#[track_caller]
fn assert_as_new(repo: &TestRepo<'_>, task: &Value, admin: &BTreeMap<String, String>) {
    let place = place(task);
    let base = text(&task["base"]["commit"]);
    let by_git = repo.root().with_file_name(format!("by-git-{}", text(&task["name"])));
    let path = by_git.to_str().expect("UTF-8");
    repo.git(&["worktree", "add", "--quiet", "--detach", path, base]);
    assert_eq!(files_of(&place), files_of(&by_git));
    let (ours, gits) = (repo.sandbox().open(&place), repo.sandbox().open(&by_git));
    for line in [
        &["ls-files", "--stage", "-t", "-v"][..],
        &["status", "--porcelain", "--ignored"],
        &["write-tree"],
        &["config", "--list", "--show-scope"],
        &["stash", "list"],
        &["clean", "-ndx"],
    ] {
        assert_eq!(ours.git(line), gits.git(line), "git {line:?}");
    }
    assert_eq!(
        ours.git(&["symbolic-ref", "HEAD"]),
        format!("refs/heads/{}", text(&task["branch"]))
    );
    assert_eq!(entry_of(&place), *admin);
    // By state alone, without a look at the content: nothing is to be read again.
    let listed = ours.git(&["ls-files", "--modified", "--deleted"]);
    assert_eq!(listed, "");
    let now = std::fs::metadata(git_dir(&place).join("index")).expect("an index").mtime();
    for path in files_of(&place).keys() {
        let mtime = place.join(path).symlink_metadata().expect("is there").mtime();
        assert!(mtime <= now, "{} is of the future", path.display());
    }
    repo.git(&["worktree", "remove", "--force", path]);
    repo.git(&["fsck", "--no-dangling"]);
}

fn git_dir(place: &Path) -> PathBuf {
    let text = std::fs::read_to_string(place.join(".git")).expect("a file");
    PathBuf::from(text.strip_prefix("gitdir: ").expect("names the entry").trim_end())
}

/// What is in git's entry of a worktree; what differs from task to task is left out.
fn entry_of(place: &Path) -> BTreeMap<String, String> {
    let entry = git_dir(place);
    let mut found = BTreeMap::new();
    let mut folders = vec![entry.clone()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).expect("a folder") {
            let path = path.expect("an entry").path();
            let name = path.strip_prefix(&entry).expect("inside").display().to_string();
            let bytes = if path.is_dir() {
                folders.push(path);
                Vec::new()
            } else {
                std::fs::read(&path).expect("a file")
            };
            let content = match &*name {
                "index" => format!("{:?}", &bytes[..8]),
                "offshoot-task" | "gitdir" | "HEAD" => "of its task".to_owned(),
                "logs/HEAD" => format!("{} lines", bytes.split(|byte| *byte == b'\n').count()),
                _ => String::from_utf8_lossy(&bytes).into_owned(),
            };
            found.insert(name, content);
        }
    }
    found
}

/// Every file and folder below a folder, with its mode and what it holds; git's own aside.
fn files_of(root: &Path) -> BTreeMap<PathBuf, (u32, u64, Vec<u8>)> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let found = path.symlink_metadata().expect("is there");
            let inside = path.strip_prefix(root).expect("inside").to_owned();
            if inside == Path::new(".git") {
                continue;
            }
            let (links, content) = if found.is_symlink() {
                let leads_to = std::fs::read_link(&path).expect("a link");
                (found.nlink(), leads_to.into_os_string().into_encoded_bytes())
            } else if found.is_dir() {
                folders.push(path.clone());
                (0, Vec::new())
            } else {
                (found.nlink(), std::fs::read(&path).expect("a file"))
            };
            files.insert(inside, (found.mode(), links, content));
        }
    }
    files
}
