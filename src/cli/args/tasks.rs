//! The verbs that look: `list`, `wait`, `logs`, `diff`, `inbox` and `events`.

use super::dispatch::whole_prompt;
use crate::cli::durations;
use crate::cli::output::Format;
use crate::error::Result;
use crate::ops::diff::{Against, DiffRequest};
use crate::ops::inbox::Sessions;
use crate::ops::list::{ListRequest, Which};
use crate::ops::logs::{Follow, Form, LogsRequest, Stream};
use crate::ops::wait::{Until, WaitRequest};
use crate::task::{PausedSlot, RetryIn, StateName};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, ValueEnum};
use std::io::Read;
use std::time::Duration;

/// Options of `list`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ListArgs {
    /// Landed, discarded and acknowledged (without changes) tasks too
    #[arg(long)]
    all: bool,
    /// Only tasks in this state; may be given several times
    #[arg(long = "state", value_name = "STATE", value_delimiter = ',', value_parser = state_parser())]
    states: Vec<StateName>,
}

fn state_parser() -> impl TypedValueParser<Value = StateName> {
    PossibleValuesParser::new(StateName::ALL.map(StateName::as_str))
        .try_map(|word| word.parse::<StateName>())
}

impl ListArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self) -> ListRequest {
        let which = if self.all { Which::All } else { Which::Open };
        ListRequest { which, states: self.states }
    }
}

/// Options of `wait`.
#[derive(Debug, Args)]
pub(in crate::cli) struct WaitArgs {
    /// Names of tasks, or the first four or more characters of their ids
    #[arg(value_name = "TASK", required = true)]
    tasks: Vec<String>,
    /// Return as soon as one has ended
    #[arg(long)]
    any: bool,
    /// Stop waiting after this long, such as 90s or 10m; a bare number counts seconds (exit status 124)
    #[arg(long, value_name = "DURATION", value_parser = durations::parse)]
    timeout: Option<Duration>,
}

impl WaitArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self) -> WaitRequest {
        let until = if self.any { Until::Any } else { Until::All };
        WaitRequest { tasks: self.tasks, until, timeout: self.timeout }
    }
}

/// Options of `pause`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PauseArgs {
    /// Names of tasks, or the first four or more characters of their ids
    #[arg(value_name = "TASK", required = true)]
    pub(in crate::cli) tasks: Vec<String>,
    /// Let no other task have the slot meanwhile
    #[arg(long)]
    keep_slot: bool,
}

impl PauseArgs {
    /// What becomes of the slot.
    pub(in crate::cli) fn slot(&self) -> PausedSlot {
        if self.keep_slot { PausedSlot::Kept } else { PausedSlot::GivenBack }
    }
}

/// Options of `retry`.
#[derive(Debug, Args)]
pub(in crate::cli) struct RetryArgs {
    /// A task's name, or the first four or more characters of its id
    pub(in crate::cli) task: String,
    /// In a new worktree at the base, not on top of what the last attempt did
    #[arg(long)]
    fresh: bool,
    /// Tell the agent how the last attempt failed: outcome, last lines of the log
    #[arg(long)]
    pub(in crate::cli) with_feedback: bool,
}

/// Options of `send`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SendArgs {
    /// A task's name, or the first four or more characters of its id
    pub(in crate::cli) task: String,
    /// What to tell it; `-` reads it from standard input
    #[arg(
        value_name = "MESSAGE",
        allow_hyphen_values = true,
        required_unless_present = "conflict"
    )]
    message: Option<String>,
    /// Open the merge with the target in its worktree and tell it to resolve the conflicts
    #[arg(long)]
    pub(in crate::cli) conflict: bool,
}

impl SendArgs {
    /// The message, if there is one, as a prompt is read and checked.
    ///
    /// # Errors
    /// `usage` when it is too long or no text.
    pub(in crate::cli) fn message(&self, input: &mut dyn Read) -> Result<Option<String>> {
        self.message.clone().map(|message| whole_prompt(message, input)).transpose()
    }
}

impl RetryArgs {
    /// Where the attempt runs.
    pub(in crate::cli) fn place(&self) -> RetryIn {
        if self.fresh { RetryIn::FreshWorktree } else { RetryIn::SameWorktree }
    }
}

/// Options of `priority`.
#[derive(Debug, Args)]
pub(in crate::cli) struct PriorityArgs {
    /// Greater runs earlier; tasks have 0 unless they were dispatched with another
    #[arg(value_name = "N", allow_negative_numbers = true)]
    pub(in crate::cli) priority: i32,
    /// Names of tasks, or the first four or more characters of their ids
    #[arg(value_name = "TASK", required = true)]
    pub(in crate::cli) tasks: Vec<String>,
}

/// Options of `logs`.
#[derive(Debug, Args)]
pub(in crate::cli) struct LogsArgs {
    /// A task's name, or the first four or more characters of its id
    task: String,
    /// Go on until the task has ended
    #[arg(short, long)]
    follow: bool,
    /// What the agent wrote to standard error instead
    #[arg(long)]
    stderr: bool,
    /// The agent's stream as it wrote it, not as people read it
    #[arg(long)]
    raw: bool,
    /// What the set-up command wrote instead
    #[arg(long, conflicts_with_all = ["stderr", "attempt"])]
    setup: bool,
    /// Only the last N lines
    #[arg(long, value_name = "N")]
    tail: Option<usize>,
    /// Of this attempt instead of the latest one
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
}

impl LogsArgs {
    /// The request.
    pub(in crate::cli) fn into_request(self, format: Format) -> LogsRequest {
        let raw = self.raw || format == Format::Json;
        LogsRequest {
            form: if raw { Form::Raw } else { Form::Readable },
            task: self.task,
            stream: match (self.stderr, self.setup) {
                (true, _) => Stream::Errors,
                (false, true) => Stream::Setup,
                (false, false) => Stream::Output,
            },
            tail: self.tail,
            attempt: self.attempt,
            follow: if self.follow { Follow::UntilEnd } else { Follow::No },
        }
    }
}

/// Options of `diff`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DiffArgs {
    /// A task's name, or the first four or more characters of its id
    task: String,
    /// Only the files and how much of each changed
    #[arg(long, conflicts_with = "name_only")]
    stat: bool,
    /// Only the names of the files
    #[arg(long)]
    name_only: bool,
    /// What to compare with: the commit it started from, or the target as it is now
    #[arg(long, value_name = "base|target", default_value = "base", hide_possible_values = true)]
    against: Side,
    /// Only these paths
    #[arg(last = true, value_name = "PATHSPEC")]
    paths: Vec<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Side {
    Base,
    Target,
}

/// How much of a diff is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum DiffForm {
    /// Line by line.
    Patch,
    /// The files with their figures.
    Stat,
    /// The files' names.
    Names,
}

impl DiffArgs {
    /// How much is shown.
    pub(in crate::cli) fn form(&self) -> DiffForm {
        match (self.stat, self.name_only) {
            (true, _) => DiffForm::Stat,
            (_, true) => DiffForm::Names,
            (false, false) => DiffForm::Patch,
        }
    }

    /// The request.
    pub(in crate::cli) fn into_request(self) -> DiffRequest {
        let against = match self.against {
            Side::Base => Against::Base,
            Side::Target => Against::Target,
        };
        DiffRequest { task: self.task, paths: self.paths, against }
    }
}

/// Options of `inbox`.
#[derive(Debug, Args)]
pub(in crate::cli) struct InboxArgs {
    /// Of every session
    #[arg(long)]
    all: bool,
    /// Acknowledge these entries, or all of this session
    #[arg(long, value_name = "CURSOR", num_args = 0.., conflicts_with_all = ["all", "wait"])]
    pub(in crate::cli) ack: Option<Vec<u64>>,
    /// Wait for an entry, at most this long; a bare number counts seconds (exit status 124)
    #[arg(long, value_name = "DURATION", num_args = 0..=1, value_parser = durations::parse)]
    pub(in crate::cli) wait: Option<Option<Duration>>,
    /// Go on with entries as they come, until nobody reads; acknowledges nothing
    #[arg(short, long, conflicts_with_all = ["ack", "wait"])]
    pub(in crate::cli) follow: bool,
}

impl InboxArgs {
    /// Whose entries.
    pub(in crate::cli) fn sessions(&self) -> Sessions {
        if self.all { Sessions::All } else { Sessions::Mine }
    }
}

/// Options of `events`.
#[derive(Debug, Args)]
pub(in crate::cli) struct EventsArgs {
    /// Only events behind this place in the journal
    #[arg(long, value_name = "CURSOR", default_value_t = 0)]
    pub(in crate::cli) since: u64,
    /// Go on with events as they happen
    #[arg(short, long)]
    pub(in crate::cli) follow: bool,
}

impl EventsArgs {
    /// Whether to go on.
    pub(in crate::cli) fn follow(&self) -> Follow {
        if self.follow { Follow::UntilEnd } else { Follow::No }
    }
}
