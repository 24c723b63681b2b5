//! Which process it is, so that a reused number is never taken for it.

use serde::{Deserialize, Serialize};

/// A process for all time: a PID alone is reused, a PID with its start time and boot is not, and
/// from another PID namespace or machine neither can be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot (field 22 of `/proc/PID/stat`, proc(5)).
    pub start_time: u64,
    /// The boot it belongs to (`/proc/sys/kernel/random/boot_id`).
    pub boot_id: String,
    /// The PID namespace in which `pid` is meant (the inode of `/proc/self/ns/pid`).
    pub pid_namespace: u64,
}
