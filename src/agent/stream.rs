//! Reading what an agent writes to standard output: one JSON document a line, each agent in its own
//! form (`stream/`), all of them turned into the same few words ([`Said`]).
//!
//! A reader takes bytes as they come, holds back no more than one line, and forgets a line that is
//! longer than [`LONGEST_LINE`]. Nothing that an agent writes is an error: what is no document, or
//! none that is known, says nothing about the run and is shown as it is. What a stream says
//! ([`Report`]) depends on its bytes alone, so it can be read again at any time.

mod claude;
mod codex;
mod copilot;
mod gemini;
mod opencode;
mod report;

pub use report::Report;

use crate::escape;
use crate::task::{StreamKind, Usage};
use serde_json::Value;

/// The longest line that is read, in bytes.
const LONGEST_LINE: usize = 16 * 1024 * 1024;

/// The most of a line that is shown, in characters.
const LONGEST_SHOWN: usize = 160;

/// Something that an agent said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// The id of its conversation.
    Session(String),
    /// A new turn of its model begins; what it says in it is one message.
    Turn,
    /// It said this to whoever reads its answer.
    Words(String),
    /// The same, in pieces that belong together.
    Piece(String),
    /// It uses a tool.
    Uses {
        /// The tool.
        tool: String,
        /// What on.
        about: String,
    },
    /// A tool told it so.
    Refused(String),
    /// It was not allowed to do this, or asks this, and nobody is there to answer.
    Asks(String),
    /// Something went wrong, and it goes on.
    Trouble(String),
    /// What the last turns took; added up.
    Took(Usage),
    /// What the run took so far.
    TookInAll(Usage),
    /// The run ended well; with its answer, where that is told once more.
    Done(Option<String>),
    /// The run failed.
    Failed(String),
}

/// A stream on its way.
#[derive(Debug)]
pub struct Reader {
    kind: StreamKind,
    held: Vec<u8>,
    /// Inside a line that is too long.
    skipping: bool,
    /// Whether the last thing shown was a piece, behind which a line is still open.
    open: bool,
}

/// A line of a stream.
#[derive(Debug, PartialEq)]
pub enum Line {
    /// What it says; nothing for a document without interest.
    Said(Vec<Said>),
    /// Something that is no document.
    Text(String),
    /// One that is too long to be read.
    TooLong,
}

impl Reader {
    /// The beginning of a stream.
    #[must_use]
    pub fn new(kind: StreamKind) -> Self {
        Self { kind, held: Vec::new(), skipping: false, open: false }
    }

    /// Takes bytes, gives the lines that are whole.
    pub fn push(&mut self, bytes: &[u8], sink: &mut dyn FnMut(Line)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let whole = part.ends_with(b"\n");
            if self.skipping || self.held.len() + part.len() > LONGEST_LINE {
                // The memory of a giant goes with it.
                self.held = Vec::new();
                if !std::mem::replace(&mut self.skipping, !whole) {
                    sink(Line::TooLong);
                }
            } else if !whole {
                self.held.extend_from_slice(part);
            } else if self.held.is_empty() {
                sink(self.read(part));
            } else {
                self.held.extend_from_slice(part);
                let line = std::mem::take(&mut self.held);
                sink(self.read(&line));
            }
        }
    }

    /// The last line, where it has no newline.
    pub fn end(&mut self, sink: &mut dyn FnMut(Line)) {
        let line = std::mem::take(&mut self.held);
        if !line.is_empty() {
            sink(self.read(&line));
        }
    }

    fn read(&self, line: &[u8]) -> Line {
        let text = || {
            let text = String::from_utf8_lossy(line);
            Line::Text(text.trim_end_matches(['\n', '\r']).to_owned())
        };
        if self.kind == StreamKind::Text || !line.trim_ascii_start().starts_with(b"{") {
            return text();
        }
        let Ok(document) = serde_json::from_slice::<Value>(line) else { return text() };
        let mut said = Vec::new();
        match self.kind {
            StreamKind::Text => {}
            StreamKind::Opencode => opencode::read(&document, &mut said),
            StreamKind::Claude => claude::read(&document, &mut said),
            StreamKind::Codex => codex::read(&document, &mut said),
            StreamKind::Gemini => gemini::read(&document, &mut said),
            StreamKind::Copilot => copilot::read(&document, &mut said),
        }
        Line::Said(said)
    }

    /// A line as people read it, with its newlines; empty where there is nothing to see. Harmless on
    /// a terminal.
    pub fn shown(&mut self, line: &Line) -> String {
        let mut shown = String::new();
        match line {
            // As a command's log: whoever prints it escapes it.
            Line::Text(text) => self.show(&mut shown, text),
            Line::TooLong => self.show(&mut shown, "[a line that is too long to show]"),
            Line::Said(said) => said.iter().for_each(|said| self.show_said(&mut shown, said)),
        }
        shown
    }

    /// What closes a line that is still open.
    pub fn close(&mut self) -> &'static str {
        if std::mem::take(&mut self.open) { "\n" } else { "" }
    }

    fn show(&mut self, shown: &mut String, line: &str) {
        shown.push_str(self.close());
        shown.push_str(line);
        shown.push('\n');
    }

    fn show_said(&mut self, shown: &mut String, said: &Said) {
        let line = match said {
            Said::Words(text) => escape::lines(text.trim_end()),
            Said::Piece(text) => {
                let text = escape::lines(text);
                self.open = if text.is_empty() { self.open } else { !text.ends_with('\n') };
                shown.push_str(&text);
                return;
            }
            Said::Uses { tool, about } => format!("> {}", brief(&format!("{tool} {about}"))),
            Said::Refused(text) => format!("  failed: {}", brief(text)),
            Said::Asks(text) => format!("? {}", brief(text)),
            Said::Trouble(text) => format!("! {}", brief(text)),
            Said::Failed(text) if text.is_empty() => return,
            Said::Failed(text) => format!("error: {}", brief(text)),
            Said::Session(_) | Said::Turn | Said::Took(_) | Said::TookInAll(_) | Said::Done(_) => {
                return;
            }
        };
        self.show(shown, &line);
    }
}

/// The beginning of a text on one line, harmless.
fn brief(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let shown: String = words.chars().take(LONGEST_SHOWN).collect();
    let more = if shown.len() < words.len() { "…" } else { "" };
    format!("{}{more}", escape::line(&shown))
}

/// The text of a field; empty without one.
fn text<'a>(document: &'a Value, path: &str) -> &'a str {
    document.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The number in a field; 0 without one.
fn number(document: &Value, path: &str) -> u64 {
    document.pointer(path).and_then(Value::as_u64).unwrap_or_default()
}

/// What a tool is used on, by the argument that says most; all of them otherwise.
fn about(arguments: &Value) -> String {
    const TELLING: [&str; 13] = [
        "command",
        "cmd",
        "filePath",
        "file_path",
        "path",
        "pattern",
        "query",
        "url",
        "prompt",
        "question",
        "description",
        "name",
        "id",
    ];
    let telling = TELLING.iter().find_map(|name| arguments.get(name)?.as_str());
    match telling {
        Some(text) => text.to_owned(),
        None if arguments.is_null() => String::new(),
        None => arguments.to_string(),
    }
}
