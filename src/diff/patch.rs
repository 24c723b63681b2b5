//! A file's change line by line, as git's hunks.

use super::FileChange;
use schemars::JsonSchema;
use serde::Serialize;

/// One changed file with its hunks; none for binary files and pure renames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePatch {
    /// The change as a whole.
    pub change: FileChange,
    /// Its hunks, in order.
    pub hunks: Vec<Hunk>,
}

/// A run of changed lines with their context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hunk {
    /// First line in the old file, from 1.
    pub old_start: u32,
    /// Lines of the old file that the hunk covers.
    pub old_lines: u32,
    /// First line in the new file, from 1.
    pub new_start: u32,
    /// Lines of the new file that the hunk covers.
    pub new_lines: u32,
    /// What git prints behind the second `@@`, usually the enclosing function.
    pub heading: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// Which side a line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineKind {
    /// On both sides.
    Context,
    /// Only in the new file.
    Added,
    /// Only in the old file.
    Deleted,
}

/// One line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "LineForm")]
pub struct Line {
    /// Which side it belongs to.
    pub kind: LineKind,
    /// Its bytes, without the newline at the end.
    pub content: Vec<u8>,
    /// Whether the file ends here without a newline.
    pub no_newline: bool,
}

impl Line {
    /// The line as text; what is not UTF-8 is replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.content).into_owned()
    }
}

/// The contract's form.
#[derive(Serialize, JsonSchema)]
struct LineForm {
    kind: LineKind,
    text: String,
    no_newline: bool,
}

impl From<Line> for LineForm {
    fn from(line: Line) -> Self {
        Self { kind: line.kind, text: line.text(), no_newline: line.no_newline }
    }
}
