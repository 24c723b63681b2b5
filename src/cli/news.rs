//! The verbs that tell what happened: `inbox` and `events`.

use super::args::{EventsArgs, InboxArgs};
use super::exit::Exit;
use super::output::{Format, Output};
use super::progress::Progress;
use super::{complain, events as render};
use crate::context::Context;
use crate::error::Result;
use crate::event::Event;
use crate::ops;
use crate::view::EventList;

/// `offshoot inbox`.
pub(super) fn inbox(context: &Context, output: &Output, args: &InboxArgs) -> Result<Exit> {
    if let Some(cursors) = &args.ack {
        let gone = ops::inbox::acknowledge(context, cursors)?;
        return show(context, output, &gone, "nothing to acknowledge").map(|()| Exit::Done);
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
    show(context, output, &entries, "nothing new")?;
    if entries.is_empty() {
        return Ok(empty);
    }
    if output.format == Format::Text {
        let hint = "`offshoot inbox --ack` takes note of them";
        output.tell(&complain::hint(hint, output.paint_errors));
    }
    Ok(Exit::Done)
}

fn show(context: &Context, output: &Output, events: &[Event], nothing: &str) -> Result<()> {
    match output.format {
        Format::Json => output.document(&EventList::new(events)),
        Format::Text if events.is_empty() => {
            output.tell(nothing);
            Ok(())
        }
        Format::Text => events.iter().try_for_each(|event| line(context, output, event)),
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
