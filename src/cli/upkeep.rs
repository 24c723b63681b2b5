//! The verbs that look after what is kept: `doctor` and `gc`.

use super::args::{DoctorArgs, GcArgs};
use super::exit::Exit;
use super::output::{Format, Output};
use super::paint::{BAD, BUSY, FAINT, GOOD, PLACE, Paint};
use super::progress::Progress;
use super::{complain, sizes};
use crate::context::Context;
use crate::error::Result;
use crate::escape;
use crate::ops::{doctor, gc};
use crate::view::{FindingList, FindingView, FreedList, FreedView};

/// `offshoot doctor`.
pub(super) fn doctor(context: &Context, output: &Output, args: &DoctorArgs) -> Result<Exit> {
    let progress = Progress::start(output, "looking");
    let findings = doctor::doctor(context, args.mode())?;
    progress.end();
    match output.format {
        Format::Json => output.document(&FindingList::new(&findings))?,
        Format::Text => {
            findings.iter().try_for_each(|it| output.write(shown(it, output.paint).as_bytes()))?;
            if findings.is_empty() {
                output.tell("everything is in order");
            }
        }
    }
    for error in findings.iter().filter_map(|finding| finding.error.as_ref()) {
        output.tell(&complain::message(error, output.paint_errors));
    }
    if args.mode() == doctor::Mode::Look && findings.iter().any(|finding| finding.mendable) {
        let hint = "`offshoot doctor --fix` mends what has `--fix` below it";
        output.tell(&complain::hint(hint, output.paint_errors));
    }
    let in_order = findings.iter().all(|finding| finding.fixed);
    Ok(if in_order { Exit::Done } else { Exit::Refused })
}

/// A finding, and below it what was or can be done.
fn shown(finding: &FindingView, paint: Paint) -> String {
    let kind = paint.apply(if finding.fixed { GOOD } else { BAD }, finding.kind);
    let mut text = format!("{kind}: {}\n", escape::line(&finding.message));
    if let Some(fix) = &finding.fix {
        let who = match (finding.fixed, finding.mendable) {
            (true, _) => paint.apply(GOOD, "done:"),
            (false, true) => paint.apply(BUSY, "--fix:"),
            (false, false) => paint.apply(BUSY, "you can:"),
        };
        text.push_str(&format!("  {who} {}\n", escape::line(fix)));
    }
    text
}

/// `offshoot gc`.
pub(super) fn gc(context: &Context, output: &Output, args: &GcArgs) -> Result<Exit> {
    let progress = Progress::start(output, "looking at what is kept");
    let gc::Collected { freed, errors } = gc::gc(context, args.mode())?;
    progress.end();
    match output.format {
        Format::Json => output.document(&FreedList::new(&freed, &errors))?,
        Format::Text => {
            for thing in &freed {
                output.line(&line(context, thing, output.paint))?;
            }
            let total = sizes::bytes(freed.iter().map(|thing| thing.bytes).sum());
            let things = sizes::many(freed.len(), "thing");
            output.tell(&match (args.mode(), freed.is_empty()) {
                (_, true) => "nothing has expired".to_owned(),
                (gc::Mode::Free, false) => {
                    format!("freed {things}, {total}; folders are deleted in the background")
                }
                (gc::Mode::DryRun, false) => format!("would free {things}, {total}"),
            });
        }
    }
    for error in &errors {
        output.tell(&complain::message(error, output.paint_errors));
    }
    Ok(errors.first().map_or(Exit::Done, |error| Exit::Stopped(error.kind.exit_status())))
}

fn line(context: &Context, thing: &FreedView, paint: Paint) -> String {
    let (size, path) = match thing.what {
        // What a ref keeps is freed by git, later.
        "ref" | "landing" => (String::new(), thing.path.clone()),
        _ => (sizes::bytes(thing.bytes), context.relative(thing.path.as_ref())),
    };
    let what = paint.apply(PLACE, &format!("{:<12}", thing.what));
    let whose = thing
        .task
        .as_ref()
        .map_or(String::new(), |task| format!("  {}", paint.apply(FAINT, &format!("of `{task}`"))));
    format!("{what} {size:>9}  {}{whose}", escape::line(&path))
}
