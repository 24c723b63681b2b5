//! Words as programs take them: arguments as a shell reads them, names of files as git quotes them.
//!
//! What a shell cannot be shown safely on a terminal (control characters) appears escaped; the rest
//! can be copied and run.

use crate::escape;
use crate::path::RepoPath;

/// A command as a shell would take it, on one line.
pub(super) fn command(words: &[String]) -> String {
    words.iter().map(|word| self::word(word)).collect::<Vec<_>>().join(" ")
}

/// An argument as a shell would take it.
pub(super) fn word(word: &str) -> String {
    escape::shell_word(word)
}

/// A path as git prints it where scripts read it (`core.quotePath`, as it is by default): bare, or in
/// double quotes when it holds a quote, a backslash or a byte outside printable ASCII.
pub(super) fn path(path: &RepoPath) -> String {
    let quoted: String = path.as_bytes().iter().copied().map(quoted_byte).collect();
    if quoted.as_bytes() == path.as_bytes() { quoted } else { format!("\"{quoted}\"") }
}

fn quoted_byte(byte: u8) -> String {
    let letter = match byte {
        b'"' | b'\\' => char::from(byte),
        0x07 => 'a',
        0x08 => 'b',
        b'\t' => 't',
        b'\n' => 'n',
        0x0b => 'v',
        0x0c => 'f',
        b'\r' => 'r',
        b' '..=b'~' => return char::from(byte).to_string(),
        _ => return format!("\\{byte:03o}"),
    };
    format!("\\{letter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_copied_into_a_shell() {
        let words = ["sh", "-c", "echo \"it's\" $HOME", "", "a=b", "größe"].map(str::to_owned);
        assert_eq!(command(&words), r#"sh -c 'echo "it'\''s" $HOME' '' a=b größe"#);
        assert_eq!(word("a\n\u{1b}b"), "'a\\n\\u{1b}b'");
    }

    #[test]
    fn names_are_quoted_as_git_quotes_them() {
        let quoted = |bytes: &[u8]| path(&RepoPath::new(bytes));
        assert_eq!(quoted(b"src/a b.rs"), "src/a b.rs");
        assert_eq!(quoted("größe".as_bytes()), r#""gr\303\266\303\237e""#);
        assert_eq!(quoted(b"caf\xe9\n\"\\\x1b\x7f"), r#""caf\351\n\"\\\033\177""#);
    }
}
