//! The integration tests: one binary, a module a story.

mod agents;
mod claims;
mod dispatching;
mod endings;
mod faults;
mod fixtures;
mod forecast;
mod git_landing;
mod hostile;
mod house;
mod isolation;
mod keeping;
mod landing;
mod limits;
mod mcp;
mod recovery;
mod sandbox;
mod scarcity;
mod setup;
mod steering;
mod telling;
mod transitions;
mod tying;
mod verify;
mod watching;
mod worktrees;
