//! Starting the process that tells of a task's end. Whoever supervises, and every verb that recovers,
//! does so for each task that is marked; a process that tells already makes another one leave at once.

use super::launch::complaints;
use crate::error::Result;
use crate::process::Spawn;
use crate::store::Store;

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
            let words = ["tell".as_ref(), "--state".as_ref(), store.layout().root().as_os_str()];
            let id_word = id.to_string();
            let words = [&words[..], &[id_word.as_ref()]].concat();
            Spawn::ourselves(&words, &store.environment(id)?)
                .in_folder("/".as_ref())
                .complaining(complaints(store, id)?)
                .start()?;
        }
    }
    Ok(())
}
