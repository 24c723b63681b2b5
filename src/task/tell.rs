//! Who is told of a task's end besides the inbox, settled at dispatch, and how that went.

use super::ProcessIdentity;
use crate::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// Who is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tell {
    /// A shell command that gets the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_done: Option<String>,
    /// Whether the session that dispatched it can be woken.
    #[serde(default)]
    pub wakes: bool,
    /// Whether the person's desktop shows a notification.
    #[serde(default)]
    pub desktop: bool,
    /// The terminal whose bell rings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bell: Option<PathBuf>,
    /// The process of the session that dispatched it; when it has ended, so has the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<ProcessIdentity>,
}

impl Tell {
    /// Whether there is anybody to tell.
    #[must_use]
    pub fn anybody(&self) -> bool {
        self.on_done.is_some() || self.wakes || self.desktop || self.bell.is_some()
    }

    /// Whether nothing of this was settled.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a session is woken. Kept apart from the task's record, because it may hold a secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Wake {
    /// `codex queue --thread ID`.
    Codex {
        /// The thread.
        thread: String,
        /// The session's own program; else it is looked for in `PATH`.
        #[serde(default)]
        program: Option<PathBuf>,
    },
    /// The session's own socket.
    Claude {
        /// Where it is.
        socket: PathBuf,
        /// What opens it.
        token: String,
        /// The session.
        session: String,
    },
    /// A server of opencode.
    Opencode {
        /// Where it is, as `http://HOST:PORT`.
        server: String,
        /// Who may reach it; `opencode` unless it was told otherwise.
        #[serde(default)]
        user: Option<String>,
        /// By what, where not everybody may.
        #[serde(default)]
        password: Option<String>,
        /// The session.
        session: String,
    },
}

impl Wake {
    /// By which it is told.
    #[must_use]
    pub fn channel(&self) -> Channel {
        match self {
            Self::Codex { .. } => Channel::Codex,
            Self::Claude { .. } => Channel::Claude,
            Self::Opencode { .. } => Channel::Opencode,
        }
    }
}

// By hand, so that no log or panic ever shows the token.
impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wake").field(&self.channel()).finish()
    }
}

/// A way of telling.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// The command of `--on-done`.
    OnDone,
    /// Codex's own queue.
    Codex,
    /// The socket of a session of Claude Code.
    Claude,
    /// The hook by which a session of Claude Code waits.
    Rewake,
    /// A server of opencode.
    Opencode,
    /// A desktop notification.
    Desktop,
    /// A terminal's bell.
    Bell,
}

impl Channel {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::OnDone => "the command of `--on-done`",
            Self::Codex => "the queue of the Codex session",
            Self::Claude => "the socket of the Claude session",
            Self::Rewake => "the hook by which the Claude session waits",
            Self::Opencode => "the server of the opencode session",
            Self::Desktop => "the desktop",
            Self::Bell => "the bell",
        }
    }
}

/// How telling of one end went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// The form of this record.
    pub schema: u32,
    /// The event.
    pub cursor: u64,
    /// When.
    pub at: Timestamp,
    /// By which way.
    pub channel: Channel,
    /// Whether it got there, as far as that can be seen.
    pub delivered: bool,
    /// Why it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}
