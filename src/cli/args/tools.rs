//! The declaration as tools take it: every argument a long option of its own name, so that no value
//! can be taken for an option, a verb or a command, whatever it begins with.

use crate::ops::processes::AS_TOOL;
use clap::{Arg, Command};
use std::borrow::Cow;
use std::ffi::OsString;

/// The declaration that a command line is to be read by, and what of the line it reads.
pub(super) fn told_apart(
    command: Command,
    arguments: &[OsString],
) -> (Command, Cow<'_, [OsString]>) {
    match arguments {
        [program, word, rest @ ..] if word == AS_TOOL => {
            let rest = std::iter::once(program).chain(rest).cloned().collect();
            (by_options(command), Cow::Owned(rest))
        }
        _ => (command, Cow::Borrowed(arguments)),
    }
}

/// The declaration with every argument as a long option, and lists that are taken as they are.
pub(super) fn by_options(command: Command) -> Command {
    if command.is_hide_set() {
        return command;
    }
    command.mut_args(by_option).mut_subcommands(by_options)
}

fn by_option(arg: Arg) -> Arg {
    let arg = if arg.get_long().is_none() {
        let name = arg.get_id().clone();
        arg.long(name).last(false)
    } else {
        arg
    };
    arg.value_delimiter(None)
}

#[cfg(test)]
mod tests {
    use super::super::{Look, Parsed, Verb, parse};
    use super::*;

    fn parsed(line: &[&str]) -> Verb {
        let line: Vec<OsString> =
            ["offshoot", AS_TOOL].iter().chain(line).map(OsString::from).collect();
        match parse(&line) {
            Ok(Parsed::Verb(cli)) => cli.verb,
            other => panic!("{line:?}: {other:?}"),
        }
    }

    #[test]
    fn the_declaration_holds_together_that_way_too() {
        super::super::as_tools().debug_assert();
    }

    #[test]
    fn a_value_is_a_value_whatever_it_looks_like() {
        let line = ["dispatch", "--prompt=--json", "--command=--wait", "--command=", "--after=a,b"];
        let Verb::Dispatch(args) = parsed(&line) else { panic!("no dispatch") };
        let shown = format!("{args:?}");
        for part in [r#"prompt: Some("--json")"#, r#"command: ["--wait", ""]"#, r#"after: ["a,b"]"#]
        {
            assert!(shown.contains(part), "{shown}");
        }
        let Verb::Look(Look::Diff(args)) =
            parsed(&["diff", "--task=-C", "--paths=-x", "--paths=--", "--directory=-C"])
        else {
            panic!("no diff")
        };
        let shown = format!("{args:?}");
        assert!(shown.contains(r#"task: "-C""#) && shown.contains(r#"["-x", "--"]"#), "{shown}");
    }
}
