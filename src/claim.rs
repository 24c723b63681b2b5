//! A claim: the paths that somebody wants to himself, written as a git pathspec, and whether two of
//! them can mean one path.
//!
//! A claim without a wildcard means that file, or everything below that folder. In one with a
//! wildcard `*` and `?` stand for slashes too, as in git. Only what the two texts rule out does not
//! overlap: which files there are is never asked, since others may come, and what is not understood
//! here (`[…]`, a backslash) is taken to match anything. Deliberately absent: git's magic `:(…)`,
//! because an exclusion would have to be proved.

use crate::error::{Error, Result};
use crate::escape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest claim; comparing two takes time in proportion to both.
const LONGEST: usize = 4096;

/// Paths of the repository, relative to its root.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct Claim(String);

/// A piece of a claim as it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// This byte or character.
    Exactly(u32),
    /// Any one.
    Any,
    /// Any, or none.
    Run,
}

/// What `?` stands for: git takes it for a byte, people for a character, so both count.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Byte,
    Character,
}

impl Claim {
    /// Reads a pathspec relative to the root; `.` and nothing at all mean everything.
    ///
    /// # Errors
    /// Of kind `usage` for absolute paths, `..` and magic.
    pub fn new(text: &str) -> Result<Self> {
        Self::below("", text)
    }

    /// Reads a pathspec relative to a folder of the repository, as git does.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn below(folder: &str, text: &str) -> Result<Self> {
        let refused =
            |why: &str| Error::usage(format!("cannot claim `{}`: {why}", escape::line(text)));
        if text.starts_with(':') {
            return Err(refused("pathspec magic is not supported")
                .hint("name files, folders or patterns with `*` and `?`"));
        }
        if text.starts_with('/') {
            return Err(refused("the path is absolute")
                .hint("name it relative to where you stand; `-C DIR` stands elsewhere"));
        }
        if text.contains('\0') || text.len() + folder.len() > LONGEST {
            return Err(refused("it is no path").hint("name files or folders of the repository"));
        }
        let parts = || folder.split('/').chain(text.split('/'));
        if parts().any(|part| part == "..") {
            return Err(refused("`..` leads out of where you stand")
                .hint("`-C DIR` stands in a folder further up"));
        }
        let kept: Vec<&str> = parts().filter(|part| !matches!(*part, "" | ".")).collect();
        let mut path = kept.join("/");
        if path.is_empty() {
            path.push('.');
        } else if is_pattern(&path) && text.ends_with('/') {
            // Only folders are meant, and what is in them.
            path.push_str("/*");
        } else if is_pattern(folder) {
            // The folder's own name looks like a pattern, so it cannot be told what is a folder in it.
            path.push('*');
        }
        Ok(Self(path))
    }

    /// The pathspec.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether one path could be meant by both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        [Unit::Byte, Unit::Character].into_iter().any(|unit| {
            let (mine, theirs) = (self.forms(unit), other.forms(unit));
            mine.iter().any(|one| theirs.iter().any(|another| meet(one, another)))
        })
    }

    /// Whether `other` means nothing that this one does not mean.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let below = |path: &str| path.strip_prefix(&self.0).is_some_and(|it| it.starts_with('/'));
        self.0 == "." || self == other || (!is_pattern(&self.0) && below(&other.0))
    }

    /// The forms that a path may have: the file itself, and what is below a folder of that name.
    fn forms(&self, unit: Unit) -> Vec<Vec<Piece>> {
        if self.0 == "." {
            return vec![vec![Piece::Run]];
        }
        // Of a class or an escape nothing is understood, nor of what follows it.
        let understood = self.0.find(['[', '\\']).map_or(self.0.as_str(), |end| &self.0[..end]);
        let units: Vec<u32> = match unit {
            Unit::Byte => understood.bytes().map(u32::from).collect(),
            Unit::Character => understood.chars().map(u32::from).collect(),
        };
        let mut file: Vec<Piece> = units.into_iter().map(Piece::of).collect();
        if understood.len() < self.0.len() {
            file.push(Piece::Run);
        }
        if is_pattern(&self.0) {
            return vec![file];
        }
        let folder = [Piece::of(u32::from('/')), Piece::Run];
        vec![file.clone(), file.into_iter().chain(folder).collect()]
    }
}

impl Piece {
    fn of(unit: u32) -> Self {
        match char::from_u32(unit) {
            Some('*') => Self::Run,
            Some('?') => Self::Any,
            _ => Self::Exactly(unit),
        }
    }
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?', '[', '\\'])
}

/// Whether some text is matched by both. `row[j]` says whether what is left of the first can meet what
/// is left of the second from `j` on; rows are made from the end backwards.
fn meet(one: &[Piece], another: &[Piece]) -> bool {
    let end = another.len();
    let mut below = vec![false; end + 1];
    for i in (0..=one.len()).rev() {
        let mut row = vec![false; end + 1];
        for j in (0..=end).rev() {
            row[j] = match (one.get(i), another.get(j)) {
                (None, None) => true,
                (Some(Piece::Run), _) => below[j] || (j < end && row[j + 1]),
                (_, Some(Piece::Run)) => row[j + 1] || (i < one.len() && below[j]),
                (Some(Piece::Exactly(mine)), Some(Piece::Exactly(theirs))) => {
                    mine == theirs && below[j + 1]
                }
                (Some(_), Some(_)) => below[j + 1],
                (None, Some(_)) | (Some(_), None) => false,
            };
        }
        below = row;
    }
    below[0]
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape::line(&self.0))
    }
}

impl TryFrom<String> for Claim {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        Self::new(&text)
    }
}

impl From<Claim> for String {
    fn from(claim: Claim) -> Self {
        claim.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(text: &str) -> Claim {
        Claim::new(text).expect("a claim")
    }

    #[test]
    fn claims_overlap_when_they_could_mean_one_path() {
        for (one, another) in [
            ("src", "src"),
            ("src", "src/a.rs"),
            ("src/", "./src//deep/a.rs"),
            (".", "anything"),
            ("", "*.md"),
            (".", "."),
            ("src/*.rs", "src/a.rs"),
            // As in git, a wildcard stands for slashes too.
            ("src/*.rs", "src/deep/a.rs"),
            ("*.rs", "src"),
            ("**/a.rs", "src/a.rs"),
            ("src/**", "src/deep/a"),
            ("src/**/x", "src/a*"),
            ("*a", "b*"),
            ("a?c", "abc"),
            ("a?c", "a/c"),
            ("*/", "src/a.rs"),
            ("gr??e", "größe"),
            // What is not understood may match anything.
            ("src/[ab].rs", "src/zebra"),
            ("a\\*b", "a*b"),
        ] {
            let (a, b) = (claim(one), claim(another));
            assert!(a.overlaps(&b) && b.overlaps(&a), "{one} and {another}");
            assert!(a.overlaps(&a) && b.overlaps(&b), "{one} and {another} with themselves");
        }
    }

    #[test]
    fn claims_that_share_no_path_do_not_overlap() {
        for (one, another) in [
            ("src", "docs"),
            ("src", "src2"),
            ("src/a", "src/ab"),
            ("src/a.rs", "src/b.rs"),
            ("*.rs", "*.md"),
            ("src/*", "docs/*"),
            ("src/**", "docs/a"),
            ("src/*.rs", "src.rs"),
            ("a?c", "abbc"),
            ("a??", "b"),
            ("src/[ab].rs", "docs/zebra"),
            ("Src", "src"),
        ] {
            let (a, b) = (claim(one), claim(another));
            assert!(!a.overlaps(&b) && !b.overlaps(&a), "{one} and {another}");
        }
    }

    #[test]
    fn many_wildcards_are_compared_at_once() {
        let (one, another) = ("*a".repeat(1000), format!("{}c", "*b".repeat(1000)));
        assert!(!claim(&one).overlaps(&claim(&another)));
    }

    #[test]
    fn a_claim_is_relative_to_where_it_was_made_and_written_plainly() {
        let below = |folder, text| Claim::below(folder, text).expect("a claim").0;
        assert_eq!(below("src/deep", "a.rs"), "src/deep/a.rs");
        assert_eq!(below("src", "."), "src");
        assert_eq!(below("", "./a//b/"), "a/b");
        assert_eq!(below("", ""), ".");
        assert_eq!(below("", "a*/"), "a*/*");
        assert_eq!(below("a*b", "c"), "a*b/c*");
    }

    #[test]
    fn what_leads_elsewhere_is_refused_with_a_hint() {
        for text in ["/etc", "..", "a/../b", ":(exclude)a", ":!a", ":/", "a\0b"] {
            let error = Claim::new(text).expect_err("refused");
            assert_eq!((error.kind.exit_status(), error.hints.len()), (2, 1), "{text}");
        }
        assert!(Claim::new("a..b/...").is_ok());
    }

    #[test]
    fn a_folder_covers_what_is_below_it() {
        for (whole, part, covers) in [
            ("src", "src/a", true),
            ("src", "src/*.rs", true),
            ("src", "src2", false),
            (".", "*", true),
            ("src/*", "src/a", false),
            ("src/*", "src/*", true),
        ] {
            assert_eq!(claim(whole).covers(&claim(part)), covers, "{whole} {part}");
        }
    }
}
