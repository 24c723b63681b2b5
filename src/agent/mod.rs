//! Agents that take prompts: which there are (`presets.rs`, and the configuration), and what the
//! streams that they write say (`stream.rs`). Nothing here starts one.

mod presets;
mod stream;

pub use stream::{Line, Reader, Report, Said};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::escape;
use crate::task::{AgentName, Preset};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where sessions are told of: the kind, unless the value says it, and the variable's name.
const SESSION_VARIABLES: &[(Option<&str>, &str)] = &[
    (None, "OFFSHOOT_PARENT"),
    (Some("claude"), "CLAUDE_CODE_SESSION_ID"),
    (Some("codex"), "CODEX_THREAD_ID"),
    (Some("copilot"), "COPILOT_AGENT_SESSION_ID"),
];

/// The agents of the configuration, by name; they count more than those that are known.
pub type Configured = BTreeMap<String, Preset>;

/// The preset of an agent. What the configuration leaves out of a known agent is as it is known.
///
/// # Errors
/// `not_found` when there is no such agent, or when its program is not installed; `usage` when the
/// configuration gives a new one no command.
pub fn preset(
    agent: &AgentName,
    configured: &Configured,
    environment: &Environment,
) -> Result<Preset> {
    let known = presets::known(agent.as_str());
    let mut preset = known.map(presets::Known::preset).unwrap_or_default();
    match configured.get(agent.as_str()) {
        Some(changed) => preset.change(changed.clone()),
        None if known.is_none() => {
            return Err(Error::not_found(format!("there is no agent `{agent}`"))
                .hint(format!("the agents are {}", names(configured).join(", ")))
                .hint("offshoot dispatch -- CMD ARG…  runs any other command"));
        }
        None => {}
    }
    let Some(program) = preset.command.first() else {
        return Err(Error::usage(format!("the configuration gives `{agent}` no command"))
            .hint(format!("[agents.{agent}]\ncommand = [\"PROGRAM\", \"{{prompt}}\"]")));
    };
    if find_program(program, environment).is_none() {
        let missing = format!("`{}` is not installed", escape::line(program));
        let install = known.filter(|known| known.preset().command[0] == *program);
        return Err(match install {
            Some(known) => Error::not_found(missing).hint(known.install),
            None => Error::not_found(missing).hint("it is looked for in the folders of `PATH`"),
        });
    }
    Ok(preset)
}

/// The names of the agents.
#[must_use]
pub fn names(configured: &Configured) -> Vec<&str> {
    let known = presets::KNOWN.iter().map(|known| known.name);
    let own = configured.keys().map(String::as_str);
    known.chain(own.filter(|name| presets::known(name).is_none())).collect()
}

/// The kind of the agent that this process was started by, from what it leaves in the environment.
#[must_use]
pub fn calling_agent(configured: &Configured, environment: &Environment) -> Option<AgentName> {
    let name = if let Some(parent) = parent_session(environment) {
        parent.split(':').next().unwrap_or_default().to_owned()
    } else {
        return None;
    };
    names(configured).contains(&name.as_str()).then(|| AgentName::new(name).ok()).flatten()
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
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|program| is_program(program));
    }
    let path = environment.get("PATH")?;
    std::env::split_paths(path).map(|folder| folder.join(program)).find(|found| is_program(found))
}

fn is_program(path: &Path) -> bool {
    let facts = path.metadata();
    facts.is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An environment in which all known agents are installed.
    fn installed(folder: &Path) -> Environment {
        for known in presets::KNOWN {
            let program = folder.join(&known.preset().command[0]);
            std::fs::write(&program, "").expect("writes");
            std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("permits");
        }
        Environment::new([("PATH".into(), folder.into())])
    }

    #[test]
    fn a_prompt_is_never_an_option_nor_is_a_model() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let environment = installed(folder.path());
        for name in names(&Configured::new()) {
            let agent = AgentName::new(name).expect("valid");
            let preset = preset(&agent, &Configured::new(), &environment).expect("is installed");
            let model = (!preset.model.is_empty()).then_some("-x");
            let words = preset.first("--version", model, "s").expect("fine");
            let last = words.last().expect("a prompt");
            let behind = words[words.len() - 2] == "--" && last == "--version";
            assert!(behind || last.ends_with("=--version"), "{words:?}");
            assert!(model.is_none() || words.contains(&"--model=-x".to_owned()), "{words:?}");
        }
    }

    #[test]
    fn the_configuration_adds_agents_and_changes_known_ones() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let environment = installed(folder.path());
        let changed = Preset { model: vec!["-m".into(), "{model}".into()], ..Preset::default() };
        let own = Preset { command: vec!["claude".into(), "{prompt}".into()], ..Preset::default() };
        let configured = Configured::from([("codex".into(), changed), ("mine".into(), own)]);
        let get = |name| preset(&AgentName::new(name).expect("valid"), &configured, &environment);
        let codex = get("codex").expect("is known");
        assert_eq!(codex.first("p", Some("big"), "").expect("fine")[5..7], ["-m", "big"]);
        assert_eq!(codex.stream, Some(crate::task::StreamKind::Codex));
        assert_eq!(get("mine").expect("is configured").command, ["claude", "{prompt}"]);
        let error = get("yours").expect_err("is neither");
        assert!(error.hints[0].ends_with("aider, goose, mine"), "{error:?}");
    }

    #[test]
    fn a_preset_that_is_not_installed_is_refused_with_the_command_that_installs_it() {
        let environment = Environment::new([("PATH".into(), "/nonexistent".into())]);
        let agent = AgentName::new("claude").expect("valid");
        let error = preset(&agent, &Configured::new(), &environment).expect_err("refuses");
        assert!(error.hints[0].contains("npm install"));
    }

    #[test]
    fn the_calling_agent_is_known_by_its_session() {
        for (agent, variable) in [
            ("claude", "CLAUDE_CODE_SESSION_ID"),
            ("codex", "CODEX_THREAD_ID"),
            ("copilot", "COPILOT_AGENT_SESSION_ID"),
        ] {
            let environment = Environment::new([(variable.into(), "t".into())]);
            assert_eq!(parent_session(&environment), Some(format!("{agent}:t")));
            let calling = calling_agent(&Configured::new(), &environment);
            assert_eq!(calling.map(String::from).as_deref(), Some(agent));
        }
        assert_eq!(calling_agent(&Configured::new(), &Environment::default()), None);
    }
}
