//! A path inside a repository as git stores it: bytes, `/` between folders, relative to the root.

use crate::escape;
use base64::Engine;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// A path inside a repository. Not every one is UTF-8, and none is changed on its way through us.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(into = "Form")]
pub struct RepoPath(Vec<u8>);

/// A plain string where the path is UTF-8, else the text as far as it goes and the bytes in base64.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes { path: String, path_bytes: String },
}

impl From<RepoPath> for Form {
    fn from(path: RepoPath) -> Self {
        match path.base64_unless_utf8() {
            None => Self::Text(path.lossy()),
            Some(path_bytes) => Self::Bytes { path: path.lossy(), path_bytes },
        }
    }
}

impl RepoPath {
    /// The path with these bytes, as git gave them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes as git knows them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same path for the file system, relative to the worktree's root.
    #[must_use]
    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// For people: control and bidi characters escaped, other bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn shown(&self) -> String {
        escape::line(&self.lossy())
    }

    /// The path as text, what is not UTF-8 replaced.
    #[must_use]
    pub fn lossy(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The bytes in base64 where the path is not UTF-8, so that nothing is lost in JSON.
    #[must_use]
    pub fn base64_unless_utf8(&self) -> Option<String> {
        std::str::from_utf8(&self.0)
            .is_err()
            .then(|| base64::engine::general_purpose::STANDARD.encode(&self.0))
    }

    /// The path whose bytes these are in base64.
    ///
    /// # Errors
    /// When the text is no base64.
    pub fn from_base64(text: &str) -> Result<Self, base64::DecodeError> {
        base64::engine::general_purpose::STANDARD.decode(text).map(Self)
    }
}

impl fmt::Display for RepoPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

impl<'de> Deserialize<'de> for RepoPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Form::deserialize(deserializer)? {
            Form::Text(text) => Ok(Self(text.into_bytes())),
            Form::Bytes { path_bytes, .. } => {
                Self::from_base64(&path_bytes).map_err(serde::de::Error::custom)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_is_not_utf8_survives_json() {
        for bytes in [&b"src/a.rs"[..], b"caf\xe9.txt"] {
            let path = RepoPath::new(bytes);
            let json = serde_json::to_string(&path).expect("serialises");
            assert_eq!(serde_json::from_str::<RepoPath>(&json).expect("parses"), path);
        }
    }
}
