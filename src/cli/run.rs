//! `dispatch` and `run`: the first returns at once, the second stays until the task has ended.

use super::args::{RetryArgs, SendArgs};
use super::exit::{Exit, has_ended};
use super::interrupt::{self, Watch};
use super::log_text::LogText;
use super::output::{Format, Output};
use super::paint::Destination;
use super::progress::Progress;
use super::summary::Detail;
use super::{Place, durations, look, news, offer, sizes};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::ops;
use crate::ops::dispatch::DispatchRequest;
use crate::ops::logs::{Follow, Form, LogsRequest, Stream};
use crate::ops::wait::{Until, WaitRequest};
use crate::task::StateName;
use crate::timestamp::Timestamp;
use crate::view::TaskView;

/// `offshoot dispatch`.
pub(super) fn dispatch(
    context: &Context,
    output: &Output,
    request: DispatchRequest,
) -> Result<Exit> {
    let task = ops::dispatch::dispatch(context, request)?;
    show_queued(context, output, &task)
}

/// `offshoot retry`.
pub(super) fn retry(context: &Context, output: &Output, args: &RetryArgs) -> Result<Exit> {
    let task = if args.with_feedback {
        ops::send::retry_with_feedback(context, &args.task, args.place())?
    } else {
        ops::retry::retry(context, &args.task, args.place())?
    };
    show_queued(context, output, &task)
}

/// `offshoot send`.
pub(super) fn send(context: &Context, output: &Output, args: &SendArgs) -> Result<Exit> {
    let message = args.message(&mut std::io::stdin())?;
    let task = match (args.conflict, message) {
        (true, words) => ops::hand_back::hand_back(context, &args.task, words.as_deref())?,
        (false, message) => ops::send::send(context, &args.task, &message.unwrap_or_default())?,
    };
    if output.format == Format::Text && task.messages_waiting > 0 {
        let name = &task.name;
        output.line(&format!("{name}  {}", task.id))?;
        let behind = match task.messages_waiting {
            1 => "it is told when the present attempt has ended".to_owned(),
            several => {
                format!("it is told after {}", sizes::many(several - 1, "earlier message"))
            }
        };
        output.tell(&format!("{behind}; `offshoot wait {name}` waits for its end"));
        return Ok(Exit::Done);
    }
    show_queued(context, output, &task)
}

fn show_queued(context: &Context, output: &Output, task: &TaskView) -> Result<Exit> {
    match output.format {
        Format::Json => output.document(task)?,
        Format::Text => {
            output.line(&format!("{}  {}", task.name, task.id))?;
            output.tell(&what_happens_next(task, context.now()));
        }
    }
    Ok(Exit::Done)
}

/// What becomes of it now. A request that was made before may be about a task that is long under way.
fn what_happens_next(task: &TaskView, now: Timestamp) -> String {
    let name = &task.name;
    if has_ended(task) {
        return format!("it has ended: {}; `offshoot result {name}` shows more", task.state);
    }
    let stands = match (task.waiting_for.as_ref().map(|waiting| waiting.kind), task.started_at) {
        (Some("held"), _) => {
            return format!("it is held; `offshoot resume {name}` lets it start");
        }
        _ if task.state == StateName::Paused => {
            return format!("it is paused; `offshoot resume {name}` lets it go on");
        }
        (Some("disk"), _) => "it waits for free disk space".to_owned(),
        (Some("task"), _) => "it waits for other tasks".to_owned(),
        (Some("claim"), _) => "it waits for the paths it claims".to_owned(),
        (Some(kind), _) => format!("it waits for a {kind}"),
        (None, Some(at)) if durations::ago(at, now) != durations::ago(now, now) => {
            format!("it started {}", durations::ago(at, now))
        }
        (None, _) => "it starts now".to_owned(),
    };
    format!("{stands}, on branch `{}`; `offshoot wait {name}` waits for its end", task.branch)
}

/// `offshoot run` and `offshoot dispatch --wait`.
pub(super) fn run(
    place: &Place,
    context: &Context,
    output: &Output,
    request: DispatchRequest,
) -> Result<Exit> {
    // Listening begins first: a signal between the dispatch and the listening would go nowhere.
    let mut watch = interrupt::watch(place, output)?;
    let task = ops::dispatch::dispatch(context, request)?;
    watch.task_is(&task.name);
    if output.format == Format::Text {
        output.tell(&format!("dispatched `{}`, id {}", task.name, task.id));
        follow(context, output, &task, &watch)?;
    }
    let ended = wait(context, output, &task)?;
    let left_alone = watch.end();
    match look::show_task(context, output, &ended, Detail::Result) {
        // How the task ended is an answer even where nobody reads the words.
        Err(_) if output.reader_has_gone() => return Ok(Exit::of_tasks(&[ended])),
        shown => shown?,
    }
    if left_alone {
        offer::after(context, output, &ended)?;
    }
    news::notice(context, output, &[ended.name.to_string()]);
    Ok(Exit::of_tasks(&[ended]))
}

/// Shows the log until the task has ended. A reader that goes away ends the showing, not the waiting.
fn follow(context: &Context, output: &Output, task: &TaskView, watch: &Watch) -> Result<()> {
    let (mut text, mut last) = (LogText::default(), b'\n');
    let on_terminal = output.destination() == Destination::Terminal;
    let request = LogsRequest {
        task: task.id.to_string(),
        stream: Stream::Output,
        form: Form::Readable,
        tail: None,
        attempt: None,
        follow: Follow::UntilEnd,
    };
    ops::logs::logs(context, &request, &mut |bytes| {
        if watch.is_leaving() || output.reader_has_gone() {
            return Ok(());
        }
        last = bytes.last().copied().unwrap_or(last);
        let written = if on_terminal {
            output.write(text.push(bytes).as_bytes())
        } else {
            output.write(bytes)
        };
        written.or_else(|error| unless_reader_has_gone(output, error))
    })?;
    // The summary begins on a line of its own.
    match (on_terminal, last) {
        (true, _) => output.write(text.end().as_bytes()),
        (false, b'\n') => Ok(()),
        (false, _) => output.write(b"\n").or_else(|error| unless_reader_has_gone(output, error)),
    }
}

fn unless_reader_has_gone(output: &Output, error: Error) -> Result<()> {
    if output.reader_has_gone() { Ok(()) } else { Err(error) }
}

fn wait(context: &Context, output: &Output, task: &TaskView) -> Result<TaskView> {
    let request =
        WaitRequest { tasks: vec![task.id.to_string()], until: Until::All, timeout: None };
    let progress = Progress::start(output, &format!("waiting for {}", task.name));
    let mut waited = ops::wait::wait(context, &request, &mut |_| {})?;
    progress.end();
    waited.tasks.pop().ok_or_else(|| Error::internal("a task that was waited for is gone"))
}
