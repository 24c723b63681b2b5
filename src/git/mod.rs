//! The door to git: libgit2 for objects and refs, the executable where only git itself is right.
//!
//! Which of the two does what, and why, stands at the head of each file. Nothing outside this room
//! names the `git2` package, and nothing outside `command` starts git.

mod changes;
mod command;
mod error;
mod merge_tree;
mod objects;
mod plan;
mod refs;
mod replay;
mod repo;
mod snapshot;
mod tree_check;
mod tree_diff;
mod worktree;

pub use changes::DiffRange;
pub use command::{Git, GitCommand, Output};
pub use objects::{NewCommit, Signing};
pub use plan::{Forecast, Plan, PlanRequest, Planned};
pub use refs::Expected;
pub use repo::{Checkout, Head, Repo, worktree_root_of};
pub use snapshot::{Snapshot, SnapshotRequest, SnapshotStart, copy_index};
pub use worktree::{NewWorktree, ReleasedWorktree};
