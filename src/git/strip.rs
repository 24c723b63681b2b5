//! Proves that the folder of a released worktree holds exactly the files of a commit, and takes out
//! everything besides, ignored files too, so that the folder can serve another task.
//!
//! What is taken out is moved beside the folder, where `restore` finds it; only ignored paths that the
//! configuration lists stay. A file counts as untouched if it is the inode that was written when the
//! worktree was made, by an index of ours from that moment; others are read, and must be what the
//! commit holds. Folders must have the mode that they were made with, no attributes or access lists, and
//! no date to come.
//! "No" changes nothing.

use super::index_file::{FileState, IndexEntry, IndexFile};
use super::refit::{There, open_folder, open_root};
use super::repo::{Repo, object_id};
use super::tree_plan::{LINK, PROGRAM};
use crate::clock::Clock;
use crate::error::{Attempt, Error, Result};
use crate::names::CommitId;
use crate::path::RepoPath;
use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const KIND: u32 = 0o170_000;
const FOLDER: u32 = 0o040_000;
const FILE: u32 = 0o100_000;

/// A folder that is to be emptied of all that is not its commit's.
#[derive(Debug, Clone, Copy)]
pub struct StripRequest<'a> {
    /// The folder.
    pub folder: &'a Path,
    /// The commit that it must hold.
    pub commit: CommitId,
    /// The index of the worktree as it was right after it was made.
    pub index: &'a Path,
    /// The mode bits that its files were made without.
    pub umask: u32,
    /// The ignored paths that may stay.
    pub keep: &'a [String],
    /// Where everything else goes.
    pub rest: &'a Path,
}

/// What is in a folder that was emptied of everything else.
#[derive(Debug)]
pub struct Stripped {
    pub(super) there: Vec<There>,
    /// Whether anything stayed besides the files of the commit.
    pub keeps: bool,
}

impl Repo {
    /// Proves a folder to hold a commit and moves everything else out of it; none when it does not, or
    /// when git alone writes such files as they should be.
    ///
    /// # Errors
    /// `io` when something cannot be read or moved; what was moved is where the rest goes.
    pub fn strip(&self, request: &StripRequest<'_>) -> Result<Option<Stripped>> {
        let StripRequest { folder, umask, .. } = *request;
        let Some(plan) = self.plain_index(request.commit, None)? else { return Ok(None) };
        let known = fs::read(request.index).ok().and_then(|bytes| IndexFile::parse(&bytes));
        let written = request.index.metadata().map(|it| (it.mtime(), it.mtime_nsec()));
        let attempt = || format!("read `{}`", folder.display());
        let around = folder.parent().unwrap_or(folder).metadata().attempt(attempt)?;
        let mut look = Look {
            known: known.map(|known| known.entries).unwrap_or_default(),
            written: written.unwrap_or_default(),
            umask,
            folder_mode: FOLDER | (0o777 & !umask) | (around.mode() & 0o2000),
            now: Clock.now().as_millis() / 1000,
            keep: request.keep,
            there: Vec::with_capacity(plan.entries.len()),
            extras: Vec::new(),
            keeps: false,
        };
        let root = open_root(folder)?;
        let holds = look.is_all_of(root, &plan.entries, &mut Vec::new());
        if !holds.map_err(std::io::Error::from).attempt(attempt)? {
            return Ok(None);
        }
        // A folder tells its names in any order.
        look.there.sort_by(|one, other| one.entry.path.cmp(&other.entry.path));
        for path in &look.extras {
            move_out(folder, request.rest, path)?;
        }
        Ok(Some(Stripped { there: look.there, keeps: look.keeps }))
    }
}

/// Moves back what was taken out of a folder, wherever nothing is in its place now; the rest stays.
///
/// # Errors
/// `io` when something cannot be moved.
pub fn put_back(rest: &Path, folder: &Path) -> Result<()> {
    let attempt = || format!("put `{}` back", rest.display());
    let entries = match fs::read_dir(rest) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.attempt(attempt)?,
    };
    for entry in entries {
        let entry = entry.attempt(attempt)?;
        let place = folder.join(entry.file_name());
        let is_folder = |found: std::io::Result<fs::Metadata>| found.is_ok_and(|it| it.is_dir());
        let moved =
            rustix::fs::renameat_with(CWD, entry.path(), CWD, &place, RenameFlags::NOREPLACE);
        match moved {
            Ok(()) => {}
            Err(Errno::EXIST) => {
                if is_folder(entry.path().symlink_metadata()) && is_folder(place.symlink_metadata())
                {
                    put_back(&entry.path(), &place)?;
                }
            }
            Err(cause) => return Err(Error::io(attempt(), &cause.into())),
        }
    }
    // What could not be put back keeps it.
    let _ = fs::remove_dir(rest);
    Ok(())
}

struct Look<'a> {
    /// The files as they were made, sorted by path, and when that was noted.
    known: Vec<IndexEntry>,
    written: (i64, i64),
    umask: u32,
    folder_mode: u32,
    /// In seconds since 1970.
    now: i64,
    keep: &'a [String],
    there: Vec<There>,
    extras: Vec<Vec<u8>>,
    keeps: bool,
}

impl Look<'_> {
    /// Whether a folder holds these entries, what else there is noted; `path` leads to it.
    fn is_all_of(
        &mut self,
        folder: OwnedFd,
        entries: &[IndexEntry],
        path: &mut Vec<u8>,
    ) -> std::result::Result<bool, Errno> {
        let stat = rustix::fs::fstat(&folder)?;
        let is_as_made = stat.st_mode == self.folder_mode && stat.st_mtime <= self.now;
        if !is_as_made || has_attributes(&folder)? {
            return Ok(false);
        }
        let length = path.len();
        let wanted = wanted_in(entries, length);
        let mut found = 0;
        for name in Dir::read_from(&folder)? {
            let name = name?;
            let name = name.file_name().to_bytes();
            if matches!(name, b"." | b"..") || (length == 0 && name == b".git") {
                continue;
            }
            path.extend_from_slice(name);
            let same = match wanted.get(name) {
                Some(Wanted::File(entry)) => {
                    found += 1;
                    self.is_as(&folder, OsStr::from_bytes(name), entry)?
                }
                Some(Wanted::Folder(below)) => {
                    found += 1;
                    path.push(b'/');
                    match open_folder(&folder, OsStr::from_bytes(name)) {
                        Ok(inner) => self.is_all_of(inner, below, path)?,
                        Err(Errno::NOTDIR | Errno::LOOP) => false,
                        Err(cause) => return Err(cause),
                    }
                }
                None => self.note_extra(&folder, path)?,
            };
            path.truncate(length);
            if !same {
                return Ok(false);
            }
        }
        Ok(found == wanted.len())
    }

    /// Notes what is besides the commit's files.
    fn note_extra(&mut self, folder: &OwnedFd, path: &[u8]) -> std::result::Result<bool, Errno> {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        let stat = rustix::fs::statat(folder, OsStr::from_bytes(name), AtFlags::SYMLINK_NOFOLLOW)?;
        // A link could lead the next task elsewhere.
        let may_stay = matches!(stat.st_mode & KIND, FOLDER | FILE);
        if may_stay && self.keep.iter().any(|kept| matches(kept.as_bytes(), path)) {
            self.keeps = true;
        } else {
            self.extras.push(path.to_vec());
        }
        Ok(true)
    }

    /// Whether a file is what its entry says; noted with whether it was ever touched.
    fn is_as(
        &mut self,
        folder: &OwnedFd,
        name: &OsStr,
        entry: &IndexEntry,
    ) -> std::result::Result<bool, Errno> {
        let stat = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let state = self.made_as(entry, &stat);
        if state.is_none() && !holds(folder, name, entry)? {
            return Ok(false);
        }
        let is_untouched = state.is_some();
        let entry = IndexEntry { state: state.unwrap_or_default(), ..entry.clone() };
        self.there.push(There { entry, is_untouched });
        Ok(true)
    }

    /// The state of a file that is as it was made, and not too young to tell.
    fn made_as(&self, entry: &IndexEntry, stat: &Stat) -> Option<FileState> {
        let place = self.known.binary_search_by(|known| known.path.cmp(&entry.path)).ok()?;
        let known = &self.known[place];
        let [seconds, nanoseconds] = known.state.modified.map(i64::from);
        let mode = match entry.mode {
            LINK => LINK | 0o777,
            PROGRAM => FILE | (0o777 & !self.umask),
            _ => FILE | (0o666 & !self.umask),
        };
        let same = (known.mode, known.id) == (entry.mode, entry.id)
            && FileState::of(stat).is_as(&known.state)
            && (seconds, nanoseconds) < self.written
            && seconds <= self.now
            && stat.st_mode == mode;
        same.then_some(known.state)
    }
}

/// What a name in a folder must be.
enum Wanted<'a> {
    File(&'a IndexEntry),
    Folder(&'a [IndexEntry]),
}

/// What belongs into a folder, by name; `depth` bytes of the paths lead to it.
fn wanted_in(entries: &[IndexEntry], depth: usize) -> HashMap<&[u8], Wanted<'_>> {
    let mut wanted = HashMap::new();
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let path = &first.path[depth..];
        let Some(end) = path.iter().position(|byte| *byte == b'/') else {
            wanted.insert(path, Wanted::File(first));
            rest = &rest[1..];
            continue;
        };
        // Sorted by path, so what begins alike stands together.
        let folder = &first.path[..=depth + end];
        let count = rest.partition_point(|entry| entry.path.starts_with(folder));
        let (below, others) = rest.split_at(count);
        wanted.insert(&path[..end], Wanted::Folder(below));
        rest = others;
    }
    wanted
}

/// Whether a file that may have been touched holds what its entry says.
fn holds(folder: &OwnedFd, name: &OsStr, entry: &IndexEntry) -> std::result::Result<bool, Errno> {
    let content = if entry.mode == LINK {
        match rustix::fs::readlinkat(folder, name, Vec::new()) {
            Ok(leads_to) => leads_to.into_bytes(),
            Err(Errno::INVAL) => return Ok(false),
            Err(cause) => return Err(cause),
        }
    } else {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(folder, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::LOOP | Errno::NXIO) => return Ok(false),
            Err(cause) => return Err(cause),
        };
        let mode = rustix::fs::fstat(&file)?.st_mode;
        if mode & KIND != FILE || (mode & 0o100 != 0) != (entry.mode == PROGRAM) {
            return Ok(false);
        }
        let mut content = Vec::new();
        match fs::File::from(file).read_to_end(&mut content) {
            Ok(_) => content,
            Err(_) => return Ok(false),
        }
    };
    let id = git2::Oid::hash_object(git2::ObjectType::Blob, &content);
    Ok(id.is_ok_and(|id| object_id(id) == entry.id))
}

/// Whether a folder has extended attributes, access lists among them, but those of the system.
fn has_attributes(folder: &OwnedFd) -> std::result::Result<bool, Errno> {
    let mut names = vec![0; 4096];
    match rustix::fs::flistxattr(folder, &mut names[..]) {
        Ok(length) => {
            let names = names[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty());
            Ok(names.into_iter().any(|name| !name.starts_with(b"security.")))
        }
        Err(Errno::NOTSUP) => Ok(false),
        Err(Errno::RANGE) => Ok(true),
        Err(cause) => Err(cause),
    }
}

/// Whether a path is what the pattern says, or below that; `*` stands for anything within a name.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let mut parts = path.split(|byte| *byte == b'/');
    let names = pattern.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
    names.into_iter().all(|name| parts.next().is_some_and(|part| name_matches(name, part)))
}

fn name_matches(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|from| name_matches(rest, &name[from..])),
        Some((byte, rest)) => name.first() == Some(byte) && name_matches(rest, &name[1..]),
    }
}

fn move_out(folder: &Path, rest: &Path, path: &[u8]) -> Result<()> {
    let shown = RepoPath::new(path);
    let attempt = || format!("move `{shown}` away");
    let (from, to) = (folder.join(shown.as_path()), rest.join(shown.as_path()));
    fs::create_dir_all(to.parent().unwrap_or(rest)).attempt(attempt)?;
    rustix::fs::renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE)
        .map_err(std::io::Error::from)
        .attempt(attempt)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listed_paths_are_told_from_others() {
        for (pattern, path) in [
            ("target/", "target"),
            ("target", "target/debug"),
            ("./target", "target"),
            ("packages/*/node_modules", "packages/a/node_modules"),
            ("*.cache", "x.cache"),
            ("a*b*c", "aXbYbc"),
        ] {
            assert!(matches(pattern.as_bytes(), path.as_bytes()), "{pattern} {path}");
        }
        for (pattern, path) in [
            ("target", "targets"),
            ("target", "inner/target"),
            ("a/b", "a"),
            ("packages/*/node_modules", "packages/a/b/node_modules"),
            ("*.cache", "cache"),
        ] {
            assert!(!matches(pattern.as_bytes(), path.as_bytes()), "{pattern} {path}");
        }
    }
}
