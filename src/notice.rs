//! What a session is told of tasks that have ended: one line a task, plain text.
//!
//! Plain, because some agents escape angle brackets and every one of them shows it to a model. Nothing
//! that a task's agent wrote is in it but its figures; the result is asked for by `offshoot result`.

use crate::diff::Figures;
use crate::escape;
use crate::outcome::Outcome;
use crate::task::WarningKind;
use crate::timestamp::length_words;
use crate::view::TaskView;

/// What every line begins with; by it a session's own agent knows where the words come from.
pub const MARK: &str = "[offshoot]";

/// The most commands that a line names.
const MOST_NEXT: usize = 3;

/// A line for each task, without a newline at the end.
#[must_use]
pub fn text(tasks: &[TaskView]) -> String {
    tasks.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The line about what the agent of a running task asks. Its beginning is not that of a task's end.
#[must_use]
pub fn question(name: &str) -> String {
    format!(
        "{MARK} `{name}` asks something, or was not allowed something, and nobody answers it there. \
         Next: offshoot status {name} | offshoot send {name} | offshoot cancel {name}"
    )
}

/// A few words for where there is room for a title only.
#[must_use]
pub fn title(tasks: &[TaskView]) -> String {
    match tasks {
        [task] => format!("{} {}", task.name, task.state),
        several => format!("{} tasks have ended", several.len()),
    }
}

/// How the line about a task begins: enough to know it again in what a session was given.
#[must_use]
pub fn beginning(name: &str) -> String {
    format!("{MARK} {name} ")
}

fn line(task: &TaskView) -> String {
    let mut line = beginning(task.name.as_str()) + task.state.as_str();
    match &task.outcome {
        None | Some(Outcome::Exited { code: 0 } | Outcome::Cancelled) => {}
        Some(outcome) => line.push_str(&format!(" ({outcome})")),
    }
    if let Some(took) = task.duration_ms {
        line.push_str(&format!(" in {}", length_words(took)));
    }
    let figures = task.diff.as_ref().map(|diff| diff.summary.figures);
    match figures.filter(|figures| figures.files > 0) {
        None => line.push_str(": no change"),
        Some(Figures { files, insertions, deletions }) => {
            let plural = if files == 1 { "" } else { "s" };
            line.push_str(&format!(": {files} file{plural}, +{insertions} -{deletions}"));
        }
    }
    if let (Some(forecast), Some(target)) = (&task.forecast, &task.target) {
        line.push_str(&match forecast.verdict {
            "clean" => format!(", lands cleanly on {target}"),
            "conflicts" => format!(", conflicts with {target}"),
            _ => String::new(),
        });
    }
    line.push('.');
    if task.needs_input.is_some() {
        line.push_str(" It asked something, or was not allowed something: see the result.");
    }
    // Whoever reads this was told, whatever became of other ways.
    let of_work = task.warnings.iter().filter(|warning| warning.kind != WarningKind::NotTold);
    if let warnings @ 1.. = of_work.count() {
        line.push_str(&format!(" Warnings: {warnings}."));
    }
    if let Some(note) = &task.context {
        line.push_str(&format!(" Note: {}.", escape::line(note)));
    }
    let first = format!("offshoot result {}", task.name);
    let worth_naming = |command: &&String| {
        let verbs = ["merge", "rebase", "retry", "discard"];
        verbs.iter().any(|verb| command.starts_with(&format!("offshoot {verb} ")))
    };
    let others = task.next.iter().filter(worth_naming).map(|command| escape::line(command));
    let next: Vec<_> = std::iter::once(first).chain(others).take(MOST_NEXT + 1).collect();
    line.push_str(&format!(" Next: {}", next.join(" | ")));
    line
}
