//! The integration tests: one binary, a module a story.

mod fixtures;
mod house;
mod sandbox;
