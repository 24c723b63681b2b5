//! What commits that land a task say.

use crate::escape;
use crate::landing::Strategy;
use crate::task::Task;

/// The message of the commit that lands a task, or takes its place.
pub(in crate::ops) fn message(task: &Task, strategy: Strategy) -> String {
    let name = task.name();
    let prompt = task.spec.prompt.as_deref().unwrap_or_default();
    let first = prompt.lines().map(str::trim).find(|line| !line.is_empty());
    let first = first.map(|line| escape::line(line).chars().take(72).collect::<String>());
    let trailers = trailers(task);
    match (strategy, first) {
        (Strategy::Squash, Some(first)) => format!("{first}\n\n{trailers}"),
        (Strategy::Squash, None) => format!("Task {name}\n\n{trailers}"),
        (_, Some(first)) => format!("Merge task {name}\n\n{first}\n\n{trailers}"),
        (_, None) => format!("Merge task {name}\n\n{trailers}"),
    }
}

/// The lines by which a commit names its task.
pub(in crate::ops) fn trailers(task: &Task) -> String {
    format!("Offshoot-Task: {}\nOffshoot-Id: {}\n", task.name(), task.id())
}
