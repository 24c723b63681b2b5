//! The table `[pool]`: how many released worktrees are kept ready for the next tasks, and how much of what
//! new ones are written from.

use super::setup::inside;
use crate::error::Result;
use serde::Deserialize;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolTable {
    pub(super) size: Option<usize>,
    pub(super) bytes: Option<u64>,
    pub(super) keep: Option<Vec<String>>,
    pub(super) stock_bytes: Option<u64>,
}

/// The pool of spare worktrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// How many there may be; none by default.
    pub size: usize,
    /// How much they may take together.
    pub bytes: u64,
    /// The ignored paths that may stay in them.
    pub keep: Vec<String>,
    /// How much contents of files may take that lie ready to be written, in bytes; 0: there are none.
    pub stock_bytes: u64,
}

impl Default for Pool {
    fn default() -> Self {
        Self { size: 0, bytes: 2 << 30, keep: Vec::new(), stock_bytes: 1 << 30 }
    }
}

impl Pool {
    /// Whether there is one.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.size > 0
    }
}

impl PoolTable {
    /// Puts its values in the place of those that were there.
    pub(super) fn put_into(self, pool: &mut Pool) -> Result<()> {
        if let Some(keep) = self.keep {
            keep.iter().try_for_each(|path| inside(path, "pool.keep"))?;
            pool.keep = keep;
        }
        pool.size = self.size.unwrap_or(pool.size);
        pool.bytes = self.bytes.unwrap_or(pool.bytes);
        pool.stock_bytes = self.stock_bytes.unwrap_or(pool.stock_bytes);
        Ok(())
    }
}
