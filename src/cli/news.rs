//! The verbs that tell what happened: `inbox` and `events`; and the notice beside other answers.

use super::args::{EventsArgs, InboxArgs, Integration};
use super::exit::Exit;
use super::output::{self, Format, Output};
use super::progress::Progress;
use super::{complain, events as render};
use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::event::Event;
use crate::ops;
use crate::ops::inbox::Beside;
use crate::view::{EventList, InboxEntryView, InboxList, QuestionView};
use std::io::Read;
use std::path::Path;

/// `offshoot inbox`.
pub(super) fn inbox(context: &Context, output: &Output, args: &InboxArgs) -> Result<Exit> {
    if let Some(cursors) = &args.ack {
        let gone = ops::inbox::acknowledge(context, cursors)?;
        return show(context, output, (&gone, &[]), "nothing to acknowledge").map(|()| Exit::Done);
    }
    if args.follow {
        return follow(context, output, args);
    }
    let (entries, empty) = match args.wait {
        None => (ops::inbox::inbox(context, args.sessions())?, Exit::Done),
        Some(limit) => {
            let progress = Progress::start(output, "waiting for a task to end");
            let entries = ops::inbox::wait_for_entry(context, args.sessions(), limit)?;
            progress.end();
            (entries, Exit::TimedOut)
        }
    };
    let asked = ops::questions::questions(context, args.sessions())?;
    show(context, output, (&entries, &asked), "nothing new")?;
    if entries.is_empty() {
        return Ok(empty);
    }
    if output.format == Format::Text {
        let hint = "`offshoot inbox --ack` takes note of them";
        output.tell(&complain::hint(hint, output.paint_errors));
    }
    Ok(Exit::Done)
}

fn follow(context: &Context, output: &Output, args: &InboxArgs) -> Result<Exit> {
    let stdout = output::answers();
    ops::inbox::follow(context, args.sessions(), &stdout, &mut |entries, asked| {
        show(context, output, (entries, asked), "")
    })?;
    Ok(Exit::Done)
}

/// One line on standard error about ends that the caller has not been told of yet. Whatever goes wrong
/// with it is no reason to spoil the answer.
pub(super) fn notice(context: &Context, output: &Output, words: &[String]) {
    let beside = match output.format {
        Format::Text => Beside::Words,
        Format::Json => Beside::Nothing,
    };
    let Ok(entries) = ops::inbox::unseen(context, words, beside) else { return };
    let names: Vec<String> = entries
        .iter()
        .map(|entry| format!("`{}` {}", entry.event.draft.task.name, entry.event.draft.state))
        .collect();
    let told = match names.as_slice() {
        [] => return,
        [first, second, third, rest @ ..] if !rest.is_empty() => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        names => names.join(", "),
    };
    output.tell(&format!("meanwhile: {told}; `offshoot inbox` tells more"));
}

/// `offshoot hook`. To an agent the exit status 2 means that it must not go on, so it is never ours.
pub(super) fn hook(
    agent: Integration,
    directory: &Path,
    environment: &Environment,
    output: &Output,
) -> Exit {
    let answered = read_hook().and_then(|input| {
        match ops::hook::hook(agent.agent().as_str(), &input, directory, environment)? {
            None => Ok(()),
            Some(answer) => {
                output.document(&answer.document)?;
                answer.was_given()
            }
        }
    });
    answered.map_or_else(|error| complain_of(&error, output), |()| Exit::Done)
}

/// `offshoot hook --wait`. Here the exit status 2 is what wakes an agent.
pub(super) fn rewake(
    agent: Integration,
    directory: &Path,
    environment: &Environment,
    output: &Output,
) -> Exit {
    let words = read_hook().and_then(|input| {
        let agent = agent.agent();
        ops::hook::rewake(agent.as_str(), &input, directory, environment, &output::answers())
    });
    match words {
        Err(error) => complain_of(&error, output),
        Ok(None) => Exit::Done,
        Ok(Some(words)) => {
            // The agent puts words of its own before ours, which are known by how their lines begin.
            output.tell(&format!("\n{words}"));
            Exit::Woke
        }
    }
}

fn read_hook() -> Result<Vec<u8>> {
    let mut input = Vec::new();
    std::io::stdin().read_to_end(&mut input).attempt(|| "read the hook's input")?;
    Ok(input)
}

fn complain_of(error: &Error, output: &Output) -> Exit {
    output.tell(&complain::message(error, output.paint_errors));
    Exit::Refused
}

fn show(
    context: &Context,
    output: &Output,
    (entries, asked): (&[InboxEntryView], &[QuestionView]),
    nothing: &str,
) -> Result<()> {
    match output.format {
        Format::Json => output.document(&InboxList::new(entries, asked)),
        Format::Text if entries.is_empty() && asked.is_empty() => {
            output.tell(nothing);
            Ok(())
        }
        Format::Text => {
            entries.iter().try_for_each(|entry| line(context, output, &entry.event))?;
            asked.iter().try_for_each(|asked| output.line(&render::question(asked, output.paint)))
        }
    }
}

/// `offshoot events`.
pub(super) fn events(context: &Context, output: &Output, args: &EventsArgs) -> Result<Exit> {
    if output.format == Format::Json && !args.follow {
        let mut all = Vec::new();
        ops::events::events(context, args.since, args.follow(), &mut |event| {
            all.push(event.clone());
            Ok(())
        })?;
        return output.document(&EventList::new(&all)).map(|()| Exit::Done);
    }
    ops::events::events(context, args.since, args.follow(), &mut |event| match output.format {
        Format::Json => output.document(event),
        Format::Text => line(context, output, event),
    })?;
    Ok(Exit::Done)
}

fn line(context: &Context, output: &Output, event: &Event) -> Result<()> {
    output.line(&render::line(event, &context.local_time(event.draft.at), output.paint))
}
