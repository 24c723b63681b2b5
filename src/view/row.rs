//! What a table tells of a task: so little that it can be kept for thousands of them in one file.
//!
//! Kept, it is a list without names: ten thousand of them are read several times as fast.

use super::{LandingState, TaskView};
use crate::diff::Figures;
use crate::escape;
use crate::names::{BranchName, TaskId, TaskName};
use crate::outcome::Outcome;
use crate::task::StateName;
use crate::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// The most characters of what was asked for; no terminal shows more.
const LONGEST_TITLE: usize = 500;

/// A task in a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Kept", into = "Kept")]
pub struct TaskRow {
    /// Its place in the order of dispatch.
    pub sequence: u64,
    /// Its identity.
    pub id: TaskId,
    /// What people call it.
    pub name: TaskName,
    /// Where it stands.
    pub state: StateName,
    /// How it ended, where the state does not say so.
    pub outcome: Option<Outcome>,
    /// What becomes of its work.
    pub work: Work,
    /// How much it changed.
    pub figures: Option<Figures>,
    /// When it ended, started or was dispatched, whichever came last.
    pub since: Timestamp,
    /// What was asked for, made harmless: the first line of the prompt, or the command for a shell.
    pub title: String,
}

/// What becomes of a task's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// It is not done.
    Going {
        /// What it waits for.
        waits_for: Option<String>,
        /// How far it is.
        phase: Option<String>,
        /// Whether another task changes the same paths.
        overlaps: bool,
        /// Whether its agent asks something.
        #[serde(default)]
        asks: bool,
    },
    /// It waits for a decision.
    Open,
    /// There is nothing to land.
    Empty,
    /// It is on its target.
    Landed {
        /// The landing's number.
        id: Option<u64>,
        /// Where it went.
        target: BranchName,
    },
    /// It was given up.
    Discarded,
}

impl From<&TaskView> for TaskRow {
    fn from(task: &TaskView) -> Self {
        let has_ended = task.outcome.is_some();
        let diff = task.diff.as_ref().map(|diff| diff.summary.figures);
        Self {
            sequence: task.sequence,
            id: task.id,
            name: task.name.clone(),
            state: task.state,
            outcome: task.outcome.clone().filter(|outcome| !outcome.is_success()),
            work: match &task.landing {
                _ if !has_ended => Work::Going {
                    waits_for: task.waiting_for.as_ref().map(|waiting| waiting.kind.to_owned()),
                    phase: task.phase.map(str::to_owned),
                    overlaps: !task.overlaps.is_empty(),
                    asks: task.needs_input.is_some(),
                },
                LandingState::Open => Work::Open,
                LandingState::Empty => Work::Empty,
                LandingState::Landed { id, target, .. } => {
                    Work::Landed { id: *id, target: target.clone() }
                }
                LandingState::Discarded { .. } => Work::Discarded,
            },
            figures: diff.filter(|figures| figures.files > 0),
            since: task.finished_at.or(task.started_at).unwrap_or(task.created_at),
            title: task.title().chars().take(LONGEST_TITLE).collect(),
        }
    }
}

impl TaskView {
    /// The first line of what was asked for, or the command as a shell takes it; made harmless.
    #[must_use]
    pub fn title(&self) -> String {
        let Some(prompt) = &self.prompt else {
            let words: Vec<_> = self.command.iter().map(|word| escape::shell_word(word)).collect();
            return words.join(" ");
        };
        let first = prompt.lines().map(str::trim).find(|line| !line.is_empty());
        escape::line(first.unwrap_or_default())
    }
}

/// The fields in order; figures and the moment as numbers.
type Kept =
    (u64, TaskId, TaskName, StateName, Option<Outcome>, Work, Option<[usize; 3]>, i64, String);

impl From<Kept> for TaskRow {
    fn from((sequence, id, name, state, outcome, work, figures, since, title): Kept) -> Self {
        let figures =
            figures.map(|[files, insertions, deletions]| Figures { files, insertions, deletions });
        let since = Timestamp::from_millis(since);
        Self { sequence, id, name, state, outcome, work, figures, since, title }
    }
}

impl From<TaskRow> for Kept {
    fn from(row: TaskRow) -> Self {
        let TaskRow { sequence, id, name, state, outcome, work, figures, since, title } = row;
        let figures = figures.map(|it| [it.files, it.insertions, it.deletions]);
        (sequence, id, name, state, outcome, work, figures, since.as_millis(), title)
    }
}
