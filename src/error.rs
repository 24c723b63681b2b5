//! A refusal or a fault, as data: what was attempted on which thing, why it failed, and commands
//! that go on from there.
//!
//! Every room returns this one type, so a message is written where the facts are known and printed
//! where printing happens. Expected endings (conflicts, a task that failed, a time limit that
//! passed) are answers, not errors, and have no kind here.

use schemars::JsonSchema;
use serde::Serialize;
use std::fmt;

/// The result of anything that may be refused or fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What sort of refusal or fault it was; the `kind` of a JSON error document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum ErrorKind {
    /// The request makes sense, but carrying it out now would be wrong.
    Refused,
    /// The request itself makes no sense, or asks for something that is not built.
    Usage,
    /// No such task, revision, branch or repository.
    NotFound,
    /// Somebody holds the lock that is needed.
    Busy,
    /// Uncommitted changes are in the way.
    Dirty,
    /// This repository, file system or version of git cannot do it.
    Unsupported,
    /// A command from a repository's configuration that nobody has accepted yet.
    Untrusted,
    /// Git failed.
    Git,
    /// The operating system failed.
    Io,
    /// A broken promise inside offshoot itself.
    Internal,
}

impl ErrorKind {
    /// The exit status that the contract gives to this kind.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Busy => 5,
            Self::Refused
            | Self::NotFound
            | Self::Dirty
            | Self::Unsupported
            | Self::Untrusted
            | Self::Git
            | Self::Io
            | Self::Internal => 1,
        }
    }
}

/// A refusal or a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Error {
    /// Its sort, which decides the exit status.
    pub kind: ErrorKind,
    /// A lowercase fragment: what was attempted, on what, and why it failed.
    pub message: String,
    /// Commands or facts that help to go on, most useful first.
    pub hints: Vec<String>,
}

impl Error {
    /// An error of `kind` with a message and no hints yet.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hints: Vec::new() }
    }

    /// Carrying it out now would be wrong.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Refused, message)
    }

    /// The request makes no sense.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Usage, message)
    }

    /// There is no such thing.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// Somebody holds the lock.
    pub fn busy(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Busy, message)
    }

    /// Uncommitted changes are in the way.
    pub fn dirty(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Dirty, message)
    }

    /// This repository, file system or git cannot do it.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Git failed.
    pub fn git(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Git, message)
    }

    /// A promise inside offshoot was broken.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// The operating system refused `attempt` (for instance "write `/a/b`") with `cause`.
    pub fn io(attempt: impl fmt::Display, cause: &std::io::Error) -> Self {
        Self::new(ErrorKind::Io, format!("cannot {attempt}: {}", plain_cause(cause)))
    }

    /// The same error with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same error, its message preceded by what was being attempted.
    #[must_use]
    pub fn while_trying(mut self, attempt: impl fmt::Display) -> Self {
        self.message = format!("cannot {attempt}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Adds "what was attempted" to an operating-system error.
pub trait Attempt<T> {
    /// Turns an `io::Error` into an [`Error`] of kind `Io`; `attempt` names the action and its object.
    fn attempt<D: fmt::Display>(self, attempt: impl FnOnce() -> D) -> Result<T>;
}

impl<T> Attempt<T> for std::io::Result<T> {
    fn attempt<D: fmt::Display>(self, attempt: impl FnOnce() -> D) -> Result<T> {
        self.map_err(|cause| Error::io(attempt(), &cause))
    }
}

/// The system's own words without Rust's "(os error N)", which helps nobody.
fn plain_cause(cause: &std::io::Error) -> String {
    let text = cause.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_io_error_names_the_attempt_and_drops_the_error_number() {
        let cause = std::io::Error::from_raw_os_error(28);
        let error = Error::io("write `/x`", &cause);
        assert_eq!(error.message, "cannot write `/x`: no space left on device");
    }
}
