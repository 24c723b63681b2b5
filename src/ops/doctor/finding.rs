//! What a check finds, and what can be done about it, as data.

use crate::error::Error;
use crate::names::{CommitId, TaskId, TaskName};
use crate::store::{OpenToOthers, StrayEntry};

/// One inconsistency. Its words are the same as long as it is the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) kind: &'static str,
    pub(super) message: String,
    pub(super) mend: Mend,
}

/// Who can mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mend {
    /// We can.
    Ours(Fix),
    /// A person can, with this command.
    Person(String),
    /// Nobody can from here.
    Nobody,
}

/// What `--fix` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fix {
    /// Brings the indexes in line with the record.
    Settle(TaskId),
    /// Lets a task be found by its name and request.
    Remember(TaskId),
    /// Removes an index entry that leads nowhere.
    ForgetEntry(StrayEntry),
    /// Removes what a dead dispatch left.
    ForgetDispatch(TaskId),
    /// Takes up what died, as every verb does.
    TakeUp,
    /// Finishes the release of a task.
    Release(TaskId),
    /// Finishes or takes back landings, and records those that moved their target.
    FinishLandings,
    /// Removes a pin that keeps nothing we need.
    DropBasePin(TaskId),
    /// Pins a task's base.
    PinBase(TaskId),
    /// Removes the pins of a landing that has not happened.
    DropLandingPins(u64),
    /// Makes a task's branch again.
    MakeBranch(TaskId, CommitId),
    /// Keeps a task's result by a ref.
    KeepResult(TaskId, CommitId),
    /// Moves git's entry of a worktree that is gone out of git's way.
    PutEntryAway(TaskId),
    /// Tidies up the pool.
    SweepPool,
    /// Closes a file or folder to others.
    Close(OpenToOthers),
}

impl Finding {
    pub(super) fn new(kind: &'static str, message: impl Into<String>, mend: Mend) -> Self {
        Self { kind, message: message.into(), mend }
    }

    pub(super) fn cannot_check(error: &Error) -> Self {
        Self::new("cannot_check", error.message.clone(), Mend::Nobody)
    }
}

impl Fix {
    /// What it does, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Settle(_) => "file the task anew, by its record".to_owned(),
            Self::Remember(_) => "note the task's name again".to_owned(),
            Self::ForgetEntry(_) => "remove the entry".to_owned(),
            Self::ForgetDispatch(_) => "remove the folder; nobody was told of this task".to_owned(),
            Self::TakeUp => "give the task a new supervisor".to_owned(),
            Self::Release(_) => "finish the release".to_owned(),
            Self::FinishLandings => "finish the landing or take it back".to_owned(),
            Self::DropBasePin(_) | Self::DropLandingPins(_) => "remove the ref".to_owned(),
            Self::PinBase(_) => "make the ref again".to_owned(),
            Self::MakeBranch(_, head) => format!("make the branch again at {}", head.short()),
            Self::KeepResult(_, head) => format!("keep {} by a ref", head.short()),
            Self::PutEntryAway(_) => "move the entry out of git's way".to_owned(),
            Self::SweepPool => "delete what is in the pool and cannot be taken".to_owned(),
            Self::Close(place) => format!("set its mode to {:04o}", place.wanted),
        }
    }
}

/// A path as a shell takes it.
pub(super) fn word(path: &std::path::Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+@:,=".contains(c);
    if text.chars().all(is_plain) {
        text.into_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What gives a task a new worktree at its result.
pub(super) fn discard_and_restore(name: &TaskName) -> String {
    format!("offshoot discard {name} && offshoot restore {name}")
}
