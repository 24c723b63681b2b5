//! What earlier forecasts came to, so that nothing is merged twice while neither the commits nor the way
//! of merging change.
//!
//! Kept are answers about the tips that targets have now; a target that moves takes its own with it, but
//! for those that do not depend on it.

use crate::context::Context;
use crate::error::Result;
use crate::git::{Foreseen, Merging, MergingAsked};
use crate::names::CommitId;
use crate::task::SCHEMA;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What is known at the beginning of a forecast.
pub(super) struct Foresight {
    /// How git merges; none where nothing can be kept.
    merging: Option<Merging>,
    targets: BTreeMap<CommitId, Foreseen>,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    schema: u32,
    merging: String,
    targets: BTreeMap<CommitId, Foreseen>,
}

impl Foresight {
    /// All that still holds, by what git was asked about its way of merging.
    pub(super) fn of(context: &Context, asked: Result<MergingAsked>) -> Self {
        // Who cannot tell how git merges merges.
        let merging = asked.and_then(|asked| context.repo.merging(asked)).ok().flatten();
        let kept = || {
            let name = &merging.as_ref()?.name;
            context.store.foreseen().filter(|kept: &Kept| kept.merging == *name)
        };
        let targets = kept().map(|kept| kept.targets);
        Self { targets: targets.unwrap_or_default(), merging }
    }

    /// What is known of one target; none where nothing can be.
    pub(super) fn of_target(&self, tip: CommitId) -> Option<Foreseen> {
        let known = || self.targets.get(&tip).cloned().unwrap_or_else(|| self.handed_on());
        self.merging.as_ref().map(|_| known())
    }

    /// Whether git merges a file in the same way whatever it is called, as far as is known.
    pub(super) fn is_the_same_for_all(&self) -> bool {
        self.merging.as_ref().is_some_and(|merging| merging.is_the_same_for_all)
    }

    fn handed_on(&self) -> Foreseen {
        Foreseen::handed_on(self.targets.values())
    }

    /// Keeps what was told now with what was known, as far as it is about the present `tips`.
    pub(super) fn keep(
        self,
        context: &Context,
        tips: &BTreeSet<CommitId>,
        told: Vec<(CommitId, Foreseen)>,
    ) {
        let Some(Merging { name: merging, .. }) = &self.merging else { return };
        let mut all = self.targets.clone();
        all.retain(|tip, _| tips.contains(tip));
        for (tip, told) in &told {
            all.entry(*tip).or_insert_with(|| self.handed_on()).extend(told.clone());
        }
        if all == self.targets {
            return;
        }
        let mut kept = Kept { schema: SCHEMA, merging: merging.clone(), targets: all };
        // A forecast that cannot be kept is made again.
        if let Ok(false) = context.store.note_foreseen(&kept) {
            kept.targets = told.into_iter().collect();
            drop(context.store.note_foreseen(&kept));
        }
    }
}
