//! Text that came from a task (file names, messages, logs) shown so that it cannot act on a terminal.
//!
//! Control characters and the bidi controls of Unicode (which make text read otherwise than it is;
//! "Trojan Source", CVE-2021-42574) appear as `\u{…}` or by their usual short escapes.

/// One line: newlines and tabs are escaped too.
#[must_use]
pub fn line(text: &str) -> String {
    escape(text, |_| false)
}

/// Several lines: newlines and tabs stay, everything else that could act is escaped.
#[must_use]
pub fn lines(text: &str) -> String {
    escape(text, |c| matches!(c, '\n' | '\t'))
}

/// An argument as a shell would take it; what could act on a terminal is escaped.
#[must_use]
pub fn shell_word(word: &str) -> String {
    let safe = |c: char| c.is_alphanumeric() || "-_./=:,+@%".contains(c);
    if !word.is_empty() && word.chars().all(safe) {
        word.to_owned()
    } else {
        format!("'{}'", line(word).replace('\'', r"'\''"))
    }
}

/// Whether a character changes the direction in which its neighbours are shown.
#[must_use]
pub fn is_bidi_control(c: char) -> bool {
    matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if keep(c)
            || !(c.is_control() || is_bidi_control(c) || matches!(c, '\u{2028}' | '\u{2029}'))
        {
            shown.push(c);
        } else {
            shown.extend(c.escape_default());
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_act_on_a_terminal_is_escaped() {
        assert_eq!(line("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(line("x\u{202e}y"), "x\\u{202e}y");
        assert_eq!(line("größe 文 🙂"), "größe 文 🙂");
        assert_eq!(lines("a\r\n\tb\u{9b}"), "a\\r\n\tb\\u{9b}");
    }
}
