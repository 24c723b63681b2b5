//! Doing chores, by a process of its own (`offshoot upkeep`), so that nobody waits for them: folders of
//! which nothing is needed any more are deleted, others made ready for the next tasks, and so are contents.
//!
//! One such process is at it at a time. Every chore stays noted until it is done, so a process that was
//! killed is replaced by the next verb, which goes on where it left off.

use super::recycle::{recycle, refresh, sweep};
use super::stock::{restock, stock};
use crate::context::Context;
use crate::environment::Environment;
use crate::error::{Error, ErrorKind, Result};
use crate::git;
use crate::lock::Wait;
use crate::process::Spawn;
use crate::store::{Chore, What};
use std::path::Path;

/// Has the chores done, if there are any and nobody is at it.
pub(super) fn start(context: &Context) -> Result<()> {
    let store = &context.store;
    let is_idle = store.chores()?.is_empty()
        && store.unready_spares()?.is_empty()
        && !stock(context).is_asked_for();
    if is_idle || store.is_kept_up()? {
        return Ok(());
    }
    // It belongs to no task, whoever starts it.
    let environment = context.environment.without_git_location().without_parent_session();
    let words = ["upkeep".as_ref(), "--state".as_ref(), store.layout().root().as_os_str()];
    Spawn::ourselves(&words, &environment).in_folder("/".as_ref()).start().map(drop)
}

/// Does the chores of the repository that has its state in `state`, until none is left that can be done.
///
/// # Errors
/// When they cannot be listed; what goes wrong with one of them is left to the verb that is about it.
pub fn upkeep(state: &Path, environment: Environment) -> Result<()> {
    let common = state.parent().ok_or_else(|| Error::internal("no state folder was named"))?;
    let context = Context::open(common, environment)?;
    let mut tried = Vec::new();
    loop {
        let Some(lock) = context.store.lock_chores()? else { return Ok(()) };
        // What somebody who died was at work on.
        let _ = sweep(&context);
        for chore in left(&context, &tried)? {
            // The next verb tries again what could not be done now.
            let _ = carry_out(&context, &chore);
            tried.push(chore);
        }
        let refreshed = if context.config.pool.is_on() { refresh(&context) } else { Ok(()) };
        // The next worktree asks again for one that could not be made.
        let _ = restock(&context);
        drop(lock);
        refreshed?;
        // Whoever noted one before that saw that somebody was at it.
        if left(&context, &tried)?.is_empty() {
            return Ok(());
        }
    }
}

fn left(context: &Context, tried: &[Chore]) -> Result<Vec<Chore>> {
    let mut chores = context.store.chores()?;
    chores.retain(|chore| !tried.contains(chore));
    Ok(chores)
}

fn carry_out(context: &Context, chore: &Chore) -> Result<()> {
    match &chore.what {
        What::Delete(folder) => {
            // Whoever noted it holds the task's lock until the folder has this name.
            match context.store.lock_task(chore.task, Wait::briefly()) {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
            if git::is_doomed(folder) {
                // What cannot be deleted is told by the next `gc`, which tries it itself.
                let _ = git::delete(folder);
            }
            context.store.forget_chore(chore)
        }
        What::Recycle => match recycle(context, chore.task) {
            Err(error) if error.kind == ErrorKind::Busy => Ok(()),
            // Its folder is in the trash as ever, or in the pool without a record.
            _ => context.store.forget_chore(chore),
        },
    }
}
