//! Tools made from clap's declaration of the command line: name, description, schema of the input;
//! and from the arguments of a call the command line that means the same.

use crate::error::{Error, Result};
use clap::builder::StyledStr;
use clap::{Arg, ArgAction, Command};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde_json::{Value, json};
use std::any::TypeId;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::{schemas, words};

/// The argument that names the session a call comes from. It is in no schema, so that no model makes
/// one up; opencode's plugin adds it.
pub(super) const PARENT: &str = "parent";

/// The longest value: it is handed on as one argument of a process, and Linux allows 128 KiB for one.
const LONGEST_VALUE: usize = 120 * 1024;

/// How long a call may wait; clients give up after 60 s.
const LONGEST_WAIT: Duration = Duration::from_secs(50);
const LONGEST_WAIT_WORD: &str = "50s";

/// Verbs that are no tools, and why.
const NO_TOOLS: &[(&str, &str)] = &[
    ("run", "`dispatch`, and the word when it has ended, serve an agent better"),
    ("review", "it needs a terminal"),
    ("trust", "only the person may accept what a repository runs"),
    ("setup", "it changes the person's own files"),
    ("hook", "agents call it by themselves"),
    ("mcp", "it is this server"),
    ("completions", "it is for shells"),
    ("help", "every tool has its description"),
];

/// Arguments that are offered by no tool: an answer is one document, and has an end.
const NOT_OFFERED: &[&str] = &["json", "help", "version", "follow"];

/// Verbs that change nothing: agents may call them unasked, and they end with whoever asked.
const LOOKING: &[&str] =
    &["list", "status", "wait", "logs", "result", "diff", "forecast", "events", "lock_list"];

/// Verbs that change or end what is there; agents ask the person first.
const ASKING_FIRST: &[&str] =
    &["merge", "rebase", "apply", "undo", "cancel", "discard", "gc", "doctor"];

/// Verbs that run somebody's program.
const RUNNING: &[&str] = &["dispatch", "send", "retry", "merge", "rebase"];

/// Arguments that say how long to wait, which is bounded here.
const WAITING: &[(&str, &str)] =
    &[("wait", "timeout"), ("inbox", "wait"), ("lock_acquire", "wait")];

/// What is meant where nothing is said, other than on a command line.
const DEFAULTS: &[(&str, &str, &str)] =
    &[("wait", "timeout", LONGEST_WAIT_WORD), ("logs", "tail", "200")];

/// How durations are read.
pub(super) type ReadDuration = fn(&str) -> Result<Duration, String>;

/// A verb as a tool.
pub(super) struct VerbTool {
    /// Its name: the verb's words with `_` between them.
    pub(super) name: String,
    declared: Command,
    duration: ReadDuration,
}

/// Every verb that is a tool, by a declaration in which every argument is a long option.
pub(super) fn of(mut declared: Command, duration: ReadDuration) -> Vec<VerbTool> {
    declared.build();
    below(&declared, "", duration)
}

fn below(command: &Command, before: &str, duration: ReadDuration) -> Vec<VerbTool> {
    let mut tools = Vec::new();
    let no_tool = |name: &str| NO_TOOLS.iter().any(|(verb, _)| *verb == name);
    let shown = |verb: &&Command| !verb.is_hide_set() && !no_tool(verb.get_name());
    for verb in command.get_subcommands().filter(shown) {
        let name = format!("{before}{}", verb.get_name().replace('-', "_"));
        if verb.has_subcommands() {
            tools.extend(below(verb, &format!("{name}_"), duration));
        } else {
            tools.push(VerbTool { name, declared: verb.clone(), duration });
        }
    }
    tools
}

/// Where a call acts, as `--directory=…`.
pub(super) fn directory(arguments: &JsonObject, usual: Option<&Path>) -> Result<Option<OsString>> {
    let option = |directory: &std::ffi::OsStr| {
        let mut option = OsString::from("--directory=");
        option.push(directory);
        option
    };
    match arguments.get("directory") {
        None | Some(Value::Null) => Ok(usual.map(|usual| option(usual.as_os_str()))),
        Some(Value::String(text)) => Ok(Some(option(text.as_ref()))),
        Some(_) => Err(Error::usage("`directory` is no text")),
    }
}

impl VerbTool {
    /// Whether it changes nothing.
    pub(super) fn only_looks(&self) -> bool {
        LOOKING.contains(&&*self.name)
    }

    /// The tool as clients are told of it.
    pub(super) fn described(&self) -> Tool {
        let about = self.declared.get_about().map(ToString::to_string).unwrap_or_default();
        let more = words::MORE.iter().find(|(tool, _)| *tool == self.name);
        let description = format!("{about}.{}", more.map_or("", |(_, more)| more));
        let is_in = |names: &[&str]| names.contains(&&*self.name);
        let hints = ToolAnnotations::new()
            .read_only(self.only_looks())
            .destructive(is_in(ASKING_FIRST))
            .open_world(is_in(RUNNING));
        let tool = Tool::new(self.name.clone(), description, self.schema()).with_annotations(hints);
        match schemas::of_answer(&self.name) {
            Some(schema) => tool.with_raw_output_schema(schema.into()),
            None => tool,
        }
    }

    fn schema(&self) -> JsonObject {
        let properties: JsonObject =
            self.arguments().map(|arg| (name(arg), self.property(arg))).collect();
        let required: Vec<String> =
            self.arguments().filter(|arg| arg.is_required_set()).map(name).collect();
        let mut schema = JsonObject::new();
        schema.insert("type".into(), "object".into());
        schema.insert("properties".into(), properties.into());
        if !required.is_empty() {
            schema.insert("required".into(), required.into());
        }
        schema
    }

    fn property(&self, arg: &Arg) -> Value {
        let mut one = JsonObject::new();
        let parser = arg.get_value_parser().type_id();
        // A size is counted in bytes and written as `10MiB`.
        let is_size =
            arg.get_value_names().is_some_and(|names| names.iter().any(|it| it == "SIZE"));
        let counts = [TypeId::of::<u32>(), TypeId::of::<u64>(), TypeId::of::<usize>()];
        if !arg.get_action().takes_values() {
            one.insert("type".into(), "boolean".into());
        } else if !is_size && counts.iter().any(|count| parser == *count) {
            one.insert("type".into(), "integer".into());
            one.insert("minimum".into(), 0.into());
        } else if parser == TypeId::of::<i32>() {
            one.insert("type".into(), "integer".into());
        } else {
            one.insert("type".into(), "string".into());
            let words = arg.get_possible_values();
            if !words.is_empty() {
                let words: Vec<&str> = words.iter().map(|word| word.get_name()).collect();
                one.insert("enum".into(), words.into());
            }
        }
        let is_integer = one["type"] == "integer";
        let mut property = if matches!(arg.get_action(), ArgAction::Append) {
            JsonObject::from_iter([
                ("type".to_owned(), json!("array")),
                ("items".to_owned(), one.into()),
            ])
        } else {
            one
        };
        let mut help = arg.get_help().map(StyledStr::to_string).unwrap_or_default();
        if self.waits(&name(arg)) {
            help.push_str(". At most 50s a call");
        }
        property.insert("description".into(), help.into());
        if let Some(default) = self.default(arg) {
            let number = default.parse::<i64>().ok().filter(|_| is_integer);
            property.insert("default".into(), number.map_or_else(|| json!(default), Value::from));
        }
        property.into()
    }

    fn arguments(&self) -> impl Iterator<Item = &Arg> {
        let offered = |arg: &&Arg| {
            let name = name(arg);
            // `dispatch --wait` would be `run`.
            let endless = self.name == "dispatch" && name == "wait";
            !arg.is_hide_set() && !NOT_OFFERED.contains(&&*name) && !endless
        };
        self.declared.get_arguments().filter(offered)
    }

    fn default(&self, arg: &Arg) -> Option<String> {
        if !arg.get_action().takes_values() {
            return None;
        }
        let name = name(arg);
        let ours =
            DEFAULTS.iter().find(|(tool, argument, _)| *tool == self.name && *argument == name);
        let ours = ours.map(|(_, _, default)| (*default).to_owned());
        ours.or_else(|| Some(arg.get_default_values().first()?.to_str()?.to_owned()))
    }

    fn waits(&self, argument: &str) -> bool {
        WAITING.contains(&(&*self.name, argument))
    }

    /// The command line that means the same as a call, without the program's name.
    ///
    /// # Errors
    /// Of kind `usage` for an argument that there is not, or that is of another type.
    pub(super) fn command_line(
        &self,
        arguments: &JsonObject,
        usual: Option<&Path>,
    ) -> Result<Vec<OsString>> {
        let mut line: Vec<String> = self.name.split('_').map(str::to_owned).collect();
        line.push("--json".to_owned());
        for (key, value) in
            arguments.iter().filter(|(key, _)| *key != PARENT && *key != "directory")
        {
            let arg = self.arguments().find(|arg| name(arg) == *key).ok_or_else(|| {
                let known: Vec<_> =
                    self.arguments().map(|arg| format!("`{}`", name(arg))).collect();
                Error::usage(format!("`{}` has no argument `{key}`", self.name))
                    .hint(format!("it has {}", known.join(", ")))
            })?;
            self.add(arg, value, &mut line)?;
        }
        for (_, key, default) in DEFAULTS.iter().filter(|(tool, _, _)| *tool == self.name) {
            if arguments.get(*key).is_none_or(Value::is_null) {
                line.push(format!("--{key}={default}"));
            }
        }
        let mut line: Vec<OsString> = line.into_iter().map(OsString::from).collect();
        line.extend(directory(arguments, usual)?);
        Ok(line)
    }

    fn add(&self, arg: &Arg, value: &Value, line: &mut Vec<String>) -> Result<()> {
        let (key, long) = (name(arg), arg.get_long().unwrap_or_default());
        let wrong =
            |wanted: &str| Error::usage(format!("`{key}` of `{}` is no {wanted}", self.name));
        let may_stand_alone = arg.get_num_args().is_some_and(|count| count.min_values() == 0);
        let alone = !arg.get_action().takes_values() || may_stand_alone;
        match value {
            Value::Null | Value::Bool(false) if alone || value.is_null() => {}
            Value::Bool(true) if self.waits(&key) => {
                line.push(format!("--{long}={LONGEST_WAIT_WORD}"));
            }
            Value::Bool(true) if alone => line.push(format!("--{long}")),
            _ if !arg.get_action().takes_values() => return Err(wrong("truth value")),
            Value::Array(values) if matches!(arg.get_action(), ArgAction::Append) => {
                if values.is_empty() && may_stand_alone {
                    line.push(format!("--{long}"));
                }
                for value in values {
                    let word = word(value).ok_or_else(|| wrong("list of words"))?;
                    line.push(format!("--{long}={}", self.checked(&key, word)?));
                }
            }
            value => {
                let word = word(value).ok_or_else(|| wrong("word"))?;
                line.push(format!("--{long}={}", self.checked(&key, word)?));
            }
        }
        Ok(())
    }

    /// A value that may be handed on; a wait is cut to what a client has patience for.
    fn checked(&self, key: &str, value: String) -> Result<String> {
        if value.len() > LONGEST_VALUE {
            return Err(Error::usage(format!("`{key}` of `{}` is longer than 120 KiB", self.name))
                .hint("put the details into a file of the repository and name it in the prompt"));
        }
        if value.contains('\0') {
            return Err(Error::usage(format!("`{key}` of `{}` holds a NUL character", self.name)));
        }
        if !self.waits(key) {
            return Ok(value);
        }
        match (self.duration)(&value) {
            Ok(wait) if wait > LONGEST_WAIT => Ok(LONGEST_WAIT_WORD.to_owned()),
            Ok(_) => Ok(value),
            Err(why) => Err(Error::usage(format!("`{key}` of `{}`: {why}", self.name))),
        }
    }
}

/// The argument's name in a call.
fn name(arg: &Arg) -> String {
    arg.get_long().unwrap_or_default().replace('-', "_")
}

/// A scalar as a command line has it.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}
