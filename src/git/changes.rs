//! What differs between two commits, with git's own figures, renames and hunks: one call of
//! `git diff` gives all of them, and its machine-readable parts are parsed, never its prose.

use super::command::{GitCommand, shares};
use super::error::GitAttempt;
use super::repo::{Repo, oid};
use super::tree_diff::Comparer;
use crate::diff::{ChangeStatus, FileChange, FilePatch, Hunk, Line, LineKind};
use crate::error::{Error, Result};
use crate::names::CommitId;
use crate::path::RepoPath;
use std::iter::Peekable;

/// Two commits to compare, and which paths.
#[derive(Debug, Clone, Copy)]
pub struct DiffRange<'a> {
    /// The older side.
    pub from: CommitId,
    /// The newer side.
    pub to: CommitId,
    /// Pathspecs; none means everything.
    pub paths: &'a [String],
}

/// The tree without anything, which git knows by itself.
const NOTHING: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

/// Whatever a person has configured.
const SAME_FOR_EVERYBODY: [&str; 7] = [
    "-r",
    "--find-renames",
    "--no-color",
    "--no-ext-diff",
    "--no-textconv",
    "--src-prefix=a/",
    "--dst-prefix=b/",
];

impl Repo {
    /// The files that differ, with their line counts.
    ///
    /// # Errors
    /// `git` when a commit is missing or a pathspec makes no sense.
    pub fn changes(&self, range: &DiffRange<'_>) -> Result<Vec<FileChange>> {
        // Git would say so too, but it would have to be started.
        if range.paths.is_empty()
            && let (Ok(from), Ok(to)) = (self.tree_of(range.from), self.tree_of(range.to))
            && from == to
        {
            return Ok(Vec::new());
        }
        let output = self.diff_output(range, &["--raw", "--numstat", "-z"])?;
        parse_summary(&mut &output[..])
    }

    /// The files that differ between the ends of each of several ranges, in order; by one git for each
    /// processor as far as their attributes agree. All of them are of every path.
    ///
    /// # Errors
    /// Inside, as [`changes`](Self::changes).
    pub fn changes_of_each(&self, ranges: &[DiffRange<'_>]) -> Vec<Result<Vec<FileChange>>> {
        if let [_, _, ..] = ranges
            && let Ok(all) = self.changes_at_once(ranges)
        {
            return all;
        }
        ranges.iter().map(|range| self.changes(range)).collect()
    }

    fn changes_at_once(&self, ranges: &[DiffRange<'_>]) -> Result<Vec<Result<Vec<FileChange>>>> {
        let leader = ranges[0].to;
        let with_attributes = ranges.iter().any(|range| self.has_attributes(range).unwrap_or(true));
        let mut pairs = Vec::new();
        for range in ranges {
            let alike = !with_attributes || self.attributes_agree(leader, range.to)?;
            let trees = (self.tree_of(range.from)?, self.tree_of(range.to)?);
            pairs.push((*range, alike.then(|| format!("{} {}\n", trees.0, trees.1))));
        }
        let parts = shares(&pairs);
        let started = parts.iter().map(|part| {
            let input: String = part.iter().filter_map(|(_, pair)| pair.as_deref()).collect();
            let command = self.diff_tree(with_attributes.then_some(leader));
            command.args(["--raw", "--numstat", "-z", "--stdin"]).input(input).start()
        });
        let started = started.collect::<Result<Vec<_>>>()?;
        let mut each = Vec::new();
        for (part, started) in parts.into_iter().zip(started) {
            let output = started.finish(&[0])?.stdout;
            let mut rest = &output[..];
            for (range, pair) in part {
                each.push(match pair {
                    None => self.changes(range),
                    Some(pair) => {
                        // Each answer begins with the trees that were asked for.
                        rest = rest.strip_prefix(pair.as_bytes()).ok_or_else(strange)?;
                        Ok(parse_summary(&mut rest)?)
                    }
                });
            }
        }
        Ok(each)
    }

    /// A comparison with the attributes of a commit, or without any: git looks for them at each file anew,
    /// which takes longer than the rest.
    fn diff_tree(&self, attributes_of: Option<CommitId>) -> GitCommand {
        let (git, common) = (&self.git, self.common_dir());
        let command = match attributes_of {
            None => git.on_objects(common, "diff-tree").env("GIT_ATTR_SOURCE", NOTHING),
            Some(commit) => git.at(common, "diff-tree").env("GIT_ATTR_SOURCE", commit.to_string()),
        };
        command.args(SAME_FOR_EVERYBODY)
    }

    /// Whether no `.gitattributes` differs between two commits.
    fn attributes_agree(&self, one: CommitId, other: CommitId) -> Result<bool> {
        if one == other {
            return Ok(true);
        }
        let changes = self.paths_between(one, other)?;
        Ok(!changes.iter().any(|path| path.as_bytes().ends_with(b".gitattributes")))
    }

    /// The files that differ, with their hunks.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn patches(&self, range: &DiffRange<'_>) -> Result<Vec<FilePatch>> {
        let changes = self.changes(range)?;
        let text = self.diff_output(range, &["--patch"])?;
        parse_patch(changes, &text)
    }

    /// The difference as `git diff` writes it, ready for `git apply`.
    ///
    /// # Errors
    /// As [`changes`](Self::changes).
    pub fn raw_patch(&self, range: &DiffRange<'_>) -> Result<Vec<u8>> {
        self.diff_output(range, &["--patch", "--binary", "--full-index"])
    }

    /// With the attributes of the newer side, not of whatever checkout happens to be around. Mostly there
    /// are none around what differs, which is found out while git compares without any.
    fn diff_output(&self, range: &DiffRange<'_>, form: &[&str]) -> Result<Vec<u8>> {
        let command = |attributes_of| {
            let ends = [range.from, range.to].map(|end| end.to_string());
            self.diff_tree(attributes_of).args(form).args(ends).arg("--").args(range.paths)
        };
        if range.paths.is_empty() && !self.has_attributes_on_top(range.to).unwrap_or(true) {
            let started = command(None).start()?;
            if !self.has_attributes(range).unwrap_or(true) {
                return Ok(started.finish(&[0])?.stdout);
            }
        }
        Ok(command(Some(range.to)).run()?.stdout)
    }

    /// Whether a commit has attributes in its outermost folder, as most have that have any.
    fn has_attributes_on_top(&self, commit: CommitId) -> Result<bool> {
        let tree = oid(self.tree_of(commit)?);
        let tree = self.inner.find_tree(tree).git_attempt(|| format!("read `{tree}`"))?;
        Ok(tree.get_name(".gitattributes").is_some())
    }

    /// Whether the newer side has attributes in a folder around a file that differs.
    fn has_attributes(&self, range: &DiffRange<'_>) -> Result<bool> {
        let mut comparer = Comparer::new(&self.inner);
        drop(comparer.compare(self.tree_of(range.from)?, self.tree_of(range.to)?)?);
        Ok(comparer.met_attributes())
    }

    /// How many commits `to` has that `from` has not.
    ///
    /// # Errors
    /// `git` when either is missing.
    pub fn count_commits(&self, from: CommitId, to: CommitId) -> Result<usize> {
        let attempt = || format!("count the commits after `{from}`");
        let mut walk = self.inner.revwalk().git_attempt(attempt)?;
        walk.push(oid(to.0)).git_attempt(attempt)?;
        walk.hide(oid(from.0)).git_attempt(attempt)?;
        Ok(walk.count())
    }

    /// What a task's change is taken against: its base, or what it shares with the target where that
    /// is later, because an agent that merged the target does not own the target's changes.
    ///
    /// # Errors
    /// `git` when a commit is missing.
    pub fn diff_base(
        &self,
        base: CommitId,
        head: CommitId,
        target: Option<CommitId>,
    ) -> Result<CommitId> {
        let Some(target) = target else { return Ok(base) };
        match self.merge_base(head, target)? {
            Some(shared) if self.is_ancestor(base, shared)? => Ok(shared),
            _ => Ok(base),
        }
    }
}

/// The next field of an answer, which a NUL ends.
fn field<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == 0)?;
    let field = &rest[..end];
    *rest = &rest[end + 1..];
    Some(field)
}

fn strange() -> Error {
    Error::internal("git wrote a diff in an unknown form")
}

/// `:OLDMODE NEWMODE OLD NEW STATUS`, path(s); then `ADDED TAB DELETED TAB` with the path(s) again.
/// Takes no more than that.
fn parse_summary(rest: &mut &[u8]) -> Result<Vec<FileChange>> {
    let mut changes = Vec::new();
    while rest.starts_with(b":") {
        let raw = field(rest).ok_or_else(strange)?;
        let text = std::str::from_utf8(raw).map_err(|_| strange())?;
        let mut words = text[1..].split(' ');
        let mut mode = || words.next().and_then(|mode| u32::from_str_radix(mode, 8).ok());
        let (old_mode, new_mode) = (mode().ok_or_else(strange)?, mode().ok_or_else(strange)?);
        let status = match words.next_back().and_then(|status| status.bytes().next()) {
            Some(b'A') => ChangeStatus::Added,
            Some(b'M') => ChangeStatus::Modified,
            Some(b'D') => ChangeStatus::Deleted,
            Some(b'R') => ChangeStatus::Renamed,
            Some(b'C') => ChangeStatus::Copied,
            Some(b'T') => ChangeStatus::TypeChanged,
            _ => return Err(strange()),
        };
        let first = RepoPath::new(field(rest).ok_or_else(strange)?);
        let moved = matches!(status, ChangeStatus::Renamed | ChangeStatus::Copied);
        let (path, old_path) = if moved {
            (RepoPath::new(field(rest).ok_or_else(strange)?), Some(first))
        } else {
            (first, None)
        };
        changes.push(FileChange {
            path,
            old_path,
            status,
            insertions: 0,
            deletions: 0,
            binary: false,
            old_mode,
            new_mode,
        });
    }
    for change in &mut changes {
        let counts = field(rest).ok_or_else(strange)?;
        let mut parts = counts.splitn(3, |byte| *byte == b'\t');
        let mut number = || Some(std::str::from_utf8(parts.next()?).ok()?.to_owned());
        let (added, deleted) = (number().ok_or_else(strange)?, number().ok_or_else(strange)?);
        change.binary = added == "-";
        change.insertions = added.parse().unwrap_or(0);
        change.deletions = deleted.parse().unwrap_or(0);
        if change.old_path.is_some() {
            field(rest).and(field(rest)).ok_or_else(strange)?;
        }
    }
    Ok(changes)
}

/// Gives each change its hunks; the patch holds the files in the same order.
fn parse_patch(changes: Vec<FileChange>, text: &[u8]) -> Result<Vec<FilePatch>> {
    let mut patches: Vec<FilePatch> =
        changes.into_iter().map(|change| FilePatch { change, hunks: Vec::new() }).collect();
    // A change of type is written as a deletion and an addition, each with a header of its own.
    let owners = patches.iter().enumerate().flat_map(|(index, patch)| {
        let headers = if patch.change.status == ChangeStatus::TypeChanged { 2 } else { 1 };
        std::iter::repeat_n(index, headers)
    });
    let mut owners = owners.collect::<Vec<_>>().into_iter();
    let mut owner = None;
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if line.starts_with(b"diff --git ") {
            owner = Some(owners.next().ok_or_else(strange)?);
        } else if line.starts_with(b"@@ ") {
            let hunk = parse_hunk(line, &mut lines)?;
            patches[owner.ok_or_else(strange)?].hunks.push(hunk);
        }
    }
    Ok(patches)
}

fn parse_hunk<'a>(
    header: &[u8],
    lines: &mut Peekable<impl Iterator<Item = &'a [u8]>>,
) -> Result<Hunk> {
    let header = String::from_utf8_lossy(header);
    let mut parts = header.trim_end().splitn(5, ' ');
    let mut range = |sign: char| -> Option<(u32, u32)> {
        let text = parts.by_ref().find(|part| part.starts_with(sign))?;
        let (start, count) = text[1..].split_once(',').unwrap_or((&text[1..], "1"));
        Some((start.parse().ok()?, count.parse().ok()?))
    };
    let (old_start, old_lines) = range('-').ok_or_else(strange)?;
    let (new_start, new_lines) = range('+').ok_or_else(strange)?;
    let heading = parts.nth(1).unwrap_or_default().to_owned();
    let (mut old_left, mut new_left) = (old_lines, new_lines);
    let mut hunk_lines: Vec<Line> = Vec::new();
    while old_left > 0 || new_left > 0 {
        let line = lines.next().ok_or_else(strange)?;
        let kind = match line.first() {
            Some(b'+') => LineKind::Added,
            Some(b'-') => LineKind::Deleted,
            Some(b'\\') => continue,
            _ => LineKind::Context,
        };
        old_left -= u32::from(kind != LineKind::Added).min(old_left);
        new_left -= u32::from(kind != LineKind::Deleted).min(new_left);
        let content = line.get(1..).unwrap_or_default();
        let content = content.strip_suffix(b"\n").unwrap_or(content).to_vec();
        let no_newline = lines.next_if(|next| next.starts_with(b"\\")).is_some();
        hunk_lines.push(Line { kind, content, no_newline });
    }
    Ok(Hunk { old_start, old_lines, new_start, new_lines, heading, lines: hunk_lines })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_holds_modes_renames_and_binary_files() {
        let raw =
            b":100644 100755 a b M\0a\0:100644 100644 a b M\0b\0:100644 100644 r r R100\0r\0s\0\
            1\t2\ta\0-\t-\tb\x000\t0\t\0r\0s\0";
        let changes = parse_summary(&mut &raw[..]).expect("parses");
        assert_eq!((changes[0].insertions, changes[0].deletions), (1, 2));
        assert_eq!((changes[0].old_mode, changes[0].new_mode), (0o100644, 0o100755));
        assert!(changes[1].binary);
        assert_eq!(changes[2].old_path, Some(RepoPath::new(*b"r")));
        assert_eq!(changes[2].path, RepoPath::new(*b"s"));
    }

    #[test]
    fn a_hunk_that_holds_diff_headers_as_text_is_still_one_hunk() {
        let header = b"@@ -1,2 +1,2 @@ fn main() {";
        let body: Vec<&[u8]> = vec![
            b"-diff --git a b\n",
            b"+@@ -1 +1 @@\n",
            b" same\n",
            b"\\ No newline at end of file\n",
        ];
        let hunk = parse_hunk(header, &mut body.into_iter().peekable()).expect("parses");
        assert_eq!(hunk.lines.len(), 3);
        assert_eq!(hunk.heading, "fn main() {");
        assert!(hunk.lines[2].no_newline);
    }
}
