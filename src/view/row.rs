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
use serde::{Deserialize, Deserializer, Serialize};
use std::borrow::Cow;

/// The most characters of what was asked for; no terminal shows more.
const LONGEST_TITLE: usize = 500;

/// A task in a table. What was kept is read without a copy of its texts, straight into the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Kept<'a>")]
pub struct TaskRow<'a> {
    /// Its place in the order of dispatch.
    pub sequence: u64,
    /// Its identity.
    pub id: TaskId,
    /// What people call it, a [`TaskName`].
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    /// Where it stands.
    pub state: StateName,
    /// How it ended, where the state does not say so.
    pub outcome: Option<Outcome>,
    /// What becomes of its work.
    #[serde(borrow)]
    pub work: Work<'a>,
    /// How much it changed.
    pub figures: Option<Figures>,
    /// When it ended, started or was dispatched, whichever came last.
    #[serde(deserialize_with = "moment")]
    pub since: Timestamp,
    /// What was asked for, made harmless: the first line of the prompt, or the command for a shell.
    #[serde(borrow)]
    pub title: Cow<'a, str>,
}

/// What becomes of a task's work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work<'a> {
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
        /// Where it went, a [`BranchName`].
        #[serde(borrow)]
        target: Cow<'a, str>,
    },
    /// It was given up.
    Discarded,
}

impl<'a> TaskRow<'a> {
    /// The row that was kept as `line`; `None` if that makes no sense.
    #[must_use]
    pub fn read(line: &'a str) -> Option<Self> {
        let row: Self = serde_json::from_str(line).ok()?;
        let goes_somewhere = match &row.work {
            Work::Landed { target, .. } => BranchName::is_valid(target),
            Work::Going { .. } | Work::Open | Work::Empty | Work::Discarded => true,
        };
        (goes_somewhere && TaskName::is_valid(&row.name)).then_some(row)
    }
}

impl From<&TaskView> for TaskRow<'_> {
    fn from(task: &TaskView) -> Self {
        let has_ended = task.outcome.is_some();
        let diff = task.diff.as_ref().map(|diff| diff.summary.figures);
        Self {
            sequence: task.sequence,
            id: task.id,
            name: task.name.to_string().into(),
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
                    Work::Landed { id: *id, target: target.to_string().into() }
                }
                LandingState::Discarded { .. } => Work::Discarded,
            },
            figures: diff.filter(|figures| figures.files > 0),
            since: task.finished_at.or(task.started_at).unwrap_or(task.created_at),
            title: task.title().chars().take(LONGEST_TITLE).collect::<String>().into(),
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
type Kept<'a> = (
    u64,
    TaskId,
    Cow<'a, str>,
    StateName,
    Option<Outcome>,
    Work<'a>,
    Option<[usize; 3]>,
    i64,
    Cow<'a, str>,
);

impl<'a> From<TaskRow<'a>> for Kept<'a> {
    fn from(row: TaskRow<'a>) -> Self {
        let TaskRow { sequence, id, name, state, outcome, work, figures, since, title } = row;
        let figures = figures.map(|it| [it.files, it.insertions, it.deletions]);
        (sequence, id, name, state, outcome, work, figures, since.as_millis(), title)
    }
}

fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    i64::deserialize(deserializer).map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn landed(target: &'static str, title: &'static str) -> TaskRow<'static> {
        TaskRow {
            sequence: 7,
            id: "290df4f2-a8f7-4871-a983-161d233a2a3f".parse().expect("an id"),
            name: "fix".into(),
            state: StateName::Failed,
            outcome: Some(Outcome::Exited { code: 3 }),
            work: Work::Landed { id: Some(1), target: target.into() },
            figures: Some(Figures { files: 2, insertions: 10, deletions: 3 }),
            since: Timestamp::from_millis(1_795_342_505_998),
            title: title.into(),
        }
    }

    #[test]
    fn a_row_is_kept_as_a_list_and_read_without_a_copy_of_its_texts() {
        let row = landed("main", "größe 文");
        let line = serde_json::to_string(&row).expect("serialises");
        assert_eq!(
            line,
            r#"[7,"290df4f2-a8f7-4871-a983-161d233a2a3f","fix","failed",{"kind":"exited","code":3},{"landed":{"id":1,"target":"main"}},[2,10,3],1795342505998,"größe 文"]"#
        );
        let read = TaskRow::read(&line).expect("it makes sense");
        assert_eq!(read, row);
        assert!(matches!((read.name, read.title), (Cow::Borrowed(_), Cow::Borrowed(_))));
    }

    #[test]
    fn texts_that_are_escaped_in_json_and_empty_fields_are_read_as_they_were() {
        let given_up = TaskRow { outcome: None, work: Work::Discarded, ..landed("main", "") };
        let going = |waits_for: Option<&str>| Work::Going {
            waits_for: waits_for.map(str::to_owned),
            phase: None,
            overlaps: true,
            asks: false,
        };
        let waits = TaskRow { work: going(Some("slot")), figures: None, ..given_up.clone() };
        for row in [landed("a\"b/ü", r#"sh -c 'echo "\u{1b}"'"#), given_up, waits] {
            let line = serde_json::to_string(&row).expect("serialises");
            assert_eq!(TaskRow::read(&line), Some(row), "{line}");
        }
    }

    #[test]
    fn a_line_that_is_torn_or_names_what_can_be_no_name_makes_no_sense() {
        let line = serde_json::to_string(&landed("main", "x")).expect("serialises");
        let short = line.replace(r#","x"]"#, "]");
        for bad in [
            &line[..line.len() - 1],
            &short,
            &line.replace("fix", "-fix"),
            &line.replace("main", "ma in"),
            &line.replace("290df", "x90df"),
            &line.replace("failed", "unknown"),
            "",
        ] {
            assert_eq!(TaskRow::read(bad), None, "{bad}");
        }
    }
}
