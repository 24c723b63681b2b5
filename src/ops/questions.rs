//! What agents ask while they run, or were not allowed, with nobody there to answer.
//!
//! A question is no entry of the inbox: nobody acknowledges it, and it is over with its attempt. It goes
//! along with the inbox, so that whoever looks there or follows it learns of it while something can be
//! done. Those who can be woken are told besides (`tell.rs`).

use super::inbox::{Sessions, addressee};
use crate::agent;
use crate::context::Context;
use crate::error::Result;
use crate::event::TaskRef;
use crate::notice;
use crate::process;
use crate::task::{Task, TaskState};
use crate::view::QuestionView;

/// The questions of running tasks that are the caller's to hear.
///
/// # Errors
/// `io` when it cannot be listed what runs.
pub fn questions(context: &Context, sessions: Sessions) -> Result<Vec<QuestionView>> {
    if !context.store.exists() {
        return Ok(Vec::new());
    }
    let me = agent::parent_session(&context.environment);
    let mut asked = Vec::new();
    for id in context.store.active_ids()? {
        let Ok(task) = context.store.read(id) else { continue };
        let (TaskState::Running(_), Some(question)) =
            (&task.record.state, task.record.needs_input.clone())
        else {
            continue;
        };
        let parent = task.spec.parent.clone();
        let addressee = addressee(parent.as_deref(), me.as_deref(), || is_closed(&task));
        if sessions.want(addressee, context) {
            asked.push(QuestionView {
                attempt: task.record.attempt,
                text: notice::question(task.name().as_str()),
                task: TaskRef { id, name: task.name().clone() },
                question,
                parent,
                addressee,
            });
        }
    }
    Ok(asked)
}

/// Whether the session that dispatched a task has ended.
pub(super) fn is_closed(task: &Task) -> bool {
    // Of a process in another container nobody here can tell.
    let session = task.spec.tell.session.as_ref();
    session.is_some_and(|session| process::is_alive(session).is_ok_and(|alive| !alive))
}
