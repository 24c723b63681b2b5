//! `logs`: what the agent wrote, so far or until it ends.

use super::lending::Lending;
use super::recover::{find, recover_if_possible};
use crate::agent::{Line, Reader};
use crate::context::Context;
use crate::disk::{self, Piece};
use crate::error::{Attempt, Error, Result};
use crate::names::TaskId;
use crate::task::{StreamKind, Task};
use crate::watch::{LOOK, Watch};
use std::collections::VecDeque;
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
    /// In which form.
    pub form: Form,
    /// Only so many of the last lines.
    pub tail: Option<usize>,
    /// Which attempt; the latest one when not given.
    pub attempt: Option<u32>,
    /// Whether to go on.
    pub follow: Follow,
}

/// How an agent's stream is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As lines that people read.
    Readable,
    /// As the agent wrote it.
    Raw,
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
    let kind = task.spec.stream();
    let readable = (request.form, request.stream) == (Form::Readable, Stream::Output);
    let mut readable = (readable && kind != StreamKind::Text).then(|| Readable {
        reader: Reader::new(kind),
        tail: request.tail,
        kept: VecDeque::new(),
    });
    let mut offset = match (request.tail, &readable) {
        (Some(lines), None) => start_of_tail(&path, lines)?,
        _ => 0,
    };
    let mut lending = Lending::possible(context);
    let mut look = context.clock.deadline(LOOK);
    loop {
        // Asked before reading: what was written before the end is read after it.
        let over = has_ended(context, task.id())?;
        offset = match &mut readable {
            None => disk::read_log(&path, offset, &mut |piece| match piece {
                Piece::Bytes(bytes) => sink(bytes),
                Piece::LeftOut(bytes) => sink(left_out(bytes).as_bytes()),
            })?,
            Some(readable) => readable.read_on(&path, offset, over, sink)?,
        };
        match &watch {
            Some(watch) if !over => {
                lending.lend(context)?;
                watch.wait(None)?;
            }
            _ => return Ok(()),
        }
        // Not at every line of an agent that says much: what died can wait for a second.
        if look.has_passed() {
            recover_if_possible(context);
            look = context.clock.deadline(LOOK);
        }
    }
}

/// The last lines of what the present attempt wrote, in the form that people read.
pub(super) fn last_lines(context: &Context, task: &Task, most: usize) -> Result<Vec<String>> {
    let log = context.store.layout().task(task.id()).output();
    let kind = task.spec.stream();
    let tail = Some(most);
    let mut readable = Readable { reader: Reader::new(kind), tail, kept: VecDeque::new() };
    let start = if kind == StreamKind::Text { start_of_tail(&log, most)? } else { 0 };
    let mut lines = Vec::new();
    readable.read_on(&log, start, true, &mut |line| {
        lines.push(String::from_utf8_lossy(line).trim_end().to_owned());
        Ok(())
    })?;
    Ok(lines)
}

/// The last lines of a log as they are.
pub(super) fn last_lines_of(log: &Path, most: usize) -> Result<Vec<String>> {
    let mut bytes = Vec::new();
    disk::read_log(log, start_of_tail(log, most)?, &mut |piece| {
        if let Piece::Bytes(piece) = piece {
            bytes.extend_from_slice(piece);
        }
        Ok(())
    })?;
    Ok(String::from_utf8_lossy(&bytes).lines().map(str::to_owned).collect())
}

fn has_ended(context: &Context, id: TaskId) -> Result<bool> {
    Ok(context.store.read(id)?.ended().is_some())
}

fn left_out(bytes: u64) -> String {
    format!("\n[{bytes} bytes are left out here]\n")
}

/// An agent's stream as lines that people read.
struct Readable {
    reader: Reader,
    /// Of what was there at first only so many lines are given.
    tail: Option<usize>,
    kept: VecDeque<String>,
}

impl Readable {
    fn read_on(
        &mut self,
        path: &Path,
        offset: u64,
        over: bool,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Result<u64> {
        let mut lines = Vec::new();
        let end = disk::read_log(path, offset, &mut |piece| {
            match piece {
                Piece::Bytes(bytes) => self.reader.push(bytes, &mut |line| lines.push(line)),
                Piece::LeftOut(bytes) => {
                    self.reader.push(b"\n", &mut |_| {});
                    lines.push(Line::Text(left_out(bytes).trim().to_owned()));
                }
            }
            lines.drain(..).try_for_each(|line| self.give(&line, sink))
        })?;
        if over {
            self.reader.end(&mut |line| lines.push(line));
            lines.drain(..).try_for_each(|line| self.give(&line, sink))?;
            let close = self.reader.close().to_owned();
            self.pass_on(close, sink)?;
        }
        if self.tail.take().is_some() {
            std::mem::take(&mut self.kept).iter().try_for_each(|line| sink(line.as_bytes()))?;
        }
        Ok(end)
    }

    fn give(&mut self, line: &Line, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let shown = self.reader.shown(line);
        self.pass_on(shown, sink)
    }

    fn pass_on(&mut self, shown: String, sink: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        let Some(most) = self.tail else {
            return if shown.is_empty() { Ok(()) } else { sink(shown.as_bytes()) };
        };
        for line in shown.split_inclusive('\n') {
            // A piece may go on with the line before it.
            match self.kept.back_mut().filter(|last| !last.ends_with('\n')) {
                Some(open) => open.push_str(line),
                None => self.kept.push_back(line.to_owned()),
            }
            if self.kept.len() > most {
                self.kept.pop_front();
            }
        }
        Ok(())
    }
}

/// Where the last `lines` lines begin, found from the end.
fn start_of_tail(path: &Path, lines: usize) -> Result<u64> {
    let attempt = || format!("read `{}`", path.display());
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        Err(cause) => return Err(Error::io(attempt(), &cause)),
    };
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
