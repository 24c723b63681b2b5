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
    let message = match (cause.class(), cause.message().rsplit_once(": ")) {
        // The system's own words come last; in our sentences they begin like all others.
        (git2::ErrorClass::Os, Some((what, why))) => {
            let mut chars = why.trim_end().chars();
            let first = chars.next().map(char::to_lowercase).into_iter().flatten();
            format!("{what}: {}", first.chain(chars).collect::<String>())
        }
        _ => cause.message().to_owned(),
    };
    Error::new(kind, format!("cannot {attempt}: {}", escape::line(&message)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_words_read_as_in_our_own_errors() {
        let said = |class| {
            let text = "failed to create '/x: Y': Read-only file system ";
            from_git2("move `a`", &git2::Error::new(git2::ErrorCode::GenericError, class, text))
        };
        assert_eq!(
            said(git2::ErrorClass::Os).message,
            "cannot move `a`: failed to create '/x: Y': read-only file system"
        );
        assert!(said(git2::ErrorClass::Reference).message.ends_with("Read-only file system "));
    }
}
