//! `rebase --no-land`: the task's commits are made again on the target's tip, and its branch and
//! worktree go there. The target stays where it is.

use super::{Candidate, LandRequest, Mode, move_own_branch, unmark};
use crate::context::Context;
use crate::error::Result;
use crate::git::Plan;
use crate::landing::{Strategy, Verdict};
use crate::ops::base::require_branch;
use crate::ops::describe::measure;
use crate::store::TaskLock;
use crate::task::{Change, Moved, MovedWork};
use crate::view::LandingView;

impl Candidate<'_> {
    /// Brings the task's branch up to date with its target.
    pub(super) fn bring_up_to_date(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
    ) -> Result<LandingView> {
        let base = require_branch(context, &self.target)?;
        let planned = match self.plan(context, Strategy::Rebase, base)? {
            Plan::Conflicts(conflicts) => return Ok(self.conflicts(request, base, conflicts)),
            Plan::Ready(planned) if planned.commit != self.settled.tip => planned,
            Plan::Ready(_) | Plan::UpToDate | Plan::NotFastForward => {
                return Ok(self.view(request, base, (base, Verdict::UpToDate)));
            }
        };
        if request.mode == Mode::DryRun {
            return Ok(self.view(request, base, (base, Verdict::Planned)));
        }
        context.store.begin(lock)?;
        let ends = (self.settled.tip, planned.commit);
        let moved = self
            .settled
            .refuse_obstacles(context, self.task, planned.commit)
            .and_then(|()| self.settled.adopt(context, self.task))
            .and_then(|()| move_own_branch(context, lock, self.task, ends, Some(base)));
        if let Err(mut error) = moved {
            unmark(context, lock, self.task)?;
            // It is the task's own branch that goes on, wherever the task is to land.
            error.hints.retain(|hint| !hint.contains("--into"));
            return Err(error);
        }
        let head = planned.commit;
        let work = MovedWork { base, head, diff: measure(context, self.task, (base, head))? };
        let by = context.repo.next_landing_number(&context.store.layout().landings())? - 1;
        let change = Change::Moved(Moved { by, work: Some(work), worktree: None });
        let task = context.store.commit(lock, self.task, change)?;
        context.store.settle(lock, &task)?;
        Ok(self.view(request, base, (base, Verdict::Rebased)))
    }
}
