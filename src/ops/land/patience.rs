//! A target that moves between a plan and its landing makes the plan void. It is planned again then, and
//! in the end while nobody begins a commit in the target's checkouts (`git/hold.rs`).

use super::journaled::unmark;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::Landing;
use crate::names::BranchName;
use crate::store::TaskLock;
use crate::task::Task;

/// How often a result is planned while everybody may commit.
const PLANS: usize = 5;

/// How often once more while nobody begins a commit in a checkout of the target; somebody who was about
/// to move it may still come first.
const HELD_PLANS: usize = 3;

/// Whether people may be kept from committing in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::ops) enum Holding {
    Allowed,
    /// A person's programs run in between, which may want the index themselves.
    Never,
}

/// What lands, and where.
pub(in crate::ops) struct Moving<'a> {
    pub(in crate::ops) lock: &'a TaskLock,
    pub(in crate::ops) task: &'a Task,
    pub(in crate::ops) target: &'a BranchName,
}

/// How many plans may still be void.
pub(in crate::ops) struct Patience {
    holding: Holding,
    void: usize,
}

impl Patience {
    pub(in crate::ops) fn new(holding: Holding) -> Self {
        Self { holding, void: 0 }
    }

    /// Plans and lands once. `None` when the target moved by itself in between and may be tried again.
    /// The caller holds the landing lock.
    ///
    /// # Errors
    /// `busy` when it has moved so often that there is no end to be seen.
    pub(in crate::ops) fn attempt<T>(
        &mut self,
        context: &Context,
        moving: &Moving<'_>,
        land: impl FnOnce() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let landed = if self.void < PLANS { land() } else { held(context, moving, land) }?;
        if landed.is_none() {
            self.lose(moving.target)?;
        }
        Ok(landed)
    }

    /// Counts a plan that was void, or whose tree had to be verified first.
    ///
    /// # Errors
    /// As [`attempt`](Self::attempt).
    pub(in crate::ops) fn lose(&mut self, target: &BranchName) -> Result<()> {
        self.void += 1;
        let most = match self.holding {
            Holding::Allowed => PLANS + HELD_PLANS,
            Holding::Never => PLANS,
        };
        if self.void < most {
            return Ok(());
        }
        Err(Error::busy(format!("`{target}` keeps moving: it was elsewhere after every plan"))
            .hint(format!("`git log -5 {target}` shows who moves it"))
            .hint("try again"))
    }
}

/// The same while nobody begins a commit in a checkout of the target.
fn held<T>(
    context: &Context,
    moving: &Moving<'_>,
    land: impl FnOnce() -> Result<Option<T>>,
) -> Result<Option<T>> {
    let Moving { lock, task, target } = moving;
    let folder = context.store.layout().landings();
    let next = context.repo.next_landing_number(&folder)?;
    context.store.begin(lock)?;
    let landed = {
        let held = context.repo.hold(&folder, target);
        held.and_then(|_held| land())
    };
    // What moved the target or the record has its own way with the mark, which may have to stay.
    let begun = context.repo.landings_since(&folder, next)?;
    let is_its = |landing: &Landing| landing.task == task.id().to_string();
    if !begun.iter().any(is_its) && context.store.read(task.id())?.record == task.record {
        unmark(context, lock, task)?;
    }
    landed
}
