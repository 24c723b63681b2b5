//! Folders of released worktrees in the trash: which are a task's, how big they are, and how they go.
//!
//! Only a real folder named by a task's id (with a number where there were several) is ever taken for
//! one. It is renamed to `.deleting-…` first and then deleted, so that a deletion which was cut off is
//! known as one and never mistaken for work. No symbolic link is followed.

use crate::error::{Attempt, Error, Result};
use crate::names::TaskId;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What the name of a folder begins with whose deletion has begun.
const DELETING: &str = ".deleting-";

/// What the name of a folder ends with that holds what was beside the files of a commit, where the
/// folder itself was given to another task.
const REST: &str = ".rest";

/// A released task's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trashed {
    /// Where it is.
    pub path: PathBuf,
    /// Whose it is, by its name.
    pub task: TaskId,
    /// Which of the task's it is, by its name, in the order in which they came.
    pub number: u32,
    /// Whether its deletion has begun.
    pub is_half_deleted: bool,
}

/// The folders of tasks in a trash; none where there is no trash, or a symbolic link in its place.
///
/// # Errors
/// `io` when it cannot be listed.
pub fn trashed_in(trash: &Path) -> Result<Vec<Trashed>> {
    if !fs::symlink_metadata(trash).is_ok_and(|found| found.is_dir()) {
        return Ok(Vec::new());
    }
    let list = || format!("list `{}`", trash.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(trash).attempt(list)? {
        let entry = entry.attempt(list)?;
        // Of the entry itself: a symbolic link is no folder here.
        if !entry.file_type().attempt(list)?.is_dir() {
            continue;
        }
        let Ok(name) = entry.file_name().into_string() else { continue };
        let (name, is_half_deleted) = match name.strip_prefix(DELETING) {
            Some(name) => (name.to_owned(), true),
            None => (name, false),
        };
        found.extend(owner(&name).map(|(task, number)| Trashed {
            path: entry.path(),
            task,
            number,
            is_half_deleted,
        }));
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}

/// The folder of a task that came into a trash last: where an attempt was put aside before, there are
/// several, each with a greater number than those that were there when it came.
#[must_use]
pub fn last_trashed(trash: &Path, task: TaskId) -> Option<PathBuf> {
    let folders = trashed_in(trash).ok()?.into_iter().filter(|it| it.task == task);
    let is_rest = |it: &Trashed| it.path.extension().is_some_and(|it| it == &REST[1..]);
    let whole = folders.filter(|it| !it.is_half_deleted && !is_rest(it));
    whole.max_by_key(|it| it.number).map(|it| it.path)
}

/// Where that lies which was beside the files of a commit in a folder.
#[must_use]
pub fn rest_of(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(REST);
    folder.with_file_name(name)
}

/// The name by which a task's folder comes into a trash: above all that are there, half deleted or not,
/// so that the last one is told by its name, whatever the clock says.
pub(super) fn next_name(trash: &Path, task: TaskId) -> Result<String> {
    let folders = trashed_in(trash)?.into_iter().filter(|it| it.task == task);
    let last = folders.map(|it| it.number).max();
    let taken = |name: &String| trash.join(name).symlink_metadata().is_ok();
    let first = last.is_none().then(|| task.to_string());
    let above = last.map_or(1, |last| u64::from(last) + 1);
    let numbered = (above..).map(|it| format!("{task}-{it}"));
    first.into_iter().chain(numbered).find(|name| !taken(name)).ok_or_else(|| {
        Error::io(
            format!("name a folder in `{}`", trash.display()),
            &ErrorKind::AlreadyExists.into(),
        )
    })
}

/// The task that `<id>` or `<id>-<number>` names, and the number; the rest of a folder is named after it.
fn owner(name: &str) -> Option<(TaskId, u32)> {
    let name = name.strip_suffix(REST).unwrap_or(name);
    let (id, rest) = name.split_at_checked(36)?;
    let task: TaskId = id.parse().ok().filter(|task: &TaskId| task.to_string() == id)?;
    match rest.strip_prefix('-') {
        None => rest.is_empty().then_some((task, 0)),
        // Without a sign, which a number may be written with.
        Some(number) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((task, number.parse().ok()?))
        }
        Some(_) => None,
    }
}

/// How many bytes of the disk a folder takes; what cannot be read counts nothing.
#[must_use]
pub fn size_of(folder: &Path) -> u64 {
    let (mut bytes, mut seen, mut folders) = (0, HashSet::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            if found.is_dir() {
                folders.push(entry.path());
            } else if found.nlink() > 1 && !seen.insert((found.dev(), found.ino())) {
                continue;
            }
            bytes += found.blocks() * 512;
        }
    }
    bytes
}

/// Takes a folder out of use: from here on it is only there to be deleted. The caller holds the
/// task's lock. `note` is told its new name before it has it.
///
/// # Errors
/// What `note` answers, `io` when it cannot be renamed; then it is as it was.
pub fn doom(folder: &Path, note: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let wanted = format!("{DELETING}{name}");
    let taken = |name: &str| folder.with_file_name(name).symlink_metadata().is_ok();
    let numbered = (1u32..).map(|number| format!("{wanted}-{number}"));
    let free = std::iter::once(wanted.clone()).chain(numbered).find(|name| !taken(name));
    let doomed = folder.with_file_name(free.expect("invariant: some number is free"));
    note(&doomed)?;
    fs::rename(folder, &doomed).attempt(|| format!("move `{}` away", folder.display()))?;
    Ok(doomed)
}

/// Whether a folder is only there to be deleted, by where it lies and what it is called.
#[must_use]
pub fn is_doomed(folder: &Path) -> bool {
    let is_trash = |place: &Path| place.ends_with(".trash") || place.ends_with("trash");
    let name = folder.file_name().and_then(OsStr::to_str);
    folder.parent().is_some_and(is_trash) && name.is_some_and(|name| name.starts_with(DELETING))
}

/// Deletes a folder for good, folders in it that may not be written to included.
///
/// # Errors
/// `io` when something cannot be deleted; the rest is deleted by the next call.
pub fn delete(doomed: &Path) -> Result<()> {
    let mut deleted = fs::remove_dir_all(doomed);
    if deleted.as_ref().is_err_and(|cause| cause.kind() == ErrorKind::PermissionDenied) {
        make_writable(doomed);
        deleted = fs::remove_dir_all(doomed);
    }
    match deleted {
        // Another process may be deleting it too.
        Err(cause) if doomed.symlink_metadata().is_ok() => {
            Err(Error::io(format!("delete `{}`", doomed.display()), &cause))
        }
        _ => Ok(()),
    }
}

/// Lets the owner into every folder (package managers write-protect their caches).
fn make_writable(folder: &Path) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        if !fs::symlink_metadata(&folder).is_ok_and(|found| found.is_dir()) {
            continue;
        }
        // What cannot be changed makes the deletion fail, which says why.
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(entry.path());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f2a9c1e-0000-4000-8000-000000000000";

    #[test]
    fn only_real_folders_named_by_an_id_are_a_tasks() {
        let trash = tempfile::tempdir().expect("temporary folder");
        let inside = |name: &str| trash.path().join(name);
        let upper = ID.to_ascii_uppercase();
        let numbered = [format!("{ID}-1"), format!("{DELETING}{ID}-2")];
        let foreign = [format!("{ID}-"), format!("{ID}x"), format!("{ID}-1x"), upper];
        for name in [ID, "notes", "größe-größe-größe-größe-größe-größe"] {
            fs::create_dir(inside(name)).expect("a folder");
        }
        for name in numbered.iter().chain(&foreign) {
            fs::create_dir(inside(name)).expect("a folder");
        }
        std::os::unix::fs::symlink(inside(ID), inside(&format!("{ID}-3"))).expect("a link");
        fs::write(inside(&format!("{ID}-4")), "").expect("a file");
        let found = trashed_in(trash.path()).expect("lists");
        let names: Vec<_> = found.iter().filter_map(|it| it.path.file_name()?.to_str()).collect();
        assert_eq!(names, [&numbered[1], ID, &numbered[0]]);
        let link = trash.path().join("link");
        std::os::unix::fs::symlink(trash.path(), &link).expect("a link");
        assert_eq!(trashed_in(&link).expect("lists"), []);
    }

    #[test]
    fn the_last_one_is_told_by_its_name_whatever_was_collected_before() {
        let trash = tempfile::tempdir().expect("temporary folder");
        let task: TaskId = ID.parse().expect("an id");
        let inside = |name: &str| trash.path().join(name);
        let came = |expected: &str| {
            let name = next_name(trash.path(), task).expect("a name");
            assert_eq!(name, expected);
            fs::create_dir(inside(&name)).expect("a folder");
            assert_eq!(last_trashed(trash.path(), task), Some(inside(&name)));
        };
        came(ID);
        came(&format!("{ID}-1"));
        // The first is gone, the second half so; a file has the next name.
        fs::remove_dir(inside(ID)).expect("removes");
        doom(&inside(&format!("{ID}-1")), |_| Ok(())).expect("renames");
        assert_eq!(last_trashed(trash.path(), task), None);
        fs::write(inside(&format!("{ID}-2")), "").expect("a file");
        came(&format!("{ID}-3"));
        came(&format!("{ID}-4"));
        // However late something is done in an older one.
        fs::write(inside(&format!("{ID}-3")).join("late"), "").expect("a file");
        assert_eq!(last_trashed(trash.path(), task), Some(inside(&format!("{ID}-4"))));
    }

    #[test]
    fn deleting_follows_no_link_and_stops_at_no_write_protection() {
        let trash = tempfile::tempdir().expect("temporary folder");
        let (folder, outside) = (trash.path().join(ID), trash.path().join("outside"));
        fs::create_dir_all(folder.join("cache/inner")).expect("folders");
        fs::create_dir(&outside).expect("a folder");
        fs::write(outside.join("precious"), "kept").expect("a file");
        fs::write(folder.join("cache/inner/file"), "x".repeat(9000)).expect("a file");
        std::os::unix::fs::symlink(&outside, folder.join("link")).expect("a link");
        assert!(size_of(&folder) >= 9000);
        fs::set_permissions(folder.join("cache"), fs::Permissions::from_mode(0o500)).expect("set");
        let noted = std::cell::RefCell::new(PathBuf::new());
        let note = |path: &Path| {
            assert!(folder.exists(), "it is told first");
            noted.replace(path.to_owned());
            Ok(())
        };
        let doomed = doom(&folder, note).expect("moves");
        assert_eq!((noted.into_inner(), is_doomed(&doomed)), (doomed.clone(), false));
        assert!(is_doomed(Path::new("/x/.trash/.deleting-x")) && !is_doomed(&folder));
        assert!(!folder.exists() && doomed.ends_with(format!("{DELETING}{ID}")));
        delete(&doomed).expect("deletes");
        delete(&doomed).expect("is gone already");
        assert!(!doomed.exists());
        assert_eq!(fs::read_to_string(outside.join("precious")).expect("is there"), "kept");
    }
}
