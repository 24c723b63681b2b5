//! Writing so that a crash leaves the old content or the new, never a mixture.

use crate::disk::sync_folder;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::task::SCHEMA;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How every record begins that is of the form [`SCHEMA`].
const OF_OUR_FORM: &[u8] = b"{\"schema\":1,";

/// Whether a write must outlive a power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durability {
    /// Fsynced, and so is the folder.
    PowerCut,
    /// Fsynced, but not the folder: after a power cut it is the new one or the old one, whole.
    Either,
    /// Only our own crash.
    Crash,
}

/// Makes a folder that only its owner may enter, and those above it; one that is there is fine.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    // Nearly always it is there, and to look is less than to try.
    if path.is_dir() {
        return Ok(());
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .attempt(|| format!("make `{}`", path.display()))
}

/// Writes a file (mode 0600) whole: to a sibling, then renamed over the old one. The sibling's name
/// is always the same, so that a crash leaves at most one; whoever writes holds a lock.
pub(super) fn replace(path: &Path, bytes: &[u8], durability: Durability) -> Result<()> {
    let attempt = || format!("write `{}`", path.display());
    let sibling = sibling_of(path);
    let written = (|| {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&sibling)?;
        file.write_all(bytes)?;
        if durability != Durability::Crash {
            file.sync_data()?;
        }
        fs::rename(&sibling, path)
    })();
    if written.is_err() {
        // A half-written sibling helps nobody, and on a full disk its space does.
        drop(fs::remove_file(&sibling));
    }
    written.attempt(attempt)?;
    match (durability, path.parent()) {
        (Durability::PowerCut, Some(folder)) => sync_folder(folder),
        _ => Ok(()),
    }
}

/// Writes a file (mode 0600) whose content always has the same length, in its place: one small write,
/// which our own crash does not tear.
pub(super) fn overwrite(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    file.and_then(|file| file.write_all_at(bytes, 0))
        .attempt(|| format!("write `{}`", path.display()))
}

/// Hidden, because task names are file names in an index, and no task's name begins with a dot.
fn sibling_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

/// A record as bytes.
pub(super) fn to_json(record: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(record)
        .map_err(|cause| Error::internal(format!("cannot write a record: {cause}")))
}

/// Reads a record; `None` when there is no such file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(None),
        Err(cause) => return Err(Error::io(format!("read `{}`", path.display()), &cause)),
    };
    from_json(&bytes)
        .map(Some)
        .map_err(|error| error.while_trying(format!("read `{}`", path.display())))
}

/// A record from bytes; one of a newer form is refused, since guessing would lose what we do not know.
pub(super) fn from_json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    #[derive(serde::Deserialize)]
    struct Form {
        schema: u32,
    }
    let wrong = |cause: serde_json::Error| {
        Error::internal(format!("it is no record: {}", escape::line(&cause.to_string())))
    };
    // Nearly always: then it need not be read twice.
    if !bytes.starts_with(OF_OUR_FORM) {
        let form: Form = serde_json::from_slice(bytes).map_err(wrong)?;
        if form.schema > SCHEMA {
            return Err(Error::unsupported(format!(
                "a newer offshoot wrote it (schema {})",
                form.schema
            ))
            .hint("install a newer offshoot"));
        }
    }
    serde_json::from_slice(bytes).map_err(wrong)
}

/// Opens a file of lines to read it and to append to it; one that is not there is made.
pub(super) fn open_to_append(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .attempt(|| format!("write `{}`", path.display()))
}

/// Makes an empty file; one that is there is fine.
pub(super) fn touch(path: &Path) -> Result<()> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map(drop)
        .attempt(|| format!("write `{}`", path.display()))
}

/// Removes a file; one that is gone already is fine.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("remove `{}`", path.display()), &cause))
        }
        _ => Ok(()),
    }
}

/// The names of the files in a folder; none when there is no such folder.
pub(super) fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(cause) if cause.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(cause) => return Err(Error::io(format!("list `{}`", folder.display()), &cause)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.attempt(|| format!("list `{}`", folder.display()))?;
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Serialize, Deserialize)]
    struct Record {
        schema: u32,
    }

    #[test]
    fn a_record_of_a_newer_form_is_refused_with_a_hint() {
        for newer in
            [&b"{\"schema\": 2}"[..], b"{\"schema\":2,\"id\":1}", b"{\"schema\":10,\"id\":1}"]
        {
            let error = from_json::<Record>(newer).expect_err("refuses");
            assert!(error.message.contains("newer offshoot") && !error.hints.is_empty());
        }
    }

    #[test]
    fn what_counts_as_our_form_is_what_we_write() {
        let written = to_json(&Record { schema: SCHEMA }).expect("writes");
        let (known, end) = OF_OUR_FORM.split_at(OF_OUR_FORM.len() - 1);
        assert_eq!((&written[..known.len()], end), (known, &b","[..]));
    }

    #[test]
    fn replacing_one_name_leaves_its_neighbours_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in ["fix.new", "fix.v1", "fix.v1.new"] {
            replace(&folder.path().join(name), name.as_bytes(), Durability::Crash).expect("writes");
        }
        for name in ["fix.new", "fix.v1", "fix.v1.new"] {
            assert_eq!(fs::read_to_string(folder.path().join(name)).expect("is there"), name);
        }
    }

    #[test]
    fn replacing_never_leaves_a_sibling_behind() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("state.json");
        replace(&path, b"{\"schema\":1}", Durability::PowerCut).expect("writes");
        replace(&path, b"{\"schema\":1 }", Durability::Crash).expect("writes");
        assert_eq!(names_in(folder.path()).expect("lists"), ["state.json"]);
        assert!(read_json::<Record>(&path).expect("reads").is_some());
    }

    #[test]
    fn replacing_touches_no_file_of_another_name() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let other = folder.path().join("a.new");
        replace(&other, b"other", Durability::Crash).expect("writes");
        replace(&folder.path().join("a.b"), b"one", Durability::Crash).expect("writes");
        assert_eq!(fs::read(&other).expect("it is still there"), b"other");
    }
}
