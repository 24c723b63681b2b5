//! Tasks as a table: name, state, what became of the work, its size, age, what was asked for.
//!
//! Only the last column holds free text, so columns align by characters without asking how wide any
//! script is drawn. On a pipe it is the same table without colours.

use super::paint::{BAD, BUSY, FAINT, GOOD, PLACE, Paint, STRONG};
use super::{durations, ending, figures};
use crate::task::StateName;
use crate::timestamp::Timestamp;
use crate::view::{TaskRow, Work};
use anstyle::Style;
use std::borrow::Cow;

/// The most characters of what was asked for, where nothing says how wide a line may be.
pub(super) const LONGEST_TITLE: usize = 40;
/// The fewest characters of it, however narrow a terminal is.
const SHORTEST_TITLE: usize = 12;
/// How many spaces stand between two columns.
const BETWEEN: usize = 2;

/// The table with its header; on a terminal it is `columns` wide.
pub(super) fn of_tasks(
    tasks: &[TaskRow],
    now: Timestamp,
    columns: Option<usize>,
    paint: Paint,
) -> String {
    let mut rows = Vec::with_capacity(tasks.len() + 1);
    rows.push(["NAME", "STATE", "WORK", "CHANGES", "AGE", "TASK"].map(Cow::Borrowed));
    rows.extend(tasks.iter().map(|task| row(task, now)));
    let mut widths = [0; 6];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(characters(cell));
        }
    }
    let others: usize = widths[..5].iter().map(|width| width + BETWEEN).sum();
    let longest = columns.map_or(LONGEST_TITLE, |columns| columns.saturating_sub(others));
    let mut text = String::new();
    for (index, row) in rows.iter_mut().enumerate() {
        if let Some(short) = shortened(&row[5], longest.max(SHORTEST_TITLE)) {
            row[5] = Cow::Owned(short);
        }
        let task = index.checked_sub(1).and_then(|index| tasks.get(index));
        write_line(&mut text, row, &widths, styles(task), paint);
    }
    text
}

/// How many there are; nearly always as many as bytes, which is told much faster.
fn characters(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.chars().count() }
}

fn styles(task: Option<&TaskRow>) -> [Style; 6] {
    let none = Style::new();
    match task {
        None => [FAINT; 6],
        Some(task) => [STRONG, state_style(task.state), none, none, FAINT, none],
    }
}

fn write_line(
    text: &mut String,
    row: &[Cow<'_, str>; 6],
    widths: &[usize; 6],
    styles: [Style; 6],
    paint: Paint,
) {
    let mut padding = 0;
    for ((cell, width), style) in row.iter().zip(widths).zip(styles) {
        if !cell.is_empty() {
            text.extend(std::iter::repeat_n(' ', padding));
            // Without colours nothing has to be formatted, which is what a long table would take long for.
            match paint {
                Paint::Coloured => paint.write(text, style, cell),
                Paint::Plain => text.push_str(cell),
            }
            padding = 0;
        }
        padding += width - characters(cell).min(*width) + BETWEEN;
    }
    text.push('\n');
}

fn row(task: &TaskRow, now: Timestamp) -> [Cow<'_, str>; 6] {
    let figures = task.figures.map(|figures| figures::words(figures, Paint::Plain));
    [
        task.name.as_str().into(),
        state(task),
        work(&task.work),
        figures.unwrap_or_default().into(),
        durations::ago(task.since, now).into(),
        task.title.as_str().into(),
    ]
}

fn state(task: &TaskRow) -> Cow<'static, str> {
    match &task.outcome {
        Some(outcome) => ending::in_short(task.state, outcome),
        None => task.state.as_str().into(),
    }
}

/// Where the work stands: how far it is, what it waits for, what became of it.
fn work(work: &Work) -> Cow<'static, str> {
    match work {
        Work::Going { waits_for, phase, overlaps, asks } => {
            let waiting = waits_for.as_deref().map(|kind| match kind {
                "held" => "held".to_owned(),
                kind => format!("for {kind}"),
            });
            let mut words = waiting.or_else(|| phase.clone()).unwrap_or_default();
            if *overlaps {
                words.push_str(", overlaps");
            }
            if *asks {
                words.push_str(", asks");
            }
            words.into()
        }
        Work::Open => "to decide".into(),
        Work::Empty => "no change".into(),
        Work::Landed { id: Some(id), target } => format!("on {target}, landing {id}").into(),
        Work::Landed { id: None, target } => format!("on {target}").into(),
        Work::Discarded => "discarded".into(),
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
