//! A process environment as a value: read once at the edge of the program, then handed in.

use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::Arc;

/// Environment variables by name. Many hold a copy, hardly any changes it: what is the same is shared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment(Arc<BTreeMap<OsString, OsString>>);

/// One variable; bytes, since neither names nor values need be UTF-8.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Variable {
    /// Its name.
    #[serde(serialize_with = "as_text", deserialize_with = "from_either")]
    pub name: OsString,
    /// Its value.
    #[serde(serialize_with = "as_text", deserialize_with = "from_either")]
    pub value: OsString,
}

/// How a name or a value stands in a record: as text where it is UTF-8, else as serde writes an `OsString`,
/// byte by byte in four characters each. All of them were written so once.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes(OsString),
}

fn as_text<S: Serializer>(word: &OsString, serializer: S) -> Result<S::Ok, S::Error> {
    match word.to_str() {
        Some(text) => serializer.serialize_str(text),
        None => word.serialize(serializer),
    }
}

fn from_either<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OsString, D::Error> {
    Ok(match Form::deserialize(deserializer)? {
        Form::Text(text) => text.into(),
        Form::Bytes(bytes) => bytes,
    })
}

/// What coding agents, and tasks, set for the commands that they run.
const AGENTS_COMMANDS: [&str; 7] = [
    "CLAUDECODE",
    "CODEX_THREAD_ID",
    "COPILOT_AGENT_SESSION_ID",
    "GEMINI_CLI",
    "OPENCODE",
    "OFFSHOOT_PARENT",
    "OFFSHOOT_TASK_ID",
];

impl Environment {
    /// The variables of `pairs`; the last of one name counts.
    pub fn new(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Self {
        Self(Arc::new(pairs.into_iter().collect()))
    }

    /// The value of a variable, if it is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable as text, if it is set, not empty and UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(OsStr::to_str)
    }

    /// The folder of programs' state by the XDG Base Directory specification: `XDG_STATE_HOME`, else
    /// `~/.local/state`. A path that is not absolute does not count, as there.
    ///
    /// # Errors
    /// `refused` where neither is known; `what` says what was to be kept there.
    pub fn state_home(&self, what: &str) -> Result<PathBuf> {
        let absolute =
            |name: &str| self.get(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
        absolute("XDG_STATE_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
            .ok_or_else(|| {
                Error::refused(format!("there is no place to keep {what}"))
                    .hint("set `HOME` or `XDG_STATE_HOME` to an absolute path")
            })
    }

    /// Sets a variable.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        Arc::make_mut(&mut self.0).insert(name.into(), value.into());
    }

    /// Every variable in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Without the variables that point git at some other repository, index or configuration than
    /// the one we name ourselves (`git rev-parse --local-env-vars` lists them).
    #[must_use]
    pub fn without_git_location(&self) -> Self {
        self.without(|name| {
            matches!(
                name,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES"
                    | "GIT_CONFIG"
                    | "GIT_CONFIG_PARAMETERS"
                    | "GIT_CONFIG_COUNT"
                    | "GIT_OBJECT_DIRECTORY"
                    | "GIT_DIR"
                    | "GIT_WORK_TREE"
                    | "GIT_IMPLICIT_WORK_TREE"
                    | "GIT_GRAFT_FILE"
                    | "GIT_INDEX_FILE"
                    | "GIT_NO_REPLACE_OBJECTS"
                    | "GIT_REPLACE_REF_BASE"
                    | "GIT_PREFIX"
                    | "GIT_SHALLOW_FILE"
                    | "GIT_COMMON_DIR"
                    | "GIT_NAMESPACE"
                    | "GIT_QUARANTINE_PATH"
                    | "GIT_ATTR_SOURCE"
                    | "GIT_INTERNAL_SUPER_PREFIX"
            ) || name.starts_with("GIT_CONFIG_KEY_")
                || name.starts_with("GIT_CONFIG_VALUE_")
        })
    }

    /// Whether this is the environment of a command that a coding agent runs. Some run commands on a terminal,
    /// where nobody would answer a question (Gemini CLI 0.61 always, Codex at its model's wish).
    #[must_use]
    pub fn is_of_an_agents_command(&self) -> bool {
        AGENTS_COMMANDS.iter().any(|name| self.get(name).is_some())
    }

    /// Without what tells a process which agent session or task started it; a task's agent is a
    /// session of its own, and the messaging token among them is a secret of the parent.
    #[must_use]
    pub fn without_parent_session(&self) -> Self {
        self.without(|name| {
            matches!(
                name,
                "CLAUDECODE"
                    | "CLAUDE_CODE_ENTRYPOINT"
                    | "CLAUDE_CODE_SESSION_ID"
                    | "CLAUDE_CODE_MESSAGING_SOCKET"
                    | "CLAUDE_CODE_MESSAGING_TOKEN"
                    | "CLAUDE_CODE_SSE_PORT"
                    | "CODEX_THREAD_ID"
                    | "GEMINI_CLI"
                    | "COPILOT_AGENT_SESSION_ID"
                    | "OPENCODE"
                    | "OPENCODE_CLIENT"
                    | "OPENCODE_PID"
                    | "OPENCODE_RUN_ID"
                    | "OPENCODE_SERVER_PASSWORD"
                    | "OFFSHOOT_OPENCODE_SERVER"
                    | "OFFSHOOT_PARENT"
                    | "OFFSHOOT_TASK_ID"
                    | "OFFSHOOT_TASK_NAME"
                    | "OFFSHOOT_BASE"
                    | "OFFSHOOT_WORKTREE"
                    | "OFFSHOOT_PROMPT"
                    | "OFFSHOOT_PORT_BASE"
            )
        })
    }

    fn without(&self, unwanted: impl Fn(&str) -> bool) -> Self {
        let goes = |name: &OsString| name.to_str().is_some_and(&unwanted);
        if !self.0.keys().any(goes) {
            return self.clone();
        }
        let kept = self.0.iter().filter(|(name, _)| !goes(name));
        Self::new(kept.map(|(name, value)| (name.clone(), value.clone())))
    }
}

impl From<&Environment> for Vec<Variable> {
    fn from(environment: &Environment) -> Self {
        environment
            .0
            .iter()
            .map(|(name, value)| Variable { name: name.clone(), value: value.clone() })
            .collect()
    }
}

impl From<Vec<Variable>> for Environment {
    fn from(variables: Vec<Variable>) -> Self {
        Self::new(variables.into_iter().map(|v| (v.name, v.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn git_location_and_parent_session_are_scrubbed() {
        let all = Environment::new(
            [
                "GIT_DIR",
                "GIT_CONFIG_KEY_0",
                "GIT_AUTHOR_NAME",
                "CLAUDE_CODE_MESSAGING_TOKEN",
                "PATH",
            ]
            .map(|name| (name.into(), "x".into())),
        );
        let clean = all.without_git_location().without_parent_session();
        let names: Vec<_> = clean.iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(names, ["GIT_AUTHOR_NAME", "PATH"]);
    }

    #[test]
    fn variables_survive_their_record_and_old_ones_are_read() {
        use std::os::unix::ffi::OsStrExt;
        let value = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        for bytes in [&b""[..], "gr\u{fc}n \"x\"\n".as_bytes(), b"caf\xe9"] {
            let variable = Variable { name: "A".into(), value: value(bytes) };
            let json = serde_json::to_string(&variable).expect("serialises");
            let read: Variable = serde_json::from_str(&json).expect("parses");
            assert_eq!((read.name, read.value), ("A".into(), value(bytes)), "{json}");
        }
        let old = r#"{"name":{"Unix":[65]},"value":{"Unix":[120,233]}}"#;
        let read: Variable = serde_json::from_str(old).expect("parses");
        assert_eq!((read.name, read.value), ("A".into(), value(b"x\xe9")));
    }
}
