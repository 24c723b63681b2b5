//! The two streams: standard output carries the answer, standard error the narration.
//!
//! This is the only place that writes to either. A reader that has gone away (`offshoot logs t | head`)
//! is no error to speak of: the write fails, [`Output::reader_has_gone`] says why, and the program
//! leaves quietly. Nothing is buffered between calls, so that leaving at any moment loses nothing.

use super::paint::{Destination, Paint};
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use serde::Serialize;
use std::cell::Cell;
use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// For whom answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

impl Format {
    /// What a command line asks for; needed before it is understood, for the errors in it.
    pub(super) fn asked_for(arguments: &[OsString]) -> Self {
        let own = arguments.iter().take_while(|argument| *argument != "--");
        if own.into_iter().any(|argument| argument == "--json") { Self::Json } else { Self::Text }
    }
}

/// The program's ends: what they are, and what goes to them.
pub(super) struct Output {
    environment: Environment,
    /// For whom answers are written.
    pub(super) format: Format,
    /// Colours on standard output.
    pub(super) paint: Paint,
    /// Colours on standard error.
    pub(super) paint_errors: Paint,
    /// Whether Ctrl-C ends the program as it usually does; a pager suspends that.
    pub(super) interrupt_ends: Arc<AtomicBool>,
    reader_has_gone: Cell<bool>,
}

impl Output {
    /// The program's ends, coloured as the environment says.
    pub(super) fn new(environment: Environment, format: Format) -> Self {
        let mut output = Self {
            environment,
            format,
            paint: Paint::Plain,
            paint_errors: Paint::Plain,
            interrupt_ends: Arc::new(AtomicBool::new(true)),
            reader_has_gone: Cell::new(false),
        };
        output.colour_as_configured(None);
        output
    }

    /// Takes git's `color.ui` into account, once it is known.
    pub(super) fn colour_as_configured(&mut self, configured: Option<&str>) {
        let choose = |destination| Paint::choose(&self.environment, configured, destination);
        let (out, err) = (choose(self.destination()), choose(self.errors_destination()));
        (self.paint, self.paint_errors) = (out, err);
    }

    /// Whether anything is coloured so far.
    pub(super) fn has_colours(&self) -> bool {
        [self.paint, self.paint_errors].contains(&Paint::Coloured)
    }

    /// Where answers go.
    pub(super) fn destination(&self) -> Destination {
        destination(&std::io::stdout())
    }

    /// Where the narration goes.
    pub(super) fn errors_destination(&self) -> Destination {
        destination(&std::io::stderr())
    }

    /// How many characters a line of the answer may have; only a terminal says so.
    pub(super) fn columns(&self) -> Option<usize> {
        let size = terminal_size::terminal_size_of(std::io::stdout());
        size.map(|(width, _)| usize::from(width.0)).filter(|columns| *columns > 0)
    }

    /// Whether a person sits at both ends, who can be asked.
    pub(super) fn has_person(&self) -> bool {
        self.destination() == Destination::Terminal
            && std::io::stdin().is_terminal()
            && !self.environment.is_of_an_agents_command()
    }

    /// Whether somebody sees what changes on standard error.
    pub(super) fn has_onlooker(&self) -> bool {
        self.errors_destination() == Destination::Terminal
            && !self.environment.is_of_an_agents_command()
    }

    /// Whether whoever read standard output has gone.
    pub(super) fn reader_has_gone(&self) -> bool {
        self.reader_has_gone.get()
    }

    /// Writes a piece of the answer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
        if written.as_ref().is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
            self.reader_has_gone.set(true);
        }
        written.attempt(|| "write to standard output")
    }

    /// Writes a line of the answer.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn line(&self, text: &str) -> Result<()> {
        self.write(format!("{text}\n").as_bytes())
    }

    /// Writes the answer, or one of several, as a JSON document on a line of its own.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn document(&self, document: &impl Serialize) -> Result<()> {
        let json = serde_json::to_string(document)
            .map_err(|error| Error::internal(format!("cannot write JSON: {error}")))?;
        self.line(&harmless(&json))
    }

    /// Tells the person something that is no answer.
    pub(super) fn tell(&self, text: &str) {
        narrate(text);
    }
}

/// JSON in which what could act on a terminal is escaped by JSON's own means, so that it means the
/// same. Such characters stand inside strings only; those below U+0020 are escaped already.
fn harmless(json: &str) -> String {
    let acts = |c: char| c.is_control() || escape::is_bidi_control(c);
    if !json.contains(acts) {
        return json.to_owned();
    }
    let mut shown = String::with_capacity(json.len());
    for c in json.chars() {
        if acts(c) {
            shown.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Where answers go, to see whether anybody reads them.
pub(super) fn answers() -> impl std::os::fd::AsFd {
    std::io::stdout()
}

/// Writes a line to standard error; if nobody listens there, nobody can be told.
pub(super) fn narrate(text: &str) {
    prompt(&format!("{text}\n"));
}

/// Writes to standard error without ending the line, for a question.
pub(super) fn prompt(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn destination(stream: &impl IsTerminal) -> Destination {
    if stream.is_terminal() { Destination::Terminal } else { Destination::Pipe }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_means_the_same_and_holds_nothing_that_acts() {
        let text = "a\u{1b}[31m\u{202e}\u{9b}\u{7f}größe 🙂";
        let json = harmless(&serde_json::to_string(text).expect("serialises"));
        assert_eq!(json, r#""a\u001b[31m\u202e\u009b\u007fgröße 🙂""#);
        assert_eq!(serde_json::from_str::<String>(&json).expect("parses"), text);
    }

    #[test]
    fn only_our_own_json_option_counts() {
        let format =
            |line: &[&str]| Format::asked_for(&line.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(format(&["offshoot", "list", "--json"]), Format::Json);
        assert_eq!(format(&["offshoot", "run", "--", "tool", "--json"]), Format::Text);
    }
}
