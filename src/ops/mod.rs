//! The verbs: one file each, plain functions from a request to an answer.
//!
//! They print nothing and know nothing of command lines. Each begins by taking up what died before
//! (`recover`), so that what it says is the truth.

pub mod apply;
pub mod diff;
pub mod discard;
pub mod dispatch;
pub mod events;
pub mod inbox;
pub mod job_control;
pub mod land;
pub mod list;
pub mod logs;
pub mod pager;
pub mod processes;
pub mod restore;
pub mod retry;
pub mod several;
pub mod status;
pub mod trust;
pub mod wait;

mod base;
mod describe;
mod lending;
mod place;
mod recover;
mod release;
