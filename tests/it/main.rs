//! The integration tests: one binary, a module a story.

mod git_landing;
