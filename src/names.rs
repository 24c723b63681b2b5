//! Names that are valid by construction: whoever holds one may put it on a command line, into a ref
//! or onto a terminal.
//!
//! None begins with `-` (it would be read as an option), none holds control or bidi characters (they
//! would act on a terminal), none holds what git forbids in a ref.

use crate::error::{Error, Result};
use crate::escape;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// The identity of a task: a random UUID, never used again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct TaskId(#[schemars(with = "String")] Uuid);

impl TaskId {
    /// A new random identity.
    #[must_use]
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// An identity that is always the same for the same text.
    #[must_use]
    pub fn named_by(text: &str) -> Self {
        Self(Uuid::new_v5(&Uuid::NAMESPACE_OID, text.as_bytes()))
    }

    /// The first eight hexadecimal digits, enough for people to tell tasks apart.
    #[must_use]
    pub fn short(&self) -> String {
        self.0.simple().to_string()[..8].to_owned()
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl FromStr for TaskId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Uuid::parse_str(text)
            .map(Self)
            .map_err(|_| Error::usage(format!("`{}` is no task id", escape::line(text))))
    }
}

/// What people call a task: letters, digits, `.`, `_` and `-`, at most 64 of them.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct TaskName(String);

impl TaskName {
    /// The most characters a name may have.
    pub const MAX: usize = 64;

    /// Checks a name that somebody chose.
    ///
    /// # Errors
    /// Of kind `usage`, saying which rule the name breaks.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        match name_problem(&text) {
            None => Ok(Self(text)),
            Some(problem) => Err(Error::usage(format!(
                "`{}` is no valid task name: {problem}",
                escape::line(&text)
            ))
            .hint("use letters, digits, `.`, `_` and `-`, beginning with a letter or digit")),
        }
    }

    /// Whether a text is a name.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        name_problem(text).is_none()
    }

    /// A name made from the first words of a prompt or command; `task` where nothing usable is left.
    #[must_use]
    pub fn from_words(text: &str) -> Self {
        const LONGEST: usize = 32;
        let mut name = String::new();
        for word in text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()) {
            if !name.is_empty() && name.len() + 1 + word.len() > LONGEST {
                break;
            }
            if !name.is_empty() {
                name.push('-');
            }
            name.extend(word.chars().take(LONGEST).map(|c| c.to_ascii_lowercase()));
        }
        // One letter, left over from words in another script, tells nothing.
        let telling = name.len() > 1;
        Self::new(name).ok().filter(|_| telling).unwrap_or_else(|| Self("task".to_owned()))
    }

    /// The same name with `-N` behind it, shortened where it would grow too long.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        let suffix = format!("-{number}");
        let stem: String = self.0.chars().take(Self::MAX - suffix.len()).collect();
        Self(format!("{}{suffix}", stem.trim_end_matches(['.', '-'])))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn name_problem(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        Some("it is empty")
    } else if text.len() > TaskName::MAX {
        Some("it is longer than 64 characters")
    } else if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        Some("it does not begin with a letter or digit")
    } else if !text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')) {
        Some("it holds other characters than letters, digits, `.`, `_` and `-`")
    } else if text.contains('.')
        && (text.contains("..") || text.ends_with('.') || text.ends_with(".lock"))
    {
        Some("git allows no `..`, no `.` at the end and no `.lock` at the end of a branch name")
    } else {
        None
    }
}

/// A local branch, without `refs/heads/`.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct BranchName(String);

impl BranchName {
    /// Checks a branch name by git's own rules (`git check-ref-format`), and refuses control and bidi
    /// characters besides.
    ///
    /// # Errors
    /// Of kind `usage` when git would refuse the name.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        if Self::is_valid(&text) {
            Ok(Self(text))
        } else {
            Err(Error::usage(format!("`{}` is no valid branch name", escape::line(&text)))
                .hint("`git check-ref-format --branch NAME` says what git accepts"))
        }
    }

    /// Whether git accepts a text as a branch's name, and it holds no control or bidi characters.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        !text.is_empty()
            && !text.starts_with('-')
            && text != "@"
            && text != "HEAD"
            && !text.contains("..")
            && !text.contains("@{")
            && !text.ends_with('.')
            && text
                .split('/')
                .all(|part| !part.is_empty() && !part.starts_with('.') && !part.ends_with(".lock"))
            && !text.chars().any(|c| {
                c.is_control()
                    || escape::is_bidi_control(c)
                    || matches!(c, ' ' | '~' | '^' | ':' | '?' | '*' | '[' | '\\')
            })
    }

    /// The branch as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The full name of its ref, `refs/heads/…`; a tag of the same name cannot shadow it.
    #[must_use]
    pub fn full_ref(&self) -> String {
        format!("refs/heads/{}", self.0)
    }
}

/// The id of a git object: 40 lowercase hexadecimal digits (SHA-1 repositories only).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct ObjectId([u8; 20]);

impl ObjectId {
    /// Git's id for "nothing there".
    pub const ZERO: Self = Self([0; 20]);

    /// The id with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 20]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 20] {
        &self.0
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A formatter for each byte showed in the profile of a forecast, which writes hundreds.
        let mut text = [0; 40];
        for (digits, byte) in text.chunks_exact_mut(2).zip(self.0) {
            digits[0] = DIGITS[usize::from(byte >> 4)];
            digits[1] = DIGITS[usize::from(byte & 15)];
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for ObjectId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = || Error::git(format!("`{}` is no object id", escape::line(text)));
        if text.len() != 40 || !text.is_ascii() {
            return Err(bad());
        }
        let mut bytes = [0; 20];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

/// The id of a commit.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct CommitId(pub ObjectId);

impl CommitId {
    /// The first ten digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CommitId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        text.parse().map(Self)
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;

            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}
text_newtype!(TaskName);
text_newtype!(BranchName);

impl TryFrom<String> for ObjectId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ObjectId> for String {
    fn from(id: ObjectId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_from_the_first_words() {
        let name = |text| TaskName::from_words(text).to_string();
        assert_eq!(name("Fix the timeouts!"), "fix-the-timeouts");
        assert_eq!(name("--help me"), "help-me");
        assert_eq!(name("\u{202e}…"), "task");
        assert_eq!(name("hé 日本"), "task");
        assert_eq!(
            name("Rewrite the whole of the storage engine so that it is faster"),
            "rewrite-the-whole-of-the-storage"
        );
    }

    #[test]
    fn a_numbered_name_stays_within_the_limit() {
        let long = TaskName::new("a".repeat(64)).expect("64 characters are allowed");
        assert_eq!(long.numbered(12).as_str().len(), 64);
        assert!(long.numbered(12).as_str().ends_with("-12"));
    }

    #[test]
    fn names_that_could_act_as_options_or_on_terminals_are_refused() {
        for bad in ["", "-x", "a b", "a/b", "a..b", "a.lock", "a.", "a\u{1b}[31m", "\u{202e}x", "é"]
        {
            assert!(TaskName::new(bad).is_err(), "{bad:?}");
        }
        for bad in
            ["-x", "a..b", "a\nb", "a//b", ".a", "a/.b", "a.lock/b", "@", "a\u{202e}b", "a b"]
        {
            assert!(BranchName::new(bad).is_err(), "{bad:?}");
        }
        assert!(BranchName::new("feature/größe").is_ok());
    }

    #[test]
    fn an_object_id_survives_its_text_form() {
        let text = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(text.parse::<ObjectId>().expect("valid").to_string(), text);
        assert!("0123".parse::<ObjectId>().is_err());
        assert!("zz23456789abcdef0123456789abcdef01234567".parse::<ObjectId>().is_err());
    }
}
