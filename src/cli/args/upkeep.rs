//! The verbs that look after what is kept: `doctor` and `gc`.

use crate::ops::{doctor, gc};
use clap::Args;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(in crate::cli) struct DoctorArgs {
    /// Mend what can be mended
    #[arg(long)]
    fix: bool,
}

impl DoctorArgs {
    /// Whether anything is to be changed.
    pub(in crate::cli) fn mode(&self) -> doctor::Mode {
        if self.fix { doctor::Mode::Fix } else { doctor::Mode::Look }
    }
}

/// Options of `gc`.
#[derive(Debug, Args)]
pub(in crate::cli) struct GcArgs {
    /// Only say what would be freed
    #[arg(long)]
    dry_run: bool,
}

impl GcArgs {
    /// Whether anything is to be freed.
    pub(in crate::cli) fn mode(&self) -> gc::Mode {
        if self.dry_run { gc::Mode::DryRun } else { gc::Mode::Free }
    }
}
