//! Starting the process that tells of a task's end. Whoever supervises, and every verb that recovers,
//! does so for each task that is marked; a process that tells already makes another one leave at once.
//! What an agent asks is told by such a process too, which its supervisor starts once.

use super::launch::complaints;
use crate::error::Result;
use crate::names::TaskId;
use crate::process::Spawn;
use crate::store::Store;
use crate::task::Task;
use std::ffi::OsStr;

/// Has everybody told who is still to be told of the end of a task.
///
/// # Errors
/// `io` when the marks cannot be read or no process can be started.
pub fn tell_of_ends(store: &Store) -> Result<()> {
    for id in store.untold_ids()? {
        match store.read(id) {
            Ok(task) if task.ended().is_some() && task.record.outbox.is_empty() => {}
            // Not yet: it is being tried again, or its end is not in the journal.
            Ok(_) => continue,
            Err(_) => {
                // There is nothing to tell of a task that is not there.
                if !store.has_folder(id) {
                    store.forget_untold(id)?;
                }
                continue;
            }
        }
        if !store.is_telling(id)? {
            start(store, id, &[])?;
        }
    }
    Ok(())
}

/// Has everybody told what the agent of a running task asks.
///
/// # Errors
/// `io` when no process can be started.
pub(super) fn tell_of_question(store: &Store, task: &Task) -> Result<()> {
    let tell = &task.spec.tell;
    if tell.wakes || tell.desktop || tell.bell.is_some() {
        start(store, task.id(), &["--question".as_ref()])?;
    }
    Ok(())
}

fn start(store: &Store, id: TaskId, options: &[&OsStr]) -> Result<()> {
    let id_word = id.to_string();
    let state = [OsStr::new("--state"), store.layout().root().as_os_str(), id_word.as_ref()];
    let words = [&[OsStr::new("tell")], options, &state].concat();
    Spawn::ourselves(&words, &store.environment(id)?)
        .in_folder("/".as_ref())
        .complaining(complaints(store, id)?)
        .start()
        .map(drop)
}
