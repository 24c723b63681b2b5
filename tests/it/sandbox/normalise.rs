//! What differs from run to run (ids, hashes, times, durations, process ids) replaced by what it is,
//! so that whole outputs can be snapshots. Word by word, no regular expressions; a word of seven to
//! sixteen hexadecimal digits counts as a hash, so keep such words out of what is compared.

/// Replaces ids, hashes, times, durations and process ids, word by word.
pub(crate) fn words(text: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for piece in text.split_inclusive(|c: char| !is_in_word(c)) {
        let end = piece.trim_end_matches(|c: char| !is_in_word(c) || matches!(c, '.' | ':' | '-'));
        let (word, after) = piece.split_at(end.len());
        let before = words.last().map_or("", String::as_str);
        let word = match kind_of(word) {
            Some("<duration>") if before == "<duration> " => {
                // `4m 10s` is one duration.
                words.pop();
                "<duration>".to_owned()
            }
            Some(kind) => kind.to_owned(),
            None if before == "<date> " && is_clock_time(word) => {
                words.pop();
                "<time>".to_owned()
            }
            None if before == "pid " && is_number(word) => "<pid>".to_owned(),
            None => normalised_parts(word),
        };
        words.push(word + after);
    }
    words.concat()
}

fn is_in_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':')
}

fn kind_of(word: &str) -> Option<&'static str> {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    let numbers = word.split('-').all(is_number);
    let (date, time) = word.split_once('T').unwrap_or((word, ""));
    if lengths == [8, 4, 4, 4, 12] && word.split('-').all(is_hex) {
        Some("<id>")
    } else if lengths == [4, 2, 2] && numbers {
        Some("<date>")
    } else if date.len() == 10 && date.split('-').all(is_number) && !time.is_empty() {
        Some("<time>")
    } else if is_duration(word) {
        Some("<duration>")
    } else {
        None
    }
}

/// `abc1234..def5678` and `abc1234:` hold hashes, `fix-timeouts` does not.
fn normalised_parts(word: &str) -> String {
    let is_hash = |part: &str| is_hex(part) && (matches!(part.len(), 7..=16 | 40));
    let separators = |c| matches!(c, '.' | ':' | '-');
    let parts = word.split_inclusive(separators).map(|piece| {
        let part = piece.trim_end_matches(separators);
        if is_hash(part) { piece.replacen(part, "<hash>", 1) } else { piece.to_owned() }
    });
    parts.collect()
}

fn is_duration(word: &str) -> bool {
    let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &word[..word.len() - unit.len()];
    number.starts_with(|c: char| c.is_ascii_digit())
        && matches!(unit, "ms" | "s" | "m" | "min" | "h" | "d")
}

fn is_clock_time(word: &str) -> bool {
    word.contains(':') && word.split([':', '.']).all(is_number)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit())
}

fn is_hex(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f'))
}

mod itself {
    use super::*;

    #[test]
    fn what_differs_from_run_to_run_is_normalised() {
        let same = |text: &str, expected: &str| assert_eq!(words(text), expected);
        same("3f2a9c1e-0000-4000-8000-0123456789ab ended.", "<id> ended.");
        same("abc1234..def5678: fix-timeouts", "<hash>..<hash>: fix-timeouts");
        same("commit 0123456789abcdef0123456789abcdef01234567\n", "commit <hash>\n");
        same("took 4m 10s, then 1.2s (85ms)", "took <duration>, then <duration> (<duration>)");
        same("\"2026-11-21T15:06:41.123Z\"", "\"<time>\"");
        same("2026-11-21 15:06:41 pid 123", "<time> pid <pid>");
        same("2 files, 10 insertions; README.md 42", "2 files, 10 insertions; README.md 42");
    }
}
