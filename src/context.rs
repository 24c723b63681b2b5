//! Stub: replaced by the real file.
#![expect(missing_docs, reason = "a stub")]
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::timestamp::Timestamp;
use std::path::Path;

pub struct Context {}

impl Context {
    pub fn open(_directory: &Path, _environment: Environment) -> Result<Context> {
        Err(Error::internal("a stub"))
    }
    #[must_use]
    pub fn local_time(&self, at: Timestamp) -> String {
        at.to_string()
    }
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::from_millis(0)
    }
    #[must_use]
    pub fn relative(&self, path: &Path) -> String {
        path.display().to_string()
    }
    #[must_use]
    pub fn pager_command(&self) -> Option<String> {
        None
    }
    #[must_use]
    pub fn config_colour(&self) -> Option<String> {
        None
    }
}
