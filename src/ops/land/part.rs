//! `merge --only` and `merge --patch-file`: a part of the work lands as one commit, and the task goes on
//! with the rest. Where the rest fits, its branch sits on the result; where it contradicts the target,
//! it sits on the part alone, and conflicts as it did before.

use super::verify::{Attendance, Judge};
use super::{
    Candidate, Extent, Journey, LandRequest, Mode, Patience, examined, message, move_branch,
    move_own_branch, tip, trailers, unmark,
};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::git::{Landing as Move, Plan, PlanRequest, Planned, Purpose, Wanted, WholeChange};
use crate::landing::{LandingRef, Strategy, Verdict};
use crate::names::{CommitId, TaskId};
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

/// How far a part came.
enum Tried {
    /// This is the answer.
    Over(LandingView),
    /// This commit has to be verified first; the answer if it does not pass.
    Unverified(CommitId, LandingView),
}

/// Lands a part. Nothing is locked while a verify command runs; afterwards all is planned once more.
pub(super) fn land_part(
    context: &Context,
    request: &LandRequest,
    (id, part): (TaskId, &Part),
    attendance: &Attendance<'_>,
) -> Result<LandingView> {
    let squash =
        LandRequest { strategy: Strategy::Squash, extent: Extent::Whole, ..request.clone() };
    let command = request.command_for(context, &context.store.read(id)?);
    let mut judge = match command.as_deref() {
        Some(command) if request.mode == Mode::Land => {
            Some(Judge::new(context, command, attendance)?)
        }
        _ => None,
    };
    let mut patience = Patience::new(request.holding());
    loop {
        let tried = examined(context, request, id, |candidate, lock| {
            patience.attempt(context, &candidate.moving(lock), || {
                candidate.try_part(context, &squash, (lock, part), judge.as_ref())
            })
        })?;
        match (tried, &mut judge) {
            (Some(Tried::Over(view)), _) => return Ok(view),
            (Some(Tried::Unverified(commit, red)), Some(judge)) => {
                if let Some(said) = judge.rejects(commit)? {
                    return Ok(LandingView { verify: Some(said), ..red });
                }
                patience.lose(&red.target)?;
            }
            _ => {}
        }
    }
}

impl Candidate<'_> {
    /// Plans a part, and lands it if nothing has to be verified any more. `None` when the target moved by
    /// itself in between.
    fn try_part(
        &self,
        context: &Context,
        squash: &LandRequest,
        (lock, wanted): (&TaskLock, &Part),
        judge: Option<&Judge<'_>>,
    ) -> Result<Option<Tried>> {
        let over = |view| Ok(Some(Tried::Over(view)));
        let before = require_branch(context, &self.target)?;
        let part = self.part(context, before, wanted)?;
        if context.repo.tree_of(part)? == context.repo.tree_of(self.settled.tip)? {
            if let Plan::Ready(planned) = self.plan(context, squash.strategy, before)?
                && let Some(unverified) = self.unverified(squash, (before, planned), judge)
            {
                return Ok(Some(unverified));
            }
            let landed = self.land_once(context, squash, lock)?;
            return Ok(landed.map(Tried::Over));
        }
        let plan = context.repo.plan(&PlanRequest {
            target: before,
            tip: part,
            snapshot: self.task.snapshot(),
            strategy: squash.strategy,
            message: &message(self.task, squash.strategy),
        })?;
        let planned = match plan {
            Plan::Ready(planned) if squash.mode == Mode::DryRun => planned,
            Plan::Ready(planned) => self.after_hooks(context, squash, (before, planned))?,
            Plan::Conflicts(conflicts) => return over(self.conflicts(squash, before, conflicts)),
            Plan::UpToDate | Plan::NotFastForward => {
                return over(self.view(squash, before, (before, Verdict::UpToDate)));
            }
        };
        let Some(rest) = self.rest(context, planned, part)? else {
            // What is left contradicts the target and cannot do without the caller's own work.
            return match self.plan(context, squash.strategy, planned.commit)? {
                Plan::Conflicts(conflicts) => over(self.conflicts(squash, before, conflicts)),
                _ => Err(Error::internal("the rest neither fits nor conflicts")),
            };
        };
        if squash.mode == Mode::DryRun {
            return over(self.view(squash, before, (planned.commit, Verdict::Planned)));
        }
        if let Some(unverified) = self.unverified(squash, (before, planned), judge) {
            return Ok(Some(unverified));
        }
        let landed = self.carry_out_part(context, squash, lock, (before, planned, rest))?;
        Ok(landed.map(Tried::Over))
    }

    /// The part alone, on what the task's diff is taken against.
    fn part(&self, context: &Context, target: CommitId, wanted: &Part) -> Result<CommitId> {
        let tip = self.settled.tip;
        let base = context.repo.diff_base(self.task.record.base, tip, Some(target))?;
        let index = context.store.layout().task(self.task.id()).part_index();
        let wanted = match wanted {
            Part::Paths(paths) => Wanted::Paths(paths),
            Part::Patch(patch) => Wanted::Patch(patch),
        };
        let change = WholeChange { base, tip, index: &index };
        context.repo.part_of(&change, &wanted).map_err(|error| self.explain(error, &wanted))
    }

    fn unverified(
        &self,
        request: &LandRequest,
        (before, planned): (CommitId, Planned),
        judge: Option<&Judge<'_>>,
    ) -> Option<Tried> {
        let is_unknown = judge.is_some_and(|judge| !judge.has_passed(planned.tree));
        let red = || self.view(request, before, (before, Verdict::VerifyFailed));
        is_unknown.then(|| Tried::Unverified(planned.commit, red()))
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
    ) -> Result<Option<LandingView>> {
        let moved = self.move_both(context, lock, (before, planned.commit, &rest));
        let Ok(Some(number)) = moved else {
            unmark(context, lock, self.task)?;
            return moved.map(|_| None);
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
        Ok(Some(view))
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
