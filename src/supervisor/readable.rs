//! Descriptors that the event loops wait for.

use crate::error::{Attempt, Error, Result};
use std::os::fd::OwnedFd;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor that can be awaited until it is readable.
///
/// # Errors
/// `io` when the kernel cannot watch it.
pub(super) fn readable(descriptor: OwnedFd) -> Result<AsyncFd<OwnedFd>> {
    #[expect(unsafe_code, reason = "tokio cannot know that a descriptor stays the same")]
    // SAFETY: an `OwnedFd` names one open descriptor from here until `AsyncFd` drops it.
    let watched = unsafe { AsyncFd::register_with_interest(descriptor, Interest::READABLE) };
    watched.map_err(|cause| Error::io("watch a descriptor", &cause.into_parts().1))
}

/// Waits until a descriptor is readable; forever when there is none.
///
/// # Errors
/// `io` when the event loop is gone.
pub(super) async fn wait_readable(descriptor: Option<&AsyncFd<OwnedFd>>) -> Result<()> {
    match descriptor {
        Some(descriptor) => {
            descriptor.readable().await.attempt(|| "watch a descriptor")?.clear_ready();
            Ok(())
        }
        None => std::future::pending().await,
    }
}
