//! An agent's log made safe for a terminal, and cut into lines for JSON, however its bytes arrive.
//!
//! On a terminal colours are dropped, every other control character is shown escaped. A piece may end
//! inside a character, a colour or a line ending, so that much is held back until the next.

use crate::escape;
use crate::task::SCHEMA;
use crate::view::LogLine;

/// The longest colour sequence that is waited for.
const LONGEST_COLOUR: usize = 64;

/// A log on its way to a terminal.
#[derive(Debug, Default)]
pub(super) struct LogText {
    held: Vec<u8>,
    inside_line: bool,
}

impl LogText {
    /// Takes bytes, gives what can be shown of them.
    pub(super) fn push(&mut self, bytes: &[u8]) -> String {
        self.held.extend_from_slice(bytes);
        let rest = self.held.split_off(complete(&self.held));
        let ready = std::mem::replace(&mut self.held, rest);
        self.show(&ready)
    }

    /// What was held back, and a newline where the log ends without one.
    pub(super) fn end(mut self) -> String {
        let held = std::mem::take(&mut self.held);
        let text = self.show(&held);
        if self.inside_line { text + "\n" } else { text }
    }

    fn show(&mut self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
        let text = escape::lines(&without_colours(&text));
        if let Some(last) = text.chars().last() {
            self.inside_line = last != '\n';
        }
        text
    }
}

/// How many of the bytes can be shown without knowing what follows.
fn complete(bytes: &[u8]) -> usize {
    let end = match std::str::from_utf8(bytes) {
        Ok(_) => bytes.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        // Bytes that are no text at all are replaced; only the last three may begin a character.
        Err(_) => {
            let start = bytes.len().saturating_sub(3);
            let tail = (start..bytes.len()).find(|at| {
                std::str::from_utf8(&bytes[*at..])
                    .is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
            });
            tail.unwrap_or(bytes.len())
        }
    };
    let whole = &bytes[..end];
    if whole.last() == Some(&b'\r') {
        return end - 1;
    }
    let escape = whole.iter().rposition(|byte| *byte == 0x1b);
    match escape {
        Some(at)
            if end - at < LONGEST_COLOUR && whole[at + 1..].iter().enumerate().all(is_colour) =>
        {
            at
        }
        _ => end,
    }
}

/// Whether a byte at this place behind an escape character may belong to a colour without its end.
fn is_colour((index, byte): (usize, &u8)) -> bool {
    if index == 0 { *byte == b'[' } else { byte.is_ascii_digit() || matches!(byte, b';' | b':') }
}

/// The text without `ESC [ … m`.
fn without_colours(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let colour = part.strip_prefix('[').map(|rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, ';' | ':'))
        });
        match colour.and_then(|rest| rest.strip_prefix('m')) {
            Some(rest) => plain.push_str(rest),
            None => {
                plain.push('\u{1b}');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// The longest line that is one document, in bytes; an agent's line may be of any length, and whoever
/// reads documents has each of them in memory.
const LONGEST_LINE: usize = 1024 * 1024;

/// A log on its way into documents.
#[derive(Debug, Default)]
pub(super) struct Lines {
    held: Vec<u8>,
}

impl Lines {
    /// Takes bytes, gives the lines that are whole.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<LogLine> {
        self.held.extend_from_slice(bytes);
        let whole = self.held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.held.split_off(whole);
        let ready = std::mem::replace(&mut self.held, rest);
        let mut lines: Vec<LogLine> =
            ready.split_inclusive(|byte| *byte == b'\n').map(line).collect();
        if self.held.len() >= LONGEST_LINE {
            let rest = self.held.split_off(complete(&self.held));
            let piece = line(&std::mem::replace(&mut self.held, rest));
            lines.push(LogLine { continues: true, ..piece });
        }
        lines
    }

    /// The last line, where it has no newline.
    pub(super) fn end(self) -> Option<LogLine> {
        (!self.held.is_empty()).then(|| line(&self.held))
    }
}

fn line(bytes: &[u8]) -> LogLine {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    LogLine { schema: SCHEMA, line: String::from_utf8_lossy(bytes).into_owned(), continues: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_the_same_however_its_bytes_arrive() {
        let log = "\u{1b}[1;31mred\u{1b}[0m größe\r\n50%\r\u{1b}[2Jx\u{1b}".as_bytes();
        let shown = "red größe\n50%\\r\\u{1b}[2Jx\\u{1b}\n";
        for size in 1..=log.len() {
            let mut text = LogText::default();
            let mut all: String = log.chunks(size).map(|piece| text.push(piece)).collect();
            all.push_str(&text.end());
            assert_eq!(all, shown, "in pieces of {size}");
        }
    }

    #[test]
    fn lines_become_documents_when_they_are_whole() {
        let mut lines = Lines::default();
        assert_eq!(lines.push(b"a"), []);
        assert_eq!(lines.push(b"b\n\nc\xff"), [line(b"ab"), line(b"")]);
        assert_eq!(lines.end(), Some(line(b"c\xff")));
    }

    #[test]
    fn a_line_too_long_for_one_document_is_told_in_pieces() {
        let (mut lines, long) = (Lines::default(), "ö".repeat(2 * LONGEST_LINE));
        let pieces = long.as_bytes().chunks(64 * 1024 + 1);
        let mut told: Vec<LogLine> = pieces.flat_map(|piece| lines.push(piece)).collect();
        told.extend(lines.push(b"end\n"));
        let (last, others) = told.split_last().expect("some");
        assert!(others.len() >= 2 && others.iter().all(|line| line.continues) && !last.continues);
        assert_eq!(told.iter().map(|line| line.line.as_str()).collect::<String>(), long + "end");
    }
}
