//! `lock acquire`, `lock release`, `lock list`: from the command line to requests.

use crate::cli::durations;
use crate::ops::lock::{AcquireRequest, Patience, Release};
use clap::{Args, Subcommand};
use std::time::Duration;

/// What is to be done with locks on paths.
#[derive(Debug, Subcommand)]
pub(in crate::cli) enum LockVerb {
    /// Lock files and folders until you release them or end
    #[command(after_help = super::help::LOCK_ACQUIRE)]
    Acquire(AcquireArgs),
    /// Release locks of yours, or all locks of an owner
    #[command(after_help = super::help::LOCK_RELEASE)]
    Release(ReleaseArgs),
    /// Show who holds which paths, running tasks with claims too
    List,
}

/// Options of `lock acquire`.
#[derive(Debug, Args)]
pub(in crate::cli) struct AcquireArgs {
    /// Files, folders or patterns with `*` and `?`, relative to where you stand
    #[arg(value_name = "PATHSPEC")]
    paths: Vec<String>,
    /// Whose the lock is [default: your session, else the calling process]; inside a task it is the task's
    #[arg(long, value_name = "TEXT")]
    owner: Option<String>,
    /// What for; others are told
    #[arg(long, value_name = "TEXT")]
    purpose: Option<String>,
    /// Let it fall after this long, such as 90s or 10m; a bare number counts seconds
    #[arg(long = "for", value_name = "DURATION", value_parser = durations::parse)]
    limit: Option<Duration>,
    /// Wait for others to release the paths, at most this long if a duration follows
    #[arg(long, value_name = "DURATION", num_args = 0..=1)]
    wait: Option<Option<String>>,
}

impl AcquireArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self) -> AcquireRequest {
        let mut paths = self.paths;
        let patience = match self.wait {
            None => Patience::None,
            Some(None) => Patience::Endless,
            Some(Some(word)) => match durations::parse(&word) {
                Ok(limit) => Patience::For(limit),
                // What follows is no duration, so it is the first path.
                Err(_) => {
                    paths.insert(0, word);
                    Patience::Endless
                }
            },
        };
        let (owner, purpose, limit) = (self.owner, self.purpose, self.limit);
        AcquireRequest { paths, owner, purpose, limit, patience }
    }
}

/// Options of `lock release`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ReleaseArgs {
    /// Only these paths of yours, and what is below them
    #[arg(value_name = "PATHSPEC", conflicts_with = "owner")]
    paths: Vec<String>,
    /// Every lock that this owner has acquired, whoever you are
    #[arg(long, value_name = "TEXT")]
    owner: Option<String>,
}

impl ReleaseArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self) -> Release {
        match (self.owner, self.paths) {
            (Some(owner), _) => Release::Owner(owner),
            (None, paths) if paths.is_empty() => Release::Mine,
            (None, paths) => Release::Paths(paths),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: AcquireArgs,
    }

    #[test]
    fn a_wait_has_a_limit_where_a_duration_follows() {
        let asked = |line: &[&str]| {
            let line = Line::parse_from(["acquire"].iter().chain(line));
            let request = line.arguments.into_request();
            (request.patience, request.paths.join(" "))
        };
        let minute = Patience::For(Duration::from_secs(60));
        assert_eq!(asked(&["a", "b"]), (Patience::None, "a b".into()));
        assert_eq!(asked(&["--wait", "a", "b"]), (Patience::Endless, "a b".into()));
        assert_eq!(asked(&["a", "--wait"]), (Patience::Endless, "a".into()));
        assert_eq!(asked(&["--wait", "1m", "a"]), (minute, "a".into()));
        assert_eq!(asked(&["--wait=1m", "a"]), (minute, "a".into()));
        assert_eq!(asked(&["--wait", "--", "1m"]), (Patience::Endless, "1m".into()));
    }
}
