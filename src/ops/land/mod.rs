//! `merge` and `rebase`: move a target to a task's result. Planned in the object database, carried
//! out under the landing lock, recorded in the task.

mod interrupted;
mod settled;
mod train;
mod verify;

pub(super) use interrupted::{
    finish_all, finish_before_deciding, finish_interrupted, is_undecided,
};
pub(super) use settled::settled_tip;
pub use verify::{Attendance, Verify, end_of_log};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::escape;
use crate::git::{Expected, Landing as Move, Plan, PlanRequest, Planned};
use crate::landing::{Conflict, Strategy, Verdict};
use crate::layout::RepoLock;
use crate::lock::{FileLock, Wait};
use crate::names::{BranchName, CommitId};
use crate::ops::base::require_branch;
use crate::ops::describe::snapshot;
use crate::ops::recover::{ended, take};
use crate::ops::release;
use crate::ops::several::{Several, each};
use crate::store::TaskLock;
use crate::task::{Afterwards, Change, Custody, Landing, Task};
use crate::view::LandingView;
use interrupted::finish_under;
use std::time::Duration;

/// How long a landing waits for another one.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often a result is planned again because the target moved in between.
const PLANS: usize = 5;

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
    if request.mode == Mode::Land
        && let Some(landed) = train::land_verified(context, request, attendance)?
    {
        return Ok(landed);
    }
    land_each(context, request, &request.tasks)
}

fn land_each(
    context: &Context,
    request: &LandRequest,
    tasks: &[String],
) -> Result<Several<LandingView>> {
    each(context, tasks, |id| {
        let landing = lock_landings(context)?;
        finish_under(&landing, context)?;
        let (lock, task) = take(context, id)?;
        Candidate::examine(context, request, &task)?.land(context, request, &lock)
    })
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
    tip: CommitId,
}

impl<'a> Candidate<'a> {
    fn examine(context: &Context, request: &LandRequest, task: &'a Task) -> Result<Self> {
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
        if target == task.spec.branch {
            return Err(Error::refused(format!("`{target}` is the task's own branch"))
                .hint(format!("offshoot merge {name} --into BRANCH")));
        }
        let tip = settled_tip(context, task)?;
        Ok(Self { task, target, tip })
    }

    fn land(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
    ) -> Result<LandingView> {
        for _ in 0..PLANS {
            let before = require_branch(context, &self.target)?;
            let plan = context.repo.plan(&PlanRequest {
                target: before,
                tip: self.tip,
                snapshot: snapshot(self.task),
                strategy: request.strategy,
                message: &self.message(request.strategy),
            })?;
            match plan {
                Plan::Ready(planned) if request.mode == Mode::DryRun => {
                    return Ok(self.view(request, before, (planned.commit, Verdict::Planned)));
                }
                Plan::Ready(planned) => {
                    if let Some(view) = self.carry_out(context, request, lock, (before, planned))? {
                        return Ok(view);
                    }
                }
                Plan::UpToDate => {
                    if request.mode == Mode::Land {
                        self.record(context, request, lock, (0, before, before))?;
                    }
                    return Ok(self.view(request, before, (before, Verdict::UpToDate)));
                }
                Plan::Conflicts(conflicts) => return Ok(self.conflicts(request, before, conflicts)),
                Plan::NotFastForward => return Err(self.not_fast_forward()),
            }
        }
        Err(self.keeps_moving())
    }

    fn not_fast_forward(&self) -> Error {
        let name = self.task.name();
        let target = &self.target;
        Error::refused(format!("`{target}` has moved on, so `{name}` cannot be fast-forwarded"))
            .hint(format!("offshoot rebase {name}"))
            .hint(format!("offshoot merge {name}"))
    }

    fn keeps_moving(&self) -> Error {
        Error::busy(format!("`{}` keeps moving", self.target)).hint("try again")
    }

    /// Moves the target. `None` when it moved by itself since the plan was made.
    fn carry_out(
        &self,
        context: &Context,
        request: &LandRequest,
        lock: &TaskLock,
        (before, planned): (CommitId, Planned),
    ) -> Result<Option<LandingView>> {
        let folder = context.store.layout().landings();
        let number = context.repo.next_landing_number(&folder)?;
        context.store.begin(lock)?;
        // Kept from `git gc` while the landing goes on, and afterwards for taking it back.
        let pins = [("before", before), ("after", planned.commit)]
            .map(|(end, commit)| (format!("{PINS}{number}/{end}"), commit));
        for (pin, commit) in &pins {
            let expected = context.repo.read_ref(pin)?.map_or(Expected::Absent, Expected::At);
            context.repo.set_ref(pin, expected, *commit, "offshoot: landing")?;
        }
        let landed = context.repo.land(
            &folder,
            &Move {
                number,
                task: self.task.id().to_string(),
                target: self.target.clone(),
                before,
                after: planned.commit,
                strategy: request.strategy,
                reflog: format!("offshoot: {} {}", verb(request.strategy), self.task.name()),
                worktree: request.worktree,
            },
        );
        if let Err(error) = landed {
            // What could not be taken back is the next command's, by the mark, the pins, the journal.
            if context.repo.is_landing_unfinished(&folder)? {
                return Err(error);
            }
            for (pin, commit) in &pins {
                context.repo.delete_ref(pin, *commit)?;
            }
            context.store.settle(lock, self.task)?;
            let moved = context.repo.read_ref(&self.target.full_ref())? != Some(before);
            return if moved && error.kind == ErrorKind::Refused { Ok(None) } else { Err(error) };
        }
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
            Afterwards::Release => release::release(context, lock, &task).map(drop),
            Afterwards::Keep => context.store.settle(lock, &task),
        }
    }

    fn message(&self, strategy: Strategy) -> String {
        let (name, id) = (self.task.name(), self.task.id());
        let prompt = self.task.spec.prompt.as_deref().unwrap_or_default();
        let first = prompt.lines().map(str::trim).find(|line| !line.is_empty());
        let first = first.map(|line| escape::line(line).chars().take(72).collect::<String>());
        let trailers = format!("Offshoot-Task: {name}\nOffshoot-Id: {id}\n");
        match (strategy, first) {
            (Strategy::Squash, Some(first)) => format!("{first}\n\n{trailers}"),
            (Strategy::Squash, None) => format!("Task {name}\n\n{trailers}"),
            (_, Some(first)) => format!("Merge task {name}\n\n{first}\n\n{trailers}"),
            (_, None) => format!("Merge task {name}\n\n{trailers}"),
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

fn verb(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Merge | Strategy::Squash | Strategy::FastForward => "merge",
        Strategy::Rebase => "rebase",
    }
}
