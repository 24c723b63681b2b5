//! `setup`: ties offshoot to a coding agent, or takes that out again. All is worked out before anything
//! is written, so that a file that cannot be changed leaves every file as it was.

use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Attempt, Error, Result};
pub use crate::setup::Agent;
use crate::setup::{self, Kept, Scope};
use crate::task::SCHEMA;
use crate::view::{Done, SetupFileView, SetupView};
use std::path::{Path, PathBuf};

/// Whether things are put in or taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// In.
    Put,
    /// Out.
    Take,
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial {
    /// It is only said what would be.
    Dry,
    /// It is written.
    Real,
}

/// For whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum For {
    /// The person.
    Person,
    /// The repository around this folder.
    RepositoryAround(PathBuf),
}

/// A setup.
#[derive(Debug, Clone)]
pub struct SetupRequest {
    /// Of which agent.
    pub agent: Agent,
    /// For whom.
    pub scope: For,
    /// In or out.
    pub direction: Direction,
    /// Whether to write.
    pub trial: Trial,
}

/// Sets an agent up, or takes the set-up out; says what became of each file.
///
/// # Errors
/// `refused` when a file of the person's is not in its own format (nothing is written then), or inside a
/// task; `busy` when somebody changes a file in the same moment; `io` when one cannot be written.
pub fn setup(request: &SetupRequest, environment: &Environment) -> Result<SetupView> {
    if environment.get("OFFSHOOT_TASK_ID").is_some() && request.trial == Trial::Real {
        return Err(Error::refused("a task cannot change how agents are set up")
            .hint("`offshoot setup` is for the person, outside of any task"));
    }
    let scope = match &request.scope {
        For::Person => Scope::Person,
        For::RepositoryAround(folder) => Scope::Repository(main_worktree(folder, environment)?),
    };
    let agent = request.agent;
    let program = match scope {
        Scope::Person => program(environment)?,
        // Others have it elsewhere.
        Scope::Repository(_) => "offshoot".to_owned(),
    };
    let pieces = setup::pieces(agent, &scope, &program, environment)?;
    let kept = Kept::of(environment)?;
    let plan = |piece| match request.direction {
        Direction::Put => kept.plan_put(piece),
        Direction::Take => kept.plan_take(piece, agent),
    };
    let steps = pieces.iter().map(plan).collect::<Result<Vec<_>>>()?;
    let mut files = Vec::new();
    for (piece, step) in pieces.iter().zip(&steps) {
        match (request.trial, request.direction) {
            (Trial::Dry, _) => {}
            (Trial::Real, Direction::Put) => kept.put(step, agent)?,
            (Trial::Real, Direction::Take) => kept.take(step, agent)?,
        }
        files.push(SetupFileView {
            path: piece.path.clone(),
            what: piece.what.clone(),
            done: step.done,
            backup: (step.done == Done::Changed).then(|| kept.backup(&piece.path)),
        });
    }
    let dry_run = request.trial == Trial::Dry;
    let next = match request.direction {
        Direction::Put => next(agent, &scope),
        Direction::Take => Vec::new(),
    };
    Ok(SetupView { schema: SCHEMA, agent: agent.as_str(), dry_run, files, next })
}

/// How a person tries it, and what only a person can do.
fn next(agent: Agent, scope: &Scope) -> Vec<String> {
    let say = "ask it: use offshoot to run `sleep 5` as a task, and tell me when it has ended";
    let mut next = vec![format!("start {} anew in a repository", agent.as_str()), say.to_owned()];
    match (agent, scope) {
        (Agent::Codex, Scope::Person) => {
            next.insert(
                1,
                "Codex asks at its start whether the hooks may run: trust them there, or later with `/hooks`"
                    .to_owned(),
            );
        }
        (Agent::Claude, Scope::Repository(_)) => {
            next.insert(
                1,
                "Claude asks once whether the repository's MCP server may run".to_owned(),
            );
        }
        _ => {}
    }
    next
}

fn main_worktree(folder: &Path, environment: &Environment) -> Result<PathBuf> {
    let context = Context::open(folder, environment.clone())?;
    context.repo.main_worktree().map(Path::to_owned).ok_or_else(|| {
        Error::refused("a bare repository has no files to set anything up in")
            .hint("leave `--repo` away to set it up for yourself")
    })
}

/// What agents call: the plain name where it leads to this very program, else where the program is.
fn program(environment: &Environment) -> Result<String> {
    let ourselves = std::env::current_exe()
        .and_then(std::fs::canonicalize)
        .attempt(|| "find this program's own file")?;
    let path = environment.get("PATH").unwrap_or_default();
    let found = std::env::split_paths(path)
        .filter(|folder| folder.is_absolute())
        .find_map(|folder| std::fs::canonicalize(folder.join("offshoot")).ok());
    if found.as_ref() == Some(&ourselves) {
        return Ok("offshoot".to_owned());
    }
    ourselves.to_str().map(str::to_owned).ok_or_else(|| {
        Error::refused("this program lies in a folder whose name is no UTF-8 text")
            .hint("install it elsewhere, for instance by `cargo install --path .`")
    })
}
