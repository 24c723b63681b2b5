//! The door to git: libgit2 for objects and refs, the executable where only git itself is right.
//!
//! Which of the two does what, and why, stands at the head of each file. Nothing outside this room
//! names the `git2` package, and nothing outside `command` starts git.

mod apply;
mod at_hand;
mod batch;
mod carry;
mod changes;
mod command;
mod error;
mod fingerprint;
mod forecast;
mod foreseen;
mod fresh;
mod ground;
mod half_made;
mod hold;
mod hooks;
mod in_use;
mod index_file;
mod inspect;
mod land;
mod landing_journal;
mod live_changes;
mod loose;
mod lump;
mod merge_batch;
mod merge_tree;
mod objects;
mod open_merge;
mod outlook;
mod pack;
mod parcel;
mod part;
mod patch_id;
mod plain;
mod plan;
mod pool;
mod private_index;
mod quarantine;
mod recorded;
mod recover;
#[cfg(test)]
mod recover_tests;
mod ref_files;
mod refit;
mod refs;
mod replay;
mod repo;
mod revert;
mod scout;
mod scratch;
mod snapshot;
mod staging;
mod stock;
mod strip;
mod survey;
mod swap;
mod target;
mod trash;
mod tree_check;
mod tree_diff;
mod tree_plan;
mod tree_writer;
mod unchanged;
mod untangled;
mod worktree;

pub use changes::DiffRange;
pub use command::{Git, GitCommand, Output};
pub use fingerprint::{Fingerprint, MainCheckout, MainFile, StashEntry, changed_names};
pub use forecast::Forecaster;
pub use foreseen::{Foreseen, Merging, MergingAsked};
pub use hold::Hold;
pub use hooks::{HookedResult, MESSAGE};
pub use inspect::{Journaled, OwnedEntry};
pub use landing_journal::{Landing, Purpose};
pub use live_changes::LiveRequest;
pub use objects::{NewCommit, Signing};
pub use open_merge::{Conflicted, OpenMerge};
pub use outlook::{Coming, Forecast, Outlook, close_pairs};
pub use part::{Wanted, WholeChange};
pub use plan::{Plan, PlanRequest, Planned};
pub use pool::{FitRequest, PoolOffer, home_of, is_in_pool, shelve, spare_folder};
pub use recover::{Recovered, Recovery};
pub use refs::Expected;
pub use repo::{Checkout, Head, Repo, worktree_root_of};
pub use revert::RevertRequest;
pub use scout::Seen;
pub use snapshot::{Snapshot, SnapshotRequest, SnapshotStart, copy_index};
pub use stock::{Stock, Stocked};
pub use strip::{StripRequest, Stripped, put_back};
pub use trash::{Trashed, delete, doom, is_doomed, last_trashed, rest_of, size_of, trashed_in};
pub use tree_diff::SizedFile;
pub use worktree::{
    NewWorktree, ReleasedWorktree, is_only_copy, is_recycled, mark_recycled, owner_of,
};
