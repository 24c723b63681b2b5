//! The integration tests: one binary, a module a story.

mod claims;
mod dispatching;
mod endings;
mod fixtures;
mod git_landing;
mod house;
mod keeping;
mod landing;
mod limits;
mod recovery;
mod sandbox;
mod steering;
mod transitions;
mod watching;
