//! Doing the same to several tasks, one after another: what was done is told even when a later one is
//! refused.

use super::recover::recover;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::names::TaskId;

/// What was done, and what stopped it from going on.
#[must_use]
#[derive(Debug, Clone, PartialEq)]
pub struct Several<T> {
    /// The answers, in order.
    pub done: Vec<T>,
    /// Why the next task was refused; those after it were not looked at.
    pub stopped: Option<Error>,
}

/// Does something to each task. A word that means no task is refused before anything is done, and a
/// task that is named twice counts once.
pub(super) fn each<T>(
    context: &Context,
    words: &[String],
    mut act: impl FnMut(TaskId) -> Result<T>,
) -> Result<Several<T>> {
    let mut several = Several { done: Vec::new(), stopped: None };
    for id in named(context, words)? {
        match act(id) {
            Ok(answer) => several.done.push(answer),
            Err(error) if several.done.is_empty() => return Err(error),
            Err(error) => {
                several.stopped = Some(error);
                break;
            }
        }
    }
    Ok(several)
}

/// The tasks that the words mean, each once; after what died before was taken up.
pub(super) fn named(context: &Context, words: &[String]) -> Result<Vec<TaskId>> {
    if words.is_empty() {
        return Err(Error::usage("no task was named").hint("offshoot list"));
    }
    recover(context)?;
    let mut ids = Vec::new();
    for word in words {
        let id = context.store.resolve(word)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}
