//! The verbs that act on tasks: `cancel`, `merge`, `rebase`, `apply`, `discard` and `restore`.

use super::args::{PauseArgs, PriorityArgs};
use super::exit::Exit;
use super::interrupt::Interruption;
use super::output::{Format, Output};
use super::progress::Progress;
use super::{complain, landing, look};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::escape;
use crate::landing::Verdict;
use crate::ops;
use crate::ops::land::{Attendance, Extent, LandRequest};
use crate::ops::restore::Worktree;
use crate::ops::several::Several;
use crate::ops::undo::UndoRequest;
use crate::view::{AppliedDocument, LandingList, LandingState, LandingView, TaskList, TaskView};

/// How many lines of what a red verify command wrote are shown.
const SHOWN: usize = 20;

/// `offshoot cancel`.
pub(super) fn cancel(context: &Context, output: &Output, tasks: &[String]) -> Result<Exit> {
    let progress = Progress::start(output, "waiting for their processes to end");
    let tasks = ops::job_control::cancel(context, tasks)?;
    progress.end();
    each_done(context, output, &tasks, |task| format!("`{}` is {}", task.name, task.state))
}

/// `offshoot pause`.
pub(super) fn pause(context: &Context, output: &Output, args: &PauseArgs) -> Result<Exit> {
    let progress = Progress::start(output, "waiting for their processes to stop");
    let tasks = ops::job_control::pause(context, &args.tasks, args.slot())?;
    progress.end();
    each_done(context, output, &tasks, standing)
}

/// `offshoot resume`.
pub(super) fn resume(context: &Context, output: &Output, tasks: &[String]) -> Result<Exit> {
    let tasks = ops::job_control::resume(context, tasks)?;
    each_done(context, output, &tasks, standing)
}

/// `offshoot priority`.
pub(super) fn prioritise(context: &Context, output: &Output, args: &PriorityArgs) -> Result<Exit> {
    let tasks = ops::job_control::prioritise(context, &args.tasks, args.priority)?;
    several_done(context, output, tasks, |task| {
        format!("`{}` has priority {}", task.name, task.priority)
    })
}

fn standing(task: &TaskView) -> String {
    match task.waiting_for.as_ref().map(|waiting| waiting.kind) {
        Some("held") => format!("`{}` is {} and held", task.name, task.state),
        Some(kind) => format!("`{}` is {} and waits for a {kind}", task.name, task.state),
        None => format!("`{}` is {}", task.name, task.state),
    }
}

/// `offshoot merge` and `offshoot rebase`.
pub(super) fn land(context: &Context, output: &Output, request: &LandRequest) -> Result<Exit> {
    let progress = Progress::start(output, "landing");
    let interruption = Interruption::default();
    let say = |words: &str| {
        progress.say(words);
        interruption.heed();
    };
    let attendance = Attendance { interrupted: interruption.flag(), say: &say };
    let landed = ops::land::land(context, request, &attendance);
    progress.end();
    let Several { done: landings, stopped } = match landed {
        Err(error) if interruption.has_come() => {
            complain::complain(output, &error);
            return Ok(Exit::Interrupted);
        }
        landed => landed?,
    };
    match output.format {
        Format::Json => {
            output.document(&LandingList::new(&landings).stopped_by(stopped.as_ref()))?;
        }
        Format::Text => {
            for landing in &landings {
                output.write(landing::of(landing, &request.extent, output.paint).as_bytes())?;
            }
            if let Extent::Part(_) = request.extent {
                tell_of_rest(context, output, &landings);
            }
            tell_ways_out(context, output, &landings);
            tell_verify_output(output, &landings);
        }
    }
    Ok(after(output, stopped).unwrap_or_else(|| Exit::of_landings(&landings)))
}

/// Tells what stopped a verb from going on to the next task; its document has it already.
fn after(output: &Output, stopped: Option<Error>) -> Option<Exit> {
    stopped.map(|error| {
        output.tell(&complain::message(&error, output.paint_errors));
        Exit::Stopped(error.kind.exit_status())
    })
}

/// A part that has landed leaves the rest to be decided about.
fn tell_of_rest(context: &Context, output: &Output, landings: &[LandingView]) {
    for landing in landings.iter().filter(|landing| landing.verdict == Verdict::Landed) {
        let task = ops::status::status(context, landing.task.as_str());
        if let Some(task) = task.ok().filter(|task| task.landing == LandingState::Open) {
            output.tell(&landing::rest_words(&task));
        }
    }
}

/// A conflict leaves some ways: by hand on the target, or not at all.
fn tell_ways_out(context: &Context, output: &Output, landings: &[LandingView]) {
    for landing in landings {
        // Only the task itself knows its branch, its worktree and what it started from.
        let task = || ops::status::status(context, landing.task.as_str());
        match landing.verdict {
            Verdict::Conflicts => {
                let Ok(task) = task() else { continue };
                tell_hints(output, &landing::ways_out(landing, &task));
            }
            Verdict::Resolving => {
                let Ok(task) = task() else { continue };
                let place = task.worktree.as_deref().map(|path| context.relative(path));
                let place = place.unwrap_or_default();
                tell_hints(output, &landing::ways_to_resolve(landing, &task, &place));
            }
            _ => {}
        }
    }
}

/// What a red verify command wrote last.
fn tell_verify_output(output: &Output, landings: &[LandingView]) {
    for said in landings.iter().filter_map(|landing| landing.verify.as_ref()) {
        let end = ops::land::end_of_log(&said.log, SHOWN);
        output.tell(&format!("\n{}", escape::lines(end.trim_end())));
    }
}

fn tell_hints(output: &Output, hints: &[String]) {
    output.tell("");
    for hint in hints {
        output.tell(&complain::hint(hint, output.paint_errors));
    }
}

/// `offshoot apply`.
pub(super) fn apply(context: &Context, output: &Output, task: &str) -> Result<Exit> {
    let progress = Progress::start(output, "applying");
    let applied = ops::apply::apply(context, task).map_err(without_other_branches)?;
    progress.end();
    match output.format {
        Format::Json => {
            let (paths, conflicts) = (&applied.paths, &applied.conflicts);
            output.document(&AppliedDocument::new(&applied.task, paths, conflicts))?;
        }
        Format::Text => {
            output.write(landing::of_applied(&applied, output.paint).as_bytes())?;
            if !applied.conflicts.is_empty() {
                let task = ops::status::status(context, task)?;
                tell_hints(output, &landing::ways_out_of_applying(&task));
            }
        }
    }
    Ok(if applied.conflicts.is_empty() { Exit::Done } else { Exit::Conflicts })
}

/// What is in the way of a landing may go to another branch; an application has no branch.
fn without_other_branches(mut error: Error) -> Error {
    if error.kind == ErrorKind::Dirty {
        error.hints.retain(|hint| !hint.contains("--into"));
    }
    error
}

/// `offshoot discard`.
pub(super) fn discard(context: &Context, output: &Output, tasks: &[String]) -> Result<Exit> {
    let tasks = ops::discard::discard(context, tasks)?;
    several_done(context, output, tasks, |task| match &task.landing {
        // Landed with `--keep`: its work is where it was, and there is nothing to bring back.
        LandingState::Landed { target, .. } => {
            format!("released `{}`; its work stays on `{target}`", task.name)
        }
        LandingState::Open | LandingState::Empty | LandingState::Discarded { .. } => {
            format!("discarded `{0}`; `offshoot restore {0}` brings it back", task.name)
        }
    })
}

/// `offshoot restore`.
pub(super) fn restore(context: &Context, output: &Output, tasks: &[String]) -> Result<Exit> {
    let restored = ops::restore::restore(context, tasks)?;
    for restored in &restored.done {
        let what_is_missing = match restored.worktree {
            Worktree::AsItWas => continue,
            Worktree::PutTogether => "what `pool.keep` names stayed with the folder it had",
            Worktree::MadeAnew => "what it had not committed, and what git ignores, is not in it",
        };
        let name = &restored.task.name;
        output.tell(&format!("the worktree of `{name}` is a new one: {what_is_missing}"));
    }
    let done = restored.done.into_iter().map(|restored| restored.task).collect();
    let tasks = Several { done, stopped: restored.stopped };
    several_done(context, output, tasks, |task| {
        let place = task.worktree.as_deref().map(|path| context.relative(path));
        let place = place.map(|path| format!(" at {}", crate::escape::line(&path)));
        format!("restored `{}`{}", task.name, place.unwrap_or_default())
    })
}

/// `offshoot undo`.
pub(super) fn undo(context: &Context, output: &Output, request: &UndoRequest) -> Result<Exit> {
    let progress = Progress::start(output, "taking a landing back");
    let landing = ops::undo::undo(context, request).map_err(without_other_branches)?;
    progress.end();
    let landings = std::slice::from_ref(&landing);
    match output.format {
        Format::Json => output.document(&LandingList::new(landings))?,
        Format::Text => {
            output.write(landing::of(&landing, &Extent::Whole, output.paint).as_bytes())?
        }
    }
    Ok(Exit::of_landings(landings))
}

fn several_done(
    context: &Context,
    output: &Output,
    tasks: Several<TaskView>,
    words: impl Fn(&TaskView) -> String,
) -> Result<Exit> {
    let Several { done, stopped } = tasks;
    match output.format {
        Format::Json => output.document(&TaskList::new(&done).stopped_by(stopped.as_ref()))?,
        Format::Text => drop(each_done(context, output, &done, words)?),
    }
    Ok(after(output, stopped).unwrap_or(Exit::Done))
}

fn each_done(
    context: &Context,
    output: &Output,
    tasks: &[TaskView],
    words: impl Fn(&TaskView) -> String,
) -> Result<Exit> {
    match output.format {
        Format::Json => look::show_tasks(context, output, tasks)?,
        Format::Text => tasks.iter().try_for_each(|task| output.line(&words(task)))?,
    }
    Ok(Exit::Done)
}
