//! `merge --only` and `merge --patch-file`: a part of the work lands as one commit, and the task goes on
//! with the rest. Where the rest fits, its branch sits on the result; where it contradicts the target,
//! it sits on the part alone, and conflicts as it did before.

use super::verify::{Attendance, Judge};
use super::{
    Candidate, Extent, Journey, LandRequest, Mode, message, move_branch, move_own_branch, tip,
    trailers, unmark,
};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::git::{Landing as Move, Plan, PlanRequest, Planned, Purpose, Wanted, WholeChange};
use crate::landing::{LandingRef, Strategy, Verdict};
use crate::names::CommitId;
use crate::ops::base::require_branch;
use crate::ops::describe::measure;
use crate::store::TaskLock;
use crate::task::{Change, Moved, MovedWork, PartLanded, Task};
use crate::view::LandingView;

/// Which part of a task's work lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// What these pathspecs match, relative to the repository's root.
    Paths(Vec<String>),
    /// What this patch does to what the task's diff is taken against.
    Patch(Vec<u8>),
}

/// What the task goes on with.
struct Rest {
    commit: CommitId,
    base: CommitId,
}

impl Candidate<'_> {
    /// Lands a part.
    pub(super) fn land_part(
        &self,
        context: &Context,
        request: &LandRequest,
        (lock, wanted): (&TaskLock, &Part),
        attendance: &Attendance<'_>,
    ) -> Result<LandingView> {
        let squash =
            LandRequest { strategy: Strategy::Squash, extent: Extent::Whole, ..request.clone() };
        let before = require_branch(context, &self.target)?;
        let tip = self.settled.tip;
        let base = context.repo.diff_base(self.task.record.base, tip, Some(before))?;
        let index = context.store.layout().task(self.task.id()).part_index();
        let wanted = match wanted {
            Part::Paths(paths) => Wanted::Paths(paths),
            Part::Patch(patch) => Wanted::Patch(patch),
        };
        let change = WholeChange { base, tip, index: &index };
        let part =
            context.repo.part_of(&change, &wanted).map_err(|error| self.explain(error, &wanted))?;
        if context.repo.tree_of(part)? == context.repo.tree_of(tip)? {
            let whole = LandRequest { extent: Extent::Whole, ..squash };
            return self.land_alone(context, &whole, lock, attendance);
        }
        let plan = context.repo.plan(&PlanRequest {
            target: before,
            tip: part,
            snapshot: self.task.snapshot(),
            strategy: Strategy::Squash,
            message: &message(self.task, Strategy::Squash),
        })?;
        let planned = match plan {
            Plan::Ready(planned) if request.mode == Mode::DryRun => planned,
            Plan::Ready(planned) => self.after_hooks(context, &squash, (before, planned))?,
            Plan::Conflicts(conflicts) => return Ok(self.conflicts(&squash, before, conflicts)),
            Plan::UpToDate | Plan::NotFastForward => {
                return Ok(self.view(&squash, before, (before, Verdict::UpToDate)));
            }
        };
        let Some(rest) = self.rest(context, planned, part)? else {
            // What is left contradicts the target and cannot do without the caller's own work.
            return match self.plan(context, Strategy::Squash, planned.commit)? {
                Plan::Conflicts(conflicts) => Ok(self.conflicts(&squash, before, conflicts)),
                _ => Err(Error::internal("the rest neither fits nor conflicts")),
            };
        };
        if request.mode == Mode::DryRun {
            return Ok(self.view(&squash, before, (planned.commit, Verdict::Planned)));
        }
        if let Some(command) = request.command_for(context, self.task) {
            let mut judge = Judge::new(context, &command, attendance)?;
            if let Some(said) = judge.rejects(planned.commit)? {
                let view = self.view(&squash, before, (before, Verdict::VerifyFailed));
                return Ok(LandingView { verify: Some(said), ..view });
            }
        }
        self.carry_out_part(context, &squash, lock, (before, planned, rest))
    }

    /// A refused part, with the command that shows what could be one.
    fn explain(&self, error: Error, wanted: &Wanted<'_>) -> Error {
        let name = self.task.name();
        match wanted {
            _ if error.kind != ErrorKind::Refused => error,
            Wanted::Paths(_) => {
                error.hint(format!("`offshoot diff --name-only {name}` shows what it changed"))
            }
            Wanted::Patch(_) => error.hint(format!(
                "`offshoot diff {name}` writes the patch of which whole hunks may be taken"
            )),
        }
    }

    /// All of it, verified on the way as a part would be.
    fn land_alone(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
        attendance: &Attendance<'_>,
    ) -> Result<LandingView> {
        let before = require_branch(context, &self.target)?;
        if let (Mode::Land, Some(command)) = (request.mode, request.command_for(context, self.task))
            && let Plan::Ready(planned) = self.plan(context, request.strategy, before)?
            && let Some(said) =
                Judge::new(context, &command, attendance)?.rejects(planned.commit)?
        {
            let view = self.view(request, before, (before, Verdict::VerifyFailed));
            return Ok(LandingView { verify: Some(said), ..view });
        }
        self.land(context, request, lock)
    }

    fn rest(&self, context: &Context, planned: Planned, part: CommitId) -> Result<Option<Rest>> {
        let repo = &context.repo;
        let message = format!("The rest of task {}\n\n{}", self.task.name(), trailers(self.task));
        let tip = self.settled.tip;
        if let Some(commit) = repo.rest_on(planned.commit, (part, tip), &message)? {
            return Ok(Some(Rest { commit, base: planned.commit }));
        }
        if self.task.snapshot().is_some() {
            return Ok(None);
        }
        let commit = repo.unlanded(repo.tree_of(tip)?, part, tip, &message)?;
        Ok(Some(Rest { commit, base: part }))
    }

    fn carry_out_part(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
        (before, planned, rest): (CommitId, Planned, Rest),
    ) -> Result<LandingView> {
        let moved = self.move_both(context, lock, (before, planned.commit, &rest));
        let number = match moved {
            Ok(Some(number)) => number,
            not_moved => {
                unmark(context, lock, self.task)?;
                let moved = || {
                    Error::busy(format!("`{}` has moved meanwhile", self.target)).hint("try again")
                };
                return Err(not_moved.err().unwrap_or_else(moved));
            }
        };
        let landing = LandingRef {
            id: Some(number),
            target: self.target.clone(),
            strategy: Strategy::Squash,
            before,
            after: planned.commit,
        };
        let ends = (self.settled.tip, rest.commit);
        move_own_branch(context, lock, self.task, ends, None)?;
        record_part(context, lock, self.task, landing, Some((rest.base, rest.commit)))?;
        let mut view = self.view(request, before, (planned.commit, Verdict::Landed));
        view.id = Some(number);
        Ok(view)
    }

    /// Moves the target, once it is sure that the task's own branch can follow.
    fn move_both(
        &self,
        context: &Context,
        lock: &TaskLock,
        (before, after, rest): (CommitId, CommitId, &Rest),
    ) -> Result<Option<u64>> {
        context.store.begin(lock)?;
        self.settled.refuse_obstacles(context, self.task, rest.commit)?;
        self.settled.adopt(context, self.task)?;
        move_branch(
            context,
            lock,
            &Journey {
                branch: &self.target,
                before,
                after,
                strategy: Strategy::Squash,
                purpose: Purpose::Part { rest: rest.commit, base: rest.base },
                reflog: format!("offshoot: merge a part of {}", self.task.name()),
            },
        )
    }
}

/// Finishes a landing of a part whose target has moved. What somebody did in the worktree since may
/// keep the branch from following; then the task keeps its whole change, of which the part is landed.
pub(super) fn finish_part(
    context: &Context,
    lock: &TaskLock,
    task: &Task,
    done: &Move,
    (rest, base): (CommitId, CommitId),
) -> Result<Task> {
    let landing = LandingRef {
        id: Some(done.number),
        target: done.target.clone(),
        strategy: done.strategy,
        before: done.before,
        after: done.after,
    };
    let from = tip(context, task)?;
    let rest = match move_own_branch(context, lock, task, (from, rest), None) {
        Ok(()) => Some((base, rest)),
        Err(error) if matches!(error.kind, ErrorKind::Dirty | ErrorKind::Refused) => None,
        Err(error) => return Err(error),
    };
    record_part(context, lock, task, landing, rest)
}

fn record_part(
    context: &Context,
    lock: &TaskLock,
    task: &Task,
    landing: LandingRef,
    rest: Option<(CommitId, CommitId)>,
) -> Result<Task> {
    let work = match rest {
        None => None,
        Some((base, head)) => {
            Some(MovedWork { base, head, diff: measure(context, task, (base, head))? })
        }
    };
    let by = context.repo.next_landing_number(&context.store.layout().landings())? - 1;
    let rest = Moved { by, work, worktree: None };
    let change = Change::PartLanded(PartLanded { landing, rest });
    let task = context.store.commit(lock, task, change)?;
    context.store.settle(lock, &task)?;
    Ok(task)
}
