//! What the contract names and a later version brings: understood, hidden from help, and refused in
//! words, so that nobody is told that it does not exist.
//!
//! A row moves out of the tables here when it is built.

use crate::error::{Error, Result};
use clap::{Arg, ArgAction, ArgMatches, Command};

/// Verbs, and what serves meanwhile.
const VERBS: [(&str, &str); 1] = [("review", "`offshoot diff TASK` shows what a task changed")];

/// Verbs, and the options that they will have.
type Row = (&'static [&'static str], &'static [&'static str]);

const OPTIONS: [Row; 1] = [(&["dispatch", "run"], &["count", "sandbox"])];

/// Adds the verbs and options to the declaration.
pub(super) fn declare(mut command: Command) -> Command {
    for (verbs, options) in OPTIONS {
        for verb in verbs {
            command = command.mut_subcommand(verb, |sub| {
                options.iter().fold(sub, |sub, name| sub.arg(option(name)))
            });
        }
    }
    VERBS.iter().fold(command, |command, (name, _)| {
        let anything = Arg::new("anything")
            .num_args(0..)
            .trailing_var_arg(true)
            .allow_hyphen_values(true)
            .value_parser(clap::value_parser!(std::ffi::OsString));
        command.subcommand(Command::new(*name).hide(true).disable_help_flag(true).arg(anything))
    })
}

/// Refuses a verb that is not built.
///
/// # Errors
/// Of kind `usage`, saying what serves meanwhile.
pub(super) fn refuse_verb(verb: &str) -> Result<()> {
    match VERBS.iter().find(|(name, _)| *name == verb) {
        None => Ok(()),
        Some((name, meanwhile)) => {
            Err(Error::usage(format!("`offshoot {name}` is not built yet")).hint(*meanwhile))
        }
    }
}

fn option(name: &'static str) -> Arg {
    let option = Arg::new(name).long(name).hide(true);
    option.action(ArgAction::Append).num_args(1..).allow_hyphen_values(true)
}

/// Refuses a command line that asks for any of it.
///
/// # Errors
/// Of kind `usage`, naming what is not built.
pub(super) fn refuse(matches: &ArgMatches) -> Result<()> {
    let Some((verb, given)) = matches.subcommand() else { return Ok(()) };
    refuse_verb(verb)?;
    let options = OPTIONS.iter().filter(|(verbs, _)| verbs.contains(&verb));
    let asked = options
        .flat_map(|(_, options)| *options)
        .find(|name| given.value_source(name) == Some(clap::parser::ValueSource::CommandLine));
    match asked {
        None => Ok(()),
        Some(name) => {
            Err(Error::usage(format!("`--{name}` of `offshoot {verb}` is not built yet"))
                .hint(format!("`offshoot {verb} --help` lists what is")))
        }
    }
}
