//! `trust`: the person accepts what the repository's `.offshoot.toml` would run, as it is now.
//!
//! The acceptance lies outside the repository and cannot be given from within a task. Until then
//! nothing is dispatched: running a task without its set-up would be something else than was asked.

use crate::config::Trust;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::task::SCHEMA;
use crate::view::TrustView;

/// Whether the person has accepted the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// There is nothing to accept.
    NothingToRun,
    Trusted,
    Untrusted,
}

fn standing(context: &Context) -> Result<Standing> {
    match &context.config.shared {
        None => Ok(Standing::NothingToRun),
        Some(shared) => {
            let trust = Trust::of(&context.environment)?;
            let holds = trust.holds(context.repo.common_dir(), &shared.content);
            Ok(if holds { Standing::Trusted } else { Standing::Untrusted })
        }
    }
}

/// Refuses while what the repository's file would run is not accepted.
pub(super) fn require(context: &Context) -> Result<()> {
    match standing(context)? {
        Standing::NothingToRun | Standing::Trusted => Ok(()),
        Standing::Untrusted => Err(Error::new(
            ErrorKind::Untrusted,
            "`.offshoot.toml` of this repository runs commands that you have not accepted",
        )
        .hint("offshoot trust")),
    }
}

/// What would run, and whether it was accepted before.
///
/// # Errors
/// `refused` inside a task.
pub fn look(context: &Context) -> Result<TrustView> {
    if context.environment.get("OFFSHOOT_TASK_ID").is_some() {
        return Err(Error::refused("a task cannot accept what is run for tasks")
            .hint("`offshoot trust` is for the person, outside of any task"));
    }
    let shared = context.config.shared.as_ref();
    Ok(TrustView {
        schema: SCHEMA,
        file: shared.map(|shared| shared.file.clone()),
        commands: shared.map(|shared| shared.commands.clone()).unwrap_or_default(),
        trusted: standing(context)? != Standing::Untrusted,
    })
}

/// Accepts what [`look`] showed.
///
/// # Errors
/// `refused` inside a task, `io` when it cannot be recorded.
pub fn trust(context: &Context) -> Result<TrustView> {
    let seen = look(context)?;
    if let Some(shared) = &context.config.shared {
        let trust = Trust::of(&context.environment)?;
        trust.accept(context.repo.common_dir(), &shared.content)?;
    }
    Ok(TrustView { trusted: true, ..seen })
}
