//! The size of a change in words and as `--stat` shows it.

use super::paint::{BAD, GOOD, Paint};
use super::sizes;
use crate::diff::{ChangeStatus, Figures, FileChange};
use crate::escape;
use crate::view::DiffView;

/// `2 files, +10 -3`.
pub(super) fn words(figures: Figures, paint: Paint) -> String {
    let mut words = String::new();
    write(&mut words, figures, paint);
    words
}

/// Adds these words.
pub(super) fn write(text: &mut String, figures: Figures, paint: Paint) {
    sizes::write_many(text, figures.files, "file");
    text.push_str(", ");
    write_lines(text, (figures.insertions, figures.deletions), paint);
}

/// `+10 -3`.
fn write_lines(text: &mut String, (insertions, deletions): (usize, usize), paint: Paint) {
    let signed = |sign, lines| {
        move |text: &mut String| {
            text.push(sign);
            sizes::write_number(text, sizes::length(lines));
        }
    };
    paint.write(text, GOOD, signed('+', insertions));
    text.push(' ');
    paint.write(text, BAD, signed('-', deletions));
}

/// A line for each file and one for all.
pub(super) fn stat(diff: &DiffView, paint: Paint) -> String {
    if diff.changes.is_empty() {
        return String::new();
    }
    let mut text = files(&diff.changes, "", paint);
    text.push_str(&words(diff.summary.figures, paint));
    text.push('\n');
    text
}

/// A line for each file: what happened to it, where it is, how much changed.
pub(super) fn files(changes: &[FileChange], indent: &str, paint: Paint) -> String {
    let paths: Vec<_> = changes.iter().map(path).collect();
    // Characters, not columns: a wide script only loosens the alignment.
    let width = paths.iter().map(|path| path.chars().count()).max().unwrap_or(0).min(60);
    let mut text = String::new();
    for (change, path) in changes.iter().zip(&paths) {
        let style = match change.status {
            ChangeStatus::Added | ChangeStatus::Copied => GOOD,
            ChangeStatus::Deleted => BAD,
            ChangeStatus::Modified | ChangeStatus::Renamed | ChangeStatus::TypeChanged => {
                super::paint::BUSY
            }
        };
        let letter = paint.apply(style, &change.status.letter().to_string());
        let mut line = format!("{indent}{letter} {path:<width$}  ");
        if change.binary {
            line.push_str("binary");
        } else if change.insertions + change.deletions > 0 {
            write_lines(&mut line, (change.insertions, change.deletions), paint);
        } else {
            line.push_str(&mode_words(change));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn mode_words(change: &FileChange) -> String {
    let (old, new) = (change.old_mode, change.new_mode);
    if old != new && old != 0 && new != 0 {
        format!("mode {old:06o} → {new:06o}")
    } else {
        String::new()
    }
}

fn path(change: &FileChange) -> String {
    let new = escape::line(&change.path.lossy());
    match &change.old_path {
        Some(old) => format!("{} → {new}", escape::line(&old.lossy())),
        None => new,
    }
}
