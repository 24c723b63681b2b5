//! What clap refuses, as an error in our own words.
//!
//! Clap's text is taken apart into a message and hints. Its advice to put a value that begins with a
//! dash behind `--` is wrong for us, since a command stands there, so that advice is our own.

use crate::cli::quoting;
use crate::error::Error;
use crate::escape;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use std::ffi::OsString;

/// The error; `arguments` are the whole command line with the program's name.
pub(super) fn in_our_words(
    error: &clap::Error,
    command: &Command,
    arguments: &[OsString],
) -> Error {
    let words: Vec<&str> =
        arguments.iter().skip(1).filter_map(|argument| argument.to_str()).collect();
    let verb = words.iter().find_map(|word| command.find_subcommand(word));
    if error.kind() == ErrorKind::MissingSubcommand {
        return match verb.filter(|verb| verb.has_subcommands()) {
            Some(verb) => Error::usage(format!("`offshoot {}` is no whole verb", verb.get_name()))
                .hint(format!("`offshoot {} --help` says what it takes", verb.get_name())),
            None => Error::usage("no verb was given").hint("`offshoot --help` lists the verbs"),
        };
    }
    if let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) {
        if let Some(verb) = verb.filter(|verb| verb.has_subcommands()) {
            return no_such_verb_of(verb, word);
        }
        return no_such_verb(word, error.get(ContextKind::SuggestedSubcommand), command);
    }
    let (message, mut hints) = paragraphs(&error.render().to_string());
    let name = verb.map(Command::get_name);
    let takes_work = matches!(name, Some("dispatch" | "run"));
    if name != Some("diff") {
        hints.retain(|hint| !hint.starts_with("to pass `"));
    }
    if let Some(hint) = verb.and_then(|verb| dashed_value(verb, &words)) {
        hints.insert(0, hint);
    } else if takes_work && error.kind() == ErrorKind::UnknownArgument {
        let unknown = error.get(ContextKind::InvalidArg).map(ToString::to_string);
        if unknown.is_some_and(|word| !word.starts_with('-')) {
            let hint = "put a prompt of several words in quotes, a command behind `--`";
            hints.insert(0, hint.to_owned());
        } else if error.get(ContextKind::SuggestedArg).is_none() {
            let hint = "`offshoot dispatch - < FILE` takes a prompt that begins with a dash";
            hints.insert(0, hint.to_owned());
        }
    }
    hints.push(name.map_or_else(
        || "`offshoot --help` lists the verbs".to_owned(),
        |verb| format!("`offshoot {verb} --help` explains it"),
    ));
    Error { hints, ..Error::usage(message) }
}

/// How to give an option the value behind it that begins with a dash, where there is one.
fn dashed_value(verb: &Command, words: &[&str]) -> Option<String> {
    let own = words.iter().position(|word| *word == "--").unwrap_or(words.len());
    let (option, value) = words[..own].windows(2).find_map(|pair| {
        let option = named(verb, pair[0]).filter(|option| option.get_action().takes_values())?;
        let dashed = pair[1].len() > 1 && pair[1].starts_with('-');
        // A word that is an option itself was meant as one, and the value was forgotten.
        let free = dashed && named(verb, pair[1].split('=').next()?).is_none();
        let negative = option.is_allow_negative_numbers_set() && pair[1].parse::<f64>().is_ok();
        (free && !negative && !option.is_allow_hyphen_values_set()).then_some((option, pair[1]))
    })?;
    let long = option.get_long()?;
    let unsigned = value.trim_start_matches('-');
    if !unsigned.is_empty() && unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(format!("write `--{long} {unsigned}`, without a dash"));
    }
    let value = quoting::word(value);
    Some(format!("`--{long}={value}` gives a value that begins with a dash"))
}

/// The option of a verb that a word names.
fn named<'a>(verb: &'a Command, word: &str) -> Option<&'a Arg> {
    let is_it = |option: &&Arg| match word.strip_prefix("--") {
        Some(long) => option.get_long() == Some(long),
        None => word.strip_prefix('-').is_some_and(|short| {
            option.get_short().is_some_and(|letter| short.chars().eq([letter]))
        }),
    };
    verb.get_arguments().find(is_it)
}

fn no_such_verb(word: &str, alike: Option<&ContextValue>, command: &Command) -> Error {
    let mut error = Error::usage(format!("there is no verb `{}`", escape::line(word)));
    if let Some(ContextValue::Strings(alike)) = alike {
        let shown = |name: &&String| {
            command.find_subcommand(name.as_str()).is_some_and(|verb| !verb.is_hide_set())
        };
        // Clap lists what is most alike last.
        let alike: Vec<_> =
            alike.iter().filter(shown).rev().map(|name| format!("`offshoot {name}`")).collect();
        if !alike.is_empty() {
            error = error.hint(format!("did you mean {}?", alike.join(" or ")));
        }
    }
    error.hint("`offshoot --help` lists the verbs")
}

/// A verb of two words whose second one means nothing.
fn no_such_verb_of(verb: &Command, word: &str) -> Error {
    let name = verb.get_name();
    let known: Vec<_> =
        verb.get_subcommands().map(|sub| format!("`offshoot {name} {}`", sub.get_name())).collect();
    let known: Vec<_> = known.into_iter().filter(|verb| !verb.ends_with(" help`")).collect();
    Error::usage(format!("there is no verb `{name} {}`", escape::line(word)))
        .hint(format!("there are {}", known.join(", ")))
}

/// Clap renders `error: …`, then `tip: …` and `Usage: …` in paragraphs of their own.
fn paragraphs(text: &str) -> (String, Vec<String>) {
    let mut paragraphs = text.split("\n\n").map(|paragraph| {
        let words = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
        escape::line(&words.replace('\'', "`"))
    });
    let message = paragraphs.next().unwrap_or_default();
    let message = message.trim_start_matches("error: ").to_owned();
    let hints = paragraphs.filter_map(|words| {
        let tip = words.strip_prefix("tip: ").map(str::to_owned);
        tip.or_else(|| words.strip_prefix("Usage: ").map(|usage| format!("usage: {usage}")))
    });
    let hints = hints.collect();
    (message, hints)
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    fn refusal(line: &[&str]) -> Error {
        let line: Vec<OsString> = ["offshoot"].iter().chain(line).map(OsString::from).collect();
        parse(&line).expect_err("refused")
    }

    #[test]
    fn clap_speaks_in_our_words() {
        let error = refusal(&["merge", "--sqash", "a"]);
        assert_eq!(error.message, "unexpected argument `--sqash` found");
        assert_eq!(error.hints[0], "a similar argument exists: `--squash`");
        assert_eq!(error.hints.last().expect("a hint"), "`offshoot merge --help` explains it");
        assert_eq!(error.kind.exit_status(), 2);
        let error = refusal(&["wait"]);
        assert!(error.message.contains("<TASK>"), "{}", error.message);
        let error = refusal(&["disptch", "x"]);
        assert_eq!(error.message, "there is no verb `disptch`");
        assert!(error.hints[0].starts_with("did you mean `offshoot dispatch`"), "{error:?}");
        let error = refusal(&["lock", "aquire", "x"]);
        assert_eq!(error.message, "there is no verb `lock aquire`");
        assert!(error.hints[0].contains("`offshoot lock acquire`"), "{error:?}");
        assert_eq!(refusal(&["lock"]).message, "`offshoot lock` is no whole verb");
        let error = refusal(&["dispatch", "Fix", "it"]);
        assert!(error.hints[0].contains("in quotes"), "{error:?}");
    }

    #[test]
    fn options_alone_are_no_verb() {
        for line in [&["--json"][..], &["-C", "x"]] {
            let error = refusal(line);
            assert_eq!((error.message.as_str(), error.hints.len()), ("no verb was given", 1));
        }
    }

    #[test]
    fn a_value_that_begins_with_a_dash_is_given_with_an_equals_sign() {
        for (line, hint) in [
            (&["dispatch", "--name", "-x", "p"][..], "`--name=-x` gives a value that begins"),
            (&["run", "--base", "--foo", "p"], "`--base=--foo` gives a value"),
            (&["run", "--context", "-a b", "p"], "`--context='-a b'` gives a value"),
            (&["logs", "--tail", "-3", "t"], "write `--tail 3`, without a dash"),
            (&["dispatch", "-x y"], "`offshoot dispatch - < FILE` takes a prompt"),
        ] {
            let error = refusal(line);
            assert!(error.hints[0].starts_with(hint), "{line:?}: {error:?}");
            assert!(!error.hints.iter().any(|hint| hint.contains("as a value")), "{error:?}");
        }
        let error = refusal(&["dispatch", "--name", "--timeout", "5", "p"]);
        assert!(!error.hints[0].contains("dash"), "{error:?}");
    }
}
