//! The door to git: libgit2 for objects and refs, the executable where only git itself is right.
//!
//! Which of the two does what, and why, stands at the head of each file. Nothing outside this room
//! names the `git2` package, and nothing outside `command` starts git.

mod changes;
mod command;
mod error;
mod refs;
mod repo;
mod snapshot;
mod worktree;

pub use changes::DiffRange;
pub use command::{Git, GitCommand, Output};
pub use refs::Expected;
pub use repo::{Checkout, Head, Repo, worktree_root_of};
pub use snapshot::{Snapshot, SnapshotRequest, copy_index};
pub use worktree::{NewWorktree, ReleasedWorktree};
