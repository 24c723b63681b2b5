//! What somebody asks of a running task's supervisor.

use super::PausedSlot;
use serde::{Deserialize, Serialize};

/// A request to a supervisor, in a numbered file; the number says in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlRequest {
    /// The form of this document.
    pub schema: u32,
    /// What is asked.
    pub action: ControlAction,
}

/// What can be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlAction {
    /// End the task.
    Cancel,
    /// Stop its process tree for a while.
    Pause {
        /// What becomes of its slot.
        slot: PausedSlot,
    },
    /// Let it go on, as soon as it has a slot.
    Resume,
    /// It has a slot: let it go on now. Said by whoever gives slots out.
    Continue,
}
