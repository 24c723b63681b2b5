//! One repository: where it lies, what it is, and the way to its objects.
//!
//! A repository that libgit2 cannot open is refused at once with the reason; it is never served by
//! halves. The handle is opened on the common directory, so that it means the same whichever
//! worktree the caller stands in.

use super::command::Git;
use super::error::{GitAttempt, from_git2};
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::names::{BranchName, CommitId, ObjectId};
use std::path::{Path, PathBuf};
use std::sync::Once;

/// A repository, and the checkout that the caller stands in, if any.
pub struct Repo {
    pub(super) inner: git2::Repository,
    /// The git executable, ready to run on this repository.
    pub git: Git,
    common_dir: PathBuf,
    main_worktree: Option<PathBuf>,
    here: Option<Checkout>,
}

/// A worktree with its files: the main one or a linked one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkout {
    /// The folder that holds the files.
    pub root: PathBuf,
    /// Its own git directory (`.git`, or `.git/worktrees/NAME`), where its HEAD and index lie.
    pub git_dir: PathBuf,
}

/// Where a HEAD points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The branch, unless HEAD is detached.
    pub branch: Option<BranchName>,
    /// The commit, unless the branch is unborn.
    pub commit: Option<CommitId>,
}

impl Repo {
    /// Finds the repository that `directory` belongs to.
    ///
    /// # Errors
    /// `not_found` outside any repository, `unsupported` for one that cannot be served (SHA-256 ids,
    /// reftable, unknown extensions).
    pub fn discover(directory: &Path, environment: &Environment) -> Result<Self> {
        set_up_libgit2();
        // `Repository::discover` would look for it twice, by name and to open it.
        let flags = git2::RepositoryOpenFlags::CROSS_FS;
        let found = git2::Repository::open_ext(directory, flags, std::iter::empty::<&Path>())
            .map_err(|cause| cannot_open(directory, &cause))?;
        let git_dir = canonical(found.path())?;
        let common_dir = match found.commondir() == found.path() {
            true => git_dir.clone(),
            false => canonical(found.commondir())?,
        };
        let here = match found.workdir() {
            Some(root) => Some(Checkout { root: canonical(root)?, git_dir: git_dir.clone() }),
            None => None,
        };
        let (inner, main_worktree) = if git_dir == common_dir {
            (found, here.as_ref().map(|here| here.root.clone()))
        } else {
            let main = git2::Repository::open(&common_dir)
                .map_err(|cause| cannot_open(directory, &cause))?;
            let root = main.workdir().map(canonical).transpose()?;
            (main, root)
        };
        Ok(Self { inner, git: Git::new(environment), common_dir, main_worktree, here })
    }

    /// The same once more, for other threads, which open it.
    pub(super) fn again(&self) -> impl Fn() -> Result<Self> + Sync + use<'_> {
        let (common_dir, main_worktree) = (&self.common_dir, &self.main_worktree);
        let (git, here) = (&self.git, &self.here);
        move || {
            let inner = git2::Repository::open(common_dir)
                .map_err(|cause| cannot_open(common_dir, &cause))?;
            let (common_dir, main_worktree) = (common_dir.clone(), main_worktree.clone());
            Ok(Self { inner, git: git.clone(), common_dir, main_worktree, here: here.clone() })
        }
    }

    /// The directory that all worktrees share (`.git`, or the bare repository itself).
    #[must_use]
    pub fn common_dir(&self) -> &Path {
        &self.common_dir
    }

    /// The main worktree; none in a bare repository.
    #[must_use]
    pub fn main_worktree(&self) -> Option<&Path> {
        self.main_worktree.as_deref()
    }

    /// The checkout that the caller stands in; none in a bare repository's own folder.
    #[must_use]
    pub fn here(&self) -> Option<&Checkout> {
        self.here.as_ref()
    }

    /// The folder by which people know this repository: the main worktree, else the bare repository.
    #[must_use]
    pub fn home(&self) -> &Path {
        self.main_worktree.as_deref().unwrap_or(&self.common_dir)
    }

    /// HEAD as the caller sees it: of the checkout it stands in, else of the repository.
    ///
    /// # Errors
    /// When HEAD cannot be read at all.
    pub fn head_here(&self) -> Result<Head> {
        self.head_of(self.here.as_ref().map_or(&self.common_dir, |here| &here.git_dir))
    }

    /// HEAD of the worktree whose git directory is `git_dir`.
    ///
    /// # Errors
    /// When that is no git directory or its HEAD cannot be read.
    pub fn head_of(&self, git_dir: &Path) -> Result<Head> {
        let attempt = || format!("read HEAD of `{}`", git_dir.display());
        let text = std::fs::read_to_string(git_dir.join("HEAD")).attempt(attempt)?;
        match text.trim_end().strip_prefix("ref: ") {
            None => Ok(Head { branch: None, commit: Some(text.trim_end().parse::<CommitId>()?) }),
            Some(name) => {
                let branch = name.strip_prefix("refs/heads/").and_then(|b| BranchName::new(b).ok());
                Ok(Head { branch, commit: self.read_ref(name)? })
            }
        }
    }

    /// The commit that a revision expression names, as the caller would mean it.
    ///
    /// # Errors
    /// `not_found` when nothing is named so, `refused` when it is no commit.
    pub fn resolve(&self, revision: &str) -> Result<CommitId> {
        let missing = || {
            Error::not_found(format!("no revision `{}`", crate::escape::line(revision)))
                .hint("`git branch --all` and `git log` show what there is")
        };
        if revision.starts_with('-') || revision.is_empty() {
            return Err(missing());
        }
        let handle = match &self.here {
            // HEAD, `@{-1}` and the like depend on the worktree.
            Some(here) => git2::Repository::open(&here.git_dir).ok(),
            None => None,
        };
        let object = handle.as_ref().unwrap_or(&self.inner).revparse_single(revision);
        let object = object.map_err(|_| missing())?;
        let commit = object.peel_to_commit().map_err(|_| {
            Error::refused(format!("`{}` is no commit", crate::escape::line(revision)))
                .hint("`git log --oneline` shows commits")
        })?;
        Ok(commit_id(commit.id()))
    }

    /// Every checkout of this repository that exists on disk: the main one and the linked ones.
    ///
    /// # Errors
    /// When the list of worktrees cannot be read.
    pub fn checkouts(&self) -> Result<Vec<Checkout>> {
        let mut all = Vec::new();
        if let Some(root) = &self.main_worktree {
            all.push(Checkout { root: root.clone(), git_dir: self.common_dir.clone() });
        }
        let entries = self.common_dir.join("worktrees");
        let Ok(folder) = std::fs::read_dir(&entries) else { return Ok(all) };
        for entry in folder {
            let git_dir = entry.attempt(|| format!("list `{}`", entries.display()))?.path();
            if let Some(root) = worktree_root_of(&git_dir) {
                all.push(Checkout { root, git_dir });
            }
        }
        Ok(all)
    }

    /// A configuration value as text, from the repository's, the user's and the system's files.
    #[must_use]
    pub fn config(&self, key: &str) -> Option<String> {
        self.inner.config().ok()?.snapshot().ok()?.get_string(key).ok()
    }

    /// A configuration value as a switch; `false` where it is not set or no switch.
    #[must_use]
    pub fn config_flag(&self, key: &str) -> bool {
        let snapshot = self.inner.config().and_then(|mut config| config.snapshot());
        snapshot.and_then(|config| config.get_bool(key)).unwrap_or(false)
    }
}

/// The folder of the worktree whose administrative directory is `git_dir`, if both exist.
#[must_use]
pub fn worktree_root_of(git_dir: &Path) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let bytes = std::fs::read(git_dir.join("gitdir")).ok()?;
    let link = Path::new(std::ffi::OsStr::from_bytes(bytes.trim_ascii_end()));
    // Relative where `worktree.useRelativePaths` is set.
    let root = git_dir.join(link).parent()?.to_path_buf();
    std::fs::canonicalize(root).ok()
}

/// Our id of a libgit2 id.
pub(super) fn object_id(id: git2::Oid) -> ObjectId {
    let mut bytes = [0; 20];
    bytes.copy_from_slice(id.as_bytes());
    ObjectId::from_bytes(bytes)
}

/// Our id of a commit of libgit2.
pub(super) fn commit_id(id: git2::Oid) -> CommitId {
    CommitId(object_id(id))
}

/// libgit2's id of ours.
pub(super) fn oid(id: ObjectId) -> git2::Oid {
    git2::Oid::from_bytes(id.as_bytes()).expect("invariant: an object id has 20 bytes")
}

fn canonical(path: &Path) -> Result<PathBuf> {
    std::fs::canonicalize(path).attempt(|| format!("find `{}`", path.display()))
}

/// Process-wide settings of libgit2, made once before the first repository is opened.
fn set_up_libgit2() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        #[expect(
            unsafe_code,
            reason = "libgit2's options are global; the binding has no safe call"
        )]
        // SAFETY: called once, before any repository is opened, so nothing else reads the options.
        unsafe {
            // Commits and refs are the work we promise to keep, so they are fsynced.
            let fsync = libgit2_sys::GIT_OPT_ENABLE_FSYNC_GITDIR as std::ffi::c_int;
            libgit2_sys::git_libgit2_opts(fsync, 1 as std::ffi::c_int);
            git2::opts::set_extensions(&["relativeworktrees"])
                .expect("invariant: libgit2 accepts extension names");
        }
    });
}

fn cannot_open(directory: &Path, cause: &git2::Error) -> Error {
    let place = directory.display();
    match cause.code() {
        git2::ErrorCode::NotFound => {
            Error::not_found(format!("`{place}` is not in a git repository"))
                .hint("`git init` makes one; `-C DIR` names another folder")
        }
        git2::ErrorCode::Owner => {
            Error::refused(format!("the repository at `{place}` belongs to another user"))
                .hint(format!("git config --global --add safe.directory {place}"))
        }
        _ if cause.message().contains("extension") || cause.message().contains("object format") => {
            Error::unsupported(format!(
                "cannot serve the repository at `{place}`: {}",
                cause.message()
            ))
            .hint("SHA-256 ids and the reftable format are not supported")
        }
        _ => from_git2(format!("open the repository at `{place}`"), cause),
    }
}

/// Reading a commit's parts, for whoever has only its id.
impl Repo {
    /// The tree of a commit.
    ///
    /// # Errors
    /// `not_found` when there is no such commit.
    pub fn tree_of(&self, commit: CommitId) -> Result<ObjectId> {
        let found = self.inner.find_commit(oid(commit.0));
        found.map(|c| object_id(c.tree_id())).git_attempt(|| format!("read commit `{commit}`"))
    }

    /// Whether `ancestor` is `descendant` or one of the commits before it.
    ///
    /// # Errors
    /// When either is missing.
    pub fn is_ancestor(&self, ancestor: CommitId, descendant: CommitId) -> Result<bool> {
        Ok(ancestor == descendant
            || self
                .inner
                .graph_descendant_of(oid(descendant.0), oid(ancestor.0))
                .git_attempt(|| format!("compare `{ancestor}` with `{descendant}`"))?)
    }

    /// The best common ancestor of two commits, if they share any history.
    ///
    /// # Errors
    /// When either is missing.
    pub fn merge_base(&self, one: CommitId, other: CommitId) -> Result<Option<CommitId>> {
        match self.inner.merge_base(oid(one.0), oid(other.0)) {
            Ok(base) => Ok(Some(commit_id(base))),
            Err(cause) if cause.code() == git2::ErrorCode::NotFound => Ok(None),
            Err(cause) => Err(from_git2(format!("find what `{one}` and `{other}` share"), &cause)),
        }
    }
}
