//! Stub: replaced by the real file.
pub mod apply;
pub mod cancel;
pub mod diff;
pub mod discard;
pub mod dispatch;
pub mod events;
pub mod inbox;
pub mod land;
pub mod list;
pub mod logs;
pub mod pager;
pub mod restore;
pub mod status;
pub mod wait;
