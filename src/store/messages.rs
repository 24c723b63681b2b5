//! Messages to tasks that wait for their turn: a file each, whose name says in which order.
//!
//! Anybody may leave one, at any time; only the holder of the task's lock takes them. A message becomes
//! an attempt in one write of the record, which names it; from then on its file counts no more, even
//! where nobody came to remove it.

use super::files::{self, Durability};
use super::{Store, TaskLock};
use crate::disk::sync_folder;
use crate::error::Result;
use crate::names::TaskId;
use crate::task::Task;
use serde::{Deserialize, Serialize};

/// What waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its place and name among all.
    pub id: String,
    /// What it says.
    pub text: String,
}

#[derive(Serialize, Deserialize)]
struct Content {
    schema: u32,
    text: String,
}

impl Store {
    /// Leaves a message for a task, durably; returns its id.
    ///
    /// # Errors
    /// `io` when it cannot be written.
    pub fn leave_message(&self, id: TaskId, text: &str) -> Result<String> {
        let folder = self.layout.task(id).messages();
        if !folder.is_dir() {
            files::make_folder(&folder)?;
            sync_folder(self.layout.task(id).root())?;
        }
        let number = self.message_ids(id)?.last().and_then(|last| number_of(last)).unwrap_or(0);
        // Two senders may come to the same number, and are then in either order, but never to the same
        // name.
        let name = format!("{:010}-{}", number + 1, TaskId::random());
        let bytes =
            files::to_json(&Content { schema: crate::task::SCHEMA, text: text.to_owned() })?;
        files::replace(&folder.join(&name), &bytes, Durability::PowerCut)?;
        Ok(name)
    }

    /// How many messages wait for a task.
    ///
    /// # Errors
    /// `io` when they cannot be read.
    pub fn messages_waiting(&self, task: &Task) -> Result<usize> {
        let ids = self.message_ids(task.id())?;
        Ok(ids.iter().filter(|id| Some(*id) != task.record.last_message.as_ref()).count())
    }

    /// Whether a message still waits.
    ///
    /// # Errors
    /// `io` when it cannot be asked.
    pub fn waits(&self, task: &Task, message: &str) -> Result<bool> {
        let taken = task.record.last_message.as_deref() == Some(message);
        Ok(!taken && self.message_ids(task.id())?.iter().any(|id| id == message))
    }

    /// The message whose turn it is. The one that became the last attempt is removed first, if it is
    /// still there: once the record names another, nothing would tell that it has had its turn.
    ///
    /// # Errors
    /// `io` when it cannot be read.
    pub fn next_message(&self, lock: &TaskLock, task: &Task) -> Result<Option<Message>> {
        let folder = self.layout.task(task.id()).messages();
        if let Some(last) = &task.record.last_message {
            self.remove_message(lock, last)?;
        }
        for id in self.message_ids(task.id())? {
            if let Some(content) = files::read_json::<Content>(&folder.join(&id))? {
                return Ok(Some(Message { id, text: content.text }));
            }
        }
        Ok(None)
    }

    /// Removes a message that became an attempt, or that its sender takes back.
    ///
    /// # Errors
    /// `io` when it cannot be removed.
    pub fn remove_message(&self, lock: &TaskLock, message: &str) -> Result<()> {
        files::remove(&self.layout.task(lock.id()).messages().join(message))
    }

    fn message_ids(&self, id: TaskId) -> Result<Vec<String>> {
        let mut ids = files::names_in(&self.layout.task(id).messages())?;
        ids.retain(|name| number_of(name).is_some());
        ids.sort_unstable();
        Ok(ids)
    }
}

fn number_of(name: &str) -> Option<u64> {
    name.split_once('-')?.0.parse().ok()
}
