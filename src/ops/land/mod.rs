//! `merge` and `rebase`: move a target to a task's result. Planned in the object database, carried
//! out under the landing lock, recorded in the task.

mod hooked;
mod interrupted;
mod journaled;
mod message;
mod own_branch;
mod part;
mod patience;
mod resolve;
mod settled;
mod train;
mod up_to_date;
mod verify;

pub(super) use interrupted::{
    drop_landing_pins, finish_all, finish_before_deciding, finish_interrupted, finish_under,
    is_told, is_undecided,
};
pub(super) use journaled::{Journey, move_branch, unmark};
pub(super) use message::{message, trailers};
pub(super) use own_branch::move_own_branch;
pub use part::Part;
pub(super) use patience::{Holding, Moving, Patience};
pub(super) use resolve::{Opened, open_for_agent};
pub use settled::Leftovers;
pub(super) use settled::{Settled, refuse_planted_programs, settle, settled_tip, tip};
pub use verify::{Attendance, Verify, end_of_log};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{Plan, PlanRequest, Planned, Purpose};
use crate::landing::{Conflict, Strategy, Verdict};
use crate::layout::RepoLock;
use crate::lock::{FileLock, Wait};
use crate::names::{BranchName, CommitId, TaskId};
use crate::ops::base::{refuse_under_way, require_branch};
use crate::ops::recover::{ended, take};
use crate::ops::release;
use crate::ops::several::{Several, each};
use crate::store::TaskLock;
use crate::task::{Afterwards, Change, Custody, Landing, Task};
use crate::view::LandingView;
use std::time::Duration;

/// How long a landing waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the refs begin with that keep the ends of landings.
pub(super) const PINS: &str = "refs/offshoot/landing/";

/// Whether anything is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Yes.
    Land,
    /// Only say what would happen.
    DryRun,
}

/// What becomes of the person's commit hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hooks {
    /// They are not run.
    Skip,
    /// Those run that git would run, on the result.
    Run,
}

/// How much of a task's work lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// A part of it; the task stays open with the rest.
    Part(Part),
    /// Nothing: only the task's branch is brought up to date with the target.
    OwnBranch,
    /// Nothing: the merge is opened in the task's worktree, where somebody resolves it.
    Resolve,
    /// All of it, with the merge that somebody resolved there.
    Resolved,
}

/// A landing.
#[derive(Debug, Clone)]
pub struct LandRequest {
    /// Which tasks, one after another.
    pub tasks: Vec<String>,
    /// How.
    pub strategy: Strategy,
    /// Where; each task's own target when not given.
    pub into: Option<String>,
    /// Whether anything is to move.
    pub mode: Mode,
    /// What has to agree first.
    pub verify: Verify,
    /// What becomes of the worktrees.
    pub worktree: Afterwards,
    /// What becomes of changes made in them after the end.
    pub leftovers: Leftovers,
    /// How much of it lands.
    pub extent: Extent,
    /// What becomes of the person's commit hooks.
    pub hooks: Hooks,
}

/// Lands the tasks one after another. A conflict is an answer: that task's target stays as it was.
///
/// # Errors
/// `refused` when the first task has not ended or was changed since, `dirty` when the person's own
/// changes are in the way, `busy` when another landing goes on, `untrusted` for a verify command that
/// the person has not accepted.
pub fn land(
    context: &Context,
    request: &LandRequest,
    attendance: &Attendance<'_>,
) -> Result<Several<LandingView>> {
    if request.extent == Extent::Resolved {
        resolve::conclude_each(context, request)?;
        return land(context, &request.whole(), attendance);
    }
    if request.mode == Mode::Land
        && request.extent == Extent::Whole
        && let Some(landed) = train::land_verified(context, request, attendance)?
    {
        return Ok(landed);
    }
    each(context, &request.tasks, |id| match &request.extent {
        Extent::Part(part) => part::land_part(context, request, (id, part), attendance),
        Extent::Whole | Extent::Resolved => land_whole(context, request, id),
        Extent::Resolve => {
            examined(context, request, id, |candidate, lock| candidate.open(context, request, lock))
        }
        Extent::OwnBranch => examined(context, request, id, |candidate, lock| {
            candidate.bring_up_to_date(context, request, lock)
        }),
    })
}

/// Lands all of a task's work.
fn land_whole(context: &Context, request: &LandRequest, id: TaskId) -> Result<LandingView> {
    examined(context, request, id, |candidate, lock| candidate.land(context, request, lock))
}

/// Does something with a task that may be landed, under the landing lock and its own.
fn examined<T>(
    context: &Context,
    request: &LandRequest,
    id: TaskId,
    act: impl FnOnce(&Candidate<'_>, &TaskLock) -> Result<T>,
) -> Result<T> {
    let landing = lock_landings(context)?;
    finish_under(&landing, context)?;
    let (lock, task) = take(context, id)?;
    act(&Candidate::examine(context, request, &task)?, &lock)
}

/// The right to move targets.
pub(super) fn lock_landings(context: &Context) -> Result<FileLock> {
    let wait = Wait::Until(context.clock.deadline(PATIENCE));
    context.store.try_lock(RepoLock::Land, wait)?.ok_or_else(|| {
        Error::busy("another landing is going on")
            .hint("offshoot events --follow  shows when it is done")
    })
}

/// A task that may be landed, and where.
struct Candidate<'a> {
    task: &'a Task,
    target: BranchName,
    settled: Settled,
}

impl<'a> Candidate<'a> {
    fn examine(context: &Context, request: &LandRequest, task: &'a Task) -> Result<Self> {
        let (task, target) = Self::destination(context, request, task)?;
        let settled = match request.extent {
            // What was changed in the worktree stays there, with the rest.
            Extent::Part(_) if request.leftovers == Leftovers::Refuse => {
                Settled::without_leftovers(context, task)?
            }
            _ => settle(context, task, request.leftovers)?,
        };
        Ok(Self { task, target, settled })
    }

    /// A task that has ended and whose work nobody has decided about, and where it is to land.
    fn destination(
        context: &Context,
        request: &LandRequest,
        task: &'a Task,
    ) -> Result<(&'a Task, BranchName)> {
        let task = ended(task)?.task();
        let name = task.name();
        match &task.record.landing {
            Landing::Open | Landing::Empty { .. } => {}
            Landing::Landed { target, .. } => {
                return Err(Error::refused(format!("`{name}` is already landed on `{target}`"))
                    .hint(format!("offshoot status {name}")));
            }
            Landing::Discarded { .. } => {
                return Err(Error::refused(format!("`{name}` was discarded"))
                    .hint(format!("offshoot restore {name}")));
            }
        }
        let target = match &request.into {
            Some(into) => BranchName::new(into.clone())?,
            None => task.spec.target.clone().ok_or_else(|| {
                Error::refused(format!(
                    "`{name}` was dispatched from a detached HEAD and has no target"
                ))
                .hint(format!("offshoot merge {name} --into BRANCH"))
            })?,
        };
        let target = context.repo.real_branch(&target)?;
        if target == task.spec.branch {
            return Err(Error::refused(format!("`{target}` is the task's own branch"))
                .hint(format!("offshoot merge {name} --into BRANCH")));
        }
        refuse_under_way(context, &target)?;
        Ok((task, target))
    }

    /// What landing it so on the target's commit would make.
    fn plan(&self, context: &Context, strategy: Strategy, target: CommitId) -> Result<Plan> {
        context.repo.plan(&PlanRequest {
            target,
            tip: self.settled.tip,
            snapshot: self.task.snapshot(),
            strategy,
            message: &message(self.task, strategy),
        })
    }

    fn land(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
    ) -> Result<LandingView> {
        let moving = self.moving(lock);
        let mut patience = Patience::new(request.holding());
        loop {
            let landed =
                patience.attempt(context, &moving, || self.land_once(context, request, lock))?;
            if let Some(view) = landed {
                return Ok(view);
            }
        }
    }

    fn moving<'b>(&'b self, lock: &'b TaskLock) -> Moving<'b> {
        Moving { lock, task: self.task, target: &self.target }
    }

    /// Plans and lands. `None` when the target moved by itself in between.
    fn land_once(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
    ) -> Result<Option<LandingView>> {
        let before = require_branch(context, &self.target)?;
        match self.plan(context, request.strategy, before)? {
            Plan::Ready(planned) if request.mode == Mode::DryRun => {
                Ok(Some(self.view(request, before, (planned.commit, Verdict::Planned))))
            }
            Plan::Ready(planned) => self.carry_out(context, request, lock, (before, planned)),
            Plan::UpToDate => {
                if request.mode == Mode::Land {
                    self.record(context, request, lock, (0, before, before))?;
                }
                Ok(Some(self.view(request, before, (before, Verdict::UpToDate))))
            }
            Plan::Conflicts(conflicts) => Ok(Some(self.conflicts(request, before, conflicts))),
            Plan::NotFastForward => Err(self.not_fast_forward()),
        }
    }

    fn not_fast_forward(&self) -> Error {
        let name = self.task.name();
        let target = &self.target;
        Error::refused(format!("`{target}` has moved on, so `{name}` cannot be fast-forwarded"))
            .hint(format!("offshoot rebase {name}"))
            .hint(format!("offshoot merge {name}"))
    }

    /// Moves the target. `None` when it moved by itself since the plan was made.
    fn carry_out(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
        (before, planned): (CommitId, Planned),
    ) -> Result<Option<LandingView>> {
        let seen = self.after_hooks(context, request, (before, planned))?;
        if seen.tree != planned.tree && request.command_for(context, self.task).is_some() {
            return Err(Error::refused("a hook changed the result after it had been verified")
                .hint("`--no-verify-cmd` lands what the hooks made of it"));
        }
        let planned = seen;
        let moved = move_branch(
            context,
            lock,
            &Journey {
                branch: &self.target,
                before,
                after: planned.commit,
                strategy: request.strategy,
                purpose: Purpose::Land { worktree: request.worktree },
                reflog: format!("offshoot: {} {}", verb(request.strategy), self.task.name()),
            },
        );
        let Ok(Some(number)) = moved else {
            unmark(context, lock, self.task)?;
            return moved.map(|_| None);
        };
        self.record(context, request, lock, (number, before, planned.commit))?;
        let mut view = self.view(request, before, (planned.commit, Verdict::Landed));
        view.id = Some(number);
        Ok(Some(view))
    }

    fn record(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
        (id, before, after): (u64, CommitId, CommitId),
    ) -> Result<()> {
        let landing = Landing::Landed {
            id,
            target: self.target.clone(),
            strategy: request.strategy,
            before,
            after,
            at: context.now(),
            custody: Custody::default(),
        };
        let change = Change::Landed { landing, worktree: request.worktree };
        context.store.begin(lock)?;
        let task = context.store.commit(lock, self.task, change)?;
        match request.worktree {
            // It has landed in any case: what cannot be released yet is by the next command.
            Afterwards::Release => {
                let _ = release::release(context, lock, &task);
                Ok(())
            }
            Afterwards::Keep => {
                self.settled.adopt(context, &task)?;
                context.store.settle(lock, &task)
            }
        }
    }

    fn view(
        &self,
        request: &LandRequest,
        before: CommitId,
        (after, verdict): (CommitId, Verdict),
    ) -> LandingView {
        LandingView {
            id: None,
            task: self.task.name().clone(),
            target: self.target.clone(),
            before,
            after,
            strategy: request.strategy,
            verdict,
            conflicts: Vec::new(),
            verify: None,
        }
    }

    fn conflicts(
        &self,
        request: &LandRequest,
        before: CommitId,
        conflicts: Vec<Conflict>,
    ) -> LandingView {
        LandingView { conflicts, ..self.view(request, before, (before, Verdict::Conflicts)) }
    }
}

impl LandRequest {
    /// Whether people may be kept from committing for a moment.
    fn holding(&self) -> Holding {
        match self.hooks {
            Hooks::Skip => Holding::Allowed,
            Hooks::Run => Holding::Never,
        }
    }
}

fn verb(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Merge | Strategy::Squash | Strategy::FastForward | Strategy::CherryPick => {
            "merge"
        }
        Strategy::Rebase => "rebase",
    }
}
