//! Errors for people and for programs: `error: …`, then a blank line and a `hint: …` for each way on.

use super::output::{Format, Output, narrate};
use super::paint::{BAD, BUSY, Paint};
use crate::error::Error;
use crate::escape;
use crate::view::ErrorDocument;

/// Says an error: on standard error always, with `--json` as a document on standard output too.
pub(super) fn complain(output: &Output, error: &Error) {
    if output.format == Format::Json {
        // Standard error carries the message in any case.
        let _ = output.document(&ErrorDocument::new(error));
    }
    narrate(&message(error, output.paint_errors));
}

/// The text of an error, without a newline at the end.
pub(super) fn message(error: &Error, paint: Paint) -> String {
    let mut text = format!("{} {}", paint.apply(BAD, "error:"), escape::lines(&error.message));
    if !error.hints.is_empty() {
        text.push('\n');
    }
    for hint in &error.hints {
        text.push('\n');
        text.push_str(&self::hint(hint, paint));
    }
    text
}

/// The text of one hint.
pub(super) fn hint(text: &str, paint: Paint) -> String {
    format!("{} {}", paint.apply(BUSY, "hint:"), escape::lines(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_ways_on_below_a_blank_line() {
        let error =
            Error::refused("cannot merge `a\u{1b}b`: it is running").hint("`offshoot wait a`");
        assert_eq!(
            message(&error, Paint::Plain),
            "error: cannot merge `a\\u{1b}b`: it is running\n\nhint: `offshoot wait a`"
        );
        assert_eq!(message(&Error::git("bad"), Paint::Coloured), "\u{1b}[31merror:\u{1b}[0m bad");
    }
}
