//! Single steps of a task's life as commands, for `scripts/bench`, which times them from outside beside
//! git's own commands; and the floors under them, which time themselves.
//!
//! The steps are those of the supervisor, by the library's public functions, the repository's lock and
//! the durable records included; what they make is real and is looked at by git. A floor does no more than the
//! system calls that any program needs for the same files. `now` is an agent: it tells when it began.
//!
//! Usage: `phases now FILE | worktree REPO FOLDER | scan FOLDER | record FOLDER | changes FOLDER |
//! write-floor FROM TO | stat-floor FOLDER | durable-floor FOLDER`. Without one (`cargo bench`) nothing
//! is done. Floors print nanoseconds.

use offshoot::context::Context;
use offshoot::diff::FileChange;
use offshoot::environment::Environment;
use offshoot::error::{Attempt, Error, Result};
use offshoot::git::{
    Checkout, DiffRange, Expected, NewCommit, NewWorktree, PoolOffer, Signing, Snapshot,
    SnapshotRequest, SnapshotStart, Stock, copy_index,
};
use offshoot::layout::RepoLock;
use offshoot::names::{BranchName, CommitId, TaskId};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let begun = SystemTime::now();
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&OsStr> = arguments.iter().map(OsString::as_os_str).collect();
    match run(begun, &words) {
        Ok(answer) => writeln!(std::io::stdout(), "{answer}")
            .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(begun: SystemTime, words: &[&OsStr]) -> Result<String> {
    let Some((step, operands)) = words.split_first() else {
        return Ok("`scripts/bench` runs this".to_owned());
    };
    let paths: Vec<&Path> = operands.iter().map(Path::new).collect();
    match (step.to_str(), &paths[..]) {
        (Some("now"), [file]) => now(begun, file),
        (Some("worktree"), [repo, folder]) => worktree(repo, folder),
        (Some("scan"), [folder]) => scan(folder),
        (Some("record"), [folder]) => record(folder),
        (Some("changes"), [folder]) => changes(folder),
        (Some("write-floor"), [from, to]) => write_floor(from, to),
        (Some("stat-floor"), [folder]) => stat_floor(folder),
        (Some("durable-floor"), [folder]) => durable_floor(folder),
        // `cargo bench` and `cargo test` pass options of their own.
        (Some(option), _) if option.starts_with("--") => Ok("`scripts/bench` runs this".to_owned()),
        _ => Err(Error::usage("no such step")),
    }
}

/// Writes when this process began, in nanoseconds of the epoch; the file is there at once with all of it.
fn now(begun: SystemTime, file: &Path) -> Result<String> {
    let since = begun.duration_since(UNIX_EPOCH).unwrap_or_default();
    let sibling = file.with_extension("new");
    let attempt = || format!("write `{}`", file.display());
    fs::write(&sibling, since.as_nanos().to_string()).attempt(attempt)?;
    fs::rename(&sibling, file).attempt(attempt)?;
    Ok(String::new())
}

fn context(directory: &Path) -> Result<Context> {
    Context::open(directory, Environment::new(std::env::vars_os()))
}

/// Beside a worktree: the index as it was when the worktree was made, which a supervisor keeps with the
/// task's record.
fn seed_of(folder: &Path) -> PathBuf {
    folder.with_extension("seed")
}

/// A worktree of HEAD on a branch named like its folder, as `prepare` makes it, out of the pool if that is
/// on.
fn worktree(repo: &Path, folder: &Path) -> Result<String> {
    let context = context(repo)?;
    let base = context.repo.resolve("HEAD")?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let branch = BranchName::new(format!("bench/{name}"))?;
    let spares = context.store.spares()?.into_iter();
    let spares: Vec<_> =
        spares.map(|spare| (spare.clone(), context.store.spare(&spare.name))).collect();
    let pool = &context.config.pool;
    let offer = PoolOffer { spares: &spares, umask: offshoot::process::umask(), keep: &pool.keep };
    fs::create_dir_all(context.store.layout().root())
        .attempt(|| "make the state folder".to_owned())?;
    let stock = Stock { folder: context.store.layout().stock(), most: pool.stock_bytes };
    let checkout = {
        let _repo = context.store.lock(RepoLock::Repo)?;
        context.repo.create_worktree(&NewWorktree {
            task: TaskId::random(),
            root: folder,
            branch: &branch,
            base,
            intent: &folder.with_extension("intent"),
            pool: pool.is_on().then_some(&offer),
            stock: Some(&stock),
        })?
    };
    copy_index(&checkout.git_dir.join("index"), &seed_of(folder))?;
    Ok(checkout.root.display().to_string())
}

/// A worktree, its HEAD, and what is in it, looked at as at a task's end.
fn look(folder: &Path) -> Result<(Context, Checkout, CommitId, Snapshot)> {
    let context = context(folder)?;
    let checkout = context.repo.here().cloned().ok_or_else(|| Error::usage("no worktree"))?;
    let head = context.repo.resolve("HEAD")?;
    let snapshot = context.repo.snapshot(&SnapshotRequest {
        checkout: &checkout,
        index: &folder.with_extension("index"),
        start: SnapshotStart::Commit { head, seed: &seed_of(folder) },
    })?;
    Ok((context, checkout, head, snapshot))
}

/// What is in a worktree, as a tree.
fn scan(folder: &Path) -> Result<String> {
    Ok(look(folder)?.3.tree.to_string())
}

/// What `finish` does with leftovers: a commit, the branch, the worktree's index.
fn record(folder: &Path) -> Result<String> {
    let (context, checkout, head, snapshot) = look(folder)?;
    let made = context.repo.create_commit(&NewCommit {
        tree: snapshot.tree,
        parents: &[head],
        message: "leftovers",
        author_of: None,
        signing: Signing::Never,
    })?;
    let branch = context.repo.head_here()?.branch.ok_or_else(|| Error::usage("no branch"))?;
    let ends = (Expected::At(head), made);
    context.repo.set_ref_from(&checkout, &branch.full_ref(), ends, "bench: leftovers")?;
    let sibling = checkout.git_dir.join("index.offshoot");
    copy_index(&folder.with_extension("index"), &sibling)?;
    fs::rename(&sibling, checkout.git_dir.join("index"))
        .attempt(|| "put the index in place".to_owned())?;
    Ok(made.to_string())
}

/// The figures of HEAD against its first parent, as `git diff --numstat` writes them.
fn changes(folder: &Path) -> Result<String> {
    let repo = context(folder)?.repo;
    let (from, to) = (repo.resolve("HEAD~1")?, repo.resolve("HEAD")?);
    let all = repo.changes(&DiffRange { from, to, paths: &[] })?;
    let line = |it: &FileChange| format!("{}\t{}\t{}", it.insertions, it.deletions, it.path);
    Ok(all.iter().map(line).collect::<Vec<_>>().join("\n"))
}

/// One folder of a tree of files: names with what they hold.
struct Folder {
    path: PathBuf,
    files: Vec<OsString>,
}

/// All folders below `root`, each after the one it lies in.
fn folders(root: &Path) -> Result<Vec<Folder>> {
    let mut found = vec![Folder { path: PathBuf::new(), files: Vec::new() }];
    let mut next = 0;
    while next < found.len() {
        let here = found[next].path.clone();
        let attempt = || format!("read `{}`", root.join(&here).display());
        for entry in fs::read_dir(root.join(&here)).attempt(attempt)? {
            let entry = entry.attempt(attempt)?;
            let name = entry.file_name();
            if entry.file_type().attempt(attempt)?.is_dir() {
                found.push(Folder { path: here.join(name), files: Vec::new() });
            } else if name != ".git" {
                found[next].files.push(name);
            }
        }
        next += 1;
    }
    Ok(found)
}

fn open_folder(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Every folder once, by as many threads as there are processors; how long that takes.
fn by_all_threads(
    folders: &[Folder],
    work: impl Fn(&Folder) -> rustix::io::Result<()> + Sync,
) -> Result<Duration> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let begun = Instant::now();
    let results = std::thread::scope(|scope| {
        let one = |first: usize| folders.iter().skip(first).step_by(threads).try_for_each(&work);
        let running: Vec<_> = (0..threads).map(|first| scope.spawn(move || one(first))).collect();
        running.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
    });
    let took = begun.elapsed();
    for result in results {
        let said = result.map_err(|_| Error::usage("a thread died"))?;
        said.map_err(std::io::Error::from).attempt(|| "walk the files".to_owned())?;
    }
    Ok(took)
}

/// The same files written: each folder made, each file opened, written and closed, no more.
fn write_floor(from: &Path, to: &Path) -> Result<String> {
    let all = folders(from)?;
    let bytes = |folder: &Folder| -> Vec<Vec<u8>> {
        let read = |name| fs::read(from.join(&folder.path).join(name)).unwrap_or_default();
        folder.files.iter().map(read).collect()
    };
    let contents: std::collections::HashMap<&Path, Vec<Vec<u8>>> =
        all.iter().map(|folder| (folder.path.as_path(), bytes(folder))).collect();
    let begun = Instant::now();
    for folder in &all {
        fs::create_dir(to.join(&folder.path)).attempt(|| "make a folder".to_owned())?;
    }
    let making = begun.elapsed();
    let writing = by_all_threads(&all, |folder| {
        let here = open_folder(&to.join(&folder.path))?;
        for (name, content) in folder.files.iter().zip(&contents[folder.path.as_path()]) {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            let file = rustix::fs::openat(&here, name, flags, Mode::from_raw_mode(0o666))?;
            let mut rest = &content[..];
            while !rest.is_empty() {
                rest = &rest[rustix::io::write(&file, rest)?..];
            }
        }
        Ok(())
    })?;
    Ok((making + writing).as_nanos().to_string())
}

/// The state of every file asked for once.
fn stat_floor(folder: &Path) -> Result<String> {
    let all = folders(folder)?;
    let took = by_all_threads(&all, |one| {
        let here = open_folder(&folder.join(&one.path))?;
        one.files.iter().try_for_each(|name| {
            rustix::fs::statat(here.as_fd(), name, AtFlags::SYMLINK_NOFOLLOW).map(drop)
        })
    })?;
    Ok(took.as_nanos().to_string())
}

/// One small record made durable: written, fsynced, renamed, its folder fsynced.
fn durable_floor(folder: &Path) -> Result<String> {
    let attempt = || "write a record".to_owned();
    let begun = Instant::now();
    let sibling = folder.join("record.new");
    let mut file = fs::File::create(&sibling).attempt(attempt)?;
    file.write_all(&[b'x'; 1024]).attempt(attempt)?;
    file.sync_all().attempt(attempt)?;
    fs::rename(&sibling, folder.join("record")).attempt(attempt)?;
    let folder = rustix::fs::openat(CWD, folder, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    let synced = folder.and_then(rustix::fs::fsync);
    synced.map_err(std::io::Error::from).attempt(attempt)?;
    Ok(begun.elapsed().as_nanos().to_string())
}
