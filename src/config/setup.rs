//! The table `[setup]`: what makes a worktree ready, and which ports a task may use.

use crate::error::{Error, Result};
use crate::escape;
use crate::task::{PortRange, Setup};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Component, Path};

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SetupTable {
    copy: Option<Vec<String>>,
    command: Option<String>,
    timeout_seconds: Option<u64>,
    env: Option<BTreeMap<String, String>>,
    port_base: Option<u16>,
    ports_per_task: Option<u16>,
}

impl SetupTable {
    /// What of it runs something, or decides what is run, in words for a person.
    pub(super) fn commands(&self) -> Vec<String> {
        let command = self.command.iter().map(|command| format!("setup.command = {command}"));
        let env = self.env.iter().flatten();
        let env = env.map(|(name, value)| format!("setup.env.{name} = {value}"));
        command.chain(env).collect()
    }

    /// Puts its values in the place of those that were there.
    pub(super) fn put_into(self, setup: &mut Setup, ports: &mut PortRange) -> Result<()> {
        if let Some(copy) = self.copy {
            copy.iter().try_for_each(|path| inside(path, "setup.copy"))?;
            setup.copy = copy;
        }
        for (name, value) in self.env.unwrap_or_default() {
            if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
                let shown = escape::line(&name);
                return Err(Error::usage(format!("`{shown}` in `setup.env` is no variable")));
            }
            setup.env.insert(name, value);
        }
        setup.command = self.command.or(setup.command.take());
        setup.timeout_seconds = self.timeout_seconds.or(setup.timeout_seconds);
        ports.first = self.port_base.unwrap_or(ports.first);
        ports.per_task = self.ports_per_task.unwrap_or(ports.per_task);
        if ports.first == 0 || ports.per_task == 0 {
            return Err(Error::usage("`port_base` and `ports_per_task` must be at least 1"));
        }
        Ok(())
    }
}

/// Refuses what is no path inside a repository; `key` is where it stands.
pub(super) fn inside(path: &str, key: &str) -> Result<()> {
    let mut components = Path::new(path).components();
    let is_inside = components.all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if is_inside && !path.is_empty() && !path.contains('\0') {
        return Ok(());
    }
    let shown = escape::line(path);
    Err(Error::usage(format!("`{shown}` in `{key}` is no path inside the repository")))
}
