//! What every verb needs: the repository, its records, the clock, the configuration, the environment
//! and where the caller stands. Made once at the edge and handed in.

use crate::clock::Clock;
use crate::config::Config;
use crate::environment::Environment;
use crate::error::{Attempt, Result};
use crate::git::Repo;
use crate::layout::Layout;
use crate::store::Store;
use crate::timestamp::Timestamp;
use std::path::{Path, PathBuf};

/// A caller in a repository.
pub struct Context {
    /// The repository.
    pub repo: Repo,
    /// Its records.
    pub store: Store,
    /// What time it is.
    pub clock: Clock,
    /// The settings.
    pub config: Config,
    /// The caller's environment.
    pub environment: Environment,
    /// Where the caller stands.
    pub directory: PathBuf,
}

impl Context {
    /// A caller who stands in `directory`.
    ///
    /// # Errors
    /// `not_found` outside any repository, `usage` for a configuration that makes no sense.
    pub fn open(directory: &Path, environment: Environment) -> Result<Self> {
        let directory = std::fs::canonicalize(directory)
            .attempt(|| format!("enter `{}`", directory.display()))
            .map_err(|error| {
                error.hint("stand in a folder of a repository, or name one by `-C`")
            })?;
        let repo = Repo::discover(&directory, &environment)?;
        let clock = Clock;
        let store = Store::new(Layout::of(repo.common_dir()), clock);
        let config = Config::load(repo.main_worktree(), &environment)?;
        Ok(Self { repo, store, clock, config, environment, directory })
    }

    /// The present moment.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A moment in the person's own time zone.
    #[must_use]
    pub fn local_time(&self, moment: Timestamp) -> String {
        self.clock.local(moment)
    }

    /// A path as the caller would write it: relative to where it stands where that is shorter.
    #[must_use]
    pub fn relative(&self, path: &Path) -> String {
        let whole = path.display().to_string();
        let mut up = String::new();
        for ancestor in self.directory.ancestors() {
            if let Ok(rest) = path.strip_prefix(ancestor) {
                let relative = format!("{up}{}", rest.display());
                return if relative.len() < whole.len() && !relative.is_empty() {
                    relative
                } else {
                    whole
                };
            }
            up.push_str("../");
        }
        whole
    }

    /// The person's pager, by git's rules: `GIT_PAGER`, `core.pager`, `PAGER`, else `less`; none where
    /// it is switched off (`cat` or an empty value).
    #[must_use]
    pub fn pager_command(&self) -> Option<String> {
        let command = self
            .environment
            .text("GIT_PAGER")
            .map(str::to_owned)
            .or_else(|| self.repo.config("core.pager"))
            .or_else(|| self.environment.text("PAGER").map(str::to_owned))
            .unwrap_or_else(|| "less".to_owned());
        (!command.trim().is_empty() && command != "cat").then_some(command)
    }

    /// The value of git's `color.ui`.
    #[must_use]
    pub fn config_colour(&self) -> Option<String> {
        self.repo.config("color.ui")
    }
}
