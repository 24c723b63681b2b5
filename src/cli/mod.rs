//! The command line's face: a command line becomes a request, a verb's answer becomes text or JSON,
//! and an answer or error becomes an exit status.
//!
//! The main flow is [`main`]: parse, open the context, carry out, leave. What the verbs decide is not
//! decided again here; what is printed goes through `output` alone. Deliberately absent: git, disk
//! and processes (those are doors, and verbs use them).

mod args;
mod complain;
mod decide;
mod durations;
mod ending;
mod events;
mod exit;
mod figures;
mod forecast;
mod interrupt;
mod landing;
mod locks;
mod log_text;
mod look;
mod news;
mod offer;
mod output;
mod pager;
mod paint;
mod patch;
mod progress;
mod quoting;
mod run;
mod setup;
mod sizes;
mod summary;
mod table;
mod trust;
mod upkeep;

use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Attempt, ErrorKind, Result};
use crate::ops::processes;
use args::{Cli, InPlace, Look, Parsed, Process, Verb};
use exit::Exit;
use output::{Format, Output};
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Serves the verbs as tools: by clap's declaration of them, every argument a long option, and by how
/// durations are read; for calls that name no directory in this one. It is another face, which
/// `main.rs` hands in, since faces know nothing of each other.
pub type ServeTools = fn(
    clap::Command,
    fn(&str) -> Result<Duration, String>,
    Option<PathBuf>,
    Environment,
) -> Result<()>;

/// The program: reads its command line and environment, does what they ask, says how it went.
#[must_use]
pub fn main(serve_tools: ServeTools) -> ExitCode {
    let environment = Environment::new(std::env::vars_os());
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let mut output = Output::new(environment.clone(), Format::asked_for(&arguments));
    match answer(&arguments, environment, &mut output, serve_tools) {
        Ok(exit) => exit.into(),
        Err(_) if output.reader_has_gone() => ExitCode::SUCCESS,
        Err(error) => {
            complain::complain(&output, &error);
            ExitCode::from(error.kind.exit_status())
        }
    }
}

/// Where a verb acts; opened once for the verb, and again by whoever must act beside it.
#[derive(Clone)]
struct Place {
    directory: PathBuf,
    /// The directory of `-C`, as it was written.
    asked: Option<PathBuf>,
    environment: Environment,
}

impl Place {
    fn of(asked: Option<PathBuf>, environment: Environment) -> Result<Self> {
        let current = std::env::current_dir().attempt(|| "find the current directory")?;
        let directory = asked.as_ref().map_or_else(|| current.clone(), |asked| current.join(asked));
        Ok(Self { directory, asked, environment })
    }

    fn open(&self) -> Result<Context> {
        let opened = Context::open(&self.directory, self.environment.clone());
        opened.map_err(|error| match &self.asked {
            Some(asked) if error.kind == ErrorKind::Io && !self.directory.is_dir() => {
                let asked = quoting::word(&asked.to_string_lossy());
                error.hint(format!("`-C {asked}` must name a folder inside a git repository"))
            }
            _ => error,
        })
    }

    /// Opens it and colours the output as the repository's git configuration says.
    fn open_for(&self, output: &mut Output) -> Result<Context> {
        let context = self.open()?;
        // It can only take colours away.
        if output.has_colours() {
            output.colour_as_configured(context.config_colour().as_deref());
        }
        Ok(context)
    }
}

fn answer(
    arguments: &[OsString],
    environment: Environment,
    output: &mut Output,
    serve_tools: ServeTools,
) -> Result<Exit> {
    match args::parse(arguments)? {
        Parsed::Verb(cli) => {
            let words = arguments.iter().filter_map(|word| word.to_str().map(str::to_owned));
            let asked = Asked { cli: *cli, words: words.collect() };
            carry_out(asked, environment, output, serve_tools)
        }
        Parsed::Text(text) => output.write(text.as_bytes()).map(|()| Exit::Done),
        Parsed::Nothing(help) => {
            output.tell(help.trim_end());
            Ok(Exit::Usage)
        }
    }
}

/// A command line, understood, and its words, which name the tasks that it is about.
struct Asked {
    cli: Cli,
    words: Vec<String>,
}

fn carry_out(
    asked: Asked,
    environment: Environment,
    output: &mut Output,
    serve_tools: ServeTools,
) -> Result<Exit> {
    let Asked { cli: Cli { everywhere, verb }, words } = asked;
    output.format = if everywhere.json { Format::Json } else { Format::Text };
    let directory = everywhere.directory;
    let place = || Place::of(directory.clone(), environment.clone());
    match verb {
        Verb::Dispatch(args) if !args.wait => {
            let request = args.into_request(&mut std::io::stdin())?;
            let context = place()?.open_for(output)?;
            let exit = run::dispatch(&context, output, request)?;
            news::notice(&context, output, &words);
            Ok(exit)
        }
        Verb::Dispatch(args) | Verb::Run(args) => {
            let request = args.into_request(&mut std::io::stdin())?;
            let place = place()?;
            run::run(&place, &place.open_for(output)?, output, request)
        }
        Verb::Look(verb) => {
            let context = place()?.open_for(output)?;
            let tells = verb.tells_of_ends();
            let exit = look(verb, &context, output)?;
            if !tells {
                news::notice(&context, output, &words);
            }
            Ok(exit)
        }
        Verb::InPlace(verb) => {
            let context = place()?.open_for(output)?;
            let exit = in_place(verb, &context, output)?;
            news::notice(&context, output, &words);
            Ok(exit)
        }
        Verb::Setup(args) => {
            setup::setup(args.into_request(place()?.directory), &environment, output)
        }
        Verb::Hook { agent, wait } => {
            let answer = if wait { news::rewake } else { news::hook };
            Ok(answer(agent, &place()?.directory, &environment, output))
        }
        Verb::Mcp => {
            tell_a_person_of_tools(output);
            serve_tools(args::as_tools(), durations::parse, directory, environment)
                .map(|()| Exit::Done)
        }
        Verb::Completions { shell } => completions(shell, output),
        Verb::Process(process) => carry_on(process, &environment),
    }
}

fn carry_on(process: Process, environment: &Environment) -> Result<Exit> {
    match process {
        Process::Supervise { state, id } => processes::supervise(&state, id).map(|()| Exit::Done),
        Process::Tell { state, id, question: false } => {
            processes::tell(&state, id, environment).map(|()| Exit::Done)
        }
        Process::Tell { state, id, question: true } => {
            processes::tell_question(&state, id, environment).map(|()| Exit::Done)
        }
        Process::Upkeep { state } => processes::upkeep(&state, environment).map(|()| Exit::Done),
    }
}

fn look(verb: Look, context: &Context, output: &Output) -> Result<Exit> {
    match verb {
        Look::List(args) => look::list(context, output, &args.into_request()),
        Look::Status(args) => look::status(context, output, &args.task),
        Look::Wait(args) => look::wait(context, output, &args.into_request()),
        Look::Logs(args) => look::logs(context, output, &args.into_request(output.format)),
        Look::Result(args) => look::result(context, output, &args.task),
        Look::Diff(args) => {
            let form = args.form();
            look::diff(context, output, &args.into_request(), form)
        }
        Look::Inbox(args) => news::inbox(context, output, &args),
        Look::Events(args) => news::events(context, output, &args),
    }
}

fn in_place(verb: InPlace, context: &Context, output: &Output) -> Result<Exit> {
    match verb {
        InPlace::Pause(args) => decide::pause(context, output, &args),
        InPlace::Resume(args) => decide::resume(context, output, &args.tasks),
        InPlace::Priority(args) => decide::prioritise(context, output, &args),
        InPlace::Retry(args) => run::retry(context, output, &args),
        InPlace::Send(args) => run::send(context, output, &args),
        InPlace::Cancel(args) => decide::cancel(context, output, &args.tasks),
        InPlace::Forecast(args) => forecast::forecast(context, output, &args.tasks),
        InPlace::Merge(args) => {
            let request = args.into_request(&mut std::io::stdin(), &context.directory)?;
            decide::land(context, output, &request)
        }
        InPlace::Rebase(args) => decide::land(context, output, &args.into_request()),
        InPlace::Apply(args) => decide::apply(context, output, &args.task),
        InPlace::Discard(args) => decide::discard(context, output, &args.tasks),
        InPlace::Restore(args) => decide::restore(context, output, &args.tasks),
        InPlace::Undo(args) => decide::undo(context, output, &args.into_request()),
        InPlace::Lock { verb } => locks::lock(context, output, verb),
        InPlace::Doctor(args) => upkeep::doctor(context, output, &args),
        InPlace::Gc(args) => upkeep::gc(context, output, &args),
        InPlace::Trust => trust::trust(context, output),
    }
}

/// Nothing else would happen on the terminal of somebody who wonders what it is.
fn tell_a_person_of_tools(output: &Output) {
    if output.has_person() {
        output
            .tell("this is for coding agents; `offshoot mcp --help` says how they are told of it");
    }
}

fn completions(shell: clap_complete::Shell, output: &Output) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut args::completable(), "offshoot", &mut script);
    output.write(&script).map(|()| Exit::Done)
}
