//! The configuration: built-in values, the person's file, the repository's file, `OFFSHOOT_*`
//! variables; later ones win.
//!
//! The repository's file is read from the main checkout, never from a task's result. What it would run
//! is told apart (`shared`), for it runs only after the person has accepted that content (`trust.rs`).
//! A key that is not known is refused: a typo that changes nothing misleads.

mod agents;
mod notify;
mod pool;
mod setup;
mod trust;

pub use notify::Notify;
pub use pool::Pool;
pub use trust::Trust;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::escape;
use crate::task::{AgentName, PortRange, Preset, Setup};
use crate::threads;
use notify::NotifyTable;
use pool::PoolTable;
use serde::Deserialize;
use setup::SetupTable;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a process may take to end after it was asked to.
const GRACE: Duration = Duration::from_secs(5);

/// How long a verify command may take.
const VERIFY: Duration = Duration::from_secs(60 * 60);

/// The least free disk, in bytes, with which a task is still started.
const FREE_DISK: u64 = 256 * 1024 * 1024;
const MIB: u64 = 1024 * 1024;

/// The size above which a file is seldom meant to be committed.
const LARGE_FILE: u64 = 50 * MIB;

/// The settings in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// How many tasks may run at once in a repository, where that is set; [`Self::slots`] always knows.
    pub max_parallel: Option<usize>,
    /// The preset used when none is named.
    pub default_agent: Option<AgentName>,
    /// Agents of one's own, and changes to known ones, by name.
    pub agents: BTreeMap<String, Preset>,
    /// The folder that holds worktrees; by default one beside the repository.
    pub worktree_root: Option<PathBuf>,
    /// What task branches begin with.
    pub branch_prefix: String,
    /// How long a process may take to end after it was asked to.
    pub grace: Duration,
    /// The least free disk, in bytes, with which a task is still started.
    pub min_free_disk: u64,
    /// How long what was released is kept.
    pub keep: Keep,
    /// The worktrees that are kept ready.
    pub pool: Pool,
    /// Leftovers above this size, in bytes, are warned of.
    pub large_file: u64,
    /// What makes a fresh worktree ready.
    pub setup: Setup,
    /// What a shell runs on each result, at its end and before it lands.
    pub verify: Option<String>,
    /// How long that may take.
    pub verify_limit: Duration,
    /// The ports that are handed out to tasks.
    pub ports: PortRange,
    /// Who is told of a task's end.
    pub notify: Notify,
    /// The repository's own file, if it would run something.
    pub shared: Option<SharedCommands>,
}

/// How long the work of landed and discarded tasks is kept before `gc` frees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Refs that hold commits.
    pub refs: Duration,
    /// Folders of released worktrees.
    pub folders: Duration,
    /// How much all these folders may take together.
    pub folders_bytes: u64,
}

const DAY: u64 = 24 * 60 * 60;

impl Default for Keep {
    fn default() -> Self {
        Self { refs: days(14), folders: days(3), folders_bytes: 2 << 30 }
    }
}

fn days(number: u64) -> Duration {
    Duration::from_secs(number.saturating_mul(DAY))
}

/// What a repository's file would run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedCommands {
    /// The file.
    pub file: PathBuf,
    /// All that it holds, as it was when the settings were taken from it.
    pub content: String,
    /// What would run, in words for a person.
    pub commands: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigFile {
    max_parallel: Option<usize>,
    default_agent: Option<String>,
    worktree_root: Option<PathBuf>,
    branch_prefix: Option<String>,
    grace_seconds: Option<u64>,
    min_free_disk_mib: Option<u64>,
    #[serde(default)]
    keep: KeepFile,
    #[serde(default)]
    pool: PoolTable,
    large_file_mib: Option<u64>,
    verify: Option<String>,
    verify_timeout_seconds: Option<u64>,
    setup: Option<SetupTable>,
    #[serde(default)]
    notify: NotifyTable,
    #[serde(default)]
    agents: BTreeMap<String, Preset>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeepFile {
    refs_days: Option<u64>,
    folders_days: Option<u64>,
    folders_bytes: Option<u64>,
}

impl Config {
    /// Reads what applies to a repository whose main checkout is `root`.
    ///
    /// # Errors
    /// `usage` when a file or variable holds what it must not.
    pub fn load(root: Option<&Path>, environment: &Environment) -> Result<Self> {
        let mut config = Self {
            max_parallel: None,
            default_agent: None,
            agents: BTreeMap::new(),
            worktree_root: None,
            branch_prefix: "offshoot/".to_owned(),
            grace: GRACE,
            min_free_disk: FREE_DISK,
            keep: Keep::default(),
            pool: Pool::default(),
            large_file: LARGE_FILE,
            setup: Setup::default(),
            verify: None,
            verify_limit: VERIFY,
            ports: PortRange::default(),
            notify: Notify::default(),
            shared: None,
        };
        let personal = environment
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or_else(|| environment.get("HOME").map(|home| Path::new(home).join(".config")));
        let personal = personal.map(|folder| folder.join("offshoot/config.toml"));
        if let Some(path) = personal {
            let (file, _) = read(&path)?;
            config.take(file, &path.display().to_string())?;
        }
        if let Some(path) = root.map(|root| root.join(".offshoot.toml")) {
            let (file, content) = read(&path)?;
            let mut commands = file.setup.as_ref().map(SetupTable::commands).unwrap_or_default();
            commands.extend(file.notify.commands());
            commands.extend(agents::commands(&file.agents));
            let verify = file.verify.as_ref().filter(|command| !command.trim().is_empty());
            commands.extend(verify.map(|command| format!("verify = {command}")));
            config.take(file, &path.display().to_string())?;
            config.shared =
                (!commands.is_empty()).then_some(SharedCommands { file: path, content, commands });
        }
        config.take(from_environment(environment)?, "the environment")?;
        Ok(config)
    }

    /// How many tasks may run at once in a repository: by default one a processor, but two at least.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.max_parallel.unwrap_or_else(|| threads::processors().max(2))
    }

    fn take(&mut self, file: ConfigFile, source: &str) -> Result<()> {
        let wrong = |error: Error| error.while_trying(format!("use {source}"));
        if let Some(number) = file.max_parallel {
            if number == 0 {
                return Err(wrong(Error::usage("`max_parallel` must be at least 1")));
            }
            self.max_parallel = Some(number);
        }
        if let Some(name) = file.default_agent {
            self.default_agent = Some(AgentName::new(name).map_err(wrong)?);
        }
        if let Some(prefix) = file.branch_prefix {
            // Whatever follows is a valid name, so a valid branch shows that the prefix is one.
            crate::names::BranchName::new(format!("{prefix}x")).map_err(wrong)?;
            self.branch_prefix = prefix;
        }
        if let Some(table) = file.setup {
            table.put_into(&mut self.setup, &mut self.ports).map_err(wrong)?;
        }
        file.notify.put_into(&mut self.notify).map_err(wrong)?;
        file.pool.put_into(&mut self.pool).map_err(wrong)?;
        agents::put_into(&mut self.agents, file.agents).map_err(wrong)?;
        self.worktree_root = file.worktree_root.or(self.worktree_root.take());
        self.min_free_disk = file
            .min_free_disk_mib
            .map_or(self.min_free_disk, |mib| mib.saturating_mul(1024 * 1024));
        self.keep = Keep {
            refs: file.keep.refs_days.map_or(self.keep.refs, days),
            folders: file.keep.folders_days.map_or(self.keep.folders, days),
            folders_bytes: file.keep.folders_bytes.unwrap_or(self.keep.folders_bytes),
        };
        self.large_file =
            file.large_file_mib.map_or(self.large_file, |mib| mib.saturating_mul(MIB));
        // An empty command stands for none.
        self.verify =
            file.verify.or(self.verify.take()).filter(|command| !command.trim().is_empty());
        self.verify_limit =
            file.verify_timeout_seconds.map_or(self.verify_limit, Duration::from_secs);
        self.grace = file.grace_seconds.map_or(self.grace, Duration::from_secs);
        Ok(())
    }
}

/// The settings in a file, and the file as it is.
fn read(path: &Path) -> Result<(ConfigFile, String)> {
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
            return Ok((ConfigFile::default(), String::new()));
        }
        Err(cause) => return Err(Error::io(format!("read `{}`", path.display()), &cause)),
    };
    let file = toml::from_str(&text).map_err(|cause| {
        let said = escape::lines(cause.to_string().trim());
        Error::usage(format!("cannot read `{}`: {said}", path.display()))
    })?;
    Ok((file, text))
}

fn from_environment(environment: &Environment) -> Result<ConfigFile> {
    let number = |name: &str| -> Result<Option<u64>> {
        environment
            .text(name)
            .map(|text| {
                let wrong = || {
                    Error::usage(format!("`{name}` must be a number, not `{}`", escape::line(text)))
                };
                text.parse().map_err(|_| wrong())
            })
            .transpose()
    };
    Ok(ConfigFile {
        max_parallel: number("OFFSHOOT_MAX_PARALLEL")?
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
        default_agent: environment.text("OFFSHOOT_DEFAULT_AGENT").map(str::to_owned),
        worktree_root: environment.get("OFFSHOOT_WORKTREE_ROOT").map(PathBuf::from),
        branch_prefix: environment.text("OFFSHOOT_BRANCH_PREFIX").map(str::to_owned),
        grace_seconds: number("OFFSHOOT_GRACE_SECONDS")?,
        min_free_disk_mib: number("OFFSHOOT_MIN_FREE_DISK_MIB")?,
        keep: KeepFile {
            refs_days: number("OFFSHOOT_KEEP_REFS_DAYS")?,
            folders_days: number("OFFSHOOT_KEEP_FOLDERS_DAYS")?,
            folders_bytes: number("OFFSHOOT_KEEP_FOLDERS_BYTES")?,
        },
        pool: PoolTable {
            size: number("OFFSHOOT_POOL_SIZE")?.map(|n| usize::try_from(n).unwrap_or(usize::MAX)),
            bytes: number("OFFSHOOT_POOL_BYTES")?,
            keep: None,
            stock_bytes: number("OFFSHOOT_POOL_STOCK_BYTES")?,
        },
        large_file_mib: number("OFFSHOOT_LARGE_FILE_MIB")?,
        verify: environment.text("OFFSHOOT_VERIFY").map(str::to_owned),
        verify_timeout_seconds: number("OFFSHOOT_VERIFY_TIMEOUT_SECONDS")?,
        setup: None,
        notify: NotifyTable::default(),
        agents: BTreeMap::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_sources_win_and_typos_are_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let write = |text: &str| std::fs::write(folder.path().join(".offshoot.toml"), text);
        write("max_parallel = 3\nbranch_prefix = \"t/\"\n").expect("writes");
        let environment = Environment::new([("OFFSHOOT_MAX_PARALLEL".into(), "7".into())]);
        let config = Config::load(Some(folder.path()), &environment).expect("loads");
        assert_eq!((config.slots(), config.branch_prefix.as_str()), (7, "t/"));

        write("[keep]\nrefs_days = 1\nfolders_days = 0\n").expect("writes");
        let keep = Config::load(Some(folder.path()), &environment).expect("loads").keep;
        assert_eq!((keep.refs, keep.folders, keep.folders_bytes), (days(1), days(0), 2 << 30));

        write("[agents.mine]\ncommand = [\"x\", \"{prompt}\"]\nstream = \"claude\"")
            .expect("writes");
        let config = Config::load(Some(folder.path()), &environment).expect("loads");
        assert_eq!(config.agents["mine"].stream, Some(crate::task::StreamKind::Claude));
        let shared = config.shared.expect("it would run something");
        assert_eq!(shared.commands, ["agents.mine.command = x '{prompt}'"]);

        for wrong in [
            "[agents.mine]\ncomand = []",
            "[agents.mine]\nstream = \"vim\"",
            "[agents.-]\ncommand = [\"x\"]",
            "max_paralel = 3",
            "max_parallel = 0",
            "branch_prefix = \"-\"",
            "max_parallel =",
            "[keep]\nrefs_day = 1",
            "[keep]\nrefs_days = -1",
            "[pool]\nsize = -1",
            "[pool]\nkeep = [\"../x\"]",
        ] {
            write(wrong).expect("writes");
            assert!(Config::load(Some(folder.path()), &environment).is_err(), "{wrong}");
        }
    }
}
