//! `forecast` for people: a line for each task, what any two get in each other's way with, and the order
//! in which most of them land.

use super::exit::Exit;
use super::output::{Format, Output};
use super::paint::{BAD, BUSY, FAINT, GOOD, Paint, STRONG};
use super::progress::Progress;
use super::{complain, sizes};
use crate::context::Context;
use crate::error::Result;
use crate::ops;
use crate::path::RepoPath;
use crate::view::{ForecastReport, PairView, TaskForecast};

/// The most paths that are named in a line.
const MOST_PATHS: usize = 3;

/// `offshoot forecast`.
pub(super) fn forecast(context: &Context, output: &Output, tasks: &[String]) -> Result<Exit> {
    let progress = Progress::start(output, "looking ahead");
    let report = ops::forecast::forecast(context, tasks)?;
    progress.end();
    match output.format {
        Format::Json => output.document(&report)?,
        Format::Text if report.forecasts.is_empty() => {
            output.tell("no task waits for a decision");
            output.tell(&complain::hint("offshoot list --all", output.paint_errors));
        }
        Format::Text => {
            output.write(text_of(&report, output.paint).as_bytes())?;
            if report.order.len() > 1 {
                let names: Vec<_> = report.order.iter().map(|name| name.as_str()).collect();
                output.tell("");
                let hint = format!("offshoot merge {}", names.join(" "));
                output.tell(&complain::hint(&hint, output.paint_errors));
            }
        }
    }
    Ok(Exit::Done)
}

fn text_of(report: &ForecastReport, paint: Paint) -> String {
    let name_width = widest(report.forecasts.iter().map(|task| task.task.as_str()));
    let mut text = String::new();
    for task in &report.forecasts {
        let name = paint.apply(STRONG, &format!("{:<name_width$}", task.task.as_str()));
        text.push_str(&format!("{name}  {}\n", words(task, paint)));
    }
    let told: Vec<_> = report.pairs.iter().filter(|pair| is_telling(pair)).collect();
    if !told.is_empty() {
        text.push_str(&format!("\n{}\n", paint.apply(FAINT, "together")));
        let both = |pair: &PairView| format!("{} and {}", pair.tasks[0], pair.tasks[1]);
        let shown: Vec<_> = told.iter().map(|pair| both(pair)).collect();
        let width = widest(shown.iter().map(String::as_str));
        for (pair, names) in told.iter().zip(&shown) {
            text.push_str(&format!("  {names:<width$}  {}\n", words_of_pair(pair, paint)));
        }
    }
    text.push_str(&order(report, paint));
    text
}

fn widest<'a>(texts: impl Iterator<Item = &'a str>) -> usize {
    texts.map(|text| text.chars().count()).max().unwrap_or(0)
}

/// That a target is not where the task left it.
pub(super) fn moved(behind: usize) -> String {
    match behind {
        0 => String::new(),
        count => format!(", which has moved on by {}", sizes::many(count, "commit")),
    }
}

fn words(task: &TaskForecast, paint: Paint) -> String {
    let target = task.target.as_ref().map(|target| target.as_str()).unwrap_or_default();
    let moved = moved(task.behind);
    match task.verdict {
        "clean" => format!("{} on `{target}`{moved}", paint.apply(GOOD, "lands cleanly")),
        "up_to_date" => format!("`{target}` holds this change already"),
        "conflicts" => {
            let paths: Vec<_> = task.conflicts.iter().map(|conflict| &conflict.path).collect();
            let said = paint.apply(BAD, "conflicts");
            format!("{said} with `{target}`{moved}, in {}", some(&paths))
        }
        _ => {
            let reason = task.reason.as_deref().unwrap_or_default();
            format!("{}: {reason}", paint.apply(BUSY, "cannot be landed"))
        }
    }
}

/// Whether there is anything to say of two tasks.
fn is_telling(pair: &PairView) -> bool {
    pair.verdict == "conflicts" || !pair.overlap.is_empty()
}

fn words_of_pair(pair: &PairView, paint: Paint) -> String {
    let both = match pair.overlap.as_slice() {
        [] => "change no path in common".to_owned(),
        paths => format!("both change {}", some(&paths.iter().collect::<Vec<_>>())),
    };
    let verdict = match pair.verdict {
        "conflicts" => paint.apply(BAD, "conflict"),
        _ => "merge cleanly".to_owned(),
    };
    format!("{verdict}: {both}")
}

/// The first few paths, and how many more there are.
fn some(paths: &[&RepoPath]) -> String {
    let shown: Vec<_> = paths.iter().take(MOST_PATHS).map(|path| format!("`{path}`")).collect();
    match paths.len().saturating_sub(MOST_PATHS) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// The order, and who is left out of it though it could land by itself.
fn order(report: &ForecastReport, paint: Paint) -> String {
    if report.forecasts.len() < 2 || report.order.is_empty() {
        return String::new();
    }
    let names: Vec<_> = report.order.iter().map(|name| name.as_str()).collect();
    let label = paint.apply(FAINT, "order");
    let mut text = format!("\n{label}\n  {}\n", names.join(", "));
    for task in &report.forecasts {
        if task.verdict == "clean" && !report.order.contains(&task.task) {
            let rivals: Vec<_> = report
                .pairs
                .iter()
                .filter(|pair| pair.verdict == "conflicts" && pair.tasks.contains(&task.task))
                .filter_map(|pair| pair.tasks.iter().find(|name| **name != task.task))
                .filter(|rival| report.order.contains(rival))
                .map(|rival| format!("`{rival}`"))
                .collect();
            let with = match rivals.as_slice() {
                [] => "the others together".to_owned(),
                rivals => rivals.join(", "),
            };
            text.push_str(&format!("  {} then conflicts with {with}\n", task.task));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::{BranchName, TaskName};

    fn name(text: &str) -> TaskName {
        TaskName::new(text).expect("a name")
    }

    fn task(text: &str, behind: usize) -> TaskForecast {
        TaskForecast {
            task: name(text),
            target: Some(BranchName::new("main").expect("a branch")),
            target_commit: None,
            verdict: "clean",
            behind,
            conflicts: Vec::new(),
            reason: None,
        }
    }

    #[test]
    fn a_report_names_overlaps_and_who_is_left_out() {
        let mut report = ForecastReport::empty();
        report.forecasts = vec![task("one", 0), task("second", 3), task("x", 0)];
        let pair = |one, other, paths: &[&str], verdict| PairView {
            tasks: [name(one), name(other)],
            overlap: paths.iter().map(|path| RepoPath::new(*path)).collect(),
            verdict,
        };
        report.pairs = vec![
            pair("one", "second", &["a", "b", "c", "d"], "conflicts"),
            pair("one", "x", &["e"], "clean"),
            pair("second", "x", &[], "clean"),
        ];
        report.order = vec![name("one"), name("x")];
        assert_eq!(
            text_of(&report, Paint::Plain),
            "one     lands cleanly on `main`\n\
             second  lands cleanly on `main`, which has moved on by 3 commits\n\
             x       lands cleanly on `main`\n\n\
             together\n  \
               one and second  conflict: both change `a`, `b`, `c` and 1 more\n  \
               one and x       merge cleanly: both change `e`\n\n\
             order\n  \
               one, x\n  \
               second then conflicts with `one`\n"
        );
    }
}
