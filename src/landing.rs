//! The words of landing: how a result is made, what came of it, and what stood in its way.
//!
//! These are the values of the contract's `landings` document. Conflicts are answers, so they live
//! here and not among the errors. Deliberately absent: who lands and when; that is a verb's business.

use crate::names::{BranchName, CommitId, ObjectId};
use crate::path::RepoPath;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the commit that the target moves to is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// A merge commit that names the task.
    Merge,
    /// One commit with the whole change.
    Squash,
    /// The task's own tip, only where the target has not moved on.
    #[serde(rename = "ff_only")]
    FastForward,
    /// The task's commits one by one on the target's tip.
    Rebase,
    /// The same, each a new commit whose message names the original.
    CherryPick,
}

/// What came of an attempt to land.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The target has moved to the result.
    Landed,
    /// The target held the change already.
    UpToDate,
    /// The two sides contradict each other; nothing was changed.
    Conflicts,
    /// The verify command rejected the result; nothing was changed.
    VerifyFailed,
    /// It would land; nothing was changed, since only that was asked.
    Planned,
    /// A landing was taken back.
    Undone,
    /// The task's branch was brought up to date with the target, which has not moved.
    Rebased,
    /// A merge with conflicts is open in the task's worktree, to be resolved there.
    Resolving,
}

/// A landing that has happened, as events and later landings name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LandingRef {
    /// Its number; none when the target held the work already.
    pub id: Option<u64>,
    /// The branch that moved.
    pub target: BranchName,
    /// How its result was made.
    pub strategy: Strategy,
    /// The target's tip before.
    pub before: CommitId,
    /// The target's tip after.
    pub after: CommitId,
}

/// Why git could not merge a path by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Both sides changed the same lines.
    Content,
    /// Both sides added the path, differently.
    AddAdd,
    /// One side changed what the other deleted.
    ModifyDelete,
    /// A rename is involved, of the file or of a folder around it.
    Rename,
    /// A file on one side is a folder on the other.
    FileDirectory,
    /// The two sides made it different sorts of thing (file, symbolic link, submodule).
    Mode,
    /// Both sides changed a file that cannot be merged by lines.
    Binary,
    /// A submodule moved on both sides.
    Submodule,
    /// Something that this version does not know by name.
    Other,
}

impl ConflictKind {
    /// The kind in plain words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Content => "both sides changed the same lines",
            Self::AddAdd => "both sides added it, differently",
            Self::ModifyDelete => "changed on one side, deleted on the other",
            Self::Rename => "renamed on one side, moved or changed on the other",
            Self::FileDirectory => "a file on one side, a folder on the other",
            Self::Mode => "made different sorts of thing by the two sides",
            Self::Binary => "both sides changed a binary file",
            Self::Submodule => "the submodule moved on both sides",
            Self::Other => "git could not merge it",
        }
    }
}

/// One path that git could not merge by itself, with the three versions of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(into = "ConflictForm")]
pub struct Conflict {
    /// Where it is.
    pub path: RepoPath,
    /// Why it conflicts.
    pub kind: ConflictKind,
    /// The version both sides started from.
    pub base: Option<ObjectId>,
    /// The target's version.
    pub ours: Option<ObjectId>,
    /// The task's version.
    pub theirs: Option<ObjectId>,
}

/// The contract's form: a path that is not UTF-8 carries its bytes beside the lossy text.
#[derive(Serialize, JsonSchema)]
struct ConflictForm {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_bytes: Option<String>,
    kind: ConflictKind,
    base: Option<ObjectId>,
    ours: Option<ObjectId>,
    theirs: Option<ObjectId>,
}

impl From<Conflict> for ConflictForm {
    fn from(Conflict { path, kind, base, ours, theirs }: Conflict) -> Self {
        let path_bytes = path.base64_unless_utf8();
        Self { path: path.lossy(), path_bytes, kind, base, ours, theirs }
    }
}

impl<'de> Deserialize<'de> for Conflict {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Form {
            path: String,
            path_bytes: Option<String>,
            kind: ConflictKind,
            base: Option<ObjectId>,
            ours: Option<ObjectId>,
            theirs: Option<ObjectId>,
        }
        let Form { path, path_bytes, kind, base, ours, theirs } = Form::deserialize(deserializer)?;
        let path = match path_bytes {
            None => RepoPath::new(path),
            Some(bytes) => RepoPath::from_base64(&bytes).map_err(serde::de::Error::custom)?,
        };
        Ok(Self { path, kind, base, ours, theirs })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_contract() {
        let json = |strategy| serde_json::to_string(&strategy).expect("serialises");
        assert_eq!(json(Strategy::FastForward), "\"ff_only\"");
        assert_eq!(json(Strategy::Squash), "\"squash\"");
        assert_eq!(
            serde_json::to_string(&Verdict::VerifyFailed).expect("serialises"),
            "\"verify_failed\""
        );
        assert_eq!(
            serde_json::to_string(&ConflictKind::AddAdd).expect("serialises"),
            "\"add_add\""
        );
    }

    #[test]
    fn a_conflict_survives_json_whatever_its_path() {
        for path in [&b"src/a.rs"[..], b"caf\xe9.txt"] {
            let id = Some("1".repeat(40).parse().expect("an id"));
            let kind = ConflictKind::ModifyDelete;
            let conflict =
                Conflict { path: RepoPath::new(path), kind, base: id, ours: None, theirs: id };
            let json = serde_json::to_string(&conflict).expect("serialises");
            assert_eq!(serde_json::from_str::<Conflict>(&json).expect("parses"), conflict);
        }
    }
}
