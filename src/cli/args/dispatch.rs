//! `dispatch` and `run`: from the command line (and standard input) to a request.

use crate::cli::{durations, sizes};
use crate::environment::Variable;
use crate::error::{Attempt, Error, Result};
use crate::escape;
use crate::ops::dispatch::{DispatchRequest, StartFrom, Work};
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// The longest prompt: it is handed to agents as one argument, and Linux allows 128 KiB for one.
const LONGEST_PROMPT: u64 = 120 * 1024;

/// Options of `dispatch` and `run`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DispatchArgs {
    /// What the agent shall do; `-` reads it from standard input
    prompt: Option<String>,
    /// A command to run as it is, instead of an agent
    #[arg(last = true, value_name = "CMD")]
    command: Vec<String>,
    /// The agent that gets the prompt: opencode, claude, codex, gemini, copilot, or another
    #[arg(long, value_name = "NAME")]
    agent: Option<String>,
    /// What to call the task; made from its first words otherwise
    #[arg(long)]
    name: Option<String>,
    /// Where it starts, any commit that git understands [default: HEAD]
    #[arg(long, value_name = "REV")]
    base: Option<String>,
    /// The branch it will land on [default: the base's branch]
    #[arg(long, value_name = "BRANCH")]
    target: Option<String>,
    /// The model that the agent shall use
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Start from your uncommitted changes too
    #[arg(long)]
    with_changes: bool,
    /// Run earlier than tasks with a lower number
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    priority: i32,
    /// Start once these tasks have completed; if one does not, this one ends too
    #[arg(long, value_name = "TASK", value_delimiter = ',')]
    after: Vec<String>,
    /// Start once these tasks have ended, whatever their outcome
    #[arg(long, value_name = "TASK", value_delimiter = ',')]
    after_any: Vec<String>,
    /// Run only while no other task with a claim on these paths does: files, folders or patterns
    #[arg(long, value_name = "PATHSPEC", value_delimiter = ',')]
    claim: Vec<String>,
    /// Try again this often when an attempt fails
    #[arg(long, value_name = "N", default_value_t = 0)]
    retries: u32,
    /// End the task after this long, such as 90s, 10m or 1h30m; a bare number counts seconds
    #[arg(long, value_name = "DURATION", value_parser = durations::parse)]
    timeout: Option<Duration>,
    /// End the task when the agent writes nothing for this long
    #[arg(long, value_name = "DURATION", value_parser = durations::parse)]
    idle_timeout: Option<Duration>,
    /// Let a log take no more disk than this, such as 10MiB; its beginning and end are kept
    #[arg(long, value_name = "SIZE", value_parser = sizes::parse)]
    max_log: Option<u64>,
    /// Run this on the result, in a worktree of its own, at the end and before it lands
    #[arg(long, value_name = "CMD", value_parser = super::verify_command)]
    verify: Option<String>,
    /// Set an environment variable for the agent
    #[arg(long, value_name = "NAME=VALUE")]
    env: Vec<OsString>,
    /// A note of your own, returned with the result
    #[arg(long, value_name = "TEXT")]
    context: Option<String>,
    /// When it has ended, run this shell command with the event as JSON on its standard input
    #[arg(long, value_name = "CMD")]
    on_done: Option<String>,
    /// Your own id of this request: the same one again answers with the same task
    #[arg(long, value_name = "ID")]
    request_id: Option<String>,
    /// Follow the log and stay until the task has ended, as `run` does
    #[arg(long)]
    pub(in crate::cli) wait: bool,
}

impl DispatchArgs {
    /// The request; `input` is read only for the prompt `-`.
    ///
    /// # Errors
    /// Of kind `usage` when there is nothing to do or a value makes no sense.
    pub(in crate::cli) fn into_request(self, input: &mut dyn Read) -> Result<DispatchRequest> {
        let limits = [self.timeout, self.idle_timeout];
        if limits.into_iter().flatten().any(|limit| limit.is_zero()) {
            return Err(Error::usage("a time limit of zero would end the task before it begins")
                .hint("leave `--timeout` away for no limit"));
        }
        let prompt = self.prompt.map(|prompt| whole_prompt(prompt, input)).transpose()?;
        if prompt.as_ref().is_some_and(|prompt| prompt.trim().is_empty()) {
            return Err(Error::usage("the prompt is empty").hint(
                "`offshoot dispatch \"Fix the timeouts\"` gives one, `-` reads it from standard input",
            ));
        }
        Ok(DispatchRequest {
            work: work(self.agent, prompt, self.command)?,
            name: self.name,
            base: self.base,
            target: self.target,
            model: self.model,
            context: self.context,
            env: self.env.iter().map(|pair| variable(pair)).collect::<Result<_>>()?,
            priority: self.priority,
            after: self.after,
            after_any: self.after_any,
            claims: self.claim,
            retries: self.retries,
            timeout: self.timeout,
            idle_timeout: self.idle_timeout,
            max_log: self.max_log,
            verify: self.verify,
            start: if self.with_changes { StartFrom::WithChanges } else { StartFrom::Commit },
            on_done: self.on_done.map(some_command).transpose()?,
            request_id: self.request_id,
        })
    }
}

fn work(agent: Option<String>, prompt: Option<String>, command: Vec<String>) -> Result<Work> {
    match (command.first(), prompt) {
        (None, Some(prompt)) => Ok(Work::Prompt { agent, prompt }),
        (None, None) => Err(Error::usage("there is nothing to dispatch")
            .hint("`offshoot dispatch \"Fix the timeouts\"` gives a prompt to an agent")
            .hint("`offshoot dispatch -- make test` runs a command")),
        (Some(_), _) if agent.is_some() => {
            Err(Error::usage("`--agent` and a command exclude each other")
                .hint("give a prompt to the agent, or leave `--agent` away"))
        }
        (Some(program), _) if program.is_empty() => {
            Err(Error::usage("the command to dispatch is empty")
                .hint("`offshoot dispatch -- make test` runs a command"))
        }
        (Some(_), prompt) => Ok(Work::Command { command, prompt }),
    }
}

fn some_command(line: String) -> Result<String> {
    if line.trim().is_empty() || line.contains('\0') {
        return Err(Error::usage("`--on-done` needs a command")
            .hint("offshoot dispatch --on-done 'jq -r .task.name >> ended.txt' -- make test"));
    }
    Ok(line)
}

pub(super) fn whole_prompt(argument: String, input: &mut dyn Read) -> Result<String> {
    let prompt = if argument == "-" { read_prompt(input)? } else { argument };
    let length = u64::try_from(prompt.len()).unwrap_or(u64::MAX);
    if length > LONGEST_PROMPT {
        return Err(Error::usage(format!(
            "the prompt is longer than {}",
            sizes::bytes(LONGEST_PROMPT)
        ))
        .hint("put the details into a file of the repository and name it in the prompt"));
    }
    if prompt.contains('\0') {
        return Err(Error::usage(
            "the prompt holds a NUL character, which no command can be given",
        ));
    }
    Ok(prompt)
}

fn read_prompt(input: &mut dyn Read) -> Result<String> {
    let mut bytes = Vec::new();
    // One byte more than allowed, so that whoever sends too much is told instead of cut short.
    let mut limited = input.take(LONGEST_PROMPT + 1);
    limited.read_to_end(&mut bytes).attempt(|| "read the prompt from standard input")?;
    if bytes.len() as u64 > LONGEST_PROMPT {
        // The cut may be inside a character; only the length matters here.
        return Ok(String::from_utf8_lossy(&bytes).into_owned());
    }
    String::from_utf8(bytes).map_err(|_| {
        Error::usage("the prompt on standard input is not UTF-8 text")
            .hint("`iconv -t UTF-8` converts it")
    })
}

fn variable(pair: &OsStr) -> Result<Variable> {
    let bytes = pair.as_bytes();
    let middle = bytes.iter().position(|byte| *byte == b'=').filter(|place| *place > 0);
    let Some(middle) = middle else {
        let shown = escape::line(&pair.to_string_lossy());
        return Err(Error::usage(format!("`{shown}` sets no environment variable"))
            .hint("write `--env NAME=VALUE`"));
    };
    let part = |bytes| OsStr::from_bytes(bytes).to_owned();
    Ok(Variable { name: part(&bytes[..middle]), value: part(&bytes[middle + 1..]) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: DispatchArgs,
    }

    fn request(line: &[&str], mut input: &[u8]) -> Result<DispatchRequest> {
        let line = Line::parse_from(["dispatch"].iter().chain(line));
        line.arguments.into_request(&mut input)
    }

    fn refusal(line: &[&str], input: &[u8]) -> String {
        request(line, input).expect_err("refused").message
    }

    #[test]
    fn a_prompt_a_command_or_both_can_be_dispatched() {
        let work = |line: &[&str], input: &[u8]| request(line, input).expect("fine").work;
        assert!(
            matches!(work(&["Fix it"], b""), Work::Prompt { prompt, agent: None } if prompt == "Fix it")
        );
        assert!(
            matches!(work(&["-"], b"Fix\nit\n"), Work::Prompt { prompt, .. } if prompt == "Fix\nit\n")
        );
        assert!(matches!(work(&["--", "make", "-j2"], b""),
            Work::Command { command, prompt: None } if command == ["make", "-j2"]));
        assert!(matches!(work(&["Why", "--", "make"], b""),
            Work::Command { prompt: Some(prompt), .. } if prompt == "Why"));
    }

    #[test]
    fn nothing_to_do_is_a_usage_error() {
        assert_eq!(refusal(&[], b""), "there is nothing to dispatch");
        assert_eq!(refusal(&["-"], b" \n"), "the prompt is empty");
        assert_eq!(refusal(&["-"], b"caf\xe9"), "the prompt on standard input is not UTF-8 text");
        assert_eq!(refusal(&["--", ""], b""), "the command to dispatch is empty");
        let long = "ä".repeat(100 * 1024);
        assert_eq!(refusal(&["-"], long.as_bytes()), "the prompt is longer than 120 KiB");
        assert!(refusal(&["--agent", "x", "--", "make"], b"").contains("exclude each other"));
        assert!(refusal(&["--timeout", "0", "x"], b"").contains("time limit of zero"));
    }

    #[test]
    fn variables_are_split_at_the_first_equals_sign() {
        let env = request(&["--env", "A=b=c", "--env", "E=", "x"], b"").expect("fine").env;
        let pairs: Vec<_> = env.iter().map(|v| (v.name.to_str(), v.value.to_str())).collect();
        assert_eq!(pairs, [(Some("A"), Some("b=c")), (Some("E"), Some(""))]);
        assert_eq!(refusal(&["--env", "=x", "x"], b""), "`=x` sets no environment variable");
    }
}
