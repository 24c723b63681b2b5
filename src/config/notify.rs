//! The table `[notify]`: who is told of a task's end besides the inbox.

use crate::error::{Error, Result};
use crate::task::Tell;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NotifyTable {
    on_done: Option<String>,
    desktop: Option<bool>,
    bell: Option<bool>,
}

/// What the person wants to be told by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notify {
    /// A shell command for the end of every task; `--on-done` counts more.
    pub on_done: Option<String>,
    /// A notification on the desktop.
    pub desktop: bool,
    /// The bell of the terminal that dispatched.
    pub bell: bool,
}

impl NotifyTable {
    /// What of it runs something, in words for a person.
    pub(super) fn commands(&self) -> Vec<String> {
        self.on_done.iter().map(|command| format!("notify.on_done = {command}")).collect()
    }

    /// Puts its values in the place of those that were there.
    pub(super) fn put_into(self, notify: &mut Notify) -> Result<()> {
        if self.on_done.as_ref().is_some_and(|command| command.trim().is_empty()) {
            return Err(Error::usage("`notify.on_done` is empty"));
        }
        notify.on_done = self.on_done.or(notify.on_done.take());
        notify.desktop = self.desktop.unwrap_or(notify.desktop);
        notify.bell = self.bell.unwrap_or(notify.bell);
        Ok(())
    }
}

impl Notify {
    /// What is settled for a task that is dispatched with this command of its own and, where there is
    /// one, at this terminal.
    #[must_use]
    pub fn settle(&self, on_done: Option<String>, terminal: Option<std::path::PathBuf>) -> Tell {
        Tell {
            on_done: on_done.or_else(|| self.on_done.clone()),
            desktop: self.desktop,
            bell: terminal.filter(|_| self.bell),
            ..Tell::default()
        }
    }
}
