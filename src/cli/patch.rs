//! A change line by line for people: git's own form, with the words that changed marked.
//!
//! The text comes from a task, so everything is escaped; for a patch to apply there are git's own
//! bytes (`ops::diff::patch`). Without colours nothing is marked. Deliberately absent: `index` lines
//! and similarity, which help no reader.

use super::paint::{BAD, BAD_WORD, GOOD, GOOD_WORD, PLACE, Paint, STRONG};
use crate::diff::{
    ChangeStatus, FileChange, FilePatch, Hunk, Line, LineKind, Piece, changed_words,
};
use crate::escape;
use anstyle::Style;

/// Runs longer than this are not searched for pairs; nobody compares so many lines word by word.
const LONGEST_RUN: usize = 64;
/// Lines longer than this (generated code) are shown whole.
const LONGEST_LINE: usize = 1000;

/// Every file's change.
pub(super) fn of(patches: &[FilePatch], paint: Paint) -> String {
    let mut text = String::new();
    for patch in patches {
        for line in header(patch) {
            text.push_str(&paint.apply(STRONG, &line));
            text.push('\n');
        }
        for hunk in &patch.hunks {
            text.push_str(&hunk_header(hunk, paint));
            text.push('\n');
            body(&hunk.lines, paint, &mut text);
        }
    }
    text
}

fn header(patch: &FilePatch) -> Vec<String> {
    let change = &patch.change;
    let new = escape::line(&change.path.lossy());
    let old =
        change.old_path.as_ref().map_or_else(|| new.clone(), |old| escape::line(&old.lossy()));
    let mut lines = vec![format!("diff --git a/{old} b/{new}")];
    lines.extend(mode_lines(change));
    match change.status {
        ChangeStatus::Renamed => {
            lines.extend([format!("rename from {old}"), format!("rename to {new}")])
        }
        ChangeStatus::Copied => {
            lines.extend([format!("copy from {old}"), format!("copy to {new}")])
        }
        ChangeStatus::Added
        | ChangeStatus::Modified
        | ChangeStatus::Deleted
        | ChangeStatus::TypeChanged => {}
    }
    let nothing = || "/dev/null".to_owned();
    let (mut before, mut after) = (format!("a/{old}"), format!("b/{new}"));
    match change.status {
        ChangeStatus::Added => before = nothing(),
        ChangeStatus::Deleted => after = nothing(),
        ChangeStatus::Modified
        | ChangeStatus::Renamed
        | ChangeStatus::Copied
        | ChangeStatus::TypeChanged => {}
    }
    if change.binary {
        lines.push(format!("Binary files {before} and {after} differ"));
    } else if !patch.hunks.is_empty() {
        lines.extend([format!("--- {before}"), format!("+++ {after}")]);
    }
    lines
}

fn mode_lines(change: &FileChange) -> Vec<String> {
    let (old, new) = (change.old_mode, change.new_mode);
    match change.status {
        ChangeStatus::Added => vec![format!("new file mode {new:06o}")],
        ChangeStatus::Deleted => vec![format!("deleted file mode {old:06o}")],
        _ if old != new => vec![format!("old mode {old:06o}"), format!("new mode {new:06o}")],
        _ => Vec::new(),
    }
}

fn hunk_header(hunk: &Hunk, paint: Paint) -> String {
    let range = |start: u32, lines: u32| {
        if lines == 1 { start.to_string() } else { format!("{start},{lines}") }
    };
    let old = range(hunk.old_start, hunk.old_lines);
    let new = range(hunk.new_start, hunk.new_lines);
    let place = paint.apply(PLACE, &format!("@@ -{old} +{new} @@"));
    let heading = escape::line(hunk.heading.trim());
    if heading.is_empty() { place } else { format!("{place} {heading}") }
}

fn body(lines: &[Line], paint: Paint, text: &mut String) {
    let mut rest = lines;
    while let Some(first) = rest.first() {
        if first.kind == LineKind::Context || paint == Paint::Plain {
            show(first, None, paint, text);
            rest = &rest[1..];
            continue;
        }
        let (deleted, behind) = rest.split_at(run(rest, LineKind::Deleted));
        let (added, behind) = behind.split_at(run(behind, LineKind::Added));
        let (old, new) = marked(deleted, added);
        for (line, pieces) in deleted.iter().zip(&old).chain(added.iter().zip(&new)) {
            show(line, pieces.as_deref(), paint, text);
        }
        rest = behind;
    }
}

fn run(lines: &[Line], kind: LineKind) -> usize {
    lines.iter().take_while(|line| line.kind == kind).count()
}

type Marks = Vec<Option<Vec<Piece>>>;

/// Pairs deleted with added lines in their order, each with the next one that is like it.
fn marked(deleted: &[Line], added: &[Line]) -> (Marks, Marks) {
    let (mut old, mut new): (Marks, Marks) = (vec![None; deleted.len()], vec![None; added.len()]);
    if deleted.len().max(added.len()) > LONGEST_RUN {
        return (old, new);
    }
    let mut next = 0;
    for (index, before) in deleted.iter().enumerate() {
        // Equal counts mean line for line; otherwise lines came or went, and the like ones are sought.
        let end = if deleted.len() == added.len() { index + 1 } else { added.len() };
        let start = if deleted.len() == added.len() { index } else { next };
        let pair = (start..end).find_map(|at| words(before, &added[at]).map(|words| (at, words)));
        if let Some((at, (before, after))) = pair {
            (old[index], new[at]) = (Some(before), Some(after));
            next = at + 1;
        }
    }
    (old, new)
}

fn words(before: &Line, after: &Line) -> Option<(Vec<Piece>, Vec<Piece>)> {
    let short = |line: &Line| line.content.len() <= LONGEST_LINE;
    if short(before) && short(after) { changed_words(&before.text(), &after.text()) } else { None }
}

fn show(line: &Line, pieces: Option<&[Piece]>, paint: Paint, text: &mut String) {
    let (sign, style, word) = match line.kind {
        LineKind::Context => (" ", Style::new(), Style::new()),
        LineKind::Added => ("+", GOOD, GOOD_WORD),
        LineKind::Deleted => ("-", BAD, BAD_WORD),
    };
    match pieces {
        None => {
            text.push_str(&styled(paint, style, &format!("{sign}{}", escape::lines(&line.text()))))
        }
        Some(pieces) => {
            text.push_str(&styled(paint, style, sign));
            for piece in pieces {
                let style = if piece.changed { word } else { style };
                text.push_str(&styled(paint, style, &escape::lines(&piece.text)));
            }
        }
    }
    text.push('\n');
    if line.no_newline {
        text.push_str("\\ No newline at end of file\n");
    }
}

fn styled(paint: Paint, style: Style, text: &str) -> String {
    if style.is_plain() { text.to_owned() } else { paint.apply(style, text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RepoPath;

    fn line(kind: LineKind, text: &str) -> Line {
        Line { kind, content: text.into(), no_newline: false }
    }

    fn change(path: &str, status: ChangeStatus) -> FileChange {
        FileChange {
            path: RepoPath::new(path),
            old_path: None,
            status,
            insertions: 1,
            deletions: 1,
            binary: false,
            old_mode: 0o100_644,
            new_mode: 0o100_644,
        }
    }

    fn modified() -> FilePatch {
        let last = Line { no_newline: true, ..line(LineKind::Added, "let x = 2;\u{1b}[2J") };
        let lines = vec![
            line(LineKind::Context, "fn a() {"),
            line(LineKind::Deleted, "let x = 1;\u{1b}[2J"),
            last,
        ];
        let hunk = Hunk {
            old_start: 1,
            old_lines: 2,
            new_start: 1,
            new_lines: 2,
            heading: "mod b".into(),
            lines,
        };
        FilePatch { change: change("src/a.rs", ChangeStatus::Modified), hunks: vec![hunk] }
    }

    #[test]
    fn a_plain_patch_reads_as_git_prints_it_but_cannot_act() {
        assert_eq!(
            of(&[modified()], Paint::Plain),
            "diff --git a/src/a.rs b/src/a.rs\n--- a/src/a.rs\n+++ b/src/a.rs\n\
             @@ -1,2 +1,2 @@ mod b\n fn a() {\n-let x = 1;\\u{1b}[2J\n+let x = 2;\\u{1b}[2J\n\
             \\ No newline at end of file\n"
        );
    }

    #[test]
    fn colours_mark_the_words_that_changed() {
        let mut patch = modified();
        patch.hunks[0].lines =
            vec![line(LineKind::Deleted, "let x = 1;"), line(LineKind::Added, "let x = 2;")];
        let text = of(&[patch], Paint::Coloured);
        assert!(
            text.contains(
                "\u{1b}[31m-\u{1b}[0m\u{1b}[31mlet x = \u{1b}[0m\u{1b}[7m\u{1b}[31m1;\u{1b}[0m\n"
            ),
            "{text:?}"
        );
    }

    #[test]
    fn a_line_that_came_does_not_hide_the_one_that_changed() {
        let deleted = [line(LineKind::Deleted, "alpha beta gamma")];
        let added = [line(LineKind::Added, "{"), line(LineKind::Added, "alpha beta delta")];
        let (old, new) = marked(&deleted, &added);
        assert!(old[0].is_some() && new[0].is_none() && new[1].is_some());
    }

    #[test]
    fn headers_tell_modes_renames_and_binaries() {
        let header = |change| header(&FilePatch { change, hunks: Vec::new() }).join("|");
        let mut renamed = change("b", ChangeStatus::Renamed);
        renamed.old_path = Some(RepoPath::new("a"));
        renamed.new_mode = 0o100_755;
        assert_eq!(
            header(renamed),
            "diff --git a/a b/b|old mode 100644|new mode 100755|rename from a|rename to b"
        );
        let mut added = change("x\n", ChangeStatus::Added);
        (added.binary, added.old_mode) = (true, 0);
        assert_eq!(
            header(added),
            "diff --git a/x\\n b/x\\n|new file mode 100644|Binary files /dev/null and b/x\\n differ"
        );
    }
}
