//! `setup` and `hook`: for which agent, and how.

use crate::ops::setup::{Agent, Direction, For, SetupRequest, Trial};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The agents that offshoot can be tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Integration {
    Opencode,
    Claude,
    Codex,
    Gemini,
}

impl Integration {
    /// The same as verbs know it.
    pub(in crate::cli) fn agent(self) -> Agent {
        match self {
            Self::Opencode => Agent::Opencode,
            Self::Claude => Agent::Claude,
            Self::Codex => Agent::Codex,
            Self::Gemini => Agent::Gemini,
        }
    }
}

/// Options of `setup`.
#[derive(Debug, Args)]
pub(in crate::cli) struct SetupArgs {
    /// Which agent
    agent: Integration,
    /// In this repository, for everybody: the MCP server and the skill, nothing that runs by itself
    #[arg(long)]
    repo: bool,
    /// Take it out again
    #[arg(long)]
    remove: bool,
    /// Say what would be done, change nothing
    #[arg(long)]
    dry_run: bool,
}

impl SetupArgs {
    /// The request of somebody who stands in `directory`.
    pub(in crate::cli) fn into_request(self, directory: PathBuf) -> SetupRequest {
        SetupRequest {
            agent: self.agent.agent(),
            scope: if self.repo { For::RepositoryAround(directory) } else { For::Person },
            direction: if self.remove { Direction::Take } else { Direction::Put },
            trial: if self.dry_run { Trial::Dry } else { Trial::Real },
        }
    }
}
