//! The stock of contents: made in the background for the next worktrees, freed by `gc`.

use crate::context::Context;
use crate::disk;
use crate::error::Result;
use crate::git::{Stock, Stocked};

/// The stock of the repository.
pub(super) fn stock(context: &Context) -> Stock {
    Stock { folder: context.store.layout().stock(), most: context.config.pool.stock_bytes }
}

/// Makes the one that is asked for, if the disk has room for it beside the one before.
///
/// # Errors
/// When it cannot be made; the next worktree asks again.
pub(super) fn restock(context: &Context) -> Result<()> {
    let mut stock = stock(context);
    let free = disk::free_bytes(&stock.folder)?.saturating_sub(context.config.min_free_disk);
    stock.most = stock.most.min(free);
    context.repo.restock(&stock)
}

/// The stock, if it is larger than is configured, or has not served for as long as folders are kept.
pub(super) fn superfluous(context: &Context) -> Option<Stocked> {
    let stock = stock(context);
    let found = stock.look()?;
    let unused = found.used.elapsed().unwrap_or_default();
    let is_old = unused >= context.config.keep.folders;
    (found.bytes > stock.most || is_old).then_some(found)
}
