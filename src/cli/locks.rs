//! The verbs about locks on paths, and their table.

use super::args::LockVerb;
use super::exit::Exit;
use super::output::{Format, Output};
use super::paint::{FAINT, Paint, STRONG};
use super::{complain, durations};
use crate::context::Context;
use crate::error::Result;
use crate::escape;
use crate::ops;
use crate::path_lock::PathLock;
use crate::timestamp::Timestamp;
use crate::view::LockList;

const BETWEEN: &str = "  ";

/// `offshoot lock …`.
pub(super) fn lock(context: &Context, output: &Output, verb: LockVerb) -> Result<Exit> {
    match verb {
        LockVerb::Acquire(args) => {
            let request = args.into_request();
            let mut told = String::new();
            let locks = ops::lock::acquire(context, &request, &mut |message| {
                // Said once for each who is in the way, not at every look.
                if told != message {
                    message.clone_into(&mut told);
                    output.tell(&format!("waiting: {message}"));
                }
            })?;
            show(context, output, &locks, "nothing was locked")
        }
        LockVerb::Release(args) => {
            let locks = ops::lock::release(context, &args.into_request())?;
            show(context, output, &locks, "you held no lock")
        }
        LockVerb::List => {
            let locks = ops::lock::list(context)?;
            let exit = show(context, output, &locks, "nobody holds any paths")?;
            if locks.is_empty() && output.format == Format::Text {
                let hint = "`offshoot lock acquire PATHSPEC` locks some";
                output.tell(&complain::hint(hint, output.paint_errors));
            }
            Ok(exit)
        }
    }
}

fn show(context: &Context, output: &Output, locks: &[PathLock], nothing: &str) -> Result<Exit> {
    match output.format {
        Format::Json => output.document(&LockList::new(locks))?,
        Format::Text if locks.is_empty() => output.tell(nothing),
        Format::Text => output.write(table(locks, context.now(), output.paint).as_bytes())?,
    }
    Ok(Exit::Done)
}

/// A row a lock. Paths come last, since there may be many.
fn table(locks: &[PathLock], now: Timestamp, paint: Paint) -> String {
    let mut rows = vec![["OWNER", "SINCE", "EXPIRES", "PURPOSE", "PATHS"].map(str::to_owned)];
    rows.extend(locks.iter().map(|lock| row(lock, now)));
    let widths: Vec<usize> = (0..5)
        .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().enumerate().map(|(column, cell)| {
            let padding = " ".repeat(widths[column] - cell.chars().count());
            let painted = match (index, column) {
                (0, _) => paint.apply(FAINT, cell),
                (_, 0) => paint.apply(STRONG, cell),
                _ => cell.clone(),
            };
            painted + &padding
        });
        text.push_str(cells.collect::<Vec<_>>().join(BETWEEN).trim_end());
        text.push('\n');
    }
    text
}

fn row(lock: &PathLock, now: Timestamp) -> [String; 5] {
    let paths: Vec<_> = lock.paths.iter().map(ToString::to_string).collect();
    [
        lock.owner.to_string(),
        durations::ago(lock.since, now),
        lock.limit.map_or_else(
            || "-".to_owned(),
            |limit| {
                let left = limit.at.as_millis().saturating_sub(now.as_millis());
                format!("in {}", durations::words(u64::try_from(left).unwrap_or(0)))
            },
        ),
        lock.purpose.as_deref().map_or_else(|| "-".to_owned(), escape::line),
        paths.join(", "),
    ]
}
