//! `logs`: what the agent wrote, so far or until it ends.

use super::lending::Lending;
use super::recover::{find, recover_if_possible};
use crate::context::Context;
use crate::disk;
use crate::error::{Attempt, Error, Result};
use crate::names::TaskId;
use crate::watch::Watch;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// Which of the agent's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output; a command's standard error is in it too, in order.
    Output,
    /// A preset's standard error.
    Errors,
    /// What the set-up command wrote.
    Setup,
}

/// Whether to go on reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// What there is.
    No,
    /// Until the task (or, for events, the world) ends.
    UntilEnd,
}

/// A look at a log.
#[derive(Debug, Clone)]
pub struct LogsRequest {
    /// Whose.
    pub task: String,
    /// Which stream.
    pub stream: Stream,
    /// Only so many of the last lines.
    pub tail: Option<usize>,
    /// Which attempt; the latest one when not given.
    pub attempt: Option<u32>,
    /// Whether to go on.
    pub follow: Follow,
}

/// Gives the log to `sink`, piece by piece, as bytes.
///
/// # Errors
/// `not_found` when no task is meant; whatever `sink` refuses.
pub fn logs(
    context: &Context,
    request: &LogsRequest,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    recover_if_possible(context);
    let task = find(context, &request.task)?;
    let layout = context.store.layout().task(task.id());
    let path = match request.stream {
        Stream::Output => layout.output(),
        Stream::Errors if task.spec.agent.is_some() => layout.stderr(),
        Stream::Setup if task.spec.setup.command.is_some() => layout.setup_log(),
        Stream::Setup => {
            return Err(Error::refused(format!("`{}` has no set-up command", task.name()))
                .hint(format!("offshoot logs {}", task.name())));
        }
        Stream::Errors => {
            return Err(Error::refused(format!(
                "`{}` is a command, whose two streams are one log in order",
                task.name()
            ))
            .hint(format!("offshoot logs {}", task.name())));
        }
    };
    let path = match request.attempt {
        // A worktree is made ready once, whichever attempt.
        _ if request.stream == Stream::Setup => path,
        None => path,
        Some(attempt) if attempt == task.record.attempt => path,
        Some(attempt) if attempt > 0 && attempt < task.record.attempt => {
            layout.of_attempt(&path, attempt)
        }
        Some(attempt) => {
            return Err(Error::not_found(format!("`{}` has no attempt {attempt}", task.name()))
                .hint(format!("offshoot status {}", task.name())));
        }
    };
    let watch = (request.follow == Follow::UntilEnd)
        .then(|| Watch::on(&[layout.root(), &path, &context.store.layout().journal()]));
    let mut offset = match request.tail {
        Some(lines) => start_of_tail(&path, lines)?,
        None => 0,
    };
    let mut lending = Lending::possible(context);
    loop {
        // Asked before reading: what was written before the end is read after it.
        let over = has_ended(context, task.id())?;
        offset = read_from(&path, offset, sink)?;
        match &watch {
            Some(watch) if !over => {
                lending.lend(context)?;
                watch.wait(None)?;
            }
            _ => return Ok(()),
        }
        recover_if_possible(context);
    }
}

fn has_ended(context: &Context, id: TaskId) -> Result<bool> {
    Ok(context.store.read(id)?.ended().is_some())
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(Error::io(format!("read `{}`", path.display()), &cause)),
    }
}

fn read_from(
    path: &Path,
    mut offset: u64,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<u64> {
    let Some(mut file) = open(path)? else { return Ok(offset) };
    let attempt = || format!("read `{}`", path.display());
    let mut piece = vec![0; PIECE];
    loop {
        let data = disk::behind_hole(&file, offset);
        if data > offset {
            sink(format!("\n[{} bytes are left out here]\n", data - offset).as_bytes())?;
            offset = data;
        }
        file.seek(SeekFrom::Start(offset)).attempt(attempt)?;
        let length = file.read(&mut piece).attempt(attempt)?;
        if length == 0 {
            return Ok(offset);
        }
        sink(&piece[..length])?;
        offset += length as u64;
    }
}

/// Where the last `lines` lines begin, found from the end.
fn start_of_tail(path: &Path, lines: usize) -> Result<u64> {
    let Some(mut file) = open(path)? else { return Ok(0) };
    let attempt = || format!("read `{}`", path.display());
    let length = file.seek(SeekFrom::End(0)).attempt(attempt)?;
    let (mut end, mut wanted) = (length, lines);
    let mut piece = vec![0; PIECE];
    while end > 0 {
        let first = end.saturating_sub(PIECE as u64);
        let start = disk::behind_hole(&file, first).min(end);
        let size = usize::try_from(end - start).expect("invariant: a piece fits in memory");
        file.seek(SeekFrom::Start(start)).attempt(attempt)?;
        file.read_exact(&mut piece[..size]).attempt(attempt)?;
        for index in (0..size).rev() {
            let at = start + index as u64;
            // The newline at the very end closes the last line and begins none.
            if piece[index] == b'\n' && at + 1 != length {
                if wanted <= 1 {
                    return Ok(if lines == 0 { length } else { at + 1 });
                }
                wanted -= 1;
            }
        }
        // There are no lines in what was left out; behind it one begins, as far as anybody can tell.
        if start > first {
            return Ok(if lines == 0 { length } else { start });
        }
        end = start;
    }
    Ok(if lines == 0 { length } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_at_a_line() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("log");
        let tail = |text: &str, lines| {
            std::fs::write(&path, text).expect("writes");
            let start = start_of_tail(&path, lines).expect("reads");
            text[usize::try_from(start).expect("small")..].to_owned()
        };
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(tail("a\nb\nc", 1), "c");
        assert_eq!(tail("a\nb\n", 9), "a\nb\n");
        assert_eq!(tail("a\nb\n", 0), "");
        let long = format!("{}\nlast\n", "x".repeat(3 * PIECE));
        assert_eq!(tail(&long, 1), "last\n");
        assert_eq!(tail(&long, 2), long);
    }
}
