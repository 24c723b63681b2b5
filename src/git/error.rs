//! Failures of libgit2 and of the git executable, told as [`Error`]s.

use crate::error::{Error, ErrorKind};
use crate::escape;

/// Says what was attempted when libgit2 refused it.
pub(crate) fn from_git2(attempt: impl std::fmt::Display, cause: &git2::Error) -> Error {
    let kind = match cause.code() {
        git2::ErrorCode::NotFound => ErrorKind::NotFound,
        git2::ErrorCode::Locked => ErrorKind::Busy,
        _ => ErrorKind::Git,
    };
    Error::new(kind, format!("cannot {attempt}: {}", escape::line(cause.message())))
}

/// Adds "what was attempted" to a libgit2 error.
pub(crate) trait GitAttempt<T> {
    /// Turns a `git2::Error` into an [`Error`].
    fn git_attempt<D: std::fmt::Display>(
        self,
        attempt: impl FnOnce() -> D,
    ) -> crate::error::Result<T>;
}

impl<T> GitAttempt<T> for std::result::Result<T, git2::Error> {
    fn git_attempt<D: std::fmt::Display>(
        self,
        attempt: impl FnOnce() -> D,
    ) -> crate::error::Result<T> {
        self.map_err(|cause| from_git2(attempt(), &cause))
    }
}
