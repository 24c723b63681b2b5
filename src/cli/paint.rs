//! Colours: the few styles we use, and whether a stream gets them.
//!
//! Everything is understandable without them. A stream is coloured when it is a terminal that can,
//! unless `NO_COLOR`, `TERM=dumb` or git's `color.ui=false` say no; `CLICOLOR_FORCE` colours pipes too.
//! Git's `color.ui=always` counts as `auto` here: what scripts read from a pipe stays plain.

use crate::environment::Environment;
use anstyle::{AnsiColor, Effects, Style};
use std::fmt::Write;

/// What was added, what succeeded.
pub(super) const GOOD: Style = AnsiColor::Green.on_default();
/// What was removed, what failed.
pub(super) const BAD: Style = AnsiColor::Red.on_default();
/// What goes on, what needs a decision.
pub(super) const BUSY: Style = AnsiColor::Yellow.on_default();
/// Places and ranges.
pub(super) const PLACE: Style = AnsiColor::Cyan.on_default();
/// Names and headers.
pub(super) const STRONG: Style = Style::new().effects(Effects::BOLD);
/// What matters less.
pub(super) const FAINT: Style = Style::new().effects(Effects::DIMMED);
/// Words that were added within a line.
pub(super) const GOOD_WORD: Style = AnsiColor::Green.on_default().effects(Effects::INVERT);
/// Words that were removed within a line.
pub(super) const BAD_WORD: Style = AnsiColor::Red.on_default().effects(Effects::INVERT);

/// Whether text gets its style.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Paint {
    /// Text as it is.
    Plain,
    /// Text in colours.
    Coloured,
}

/// Where text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Destination {
    /// A person's screen.
    Terminal,
    /// A file or another program.
    Pipe,
}

impl Paint {
    /// The choice for a stream; `configured` is git's `color.ui`.
    pub(super) fn choose(
        environment: &Environment,
        configured: Option<&str>,
        destination: Destination,
    ) -> Self {
        let forced = environment.text("CLICOLOR_FORCE").is_some_and(|value| value != "0");
        let refused = environment.get("NO_COLOR").is_some();
        let unable = environment.text("TERM") == Some("dumb");
        let off = configured.is_some_and(|word| {
            ["never", "false", "no", "off", "0"].iter().any(|no| word.eq_ignore_ascii_case(no))
        });
        if refused || (off && !forced) {
            Self::Plain
        } else if forced || (destination == Destination::Terminal && !unable) {
            Self::Coloured
        } else {
            Self::Plain
        }
    }

    /// Adds what `words` adds in `style`, if there are colours; that is not nothing.
    pub(super) fn write(self, text: &mut String, style: Style, words: impl FnOnce(&mut String)) {
        match self {
            Self::Coloured => {
                let begun = write!(text, "{style}");
                words(text);
                let written = begun.and_then(|()| write!(text, "{style:#}"));
                written.expect("invariant: a string takes all that is written");
            }
            Self::Plain => words(text),
        }
    }

    /// `text` in `style`, if there are colours.
    pub(super) fn apply(self, style: Style, text: &str) -> String {
        match self {
            Self::Coloured if !text.is_empty() => format!("{style}{text}{style:#}"),
            Self::Coloured | Self::Plain => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_need_a_terminal_and_nobody_who_objects() {
        let choose = |variables: &[(&str, &str)], configured, destination| {
            let pairs = variables.iter().map(|(name, value)| (name.into(), value.into()));
            Paint::choose(&Environment::new(pairs), configured, destination)
        };
        use Destination::{Pipe, Terminal};
        assert_eq!(choose(&[], None, Terminal), Paint::Coloured);
        assert_eq!(choose(&[], Some("always"), Pipe), Paint::Plain);
        assert_eq!(choose(&[], Some("false"), Terminal), Paint::Plain);
        assert_eq!(choose(&[("TERM", "dumb")], None, Terminal), Paint::Plain);
        assert_eq!(choose(&[("CLICOLOR_FORCE", "1")], Some("never"), Pipe), Paint::Coloured);
        assert_eq!(choose(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], None, Pipe), Paint::Plain);
    }
}
