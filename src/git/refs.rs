//! Reading, making and moving refs. Every move names the value it expects (compare-and-swap), so a ref that
//! somebody else moved in between is never overwritten; one that is made without is named by a random id.

use super::error::from_git2;
use super::ref_files;
use super::repo::{Checkout, Repo, commit_id, oid};
use crate::clock::Clock;
use crate::disk::NewFile;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::names::{BranchName, CommitId, ObjectId};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

/// How often a ref that is locked at the moment (a commit, a `git gc`) is tried again, 10 ms apart.
const TRIES: u32 = 50;

/// A lock is held for milliseconds; one that stays for this long after the tries is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(1);

/// How old the lock on packed refs must be to be taken for nobody's, in seconds.
const PACKING_S: i64 = 5;

/// The permissions of a ref's file, as git makes it.
const REF_MODE: u32 = 0o666;

/// What a ref must be for a move to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// The ref must not exist.
    Absent,
    /// The ref must be at this commit.
    At(CommitId),
}

/// A lock file beside a ref, as it was seen.
#[derive(Debug, PartialEq, Eq)]
struct RefLock {
    path: PathBuf,
    /// Inode and time of the last change: a lock taken anew differs.
    identity: (u64, i64, i64),
    content: Vec<u8>,
}

impl Repo {
    /// The commit that a full ref name (`refs/…`) points to; none when there is no such ref.
    ///
    /// # Errors
    /// When the ref exists and cannot be read, or is no commit.
    pub fn read_ref(&self, name: &str) -> Result<Option<CommitId>> {
        match self.inner.find_reference(name) {
            Ok(reference) => match reference.peel_to_commit() {
                Ok(commit) => Ok(Some(commit_id(commit.id()))),
                Err(cause) => Err(from_git2(format!("read `{name}`"), &cause)),
            },
            Err(cause) if cause.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(cause) if cause.code() == git2::ErrorCode::InvalidSpec => Ok(None),
            Err(cause) => Err(from_git2(format!("read `{name}`"), &cause)),
        }
    }

    /// Whether a full ref name points to just this commit, which is not read for it.
    #[must_use]
    pub fn is_at(&self, name: &str, commit: CommitId) -> bool {
        self.inner.refname_to_id(name).is_ok_and(|id| id == oid(commit.0))
    }

    /// Moves or makes a ref if it is as expected; `message` goes into its reflog.
    ///
    /// # Errors
    /// `refused` when the ref is not as expected (or cannot exist beside another), `busy` when
    /// somebody holds its lock.
    pub fn set_ref(
        &self,
        name: &str,
        expected: Expected,
        to: CommitId,
        message: &str,
    ) -> Result<()> {
        self.with_retry(name, Some(to), || match expected {
            Expected::Absent => self.inner.reference(name, oid(to.0), false, message).map(drop),
            Expected::At(old) => {
                self.inner.reference_matching(name, oid(to.0), true, oid(old.0), message).map(drop)
            }
        })?;
        // libgit2 does not say so when it could not remove its lock.
        self.sweep_ref_lock(name, Some(to));
        Ok(())
    }

    /// Writes a ref that nobody else makes, since a random id names it, under its lock (git's
    /// gitrepository-layout(5)): it is there once the file gets the name that is answered.
    ///
    /// # Errors
    /// `io` when it cannot be written, or its lock is there.
    pub fn new_ref(&self, name: &str, to: CommitId) -> Result<(NewFile, PathBuf)> {
        let path = self.common_dir().join(name);
        let write = || {
            let lock = self.common_dir().join(format!("{name}.lock"));
            NewFile::write(lock, REF_MODE, format!("{to}\n").as_bytes())
        };
        let mut written = write();
        // Git removes folders of refs that are empty, at any moment.
        for _ in 0..TRIES {
            match path.parent() {
                Some(folder) if written.is_err() && !folder.is_dir() => {
                    fs::create_dir_all(folder)
                        .attempt(|| format!("make `{}`", folder.display()))?;
                    written = write();
                }
                _ => break,
            }
        }
        Ok((written?, path))
    }

    /// Moves a ref as [`set_ref`](Self::set_ref) does, but as seen from a worktree: if it is on that branch, its own
    /// reflog tells of the move too.
    ///
    /// # Errors
    /// `git` when the ref is not as expected or somebody holds its lock.
    pub fn set_ref_from(
        &self,
        checkout: &Checkout,
        name: &str,
        (expected, to): (Expected, CommitId),
        message: &str,
    ) -> Result<()> {
        let old = match expected {
            Expected::Absent => ObjectId::ZERO,
            Expected::At(old) => old.0,
        };
        let update = || {
            let command = self.git.at(&checkout.git_dir, "update-ref").args(["-m", message, name]);
            command.args([to.to_string(), old.to_string()]).run().map(drop)
        };
        update().or_else(|error| {
            // Git may have died, before it moved the ref or after that, with the locks or without.
            self.sweep_branch_locks(name, Some(checkout));
            match (self.read_ref(name)?, expected) {
                (Some(now), _) if now == to => Ok(()),
                (None, Expected::Absent) => update(),
                (Some(now), Expected::At(old)) if now == old => update(),
                _ => Err(error),
            }
        })
    }

    /// Where the last move of a worktree's HEAD led, by its reflog; `None` where there is none.
    #[must_use]
    pub fn last_logged_head(&self, checkout: &Checkout) -> Option<CommitId> {
        let log = std::fs::read(checkout.git_dir.join("logs/HEAD")).ok()?;
        let line = log.trim_ascii_end().rsplit(|byte| *byte == b'\n').next()?;
        std::str::from_utf8(line.get(41..81)?).ok()?.parse().ok()
    }

    /// Deletes a ref if it still points to `expected`; a ref that is gone already is fine.
    ///
    /// # Errors
    /// `refused` when it points elsewhere, `busy` when somebody holds its lock.
    pub fn delete_ref(&self, name: &str, expected: CommitId) -> Result<()> {
        match self.read_ref(name)? {
            None => return Ok(()),
            Some(now) if now != expected => {
                return Err(Error::refused(format!("`{name}` has moved to {}", now.short())));
            }
            Some(_) => {}
        }
        self.with_retry(name, None, || match self.inner.find_reference(name) {
            // libgit2 deletes by the value it read, so a move in between is an error, not a loss.
            Ok(mut reference) if reference.target() == Some(oid(expected.0)) => reference.delete(),
            Ok(_) => Err(git2::Error::new(
                git2::ErrorCode::Modified,
                git2::ErrorClass::Reference,
                "it has moved meanwhile",
            )),
            Err(cause) if cause.code() == git2::ErrorCode::NotFound => Ok(()),
            Err(cause) => Err(cause),
        })?;
        self.sweep_ref_lock(name, None);
        Ok(())
    }

    /// The full names of all refs below a prefix such as `refs/offshoot/kept/`.
    ///
    /// # Errors
    /// When the refs cannot be listed.
    pub fn refs_below(&self, prefix: &str) -> Result<Vec<String>> {
        let attempt = || format!("list `{prefix}`");
        let (loose, whole) = ref_files::loose(self.common_dir(), prefix, &|_| false);
        whole.attempt(attempt)?;
        let mut names: Vec<_> = loose.into_iter().map(|(name, _)| name).collect();
        let packed = ref_files::packed(self.common_dir()).attempt(attempt)?;
        let packed = ref_files::lines(&packed).map(|(_, name)| name);
        names.extend(packed.filter(|name| name.starts_with(prefix)).map(str::to_owned));
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    fn with_retry(
        &self,
        name: &str,
        to: Option<CommitId>,
        mut move_it: impl FnMut() -> std::result::Result<(), git2::Error>,
    ) -> Result<()> {
        let mut tries = 0;
        let mut found = None;
        loop {
            match move_it() {
                Ok(()) => return Ok(()),
                Err(cause) if cause.code() == git2::ErrorCode::Locked && tries < TRIES => {
                    tries += 1;
                    found = found.or_else(|| self.ref_lock(name));
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(cause) => {
                    let locked = cause.code() == git2::ErrorCode::Locked;
                    match found.take() {
                        Some(lock) if locked && self.remove_abandoned(name, to, &lock) => {}
                        None if locked && self.sweep_packed_lock() => {}
                        _ => return Err(cannot_move(name, &cause)),
                    }
                }
            }
        }
    }

    /// Removes the lock that a killed process of ours may have left on a ref while it moved it to `to`.
    /// Waits for a second if there is one, to see that it is nobody's any more.
    pub fn sweep_ref_lock(&self, name: &str, to: Option<CommitId>) {
        if let Some(found) = self.ref_lock(name) {
            // One that is somebody else's stays.
            let _ = self.remove_abandoned(name, to, &found);
        }
    }

    /// The same for every ref of ours below a prefix, which nobody else may be moving.
    pub fn sweep_ref_locks_below(&self, prefix: &str) {
        let mut folders = vec![self.common_dir().join(prefix)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                let path = entry.path();
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    folders.push(path);
                } else if let Ok(name) = path.strip_prefix(self.common_dir())
                    && let Some(name) = name.to_str().and_then(|name| name.strip_suffix(".lock"))
                {
                    self.sweep_ref_lock(name, None);
                }
            }
        }
    }

    /// Removes the lock that a killed process of ours left on a ref. In our own namespace only the
    /// holder of a task's or the landing's lock moves refs, and that is the caller; elsewhere the lock
    /// must hold what the caller wants to write, or nothing.
    fn remove_abandoned(&self, name: &str, to: Option<CommitId>, found: &RefLock) -> bool {
        let content = found.content.trim_ascii_end();
        let wanted = to.is_some_and(|to| to.to_string().as_bytes() == content);
        if !(name.starts_with("refs/offshoot/") || content.is_empty() || wanted) {
            return false;
        }
        std::thread::sleep(ABANDONED);
        self.ref_lock(name).as_ref() == Some(found) && fs::remove_file(&found.path).is_ok()
    }

    /// Removes the locks that a killed git of ours left on a task's branch, and on HEAD of its worktree, while
    /// it moved the branch on or put the worktree on it: they hold nothing, a commit on top of where the branch
    /// is, or the branch. Waits for a second if there are some, to see that they are nobody's any more.
    pub fn sweep_branch_locks(&self, name: &str, checkout: Option<&Checkout>) {
        let tip = self.read_ref(name).ok().flatten();
        let goes_on = |lock: &RefLock| {
            let content = lock.content.trim_ascii_end();
            let to = std::str::from_utf8(content).ok().and_then(|text| text.parse().ok());
            content.is_empty()
                || content.strip_prefix(b"ref: ") == Some(name.as_bytes())
                || to.is_some_and(|to| tip.is_some() && self.first_parent_of(to).ok() == tip)
        };
        let mut paths = vec![self.common_dir().join(format!("{name}.lock"))];
        paths.extend(checkout.map(|checkout| checkout.git_dir.join("HEAD.lock")));
        let found: Vec<_> = paths.into_iter().filter_map(lock_at).filter(goes_on).collect();
        if found.is_empty() {
            return;
        }
        std::thread::sleep(ABANDONED);
        for lock in found {
            if lock_at(lock.path.clone()).as_ref() == Some(&lock) {
                // One that cannot be removed is in the way of whoever comes next, and says so.
                let _ = fs::remove_file(&lock.path);
            }
        }
    }

    /// The branch that a symbolic ref among the branches stands for; any other stands for itself.
    ///
    /// # Errors
    /// `refused` when it stands for something that is no branch.
    pub fn real_branch(&self, branch: &BranchName) -> Result<BranchName> {
        let found = self.inner.find_reference(&branch.full_ref());
        let is_symbolic =
            |it: &git2::Reference<'_>| it.kind() == Some(git2::ReferenceType::Symbolic);
        let Some(end) = found.ok().filter(is_symbolic).and_then(|it| it.resolve().ok()) else {
            return Ok(branch.clone());
        };
        let name = String::from_utf8_lossy(end.name_bytes()).into_owned();
        let real = name.strip_prefix("refs/heads/").and_then(|name| BranchName::new(name).ok());
        real.ok_or_else(|| {
            let name = escape::line(&name);
            Error::refused(format!("`{branch}` stands for `{name}`, which is no branch"))
                .hint(format!("git symbolic-ref --delete {}", branch.full_ref()))
        })
    }

    /// Removes the lock on packed refs that a killed process of ours left while it deleted a ref, for
    /// that would keep git itself from deleting any. Whoever is alive has it for milliseconds; git, when
    /// it packs many, writes `packed-refs.new` meanwhile. Says whether it removed one.
    pub fn sweep_packed_lock(&self) -> bool {
        let lock = self.common_dir().join("packed-refs.lock");
        let Ok(facts) = fs::metadata(&lock) else { return false };
        let age = (Clock.now().as_millis() / 1000).saturating_sub(facts.mtime());
        let is_written = self.common_dir().join("packed-refs.new").exists();
        age >= PACKING_S && !is_written && fs::remove_file(&lock).is_ok()
    }

    /// The same after a git of ours that may have left it: waits until it is gone or old enough.
    pub fn outwait_packed_lock(&self) {
        let lock = self.common_dir().join("packed-refs.lock");
        let deadline = Clock.deadline(Duration::from_secs(PACKING_S.unsigned_abs() + 1));
        while lock.exists() && !self.sweep_packed_lock() && !deadline.has_passed() {
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn ref_lock(&self, name: &str) -> Option<RefLock> {
        lock_at(self.common_dir().join(format!("{name}.lock")))
    }
}

fn lock_at(path: PathBuf) -> Option<RefLock> {
    let (metadata, content) = (fs::metadata(&path).ok()?, fs::read(&path).ok()?);
    let identity = (metadata.ino(), metadata.mtime(), metadata.mtime_nsec());
    Some(RefLock { path, identity, content })
}

fn cannot_move(name: &str, cause: &git2::Error) -> Error {
    match cause.code() {
        git2::ErrorCode::Modified | git2::ErrorCode::Exists => {
            Error::refused(format!("cannot move `{name}`: {}", cause.message()))
        }
        _ => from_git2(format!("move `{name}`"), cause),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use git2::{Repository, Signature};

    #[test]
    fn a_new_ref_is_there_when_it_has_its_name_and_locked_before() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let inner = Repository::init(folder.path()).expect("makes a repository");
        let tree = inner.treebuilder(None).and_then(|tree| tree.write()).expect("makes a tree");
        let tree = inner.find_tree(tree).expect("is there");
        let person = Signature::now("Person", "person@example.invalid").expect("a person");
        let commit = inner.commit(None, &person, &person, "first", &tree, &[]).expect("commits");
        let commit = commit_id(commit);
        let repo = Repo::discover(folder.path(), &Environment::default()).expect("opens");

        let (file, path) = repo.new_ref("refs/a/b/c", commit).expect("writes");
        assert_eq!(repo.read_ref("refs/a/b/c").expect("reads"), None);
        let other = inner.reference("refs/a/b/c", oid(commit.0), false, "").map(drop);
        assert_eq!(other.expect_err("is locked").code(), git2::ErrorCode::Locked);
        file.keep_as(&path).expect("gets its name");
        assert_eq!(repo.read_ref("refs/a/b/c").expect("reads"), Some(commit));
        assert_eq!(repo.refs_below("refs/a/").expect("lists"), ["refs/a/b/c"]);

        drop(repo.new_ref("refs/a/b/d", commit).expect("writes"));
        assert_eq!(repo.read_ref("refs/a/b/d").expect("reads"), None);
        assert!(repo.ref_lock("refs/a/b/d").is_none(), "nothing is left of it");
    }
}
