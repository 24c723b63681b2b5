//! The command line, written once: clap's declaration here, requests for the verbs made from it.
//!
//! Every failure to understand one is an [`Error`] of kind `usage` in our own words; clap never prints.
//! What the contract names and is not built yet parses too, and says so (`later.rs`). Deliberately
//! absent: anything that asks the repository; that is the verbs' business.

mod dispatch;
mod help;
mod landing;
mod later;
mod locks;
mod misread;
mod setup;
mod tasks;
mod tools;
mod upkeep;

pub(super) use dispatch::DispatchArgs;
pub(super) use landing::{MergeArgs, RebaseArgs, UndoArgs};
pub(super) use locks::LockVerb;
pub(super) use setup::{Integration, SetupArgs};
pub(super) use tasks::{
    DiffArgs, DiffForm, EventsArgs, InboxArgs, ListArgs, LogsArgs, PauseArgs, PriorityArgs,
    RetryArgs, SendArgs, WaitArgs,
};
pub(super) use upkeep::{DoctorArgs, GcArgs};

use crate::error::Result;
use crate::names::TaskId;
use clap::error::ErrorKind;
use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;

/// Dispatch tasks into git worktrees of their own, and land what they did
#[derive(Debug, Parser)]
#[command(name = "offshoot", version, subcommand_required = true, subcommand_value_name = "VERB")]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) everywhere: Everywhere,
    #[command(subcommand)]
    pub(super) verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Default, Args)]
pub(super) struct Everywhere {
    /// Answer with one JSON document
    #[arg(long, global = true, display_order = 900)]
    pub(super) json: bool,
    /// Act as if started in DIR
    #[arg(short = 'C', value_name = "DIR", global = true, display_order = 901)]
    pub(super) directory: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Give a task a worktree of its own and queue it; return at once
    #[command(after_help = help::DISPATCH)]
    Dispatch(Box<DispatchArgs>),
    /// Dispatch a task, follow its log and stay until it has ended
    #[command(after_help = help::RUN)]
    Run(Box<DispatchArgs>),
    #[command(flatten)]
    Look(Look),
    #[command(flatten)]
    InPlace(InPlace),
    /// Serve the verbs to a coding agent as tools (MCP)
    #[command(after_help = help::MCP)]
    Mcp,
    /// Print the completion script of a shell
    #[command(after_help = help::COMPLETIONS)]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Tie offshoot to a coding agent: MCP server, hooks or plugin, skill
    #[command(after_help = help::SETUP)]
    Setup(SetupArgs),
    /// Answer a hook of a coding agent; `offshoot setup` writes the hooks that call it
    #[command(after_help = help::HOOK)]
    Hook {
        /// Which agent calls
        agent: Integration,
        /// Wait in the background, and wake an idle session by ending with exit status 2 (Claude Code)
        #[arg(long)]
        wait: bool,
    },
    #[command(flatten)]
    Process(Process),
}

/// What this program is when it is not a command.
#[derive(Debug, Subcommand)]
pub(super) enum Process {
    /// Watch over one task; only offshoot itself calls this
    #[command(hide = true)]
    Supervise {
        /// The state directory
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// The task
        id: TaskId,
    },
    /// Tell of a task's end; only offshoot itself calls this
    #[command(hide = true)]
    Tell {
        /// Of what its agent asks instead
        #[arg(long)]
        question: bool,
        /// The state directory
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
        /// The task
        id: TaskId,
    },
    /// Do what nobody waits for; only offshoot itself calls this
    #[command(hide = true)]
    Upkeep {
        /// The state directory
        #[arg(long, value_name = "DIR")]
        state: PathBuf,
    },
}

/// The verbs that only look, in a repository.
#[derive(Debug, Subcommand)]
pub(super) enum Look {
    /// Show the tasks that still need somebody
    #[command(visible_alias = "ls", after_help = help::LIST)]
    List(ListArgs),
    /// Show one task in full
    #[command(after_help = help::STATUS)]
    Status(OneTask),
    /// Wait until tasks have ended
    #[command(after_help = help::WAIT)]
    Wait(WaitArgs),
    /// Show what the agent wrote
    #[command(after_help = help::LOGS)]
    Logs(LogsArgs),
    /// Show how a task ended, what it changed and what can be done now
    #[command(after_help = help::RESULT)]
    Result(OneTask),
    /// Show what a task changed
    #[command(after_help = help::DIFF)]
    Diff(DiffArgs),
    /// Show completions that nobody has acknowledged
    #[command(after_help = help::INBOX)]
    Inbox(InboxArgs),
    /// Show the journal of everything that happened
    #[command(after_help = help::EVENTS)]
    Events(EventsArgs),
}

/// The other verbs that need nothing but a repository and what stands on the command line.
#[derive(Debug, Subcommand)]
pub(super) enum InPlace {
    /// Stop every process of tasks for a while, their clocks too; hold pending ones
    #[command(after_help = help::PAUSE)]
    Pause(PauseArgs),
    /// Let paused or held tasks go on
    #[command(after_help = help::RESUME)]
    Resume(SomeTasks),
    /// Let pending tasks run earlier or later
    #[command(after_help = help::PRIORITY)]
    Priority(PriorityArgs),
    /// Try an ended task once more
    #[command(after_help = help::RETRY)]
    Retry(RetryArgs),
    /// Tell a task's agent what to do next, in the same worktree
    #[command(after_help = help::SEND)]
    Send(SendArgs),
    /// End tasks, with every process they started
    #[command(after_help = help::CANCEL)]
    Cancel(SomeTasks),
    /// Say what landing open tasks now would do, which get in each other's way, and a good order
    #[command(after_help = help::FORECAST)]
    Forecast(AnyTasks),
    /// Land tasks on their target with a merge commit
    #[command(after_help = help::MERGE)]
    Merge(MergeArgs),
    /// Land tasks on their target commit by commit
    #[command(after_help = help::REBASE)]
    Rebase(RebaseArgs),
    /// Put a result into your checkout, uncommitted
    #[command(after_help = help::APPLY)]
    Apply(OneTask),
    /// Give tasks up; `restore` brings them back
    #[command(after_help = help::DISCARD)]
    Discard(SomeTasks),
    /// Bring discarded tasks back
    #[command(after_help = help::RESTORE)]
    Restore(SomeTasks),
    /// Take a landing back, and open its task again
    #[command(after_help = help::UNDO)]
    Undo(UndoArgs),
    /// Tell others which files and folders you are at work on
    #[command(arg_required_else_help = false, after_help = help::LOCK)]
    Lock {
        /// What to do
        #[command(subcommand)]
        verb: LockVerb,
    },
    /// Say what is inconsistent, and mend it
    #[command(after_help = help::DOCTOR)]
    Doctor(DoctorArgs),
    /// Free what was kept of landed and discarded tasks long enough
    #[command(after_help = help::GC)]
    Gc(GcArgs),
    /// Accept what this repository's `.offshoot.toml` runs for tasks, as it is now
    #[command(after_help = help::TRUST)]
    Trust,
}

impl Look {
    /// Whether it shows what has ended by itself, so that nothing need be said beside it.
    pub(super) fn tells_of_ends(&self) -> bool {
        matches!(self, Self::Inbox(_) | Self::Events(_) | Self::List(_))
    }
}

/// One task.
#[derive(Debug, Args)]
pub(super) struct OneTask {
    /// A task's name, or the first four or more characters of its id
    pub(super) task: String,
}

/// Several tasks.
#[derive(Debug, Args)]
pub(super) struct SomeTasks {
    /// Names of tasks, or the first four or more characters of their ids
    #[arg(value_name = "TASK", required = true)]
    pub(super) tasks: Vec<String>,
}

/// Several tasks, or all that are open.
#[derive(Debug, Args)]
pub(super) struct AnyTasks {
    /// Names of tasks, or the first four or more characters of their ids; all open ones otherwise
    #[arg(value_name = "TASK")]
    pub(super) tasks: Vec<String>,
}

/// What a command line turned out to be.
#[derive(Debug)]
pub(super) enum Parsed {
    /// A verb to carry out.
    Verb(Box<Cli>),
    /// A text that was asked for, such as `--help`.
    Text(String),
    /// Nothing but the program's name.
    Nothing(String),
}

/// Understands a command line; the first argument is the program's name.
///
/// # Errors
/// Of kind `usage` when it makes no sense or asks for something that is not built.
pub(super) fn parse(arguments: &[OsString]) -> Result<Parsed> {
    match understood_at_once(arguments) {
        Some(cli) => Ok(Parsed::Verb(Box::new(cli))),
        None => parse_by_all(arguments),
    }
}

fn parse_by_all(arguments: &[OsString]) -> Result<Parsed> {
    let (mut command, given) = tools::told_apart(command(), arguments);
    let arguments = &*given;
    if arguments.len() < 2 {
        return Ok(Parsed::Nothing(command.render_help().to_string()));
    }
    if let Some(verb) = verb_to_explain(arguments) {
        later::refuse_verb(verb)?;
    }
    match command.try_get_matches_from_mut(arguments) {
        Ok(matches) => {
            later::refuse(&matches)?;
            let cli = Cli::from_arg_matches(&matches)
                .map_err(|error| misread::in_our_words(&error, &command, arguments))?;
            Ok(Parsed::Verb(Box::new(cli)))
        }
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            Ok(Parsed::Text(error.render().to_string()))
        }
        Err(error) => Err(misread::in_our_words(&error, &command, arguments)),
    }
}

/// A command line that begins with its verb and makes sense. To declare all verbs takes longer than what
/// most of them do, so that only those beside it are. Whatever else it is, the whole declaration says.
fn understood_at_once(arguments: &[OsString]) -> Option<Cli> {
    let bare = Everywhere::augment_args(Command::new("offshoot"));
    let dispatching = |verb| DispatchArgs::augment_args(Command::new(verb));
    let mut command = match arguments.get(1)?.to_str()? {
        "dispatch" => bare.subcommand(dispatching("dispatch")),
        "run" => bare.subcommand(dispatching("run")),
        verb if Look::has_subcommand(verb) => Look::augment_subcommands(bare),
        verb if InPlace::has_subcommand(verb) => InPlace::augment_subcommands(bare),
        verb if Process::has_subcommand(verb) => Process::augment_subcommands(bare),
        _ => return None,
    };
    Cli::from_arg_matches(&command.try_get_matches_from_mut(arguments).ok()?).ok()
}

/// A verify command that says something.
fn verify_command(text: &str) -> Result<String, String> {
    let said = |words: &str| Err(words.to_owned());
    match text {
        text if text.trim().is_empty() => said("it is empty"),
        text if text.contains('\0') => said("it holds a NUL character"),
        text => Ok(text.to_owned()),
    }
}

/// The verb of `offshoot help VERB`, for which clap would print a page of its own.
fn verb_to_explain(arguments: &[OsString]) -> Option<&str> {
    let mut rest = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    loop {
        match rest.next()? {
            "help" => return rest.find(|word| !word.starts_with('-')),
            "-C" => drop(rest.next()),
            option if option.starts_with('-') => {}
            _ => return None,
        }
    }
}

/// Clap's declaration of the whole program.
fn command() -> Command {
    later::declare(help::grouped(declared()))
}

/// What is built.
fn declared() -> Command {
    // `run` is `dispatch --wait`; saying it once more harms nothing, but tells nobody anything.
    Cli::command().mut_subcommand("run", |run| run.mut_arg("wait", |wait| wait.hide(true)))
}

/// What the tools of agents are made from.
pub(super) fn as_tools() -> Command {
    tools::by_options(command())
}

/// What a shell may complete: the verbs and options that are built and meant for people.
pub(super) fn completable() -> Command {
    let whole = declared();
    let built = whole.get_subcommands().filter(|verb| !verb.is_hide_set()).cloned();
    Command::new("offshoot").args(whole.get_arguments().cloned()).subcommands(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &[&str]) -> Result<Parsed> {
        let line: Vec<OsString> = ["offshoot"].iter().chain(line).map(OsString::from).collect();
        parse(&line)
    }

    fn refusal(line: &[&str]) -> crate::error::Error {
        parsed(line).expect_err("refused")
    }

    #[test]
    fn the_declaration_holds_together() {
        command().debug_assert();
    }

    #[test]
    fn a_line_means_the_same_by_a_part_of_the_declaration_as_by_all_of_it() {
        for words in [
            "dispatch --name a --after b,c --json -C dir -- sh -c --wait",
            "dispatch --wait --retries 2 prompt",
            "run --env A=b prompt",
            "list --all --state failed",
            "wait --any --timeout 10m a b",
            "diff a --against target -- src",
            "merge a b --squash",
            "lock acquire a",
            "supervise --state dir 3f2a3f2a-3f2a-4f2a-8f2a-3f2a3f2a3f2a",
        ] {
            let line = std::iter::once("offshoot").chain(words.split(' '));
            let line: Vec<OsString> = line.map(OsString::from).collect();
            let part = understood_at_once(&line).expect(words);
            let Ok(Parsed::Verb(all)) = parse_by_all(&line) else { panic!("{words}") };
            assert_eq!(format!("{part:?}"), format!("{all:?}"));
        }
        for words in ["", "--json list", "ls", "help", "dispatch --help", "disptch", "as-tool list"]
        {
            let line = std::iter::once("offshoot").chain(words.split_terminator(' '));
            let line: Vec<OsString> = line.map(OsString::from).collect();
            assert!(understood_at_once(&line).is_none(), "{words}");
        }
    }

    #[test]
    fn what_is_not_built_yet_says_so() {
        for line in
            [&["dispatch", "--count", "3", "x"][..], &["-C", "x", "--json", "help", "review"]]
        {
            let error = refusal(line);
            assert!(error.message.ends_with("is not built yet"), "{line:?}: {error}");
            assert_eq!((error.kind.exit_status(), error.hints.len()), (2, 1), "{line:?}");
        }
    }

    #[test]
    fn help_lists_every_verb_that_is_built() {
        let Parsed::Text(help) = parsed(&["--help"]).expect("help") else { panic!("no help") };
        for verb in command().get_subcommands().filter(|verb| !verb.is_hide_set()) {
            assert!(help.contains(&format!("  {} ", verb.get_name())), "{}", verb.get_name());
        }
        let completed: Vec<_> =
            completable().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
        for hidden in ["supervise", "shim", "as-tool"] {
            assert!(!help.contains(hidden) && !completed.contains(&hidden.to_owned()), "{help}");
        }
    }
}
