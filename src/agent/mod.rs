//! Presets: how a known agent is started with a prompt. Data, not code.
//!
//! A prompt always stands behind `--`, so that no prompt is read as an option. Reading an agent's
//! stream and continuing its conversation are deliberately absent for now.

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::task::AgentName;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// How one agent is started.
#[derive(Debug)]
struct Preset {
    name: &'static str,
    /// The program and its options; `{session}` stands for a new conversation id.
    command: &'static [&'static str],
    /// The option before a model's name.
    model: &'static str,
    install: &'static str,
}

const PRESETS: &[Preset] = &[
    Preset {
        name: "opencode",
        command: &["opencode", "run", "--format", "json"],
        model: "--model",
        install: "npm install -g opencode-ai",
    },
    Preset {
        name: "claude",
        command: &[
            "claude",
            "--print",
            "--output-format",
            "stream-json",
            "--verbose",
            "--permission-mode",
            "acceptEdits",
            "--session-id",
            "{session}",
        ],
        model: "--model",
        install: "npm install -g @anthropic-ai/claude-code",
    },
    Preset {
        name: "codex",
        command: &["codex", "exec", "--json", "--sandbox", "workspace-write"],
        model: "--model",
        install: "npm install -g @openai/codex",
    },
];

/// Where sessions are told of: the kind, unless the value says it, and the variable's name.
const SESSION_VARIABLES: &[(Option<&str>, &str)] = &[
    (None, "OFFSHOOT_PARENT"),
    (Some("claude"), "CLAUDE_CODE_SESSION_ID"),
    (Some("codex"), "CODEX_THREAD_ID"),
];

/// A preset made ready for one prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCommand {
    /// The command, program first.
    pub command: Vec<String>,
    /// The conversation's id, where we choose it.
    pub session: Option<String>,
}

/// What a preset is asked to do.
#[derive(Debug, Clone, Copy)]
pub struct Assignment<'a> {
    /// The prompt.
    pub prompt: &'a str,
    /// The model, if one was named.
    pub model: Option<&'a str>,
    /// An id for the conversation, used where the agent lets us choose.
    pub session: &'a str,
}

/// The command by which an agent works on a prompt.
///
/// # Errors
/// `not_found` when there is no such preset, or when its program is not installed.
pub fn command(
    agent: &AgentName,
    assignment: &Assignment<'_>,
    environment: &Environment,
) -> Result<AgentCommand> {
    let preset = PRESETS.iter().find(|preset| preset.name == agent.as_str()).ok_or_else(|| {
        Error::not_found(format!("there is no agent `{agent}`"))
            .hint(format!("the presets are {}", names().join(", ")))
            .hint("offshoot dispatch -- CMD ARG…  runs any other command")
    })?;
    let program = preset.command[0];
    if find_program(program, environment).is_none() {
        return Err(Error::not_found(format!("`{program}` is not installed")).hint(preset.install));
    }
    let session = preset.command.contains(&"{session}").then(|| assignment.session.to_owned());
    let mut command: Vec<String> = preset
        .command
        .iter()
        .map(|word| if *word == "{session}" { assignment.session } else { word })
        .map(str::to_owned)
        .collect();
    if let Some(model) = assignment.model {
        // One word, so that a model's name cannot be read as an option of its own.
        command.push(format!("{}={model}", preset.model));
    }
    command.extend(["--".to_owned(), assignment.prompt.to_owned()]);
    Ok(AgentCommand { command, session })
}

/// The names of the presets.
#[must_use]
pub fn names() -> Vec<&'static str> {
    PRESETS.iter().map(|preset| preset.name).collect()
}

/// The kind of the agent that this process was started by, from what it leaves in the environment.
#[must_use]
pub fn calling_agent(environment: &Environment) -> Option<AgentName> {
    let name = if let Some(parent) = parent_session(environment) {
        parent.split(':').next().unwrap_or_default().to_owned()
    } else {
        return None;
    };
    names().contains(&name.as_str()).then(|| AgentName::new(name).ok()).flatten()
}

/// The session that dispatches, as `KIND:ID`.
#[must_use]
pub fn parent_session(environment: &Environment) -> Option<String> {
    SESSION_VARIABLES.iter().find_map(|(kind, name)| {
        let id = environment.text(name)?;
        Some(kind.map_or_else(|| id.to_owned(), |kind| format!("{kind}:{id}")))
    })
}

/// The variable that tells of that session, as `NAME=value`.
#[must_use]
pub fn session_variable(environment: &Environment) -> Option<String> {
    let given = |name: &&str| environment.text(name).map(|id| format!("{name}={id}"));
    SESSION_VARIABLES.iter().find_map(|(_, name)| given(name))
}

fn find_program(program: &str, environment: &Environment) -> Option<PathBuf> {
    let path = environment.get("PATH")?;
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|candidate| {
        candidate
            .metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_is_never_an_option() {
        let folder = tempfile::tempdir().expect("temporary folder");
        for name in names() {
            let program = folder.path().join(name);
            std::fs::write(&program, "").expect("writes");
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("permits");
        }
        let environment = Environment::new([("PATH".into(), folder.path().into())]);
        for name in names() {
            let agent = AgentName::new(name).expect("valid");
            let assignment = Assignment { prompt: "--version", model: Some("-x"), session: "s" };
            let made = command(&agent, &assignment, &environment).expect("is installed");
            assert_eq!(made.command[made.command.len() - 2..], ["--", "--version"]);
            assert!(made.command.contains(&"--model=-x".to_owned()));
        }
    }

    #[test]
    fn a_preset_that_is_not_installed_is_refused_with_the_command_that_installs_it() {
        let environment = Environment::new([("PATH".into(), "/nonexistent".into())]);
        let agent = AgentName::new("claude").expect("valid");
        let assignment = Assignment { prompt: "x", model: None, session: "s" };
        let error = command(&agent, &assignment, &environment).expect_err("refuses");
        assert!(error.hints[0].contains("npm install"));
    }

    #[test]
    fn the_calling_agent_is_known_by_its_session() {
        let environment = Environment::new([("CODEX_THREAD_ID".into(), "t".into())]);
        assert_eq!(parent_session(&environment).as_deref(), Some("codex:t"));
        assert_eq!(calling_agent(&environment).map(String::from).as_deref(), Some("codex"));
        assert_eq!(calling_agent(&Environment::default()), None);
    }
}
