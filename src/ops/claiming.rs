//! What a caller claims, and as whom.

use super::lending::enclosing_task;
use crate::agent;
use crate::claim::Claim;
use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::names::TaskId;
use crate::path_lock::{LockOwner, OwnerName};
use crate::process;
use crate::supervisor;
use crate::task::ProcessIdentity;
use std::path::{Path, PathBuf};

/// Pathspecs as the caller wrote them, relative to where it stands; each once.
pub(super) fn claims(context: &Context, texts: &[String]) -> Result<Vec<Claim>> {
    // What is no text in the folder's name may be anything.
    let folder = subdirectory(context).to_string_lossy().replace('\u{fffd}', "*");
    let mut claims = Vec::new();
    for text in texts {
        let claim = Claim::below(&folder, text)?;
        if !claims.contains(&claim) {
            claims.push(claim);
        }
    }
    Ok(claims)
}

/// Where the caller stands in its checkout.
pub(super) fn subdirectory(context: &Context) -> PathBuf {
    let root = context.repo.here().map(|here| here.root.as_path());
    let inner = root.and_then(|root| context.directory.strip_prefix(root).ok());
    inner.unwrap_or_else(|| Path::new("")).to_owned()
}

/// Somebody who locks paths.
pub(super) struct Caller {
    /// Whose the locks are.
    pub(super) owner: LockOwner,
    /// The task it is, and those that it is inside of; what they hold is not in its way.
    pub(super) family: Vec<TaskId>,
}

impl Caller {
    /// Inside a task the task; else whom `name` says; else the session that called, or the process.
    pub(super) fn of(context: &Context, name: Option<&str>) -> Result<Self> {
        let task = enclosing_task(context).map(|id| context.store.read(id)).transpose()?;
        if let Some(task) = task {
            let owner = LockOwner::Task { id: task.id(), name: task.name().clone() };
            return Ok(Self { owner, family: supervisor::family(&context.store, &task) });
        }
        let owner = match name {
            Some(name) => LockOwner::Named { name: OwnerName::new(name)? },
            None => session_or_process(context)?,
        };
        Ok(Self { owner, family: Vec::new() })
    }

    /// Whether a lock of `owner` is in the caller's way.
    pub(super) fn is_kept_out_by(&self, owner: &LockOwner) -> bool {
        !owner.is(&self.owner) && !owner.is_among(&self.family)
    }
}

/// The process that told of the session which calls; none when nobody called in the name of one, or when
/// every process above was told of it in turn.
pub(super) fn session_process(environment: &Environment) -> Result<Option<ProcessIdentity>> {
    let giver = agent::session_variable(environment).and_then(|it| process::giver_of(&it));
    // Our own server of tools calls for the agent that started it.
    let is_server = |pid: i32| {
        process::arguments(pid).is_some_and(|words| words.first().is_some_and(|word| word == "mcp"))
    };
    let giver =
        giver.and_then(|pid| if is_server(pid) { process::parent_of(pid) } else { Some(pid) });
    Ok(giver.map(process::of).transpose()?.flatten())
}

/// A session ends with the process that told of it, the agent itself and not the shell in which it
/// runs one command.
fn session_or_process(context: &Context) -> Result<LockOwner> {
    let environment = &context.environment;
    if let Some(session) = agent::parent_session(environment) {
        let process = session_process(environment)?;
        return Ok(LockOwner::Process { name: OwnerName::new(session)?, process });
    }
    let caller = process::parent().map(process::of).transpose()?.flatten();
    let Some(caller) = caller else {
        return Err(Error::refused("cannot tell which process asks for the lock")
            .hint("`--owner NAME` says whose it is"));
    };
    let name = OwnerName::new(format!("pid:{}@{}", caller.pid, caller.start_time))?;
    Ok(LockOwner::Process { name, process: Some(caller) })
}
