//! Offshoot: every dispatched task gets a git worktree and a branch of its own, runs there under a
//! lock, and its result is landed without touching anybody's checkout more than needed.
//!
//! The rooms, from the bottom up (imports point down only; `tests/it/house.rs` keeps it so):
//! **words** (pure data and rules), **doors** (each hides one outside thing), **verbs** (`ops`,
//! `supervisor`), **faces** (`cli`, `mcp`). `ARCHITECTURE.md` walks through them.

// Words
pub mod claim;
pub mod diff;
pub mod environment;
pub mod error;
pub mod escape;
pub mod event;
pub mod landing;
pub mod layout;
pub mod names;
pub mod notice;
pub mod outcome;
pub mod path;
pub mod path_lock;
pub mod task;
pub mod timestamp;
pub mod view;

// Doors
pub mod agent;
pub mod clock;
pub mod config;
pub mod disk;
pub mod git;
pub mod lock;
pub mod notify;
pub mod process;
pub mod setup;
pub mod store;
pub mod threads;
pub mod watch;

// Between doors and verbs
pub mod context;

// Verbs
pub mod ops;
pub mod supervisor;

// Faces
pub mod cli;
pub mod mcp;
