//! Writing into a person's files so that it can be undone to the byte.
//!
//! For each file that is changed, what was there before and what was written are kept in
//! `$XDG_STATE_HOME/offshoot/setup/` (else `~/.local/state/…`). Where a file still is what was written,
//! taking out restores it as it was; where the person went on writing in it, only our entries go.

use super::{Agent, Piece, mend_first};
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::names::TaskId;
use crate::view::Done;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Where originals are kept.
#[derive(Debug)]
pub struct Kept {
    folder: PathBuf,
}

/// A change that has been worked out and not been made.
pub struct Step<'a> {
    piece: &'a Piece,
    /// The file itself, where the path is a link to it.
    file: PathBuf,
    before: Option<String>,
    after: Option<String>,
    /// What becomes of the file.
    pub done: Done,
}

impl Kept {
    /// What is kept for the person whose environment this is.
    ///
    /// # Errors
    /// `refused` without a home.
    pub fn of(environment: &Environment) -> Result<Self> {
        let state = environment.state_home("what was there before")?;
        Ok(Self { folder: state.join("offshoot/setup") })
    }

    /// Where what was in a file before is kept.
    #[must_use]
    pub fn backup(&self, path: &Path) -> PathBuf {
        self.entry(path).join("before")
    }

    /// What putting a piece in would do.
    ///
    /// # Errors
    /// `refused` when its file is not in its own format, `io` when it cannot be read.
    pub fn plan_put<'a>(&self, piece: &'a Piece) -> Result<Step<'a>> {
        let file = real(&piece.path);
        let before = read_theirs(&file)?;
        let after = piece.put_into(before.as_deref())?;
        let done = match &before {
            None => Done::Written,
            Some(before) if *before == after => Done::Unchanged,
            Some(_) => Done::Changed,
        };
        Ok(Step { piece, file, before, after: Some(after), done })
    }

    /// What taking a piece out for `agent` would do.
    ///
    /// # Errors
    /// As [`plan_put`](Self::plan_put).
    pub fn plan_take<'a>(&self, piece: &'a Piece, agent: Agent) -> Result<Step<'a>> {
        let file = real(&piece.path);
        let entry = self.entry(&piece.path);
        let before = read_theirs(&file)?;
        let step =
            |after, done| Step { piece, file: file.clone(), before: before.clone(), after, done };
        let Some(there) = before.as_deref() else { return Ok(step(None, Done::Unchanged)) };
        if self.users(&piece.path)?.iter().any(|user| user != agent.as_str()) {
            return Ok(step(before.clone(), Done::LeftAlone));
        }
        if read(&entry.join("after"))?.as_deref() == Some(there) {
            let original = read(&entry.join("before"))?;
            let done = if original.is_some() { Done::Restored } else { Done::Removed };
            return Ok(step(original, done));
        }
        let original = read(&entry.join("before"))?;
        let without = piece.take_out_of(there, original.as_deref())?;
        let done = match &without {
            None => Done::Removed,
            // A file of ours that the person changed is theirs now; another one has nothing of ours.
            Some(text) if text == there && piece.is_whole() => Done::LeftAlone,
            Some(text) if text == there => Done::Unchanged,
            Some(_) => Done::TakenOut,
        };
        Ok(step(without, done))
    }

    /// Makes a change that puts something in.
    ///
    /// # Errors
    /// `io` when it cannot be written, `busy` when somebody changed the file meanwhile.
    pub fn put(&self, step: &Step<'_>, agent: Agent) -> Result<()> {
        let entry = self.entry(&step.piece.path);
        let mut folders = fs::DirBuilder::new();
        let attempt = || format!("write `{}`", entry.display());
        folders.recursive(true).mode(0o700).create(entry.join("by")).attempt(attempt)?;
        let after = step.after.as_deref().unwrap_or_default();
        if step.done != Done::Unchanged {
            // What was there before us stays kept, however often we write.
            let was_ours = read(&entry.join("after"))?;
            if was_ours.is_none() || was_ours.as_deref() != step.before.as_deref() {
                match &step.before {
                    Some(before) => replace(&entry.join("before"), before, Some(0o600))?,
                    None => remove(&entry.join("before"))?,
                }
            }
            replace(&entry.join("after"), after, Some(0o600))?;
            step.refuse_if_changed()?;
            make_folder_of(&step.file)?;
            replace(&step.file, after, mode(&step.file))?;
        }
        replace(&entry.join("by").join(agent.as_str()), "", Some(0o600))
    }

    /// Makes a change that takes something out.
    ///
    /// # Errors
    /// As [`put`](Self::put).
    pub fn take(&self, step: &Step<'_>, agent: Agent) -> Result<()> {
        let entry = self.entry(&step.piece.path);
        remove(&entry.join("by").join(agent.as_str()))?;
        if step.done != Done::Unchanged && step.done != Done::LeftAlone {
            step.refuse_if_changed()?;
            match &step.after {
                Some(after) => replace(&step.file, after, mode(&step.file))?,
                None => {
                    remove(&step.file)?;
                    // A folder that holds nothing else was made for this; others refuse to go.
                    let folders = step.file.ancestors().skip(1).take(3);
                    let _not_empty = folders.map(fs::remove_dir).all(|removed| removed.is_ok());
                }
            }
        }
        if self.users(&step.piece.path)?.is_empty() && entry.is_dir() {
            fs::remove_dir_all(&entry).attempt(|| format!("remove `{}`", entry.display()))?;
        }
        Ok(())
    }

    /// The agents that a file was written for.
    fn users(&self, path: &Path) -> Result<Vec<String>> {
        let folder = self.entry(path).join("by");
        match fs::read_dir(&folder) {
            Ok(entries) => Ok(entries
                .flatten()
                .filter_map(|entry| entry.file_name().into_string().ok())
                .filter(|name| !name.starts_with('.'))
                .collect()),
            Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(cause) => Err(Error::io(format!("read `{}`", folder.display()), &cause)),
        }
    }

    fn entry(&self, path: &Path) -> PathBuf {
        self.folder.join(TaskId::named_by(&real(path).to_string_lossy()).to_string())
    }
}

impl Step<'_> {
    /// Agents write into their files too.
    fn refuse_if_changed(&self) -> Result<()> {
        if read(&self.file)? == self.before {
            return Ok(());
        }
        Err(Error::busy(format!("somebody changed `{}` in this moment", self.file.display()))
            .hint("close the agent, and try again"))
    }
}

/// The file that a path leads to; one that is not there yet is itself. People keep their files elsewhere
/// and link to them, and a link is not to be replaced.
fn real(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, fs::canonicalize(above).ok()?)));
    match there {
        Some((above, real)) => match path.strip_prefix(above) {
            Ok(rest) if !rest.as_os_str().is_empty() => real.join(rest),
            _ => real,
        },
        None => path.to_owned(),
    }
}

fn read(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(cause) if cause.kind() == ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::io(format!("read `{}`", path.display()), &cause)),
    }
}

/// What is in a file of the person's.
fn read_theirs(path: &Path) -> Result<Option<String>> {
    read(path).map_err(|error| error.hint(mend_first(path)))
}

fn mode(path: &Path) -> Option<u32> {
    fs::metadata(path).ok().map(|found| found.permissions().mode() & 0o7777)
}

fn make_folder_of(file: &Path) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).attempt(|| format!("make `{}`", folder.display()))
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() != ErrorKind::NotFound => {
            Err(Error::io(format!("remove `{}`", path.display()), &cause))
        }
        _ => Ok(()),
    }
}

/// Writes a file whole, to a sibling that is renamed; its mode stays, and a new one of ours is 0644.
fn replace(path: &Path, text: &str, mode: Option<u32>) -> Result<()> {
    let sibling = path.with_file_name(format!(".offshoot-{}", TaskId::random()));
    let mut options = fs::File::options();
    let mode = mode.unwrap_or(0o644);
    let written = options.write(true).create_new(true).mode(mode).open(&sibling);
    let written = written
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&sibling, path));
    if written.is_err() {
        drop(fs::remove_file(&sibling));
    }
    written.attempt(|| format!("write `{}`", path.display()))
}
