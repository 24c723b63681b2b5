//! Which words of a changed line changed, for highlights on a screen; never for figures.

use similar::{ChangeTag, TextDiff};

/// A piece of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its text.
    pub text: String,
    /// Whether it differs from the other side.
    pub changed: bool,
}

/// The least likeness (0 to 1) of two lines for which highlights help; below it everything would be
/// marked, which says nothing.
const LIKENESS: f32 = 0.4;

/// Splits an old and a new line into pieces that are shared and pieces that are not; `None` where the
/// two have too little in common.
#[must_use]
pub fn changed_words(old: &str, new: &str) -> Option<(Vec<Piece>, Vec<Piece>)> {
    let diff = TextDiff::from_words(old, new);
    if diff.ratio() < LIKENESS {
        return None;
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for change in diff.iter_all_changes() {
        let text = change.value();
        match change.tag() {
            ChangeTag::Equal => {
                push(&mut before, text, false);
                push(&mut after, text, false);
            }
            ChangeTag::Delete => push(&mut before, text, true),
            ChangeTag::Insert => push(&mut after, text, true),
        }
    }
    Some((before, after))
}

fn push(pieces: &mut Vec<Piece>, text: &str, changed: bool) {
    match pieces.last_mut() {
        Some(last) if last.changed == changed => last.text.push_str(text),
        _ => pieces.push(Piece { text: text.to_owned(), changed }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_changed_words_are_marked() {
        let (old, new) = changed_words("let x = 1;", "let x = 2;").expect("alike enough");
        let marked = |pieces: &[Piece]| -> Vec<String> {
            pieces.iter().filter(|p| p.changed).map(|p| p.text.clone()).collect()
        };
        assert_eq!((marked(&old), marked(&new)), (vec!["1;".into()], vec!["2;".into()]));
    }

    #[test]
    fn lines_with_nothing_in_common_are_not_highlighted() {
        assert_eq!(changed_words("alpha beta gamma", "one two three four"), None);
    }
}
