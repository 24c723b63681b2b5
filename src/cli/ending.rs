//! How a task ended, in words that read well with every outcome and say nothing twice.
//!
//! The state comes first, so what an outcome says by itself (`cancelled`, `timed out`) is fitted to it.

use super::durations;
use super::paint::Paint;
use super::table::state_style;
use crate::escape;
use crate::outcome::Outcome;
use crate::task::StateName;
use std::borrow::Cow;

/// In full: `failed: exited 3 after 4m 10s`.
pub(super) fn in_full(
    state: StateName,
    outcome: &Outcome,
    took: Option<u64>,
    paint: Paint,
) -> String {
    let took = took.map(|millis| format!(" after {}", durations::words(millis)));
    let took = took.unwrap_or_default();
    let state = paint.apply(state_style(state), state.as_str());
    match outcome {
        Outcome::Exited { .. } | Outcome::Signaled { .. } | Outcome::TimedOut => {
            format!("{state}: {outcome}{took}")
        }
        Outcome::Cancelled => format!("{state}{took}"),
        // What somebody else wrote comes last, since nobody knows how it reads.
        Outcome::AgentError { .. } => format!("{state}{took}: {outcome}"),
        Outcome::SpawnFailed { message } => format!("{state} to start: {}", escape::line(message)),
        Outcome::SetupFailed { message } => {
            format!("{state} to be set up: {}", escape::line(message))
        }
        Outcome::DependencyFailed { .. } => format!("{state}: {outcome}"),
        Outcome::Interrupted => {
            format!("{state}: interrupted{took}; it and what watched over it died")
        }
    }
}

/// For a table: the state, with the ending where that is short and says more.
pub(super) fn in_short(state: StateName, outcome: &Outcome) -> Cow<'static, str> {
    let words = match outcome {
        Outcome::Exited { code: 0 } | Outcome::Cancelled => return state.as_str().into(),
        Outcome::Exited { code } => format!("{state}: exited {code}"),
        Outcome::Signaled { signal } => format!("{state}: signal {signal}"),
        Outcome::AgentError { .. } => format!("{state}: agent error"),
        Outcome::TimedOut => format!("{state}: timed out"),
        Outcome::SpawnFailed { .. } => format!("{state}: not started"),
        Outcome::SetupFailed { .. } => format!("{state}: not set up"),
        Outcome::DependencyFailed { task } => format!("{state}: after `{}`", escape::line(task)),
        Outcome::Interrupted => format!("{state}: interrupted"),
    };
    words.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ending_reads_well_once() {
        let message = || "no such file\n".to_owned();
        let (failed, took) = (StateName::Failed, Some(1000));
        for (state, outcome, took, full, short) in [
            (
                StateName::Completed,
                Outcome::Exited { code: 0 },
                took,
                "completed: exited 0 after 1s",
                "completed",
            ),
            (
                failed,
                Outcome::Exited { code: 3 },
                took,
                "failed: exited 3 after 1s",
                "failed: exited 3",
            ),
            (
                failed,
                Outcome::Signaled { signal: 9 },
                took,
                "failed: ended by signal 9 after 1s",
                "failed: signal 9",
            ),
            (failed, Outcome::TimedOut, took, "failed: timed out after 1s", "failed: timed out"),
            (StateName::Cancelled, Outcome::Cancelled, took, "cancelled after 1s", "cancelled"),
            (StateName::Cancelled, Outcome::Cancelled, None, "cancelled", "cancelled"),
            (
                failed,
                Outcome::AgentError { message: message() },
                took,
                "failed after 1s: the agent reported: no such file\\n",
                "failed: agent error",
            ),
            (
                failed,
                Outcome::SpawnFailed { message: message() },
                took,
                "failed to start: no such file\\n",
                "failed: not started",
            ),
            (
                failed,
                Outcome::SetupFailed { message: message() },
                None,
                "failed to be set up: no such file\\n",
                "failed: not set up",
            ),
            (
                failed,
                Outcome::DependencyFailed { task: "a".into() },
                None,
                "failed: `a` did not complete",
                "failed: after `a`",
            ),
            (
                failed,
                Outcome::Interrupted,
                took,
                "failed: interrupted after 1s; it and what watched over it died",
                "failed: interrupted",
            ),
        ] {
            assert_eq!(in_full(state, &outcome, took, Paint::Plain), full);
            assert_eq!(in_short(state, &outcome), short);
        }
    }
}
