//! The tables `[agents.NAME]`: agents of one's own, and changes to those that are known.

use crate::error::{Error, Result};
use crate::escape;
use crate::task::{AgentName, Preset};
use std::collections::BTreeMap;

/// What of the tables runs something, or decides what is run, in words for a person.
pub(super) fn commands(agents: &BTreeMap<String, Preset>) -> Vec<String> {
    let mut commands = Vec::new();
    for (name, preset) in agents {
        let all =
            [("command", &preset.command), ("continue", &preset.go_on), ("model", &preset.model)];
        for (key, words) in all.into_iter().filter(|(_, words)| !words.is_empty()) {
            let words: Vec<_> = words.iter().map(|word| escape::shell_word(word)).collect();
            commands.push(format!("agents.{name}.{key} = {}", words.join(" ")));
        }
        let env = preset.env.iter();
        commands.extend(env.map(|(key, value)| format!("agents.{name}.env.{key} = {value}")));
    }
    commands
}

/// Puts the tables of one file over those of the files before it.
pub(super) fn put_into(
    all: &mut BTreeMap<String, Preset>,
    agents: BTreeMap<String, Preset>,
) -> Result<()> {
    for (name, preset) in agents {
        AgentName::new(name.clone())?;
        let words = [&preset.command, &preset.go_on, &preset.model].into_iter().flatten();
        let bad_word = words.chain(preset.env.values()).any(|word| word.contains('\0'));
        let bad_name = |name: &String| name.is_empty() || name.contains(['=', '\0']);
        if bad_word || preset.env.keys().any(bad_name) {
            return Err(Error::usage(format!(
                "`agents.{name}` holds what no command can be given"
            )));
        }
        all.entry(name).or_default().change(preset);
    }
    Ok(())
}
