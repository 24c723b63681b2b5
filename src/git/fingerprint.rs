//! What of a repository all its worktrees share, written down so that two moments can be compared:
//! refs, configuration, hooks, the stash, the links of a task's worktree, and the main checkout's
//! uncommitted files.
//!
//! Values are kept as hashes, so that no secret of a configuration is copied. Taking it writes nothing
//! anywhere. Git is started only for a main checkout that is not clean at first sight, and may run
//! beside other work ([`MainCheckout`]
//! can go to another thread). Who changed something is not to be seen here; whoever compares judges.

use super::command::Git;
use super::ref_files;
use super::repo::{Checkout, Repo, object_id};
use super::unchanged::holds_just;
use crate::names::ObjectId;
use crate::path::RepoPath;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Refs of ours, and those that are looked at otherwise.
const NOT_SHARED: [&str; 2] = ["refs/offshoot/", "refs/stash"];

/// More uncommitted files than this in the main checkout are not compared.
const MOST_FILES: usize = 10_000;

/// As many refs take as much room as the rest of a task's record.
const MANY_REFS: usize = 100;

/// The name of what cannot be read.
const UNREADABLE: &str = "(unreadable)";

/// Names by their values at one moment.
type Values = BTreeMap<String, String>;

/// What all worktrees share, and how a task's worktree is tied to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Where each loose ref points; `HEAD` is the main checkout's.
    refs: Values,
    /// The packed refs as they are written: thousands of them cost as much as two texts that are compared.
    #[serde(default)]
    packed_refs: String,
    /// The repository's configuration by key.
    pub config: Values,
    /// The attributes and ignore rules of the repository that are no tracked files.
    pub info: Values,
    /// The files in the folder of hooks.
    pub hooks: Values,
    /// What is stashed, the oldest first.
    pub stash: Vec<StashEntry>,
    /// The files that tie the task's worktree to the repository.
    pub links: Values,
    /// The main checkout's uncommitted files; none when there is no checkout or there are too many.
    pub main: Option<Vec<MainFile>>,
}

/// An entry of the stash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StashEntry {
    /// Its commit.
    pub commit: String,
    /// What git or whoever made it calls it, as `On BRANCH: …` or `WIP on BRANCH: …`.
    pub message: String,
}

/// An uncommitted file of the main checkout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MainFile {
    /// Where it is.
    pub path: RepoPath,
    /// Its size, times and inode; none where there is no such file.
    stat: Option<[i64; 6]>,
    /// Whether it is as it is staged, and differs from HEAD only.
    staged: bool,
}

/// The main checkout, apart from the repository's handle, which stays with one thread.
#[derive(Debug, Clone)]
pub struct MainCheckout {
    git: Git,
    place: Checkout,
    /// What HEAD holds.
    tree: Option<ObjectId>,
}

impl Repo {
    /// The present state of what all worktrees share, as seen from a task's worktree, but for the main
    /// checkout's files, which are looked at apart, and branches in the folder `tasks` (if it is one).
    /// What cannot be read is part of it as such: somebody may have made it so.
    #[must_use]
    pub fn fingerprint(&self, checkout: &Checkout, tasks: &str) -> Fingerprint {
        let common = self.common_dir();
        let (refs, packed_refs) = self.shared_refs(tasks);
        Fingerprint {
            refs,
            packed_refs,
            config: config_of(&common.join("config")),
            info: values_of(&common.join("info"), &["attributes", "exclude"]),
            hooks: hooks_in(&common.join("hooks")),
            stash: stash_in(&common.join("logs/refs/stash")),
            links: links_of(checkout),
            main: None,
        }
    }

    /// The repository's configuration by key, as hashes of its values.
    #[must_use]
    pub fn configuration(&self) -> BTreeMap<String, String> {
        config_of(&self.common_dir().join("config"))
    }

    /// The main checkout, to be looked at; none in a bare repository.
    #[must_use]
    pub fn main_checkout(&self) -> Option<MainCheckout> {
        let root = self.main_worktree()?.to_owned();
        let git_dir = self.common_dir().to_owned();
        let tree = self.inner.head().and_then(|head| head.peel_to_tree());
        let tree = tree.ok().map(|tree| object_id(tree.id()));
        Some(MainCheckout { git: self.git.clone(), place: Checkout { root, git_dir }, tree })
    }

    /// Read from the files themselves: libgit2 reads every ref, and a repository with a thousand tasks
    /// has two thousand that are of no interest here.
    fn shared_refs(&self, tasks: &str) -> (Values, String) {
        let common = self.common_dir();
        let is_left_out = |name: &str| {
            let branch = name.strip_prefix("refs/heads/");
            branch.is_some_and(|branch| tasks.ends_with('/') && branch.starts_with(tasks))
                || NOT_SHARED.iter().any(|prefix| name.starts_with(prefix))
        };
        let (loose, _as_far_as_can_be_read) = ref_files::loose(common, "refs/", &is_left_out);
        let value = |(name, file): (String, PathBuf)| match fs::read(file) {
            // Somebody has just packed it.
            Err(cause) if cause.kind() == ErrorKind::NotFound => None,
            read => Some((name, ref_value(&read.unwrap_or_default()))),
        };
        let head = ("HEAD".to_owned(), common.join("HEAD"));
        let refs = loose.into_iter().chain([head]).filter_map(value).collect();
        let mut packed = String::new();
        for (value, name) in ref_files::lines(&ref_files::packed(common).unwrap_or_default()) {
            if !is_left_out(name) {
                packed.extend([value, " ", name, "\n"]);
            }
        }
        (refs, packed)
    }

    /// The files of the main checkout that are others now than they were: new among the uncommitted
    /// ones, or uncommitted before and changed since. Files that were only staged or committed are not.
    #[must_use]
    pub fn changed_main_files(&self, before: &Fingerprint, after: &Fingerprint) -> Vec<RepoPath> {
        let (Some(root), Some(before_files), Some(after_files)) =
            (self.main_worktree(), &before.main, &after.main)
        else {
            return Vec::new();
        };
        let known: BTreeMap<_, _> = before_files.iter().map(|file| (&file.path, file)).collect();
        let listed: BTreeSet<_> = after_files.iter().map(|file| &file.path).collect();
        // Under a branch that moved, files that nobody touched differ from HEAD.
        let head_moved = before.head() != after.head();
        let is_other = |file: &&MainFile| match known.get(&file.path) {
            Some(before) => before.stat != file.stat,
            None => !(file.staged && head_moved),
        };
        let now = |file: &MainFile| MainFile::at(root, file.path.clone(), file.staged);
        let settled = before_files.iter().filter(|file| !listed.contains(&file.path));
        let settled = settled.filter(|file| now(file).stat != file.stat);
        let other = after_files.iter().filter(is_other);
        let mut changed: Vec<_> = other.chain(settled).map(|file| file.path.clone()).collect();
        changed.sort();
        changed
    }
}

impl MainCheckout {
    /// Its uncommitted files; none when there are too many, or git cannot tell.
    #[must_use]
    pub fn files(&self) -> Option<Vec<MainFile>> {
        let Checkout { root, git_dir } = &self.place;
        if self.tree.is_some_and(|tree| holds_just(root, &git_dir.join("index"), tree)) {
            return Some(Vec::new());
        }
        let git = self.git.at(git_dir, "status").work_tree(root);
        let options = ["--porcelain=v1", "-z", "--untracked-files=all"];
        let git = git.args(options).args(["--no-renames", "--ignore-submodules=all"]);
        let output = git.run().ok()?;
        if output.fields().nth(MOST_FILES).is_some() {
            return None;
        }
        let file = |field: &[u8]| {
            let staged = field.get(1) == Some(&b' ');
            field.get(3..).map(|path| MainFile::at(root, RepoPath::new(path), staged))
        };
        Some(output.fields().filter_map(file).collect())
    }
}

impl Fingerprint {
    /// The main checkout's commit.
    fn head(&self) -> Option<&str> {
        let head = self.ref_value("HEAD")?;
        head.strip_prefix("ref: ").map_or(Some(head), |name| self.ref_value(name))
    }

    /// Where a ref points.
    #[must_use]
    pub fn ref_value(&self, name: &str) -> Option<&str> {
        let packed = || ref_files::lines(&self.packed_refs).find(|(_, other)| *other == name);
        self.refs.get(name).map(String::as_str).or_else(|| packed().map(|(value, _)| value))
    }

    /// The same without refs, where these take much room.
    #[must_use]
    pub fn without_many_refs(&self) -> Option<Self> {
        let are_many = self.refs.len() > MANY_REFS || self.packed_refs.len() > MANY_REFS * 64;
        let (refs, packed_refs) = (Values::new(), String::new());
        are_many.then(|| Self { refs, packed_refs, ..self.clone() })
    }

    /// The refs that point elsewhere now than before, or are new or gone.
    #[must_use]
    pub fn changed_refs(&self, before: &Self) -> Vec<String> {
        if self.packed_refs == before.packed_refs {
            let mut names = changed_names(&before.refs, &self.refs);
            names.retain(|name| self.ref_value(name) != before.ref_value(name));
            return names;
        }
        let all = |it: &Self| -> Values {
            let packed = ref_files::lines(&it.packed_refs);
            let packed = packed.map(|(value, name)| (name.to_owned(), value.to_owned()));
            packed.chain(it.refs.clone()).collect()
        };
        changed_names(&all(before), &all(self))
    }
}

impl MainFile {
    fn at(root: &Path, path: RepoPath, staged: bool) -> Self {
        let stat = root.join(path.as_path()).symlink_metadata().ok().map(|found| {
            [
                i64::try_from(found.size()).unwrap_or(i64::MAX),
                found.mtime(),
                found.mtime_nsec(),
                i64::try_from(found.ino()).unwrap_or(i64::MAX),
                i64::from(found.mode()),
                i64::try_from(found.dev()).unwrap_or(i64::MAX),
            ]
        });
        Self { path, stat, staged }
    }
}

/// The names whose values are others now, or that are new or gone.
#[must_use]
pub fn changed_names(before: &Values, after: &Values) -> Vec<String> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let other = after.iter().filter(|(name, value)| before.get(*name) != Some(value));
    let mut names: Vec<_> = gone.chain(other.map(|(name, _)| name)).cloned().collect();
    names.sort();
    names
}

/// The value of a ref whose file holds `bytes`.
fn ref_value(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.trim_ascii_end()).into_owned()
}

fn hash(bytes: &[u8]) -> String {
    let id = git2::Oid::hash_object(git2::ObjectType::Blob, bytes);
    // It only fails without memory; then everything of that length looks the same.
    id.map_or_else(|_| bytes.len().to_string(), |id| id.to_string())
}

/// The configuration by key; as one value where git could not read it either.
fn config_of(file: &Path) -> Values {
    let Ok(bytes) = fs::read(file) else { return Values::new() };
    let mut values = Values::new();
    let read = git2::Config::open(file).and_then(|mut config| config.snapshot());
    if let Ok(config) = read
        && let Ok(mut entries) = config.entries(None)
    {
        while let Some(Ok(entry)) = entries.next() {
            let key = String::from_utf8_lossy(entry.name_bytes()).into_owned();
            // A key may have several values, and their order counts.
            let all = values.remove(&key).unwrap_or_default();
            let value = hash(entry.value_bytes());
            values.insert(key, if all.is_empty() { value } else { format!("{all} {value}") });
        }
        return values;
    }
    values.insert(UNREADABLE.to_owned(), hash(&bytes));
    values
}

fn values_of(folder: &Path, names: &[&str]) -> Values {
    let value = |name: &&str| Some(((*name).to_owned(), value_of(&folder.join(name))?));
    names.iter().filter_map(value).collect()
}

/// What a file holds, where a symbolic link leads, or that it is something else.
fn value_of(path: &Path) -> Option<String> {
    let found = path.symlink_metadata().ok()?;
    Some(match (found.is_symlink(), found.is_file()) {
        (true, _) => match fs::read_link(path) {
            Ok(target) => format!("link {}", hash(target.as_os_str().as_bytes())),
            Err(_) => "link".to_owned(),
        },
        (false, true) => match fs::read(path) {
            Ok(bytes) => format!("{:o} {}", found.mode(), hash(&bytes)),
            Err(_) => format!("{:o} unreadable", found.mode()),
        },
        (false, false) => format!("{:o}", found.mode()),
    })
}

/// What git may run; a sample it never runs, and a new repository has fourteen of them.
fn hooks_in(folder: &Path) -> Values {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let entries = entries.filter(|entry| !entry.file_name().as_bytes().ends_with(b".sample"));
    let file = |entry: fs::DirEntry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        value_of(&entry.path()).map(|value| (name, value))
    };
    entries.filter_map(file).collect()
}

/// The stash is the reflog of a ref; each of its lines is an entry.
fn stash_in(log: &Path) -> Vec<StashEntry> {
    let text = fs::read(log).unwrap_or_default();
    let lines = text.split(|byte| *byte == b'\n').filter(|line| line.len() > 81);
    lines
        .map(|line| {
            let message = line.split(|byte| *byte == b'\t').nth(1).unwrap_or_default();
            StashEntry {
                commit: String::from_utf8_lossy(&line[41..81]).into_owned(),
                message: String::from_utf8_lossy(message).into_owned(),
            }
        })
        .collect()
}

fn links_of(checkout: &Checkout) -> Values {
    let mut links = values_of(&checkout.root, &[".git"]);
    links.extend(values_of(&checkout.git_dir, &["commondir", "gitdir"]));
    links
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_is_new_gone_or_different_is_named_once() {
        let before = values(&[("gone", "1"), ("other", "1"), ("same", "1")]);
        let after = values(&[("new", "1"), ("other", "2"), ("same", "1")]);
        assert_eq!(changed_names(&before, &after), ["gone", "new", "other"]);
    }

    #[test]
    fn a_key_with_several_values_is_another_when_one_of_them_is() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("config");
        let read = |text: &str| {
            fs::write(&file, text).expect("writes");
            config_of(&file)
        };
        let before = read("[remote \"o\"]\n\turl = a\n\turl = b\n[core]\n\tbare = false\n");
        let after = read("[core]\n\tbare = false\n[remote \"o\"]\n\turl = b\n\turl = a\n");
        assert_eq!(changed_names(&before, &after), ["remote.o.url"]);
        assert!(!before.values().any(|value| value.contains("false")), "{before:?}");
        assert_eq!(
            changed_names(&after, &read("[core")),
            ["(unreadable)", "core.bare", "remote.o.url"]
        );
    }
}
