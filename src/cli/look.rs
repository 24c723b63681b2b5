//! The verbs that look at tasks: `list`, `status`, `result`, `wait`, `logs` and `diff`.

use super::args::DiffForm;
use super::exit::{Exit, has_ended};
use super::log_text::LogText;
use super::output::{Format, Output};
use super::paint::Destination;
use super::progress::Progress;
use super::summary::{self, Detail};
use super::{complain, figures, log_text, offer, pager, patch, quoting, table};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops::diff::DiffRequest;
use crate::ops::list::{ListRequest, Listing, Rows, Which};
use crate::ops::logs::LogsRequest;
use crate::ops::wait::WaitRequest;
use crate::view::{PatchList, TaskList, TaskRow, TaskView};
use crate::{ops, path::RepoPath, task::StateName};

/// `offshoot list`.
pub(super) fn list(context: &Context, output: &Output, request: &ListRequest) -> Result<Exit> {
    let tell_unreadable = |unreadable: &[Error]| {
        for error in unreadable {
            output.tell(&complain::message(error, output.paint_errors));
        }
    };
    if output.format == Format::Json {
        let Listing { tasks, unreadable } = ops::list::list(context, request)?;
        tell_unreadable(&unreadable);
        return show_tasks(context, output, &tasks).map(|()| Exit::Done);
    }
    let mut kept = String::new();
    let Rows { rows, unreadable } = ops::list::rows(context, request, &mut kept)?;
    tell_unreadable(&unreadable);
    if rows.is_empty() {
        let (words, hint) = nothing_listed(request);
        output.tell(&words);
        output.tell(&complain::hint(hint, output.paint_errors));
        return Ok(Exit::Done);
    }
    show_rows(context, output, &rows).map(|()| Exit::Done)
}

/// That there are none, and where others may be.
fn nothing_listed(request: &ListRequest) -> (String, &'static str) {
    let states: Vec<_> = request.states.iter().map(|state| state.as_str()).collect();
    let states = states.join(" or ");
    let unfinished = |state: &StateName| {
        matches!(state, StateName::Pending | StateName::Running | StateName::Paused)
    };
    match request.which {
        Which::All if states.is_empty() => {
            ("no tasks".to_owned(), "`offshoot dispatch -- CMD` starts one")
        }
        Which::All => (format!("no {states} tasks"), "`offshoot list --all` shows every task"),
        Which::Open if states.is_empty() => (
            "no open tasks".to_owned(),
            "`offshoot dispatch -- CMD` starts one, `offshoot list --all` shows landed and \
             discarded ones too",
        ),
        // What has not ended is always open, so that `--all` would show no more.
        Which::Open if request.states.iter().all(unfinished) => {
            (format!("no {states} tasks"), "`offshoot list` shows those in other states")
        }
        Which::Open => (
            format!("no open {states} tasks"),
            "with `--all` those that are landed or discarded are shown too",
        ),
    }
}

/// Several tasks, as a table or a document.
pub(super) fn show_tasks(context: &Context, output: &Output, tasks: &[TaskView]) -> Result<()> {
    match output.format {
        Format::Json => output.document(&TaskList::new(tasks)),
        Format::Text => {
            let rows: Vec<_> = tasks.iter().map(TaskRow::from).collect();
            show_rows(context, output, &rows)
        }
    }
}

fn show_rows(context: &Context, output: &Output, rows: &[TaskRow<'_>]) -> Result<()> {
    let table = table::of_tasks(rows, context.now(), output.columns(), output.paint);
    output.write(table.as_bytes())
}

/// `offshoot status`.
pub(super) fn status(context: &Context, output: &Output, task: &str) -> Result<Exit> {
    let task = ops::status::status(context, task)?;
    show_task(context, output, &task, Detail::Everything).map(|()| Exit::Done)
}

/// One task, as a summary or a document.
pub(super) fn show_task(
    context: &Context,
    output: &Output,
    task: &TaskView,
    detail: Detail,
) -> Result<()> {
    match output.format {
        Format::Json => output.document(task),
        Format::Text => output.write(summary::of(context, task, detail, output.paint).as_bytes()),
    }
}

/// `offshoot result`.
pub(super) fn result(context: &Context, output: &Output, task: &str) -> Result<Exit> {
    let task = ops::status::status(context, task)?;
    show_task(context, output, &task, Detail::Result)?;
    if has_ended(&task) {
        return Ok(Exit::of_tasks(&[task]));
    }
    output.tell(&format!("`{}` has not ended", task.name));
    let hint = format!("`offshoot wait {}` waits for it", task.name);
    output.tell(&complain::hint(&hint, output.paint_errors));
    Ok(Exit::Refused)
}

/// `offshoot wait`.
pub(super) fn wait(context: &Context, output: &Output, request: &WaitRequest) -> Result<Exit> {
    let progress = Progress::start(output, "waiting");
    let waited =
        ops::wait::wait(context, request, &mut |tasks| progress.say(&still_waiting(tasks)))?;
    progress.end();
    match (output.format, waited.tasks.as_slice()) {
        (Format::Text, [task]) if has_ended(task) => {
            show_task(context, output, task, Detail::Result)?;
            offer::after(context, output, task)?;
        }
        (Format::Text | Format::Json, tasks) => show_tasks(context, output, tasks)?,
    }
    if waited.timed_out {
        output.tell("the time limit passed before they had ended");
        return Ok(Exit::TimedOut);
    }
    Ok(Exit::of_tasks(&waited.tasks))
}

fn still_waiting(tasks: &[TaskView]) -> String {
    let names: Vec<_> =
        tasks.iter().filter(|task| !has_ended(task)).map(|task| task.name.as_str()).collect();
    let ended = tasks.len() - names.len();
    format!("{ended} of {} ended, waiting for {}", tasks.len(), names.join(", "))
}

/// `offshoot logs`.
pub(super) fn logs(context: &Context, output: &Output, request: &LogsRequest) -> Result<Exit> {
    match (output.format, output.destination()) {
        (Format::Json, _) => {
            let mut lines = log_text::Lines::default();
            ops::logs::logs(context, request, &mut |bytes| {
                lines.push(bytes).iter().try_for_each(|line| output.document(line))
            })?;
            lines.end().iter().try_for_each(|line| output.document(line))?;
        }
        (Format::Text, Destination::Pipe) => {
            ops::logs::logs(context, request, &mut |bytes| output.write(bytes))?;
        }
        (Format::Text, Destination::Terminal) => {
            let mut text = LogText::default();
            ops::logs::logs(context, request, &mut |bytes| {
                output.write(text.push(bytes).as_bytes())
            })?;
            output.write(text.end().as_bytes())?;
        }
    }
    Ok(Exit::Done)
}

/// `offshoot diff`.
pub(super) fn diff(
    context: &Context,
    output: &Output,
    request: &DiffRequest,
    form: DiffForm,
) -> Result<Exit> {
    let on_terminal = output.destination() == Destination::Terminal;
    if output.format == Format::Text && form == DiffForm::Patch && !on_terminal {
        // Whatever reads a pipe may want to apply it, so these are git's own bytes.
        return output.write(&ops::diff::patch(context, request)?).map(|()| Exit::Done);
    }
    let progress = Progress::start(output, "comparing");
    let answer = ops::diff::diff(context, request)?;
    progress.end();
    if output.format == Format::Json {
        let document = PatchList::new(&answer.task, answer.ends, &answer.diff, &answer.patches);
        return output.document(&document).map(|()| Exit::Done);
    }
    let text = match form {
        DiffForm::Patch => patch::of(&answer.patches, output.paint),
        DiffForm::Stat => figures::stat(&answer.diff, output.paint),
        DiffForm::Names => {
            let paths = answer.diff.changes.iter();
            // Scripts read a pipe, and must be able to tell every name from every other.
            let shown =
                |path: &RepoPath| if on_terminal { path.shown() } else { quoting::path(path) };
            paths.map(|change| shown(&change.path) + "\n").collect()
        }
    };
    if text.is_empty() {
        output.tell("no change");
    }
    pager::show(context, output, &text).map(|()| Exit::Done)
}
