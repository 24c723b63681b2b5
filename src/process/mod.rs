//! The door to processes: which one it is, what descends from it, signals, waiting, starting.
//!
//! A process is signalled only while a descriptor of it (pidfd) is held and its start time has been
//! compared, so a reused number is never hit. Linux only for now: elsewhere trees cannot be contained.

mod arguments;
mod bounded;
mod ends;
mod fork;
mod gate;
mod identity;
mod reap;
mod rest;
mod spawn;
mod tree;
mod users;
mod verb;

pub use arguments::{arguments, rename};
pub use bounded::run_bounded;
pub use ends::{ChildEnds, wait_for_any};
pub use fork::{Double, Heritage, is_as_started};
pub use gate::{Gate, Gated, NEVER_OPENED, cause_of};
pub use identity::{
    boot_id, current, giver_of, has_open, is_alive, of, parent, parent_of, program, umask,
};
pub use reap::{Ending, is_only_child, peek, reap, reap_others, wait_and_reap};
pub use rest::let_go_of_code;
pub use spawn::{
    Spawn, become_ourselves, complain, complain_to, pager, set_subreaper, set_umask,
    take_standard_input, unblock_signals,
};
pub use tree::{ProcessTree, TreeSignal, carries, hold, wait_until_ended};
pub use users::is_in_use;
pub use verb::{Orphaned, Spoken, verb};
