//! Which trees passed which verify command, so that no tree is tried twice; and the trials that go on.
//!
//! Only what passed is kept. A command that failed may have failed for want of something outside the
//! tree (a network, a tool), and whoever mended that must not be told of the failure once more. What
//! was kept holds for the same tree, command and set-up, compared whole, and for two weeks.

use super::Store;
use super::files::{self, Durability};
use crate::error::{Attempt, Result};
use crate::names::{ObjectId, TaskId};
use crate::task::{ProcessIdentity, SCHEMA, Setup};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::PathBuf;

/// How long what passed counts, in milliseconds.
const VALID: i64 = 14 * 24 * 60 * 60 * 1000;

/// What the names of trials begin with.
const TRIAL: &str = "verify-";

/// What is verified, and by what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The tree.
    pub tree: ObjectId,
    /// The command.
    pub command: String,
    /// What makes the worktree ready.
    pub setup: Setup,
}

#[derive(Serialize, Deserialize)]
struct Passed {
    schema: u32,
    subject: Subject,
    at_ms: i64,
}

/// A verify command that is run by some process, or was when that died.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trial {
    /// The form of this record.
    pub schema: u32,
    /// Its name, by which its processes are known, too.
    pub name: String,
    /// Who runs it.
    pub owner: ProcessIdentity,
    /// Its worktree.
    pub worktree: PathBuf,
}

impl Store {
    /// Whether this very tree has passed this very command.
    #[must_use]
    pub fn has_passed(&self, subject: &Subject) -> bool {
        let Ok(key) = key(subject) else { return false };
        let file = self.layout.verdicts().join(key);
        // What cannot be read is tried again.
        let kept: Option<Passed> = files::read_json(&file).ok().flatten();
        kept.is_some_and(|kept| kept.subject == *subject && self.is_young(kept.at_ms))
    }

    /// Notes that it has, and forgets what was noted too long ago.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn note_passed(&self, subject: &Subject) -> Result<()> {
        let folder = self.layout.verdicts();
        files::make_folder(&folder)?;
        let at_ms = self.clock.now().as_millis();
        let passed = Passed { schema: SCHEMA, subject: subject.clone(), at_ms };
        let place = folder.join(key(subject)?);
        files::replace(&place, &files::to_json(&passed)?, Durability::Crash)?;
        for name in files::names_in(&folder)? {
            let file = folder.join(name);
            let written = fs::metadata(&file).attempt(|| format!("read `{}`", file.display()))?;
            if at_ms.saturating_sub(std::os::unix::fs::MetadataExt::mtime(&written) * 1000) > VALID
            {
                files::remove(&file)?;
            }
        }
        Ok(())
    }

    fn is_young(&self, at_ms: i64) -> bool {
        (0..=VALID).contains(&(self.clock.now().as_millis() - at_ms))
    }

    /// Where a trial of a subject writes its output; made ready to be written to.
    ///
    /// # Errors
    /// `io` when the folder cannot be made.
    pub fn trial_log(&self, subject: &Subject) -> Result<PathBuf> {
        let folder = self.layout.verdicts();
        files::make_folder(&folder)?;
        Ok(folder.join(format!("{}.log", key(subject)?)))
    }

    /// Notes that a trial goes on.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn begin_trial(&self, trial: &Trial) -> Result<()> {
        files::make_folder(&self.layout.scratch())?;
        let file = self.layout.scratch().join(format!("{TRIAL}{}", trial.name));
        files::replace(&file, &files::to_json(trial)?, Durability::Crash)
    }

    /// Notes that nothing is left of it.
    ///
    /// # Errors
    /// `io` when that cannot be noted.
    pub fn end_trial(&self, trial: &Trial) -> Result<()> {
        files::remove(&self.layout.scratch().join(format!("{TRIAL}{}", trial.name)))
    }

    /// Every trial that goes on or was cut off.
    ///
    /// # Errors
    /// `io` when the folder cannot be listed.
    pub fn trials(&self) -> Result<Vec<Trial>> {
        let folder = self.layout.scratch();
        let mut trials = Vec::new();
        for name in files::names_in(&folder)? {
            if name.starts_with(TRIAL) {
                trials.extend(files::read_json::<Trial>(&folder.join(name))?);
            }
        }
        Ok(trials)
    }
}

/// A name for a subject: a UUID made from it (version 5, RFC 9562).
fn key(subject: &Subject) -> Result<String> {
    let text = files::to_json(subject)?;
    Ok(TaskId::named_by(&String::from_utf8_lossy(&text)).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::layout::Layout;

    fn subject() -> Subject {
        let tree = "1".repeat(40).parse().expect("an id");
        Subject { tree, command: "make test".to_owned(), setup: Setup::default() }
    }

    #[test]
    fn what_passed_counts_for_the_same_tree_command_and_set_up_only() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = Store::new(Layout::of(folder.path()), Clock);
        assert!(!store.has_passed(&subject()));
        store.note_passed(&subject()).expect("notes");
        assert!(store.has_passed(&subject()));
        let tree = "2".repeat(40).parse().expect("an id");
        let setup = Setup { command: Some("make".to_owned()), ..Setup::default() };
        for other in [
            Subject { tree, ..subject() },
            Subject { command: "make test ".to_owned(), ..subject() },
            Subject { setup, ..subject() },
        ] {
            assert!(!store.has_passed(&other), "{other:?}");
        }
    }

    #[test]
    fn what_passed_too_long_ago_or_cannot_be_read_is_tried_again() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let store = Store::new(Layout::of(folder.path()), Clock);
        store.note_passed(&subject()).expect("notes");
        let file = store.layout.verdicts().join(key(&subject()).expect("a key"));
        let now = Clock.now().as_millis();
        for (age, counts) in [(VALID - 60_000, true), (VALID + 1, false), (-60_000, false)] {
            let passed = Passed { schema: SCHEMA, subject: subject(), at_ms: now - age };
            fs::write(&file, files::to_json(&passed).expect("writes")).expect("writes");
            assert_eq!(store.has_passed(&subject()), counts, "{age}");
        }
        fs::write(&file, "{").expect("writes");
        assert!(!store.has_passed(&subject()));
    }
}
