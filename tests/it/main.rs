//! The integration tests: one binary, a module a story.

mod dispatching;
mod endings;
mod fixtures;
mod git_landing;
mod house;
mod isolation;
mod landing;
mod recovery;
mod sandbox;
mod setup;
mod transitions;
mod watching;
