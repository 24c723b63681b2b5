//! The verbs: one file each, plain functions from a request to an answer.
//!
//! They print nothing and know nothing of command lines. Each begins by taking up what died before
//! (`recover`), so that what it says is the truth; only `doctor` and a dry run of `gc` just look.

pub mod apply;
pub mod diff;
pub mod discard;
pub mod dispatch;
pub mod doctor;
pub mod events;
pub mod forecast;
mod foresight;
pub mod gc;
pub mod hand_back;
pub mod hook;
pub mod inbox;
pub mod job_control;
pub mod land;
pub mod list;
pub mod lock;
pub mod logs;
pub mod pager;
pub mod processes;
pub mod questions;
pub mod restore;
pub mod retry;
pub mod send;
pub mod setup;
pub mod several;
pub mod status;
pub mod tell;
pub mod trust;
pub mod undo;
pub mod upkeep;
pub mod wait;

mod base;
mod claiming;
mod describe;
mod landing_order;
mod lending;
mod overlaps;
mod place;
mod recover;
mod recycle;
mod release;
mod stock;
