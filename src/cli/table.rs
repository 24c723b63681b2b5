//! Tasks as a table: name, state, what became of the work, its size, age, what was asked for.
//!
//! Only the last column holds free text, so columns align by characters without asking how wide any
//! script is drawn. On a pipe it is the same table without colours.

use super::paint::{BAD, BUSY, FAINT, GOOD, PLACE, Paint, STRONG};
use super::{durations, ending, figures, sizes};
use crate::task::StateName;
use crate::timestamp::Timestamp;
use crate::view::{TaskRow, Work};
use anstyle::Style;
use std::borrow::Cow;
use std::{iter, mem};

/// The most characters of what was asked for, where nothing says how wide a line may be.
pub(super) const LONGEST_TITLE: usize = 40;
/// The fewest characters of it, however narrow a terminal is.
const SHORTEST_TITLE: usize = 12;
/// How many spaces stand between two columns.
const BETWEEN: usize = 2;

/// The table with its header; on a terminal it is `columns` wide.
pub(super) fn of_tasks(
    tasks: &[TaskRow<'_>],
    now: Timestamp,
    columns: Option<usize>,
    paint: Paint,
) -> String {
    let mut cells = Cells::default();
    for word in ["NAME", "STATE", "WORK", "CHANGES", "AGE"] {
        cells.text.push_str(word);
        cells.end();
    }
    for task in tasks {
        cells.add(task, now);
    }
    let others: usize = cells.widths[..5].iter().map(|width| width + BETWEEN).sum();
    let longest = columns.map_or(LONGEST_TITLE, |columns| columns.saturating_sub(others));
    let titles = tasks.iter().map(|task| &*task.title);
    let styles = iter::once([FAINT; 6]).chain(tasks.iter().map(styles));
    let spaces = " ".repeat(others);
    let mut lines = Lines { text: String::new(), widths: cells.widths, spaces, paint };
    for ((row, title), styles) in cells.rows().zip(iter::once("TASK").chain(titles)).zip(styles) {
        let short = shortened(title, longest.max(SHORTEST_TITLE));
        let [name, state, work, changes, age] = row;
        lines.add([name, state, work, changes, age, short.as_deref().unwrap_or(title)], styles);
    }
    lines.text
}

/// What stands in the columns but the last, in one text: a text for each cell would take longer than all
/// else that a long table needs.
#[derive(Default)]
struct Cells {
    text: String,
    /// Where each cell ends, row by row.
    ends: Vec<usize>,
    /// The most characters of each column; behind the last one nothing has to be aligned.
    widths: [usize; 6],
}

impl Cells {
    fn add(&mut self, task: &TaskRow<'_>, now: Timestamp) {
        self.text.push_str(&task.name);
        self.end();
        self.text.push_str(&state(task));
        self.end();
        write_work(&mut self.text, &task.work);
        self.end();
        if let Some(figures) = task.figures {
            figures::write(&mut self.text, figures, Paint::Plain);
        }
        self.end();
        durations::write_ago(&mut self.text, task.since, now);
        self.end();
    }

    /// What was added last is a cell.
    fn end(&mut self) {
        let begin = self.ends.last().copied().unwrap_or_default();
        let width = &mut self.widths[self.ends.len() % 5];
        *width = (*width).max(characters(&self.text[begin..]));
        self.ends.push(self.text.len());
    }

    fn rows(&self) -> impl Iterator<Item = [&str; 5]> {
        let mut begin = 0;
        let (rows, _) = self.ends.as_chunks::<5>();
        rows.iter().map(move |ends| ends.map(|end| &self.text[mem::replace(&mut begin, end)..end]))
    }
}

/// How many there are; nearly always as many as bytes, which is told much faster.
fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

fn styles(task: &TaskRow<'_>) -> [Style; 6] {
    let none = Style::new();
    [STRONG, state_style(task.state), none, none, FAINT, none]
}

/// The lines of the table so far.
struct Lines {
    text: String,
    widths: [usize; 6],
    /// As many as can stand in a row.
    spaces: String,
    paint: Paint,
}

impl Lines {
    fn add(&mut self, row: [&str; 6], styles: [Style; 6]) {
        let mut padding = 0;
        for ((cell, width), style) in row.iter().zip(self.widths).zip(styles) {
            if !cell.is_empty() {
                self.text.push_str(&self.spaces[..padding]);
                self.paint.write(&mut self.text, style, |text| text.push_str(cell));
                padding = 0;
            }
            padding += width - characters(cell).min(width) + BETWEEN;
        }
        self.text.push('\n');
    }
}

fn state(task: &TaskRow<'_>) -> Cow<'static, str> {
    match &task.outcome {
        Some(outcome) => ending::in_short(task.state, outcome),
        None => task.state.as_str().into(),
    }
}

/// Adds where the work stands: how far it is, what it waits for, what became of it.
fn write_work(text: &mut String, work: &Work<'_>) {
    match work {
        Work::Going { waits_for, phase, overlaps, asks } => {
            match (waits_for.as_deref(), phase) {
                (Some("held"), _) => text.push_str("held"),
                (Some(kind), _) => {
                    text.push_str("for ");
                    text.push_str(kind);
                }
                (None, phase) => text.push_str(phase.as_deref().unwrap_or_default()),
            }
            if *overlaps {
                text.push_str(", overlaps");
            }
            if *asks {
                text.push_str(", asks");
            }
        }
        Work::Open => text.push_str("to decide"),
        Work::Empty => text.push_str("no change"),
        Work::Landed { id, target } => {
            text.push_str("on ");
            text.push_str(target);
            if let Some(id) = id {
                text.push_str(", landing ");
                sizes::write_number(text, *id);
            }
        }
        Work::Discarded => text.push_str("discarded"),
    }
}

/// The beginning of a text of more characters than that.
pub(super) fn shortened(text: &str, longest: usize) -> Option<String> {
    let is_long = text.len() > longest && text.chars().nth(longest).is_some();
    is_long.then(|| text.chars().take(longest - 1).chain(['…']).collect())
}

/// The colour of a state.
pub(super) fn state_style(state: StateName) -> Style {
    match state {
        StateName::Pending => FAINT,
        StateName::Running => PLACE,
        StateName::Paused | StateName::Cancelled => BUSY,
        StateName::Completed => GOOD,
        StateName::Failed => BAD,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::diff::Figures;
    use crate::view::TaskView;
    use serde_json::json;

    /// A completed task named `fix`, made through its records.
    pub(in crate::cli) fn completed() -> TaskView {
        let spec = serde_json::from_value(json!({
            "schema": 1, "id": "3f2a9c1e-0000-4000-8000-000000000000", "name": "fix", "sequence": 1,
            "created_at": "2024-01-01T00:00:00Z", "agent": "codex",
            "prompt": "\nFix \u{1b}[31m the timeouts of the storage engine and of its neighbours\nplease",
            "command": ["codex"], "model": null, "context": null,
            "base": {"branch": "main", "commit": "1".repeat(40)}, "target": "main",
            "branch": "offshoot/fix", "worktree": "/r.offshoots/fix", "subdirectory": "", "priority": 0,
            "timeout_ms": null, "parent": null, "parent_task": null, "depth": 0, "request_id": null,
        }))
        .expect("a spec");
        let record = serde_json::from_value(json!({
            "schema": 1, "id": "3f2a9c1e-0000-4000-8000-000000000000", "attempt": 1,
            "state": {"name": "ended", "outcome": {"kind": "exited", "code": 0},
                "started_at": "2024-01-01T00:00:01Z", "finished_at": "2024-01-01T00:04:11Z",
                "duration_ms": 250_000},
            "base": "1".repeat(40), "worktree": "/r.offshoots/fix", "head": "2".repeat(40),
            "message": null, "session": null,
            "diff": {"files": 2, "insertions": 10, "deletions": 3, "commits": 1,
                "leftovers_committed": true},
            "warnings": [], "attempts": [], "landing": {"kind": "open"}, "events": 3, "outbox": [],
        }))
        .expect("a record");
        TaskView::of(&crate::task::Task { spec, record })
    }

    #[test]
    fn a_table_is_plain_and_aligned_on_a_pipe() {
        let now = Timestamp::from_millis(1_704_067_451_000 + 180_000);
        assert_eq!(
            of_tasks(&[TaskRow::from(&completed())], now, None, Paint::Plain),
            "NAME  STATE      WORK       CHANGES          AGE     TASK\n\
             fix   completed  to decide  2 files, +10 -3  3m ago  Fix \\u{1b}[31m the timeouts of the stor…\n"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_empty_cells_leave_no_trace() {
        let now = Timestamp::from_millis(1_704_067_451_000);
        let row = |name: &'static str, work| TaskRow {
            name: name.into(),
            work,
            since: now,
            ..TaskRow::from(&completed())
        };
        let going = |waits_for: Option<&str>, phase: Option<&str>, asks| Work::Going {
            waits_for: waits_for.map(str::to_owned),
            phase: phase.map(str::to_owned),
            overlaps: asks,
            asks,
        };
        let figures = |files, insertions, deletions| Figures { files, insertions, deletions };
        let rows = [
            TaskRow {
                title: "".into(),
                ..row("a", Work::Landed { id: None, target: "größe".into() })
            },
            TaskRow { figures: None, ..row("long-name", going(None, None, false)) },
            TaskRow {
                figures: Some(figures(1, 0, 1_234_567)),
                title: "größe 文".into(),
                ..row("b", Work::Landed { id: Some(10), target: "main".into() })
            },
            row("c", going(Some("held"), Some("setting up"), false)),
            row("d", going(None, Some("setting up"), true)),
            row("e", going(Some("slot"), None, true)),
        ];
        insta::assert_snapshot!(of_tasks(&rows, now, Some(90), Paint::Plain), @r"
        NAME       STATE      WORK                        CHANGES              AGE       TASK
        a          completed  on größe                    2 files, +10 -3      just now
        long-name  completed                                                   just now  Fix \u{1b}[…
        b          completed  on main, landing 10         1 file, +0 -1234567  just now  größe 文
        c          completed  held                        2 files, +10 -3      just now  Fix \u{1b}[…
        d          completed  setting up, overlaps, asks  2 files, +10 -3      just now  Fix \u{1b}[…
        e          completed  for slot, overlaps, asks    2 files, +10 -3      just now  Fix \u{1b}[…
        ");
        let coloured = of_tasks(&rows[..1], now, None, Paint::Coloured);
        let last = coloured.lines().last().expect("a row");
        assert_eq!(
            last,
            "\u{1b}[1ma\u{1b}[0m     \u{1b}[32mcompleted\u{1b}[0m  on größe  2 files, +10 -3  \u{1b}[2mjust now\u{1b}[0m"
        );
    }

    #[test]
    fn on_a_terminal_the_last_column_takes_what_the_others_leave() {
        let mut task = completed();
        (task.prompt, task.command) = (None, vec!["sh".into(), "-c".into(), "echo a b".repeat(9)]);
        let now = Timestamp::from_millis(1_704_067_451_000 + 180_000);
        let last = |columns| {
            let text = of_tasks(&[TaskRow::from(&task)], now, Some(columns), Paint::Plain);
            text.lines().last().expect("a row").to_owned()
        };
        assert_eq!(last(80).chars().count(), 80);
        assert!(last(80).ends_with("  sh -c 'echo a becho a bech…"), "{}", last(80));
        assert!(last(200).ends_with("echo a b'"), "{}", last(200));
        assert!(last(10).ends_with("  sh -c 'echo…"), "{}", last(10));
    }
}
