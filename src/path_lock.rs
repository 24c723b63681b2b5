//! An advisory lock on paths: who holds which, what for, and until when.
//!
//! Nobody is kept from writing a file; those who ask are told. A lock falls when it is given back,
//! when its time is over, when the machine starts again, and when its owner has ended: a task, or the
//! process that it is tied to. Whether that process still runs is for others to ask.

use crate::claim::Claim;
use crate::error::{Error, Result};
use crate::escape;
use crate::names::{TaskId, TaskName};
use crate::task::{ProcessIdentity, Task, TaskState};
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest name of an owner, in bytes.
const LONGEST_NAME: usize = 200;

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LockOwner {
    /// A task; the lock falls with its end.
    Task {
        /// Its identity.
        id: TaskId,
        /// What people call it.
        name: TaskName,
    },
    /// A session or process; the lock falls when that process is gone.
    Process {
        /// How it is called.
        name: OwnerName,
        /// The process, where one could be told.
        process: Option<ProcessIdentity>,
    },
    /// Whoever knows the name; no process is asked for.
    Named {
        /// The name.
        name: OwnerName,
    },
}

/// What an owner is called: one line of text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OwnerName(String);

/// A lock on paths.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathLock {
    /// Which paths.
    pub paths: Vec<Claim>,
    /// Whose it is.
    pub owner: LockOwner,
    /// What for.
    pub purpose: Option<String>,
    /// Since when.
    pub since: Timestamp,
    /// When its time is over, if it has a limit.
    pub limit: Option<LockLimit>,
    /// The boot in which it was taken.
    pub boot_id: String,
}

/// The end of a lock's time: a moment for people, and the clock that never jumps for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockLimit {
    /// The moment.
    pub at: Timestamp,
    /// The same in milliseconds since boot.
    pub tick_ms: u64,
}

impl OwnerName {
    /// Checks a name.
    ///
    /// # Errors
    /// Of kind `usage`.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let plain = escape::line(&text) == text && text.len() <= LONGEST_NAME;
        if plain && !text.trim().is_empty() {
            Ok(Self(text))
        } else {
            Err(Error::usage(format!("`{}` is no owner's name", escape::line(&text)))
                .hint("one short line of text, such as `--owner ada`"))
        }
    }
}

impl fmt::Display for OwnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for OwnerName {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

impl From<OwnerName> for String {
    fn from(name: OwnerName) -> Self {
        name.0
    }
}

impl fmt::Display for LockOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task { name, .. } => name.fmt(f),
            Self::Process { name, .. } | Self::Named { name } => name.fmt(f),
        }
    }
}

impl LockOwner {
    /// Whether both are the same owner. A process's name says which one it is, a session's outlives
    /// the processes of it that ask.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Task { id, .. }, Self::Task { id: other, .. }) => id == other,
            (Self::Task { .. }, _) | (_, Self::Task { .. }) => false,
            _ => self.to_string() == other.to_string(),
        }
    }

    /// Whether it is one of these tasks.
    #[must_use]
    pub fn is_among(&self, tasks: &[TaskId]) -> bool {
        matches!(self, Self::Task { id, .. } if tasks.contains(id))
    }
}

impl PathLock {
    /// The claims of a task, which it holds as long as it runs.
    #[must_use]
    pub fn of_task(task: &Task, boot_id: &str) -> Self {
        Self {
            paths: task.spec.claims.clone(),
            owner: LockOwner::Task { id: task.id(), name: task.name().clone() },
            purpose: None,
            since: match &task.record.state {
                TaskState::Running(running) => running.started_at,
                TaskState::Pending { .. } | TaskState::Ended { .. } => task.spec.created_at,
            },
            limit: None,
            boot_id: boot_id.to_owned(),
        }
    }

    /// Whether one path could be meant by it and by one of `claims`.
    #[must_use]
    pub fn overlaps(&self, claims: &[Claim]) -> bool {
        self.paths.iter().any(|path| claims.iter().any(|claim| claim.overlaps(path)))
    }

    /// Whether its time is over: `tick_ms` after the start of the boot `boot_id`.
    #[must_use]
    pub fn is_over(&self, tick_ms: u64, boot_id: &str) -> bool {
        self.boot_id != boot_id || self.limit.is_some_and(|limit| limit.tick_ms <= tick_ms)
    }

    /// What is left of it without the paths that `covered` tells; nothing when none are left.
    #[must_use]
    pub fn without(mut self, covered: impl Fn(&Claim) -> bool) -> Option<Self> {
        self.paths.retain(|path| !covered(path));
        (!self.paths.is_empty()).then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> PathLock {
        let limit = LockLimit { at: Timestamp::from_millis(5), tick_ms: 100 };
        PathLock {
            paths: ["src", "docs"].map(|path| Claim::new(path).expect("a claim")).into(),
            owner: LockOwner::Named { name: OwnerName::new("ada").expect("a name") },
            purpose: None,
            since: Timestamp::from_millis(0),
            limit: Some(limit),
            boot_id: "this".into(),
        }
    }

    #[test]
    fn a_lock_falls_at_its_limit_and_with_its_boot() {
        assert!(!lock().is_over(99, "this"));
        assert!(lock().is_over(100, "this") && lock().is_over(0, "another"));
        assert!(!PathLock { limit: None, ..lock() }.is_over(u64::MAX, "this"));
    }

    #[test]
    fn a_lock_without_its_paths_is_no_lock() {
        let left = lock().without(|path| path.as_str() == "src").expect("docs is left");
        assert_eq!(left.paths, [Claim::new("docs").expect("a claim")]);
        assert_eq!(left.without(|_| true), None);
    }

    #[test]
    fn an_owner_is_one_short_line() {
        for text in ["", " ", "a\nb", "a\u{1b}b", &"x".repeat(201)] {
            assert!(OwnerName::new(text).is_err(), "{text:?}");
        }
        assert!(OwnerName::new("Ada's editor").is_ok());
    }
}
