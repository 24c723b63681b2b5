//! `merge` and `rebase`: move a target to a task's result. Planned in the object database, carried
//! out under the landing lock, recorded in the task.

use super::base::require_branch;
use super::describe::snapshot;
use super::recover::{ended, take};
use super::release;
use super::several::{Several, each};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::escape;
use crate::git::{Expected, Landing as Move, Plan, PlanRequest, Planned, Recovered, Recovery};
use crate::landing::{Conflict, Strategy, Verdict};
use crate::layout::RepoLock;
use crate::lock::{FileLock, Wait};
use crate::names::{BranchName, CommitId, TaskId};
use crate::store::TaskLock;
use crate::task::{Afterwards, Change, Custody, Landing, Task};
use crate::view::LandingView;
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
    /// What becomes of the worktrees.
    pub worktree: Afterwards,
}

/// Lands the tasks one after another. A conflict is an answer: that task's target stays as it was.
///
/// # Errors
/// `refused` when the first task has not ended or was changed since, `dirty` when the person's own
/// changes are in the way, `busy` when another landing goes on.
pub fn land(context: &Context, request: &LandRequest) -> Result<Several<LandingView>> {
    each(context, &request.tasks, |id| {
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

/// Removes the pins of a landing. The caller holds the landing lock.
pub(super) fn drop_landing_pins(context: &Context, number: u64) -> Result<()> {
    for name in context.repo.refs_below(&format!("{PINS}{number}/"))? {
        if let Some(commit) = context.repo.read_ref(&name)? {
            context.repo.delete_ref(&name, commit)?;
        }
    }
    Ok(())
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
                Plan::NotFastForward => {
                    let name = self.task.name();
                    return Err(Error::refused(format!(
                        "`{}` has moved on, so `{name}` cannot be fast-forwarded",
                        self.target
                    ))
                    .hint(format!("offshoot rebase {name}"))
                    .hint(format!("offshoot merge {name}")));
                }
            }
        }
        Err(Error::busy(format!("`{}` keeps moving", self.target)).hint("try again"))
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
            },
        );
        if let Err(error) = landed {
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

/// The tip of a task's work, once it is sure that nothing in its worktree would be left behind.
pub(super) fn settled_tip(context: &Context, task: &Task) -> Result<CommitId> {
    let name = task.name();
    let Some(head) = task.record.head else {
        return Err(Error::refused(format!("`{name}` never ran, so there is nothing to land"))
            .hint(format!("offshoot discard {name}")));
    };
    let branch = &task.spec.branch;
    // Commits that somebody added on the branch after the end belong to the work.
    let tip = match context.repo.read_ref(&branch.full_ref())? {
        Some(tip) if context.repo.is_ancestor(head, tip)? => tip,
        _ => head,
    };
    if let Some(checkout) = context.repo.worktree_of(task.id())? {
        let tree = release::snapshot(context, task, &checkout, tip)?;
        if tree != context.repo.tree_of(tip)? {
            let place = context.relative(&checkout.root);
            return Err(Error::dirty(format!(
                "the worktree of `{name}` was changed after the task had ended"
            ))
            .hint(format!("git -C {place} status"))
            .hint(format!(
                "git -C {place} add --all && git -C {place} commit  makes the changes part of the task"
            )));
        }
    }
    Ok(tip)
}

fn verb(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Merge | Strategy::Squash | Strategy::FastForward => "merge",
        Strategy::Rebase => "rebase",
    }
}

/// Finishes or takes back landings that were cut off, and records those that had moved their target.
pub(super) fn finish_interrupted(context: &Context) -> Result<()> {
    if !is_any_suspect(context)? {
        return Ok(());
    }
    // Somebody who holds it is landing right now; the marks stay for the next verb.
    match context.store.try_lock(RepoLock::Land, Wait::No)? {
        Some(landing) => finish_under(&landing, context),
        None => Ok(()),
    }
}

/// The same for a verb that is about to decide about a task: a landing of it that was cut off comes
/// first, however long another one takes.
pub(super) fn finish_before_deciding(context: &Context, id: TaskId) -> Result<()> {
    if suspects(context)?.contains(&id) {
        finish_under(&lock_landings(context)?, context)?;
    }
    Ok(())
}

fn finish_under(_landing: &FileLock, context: &Context) -> Result<()> {
    if is_any_suspect(context)? {
        let mut suspects = suspects(context)?;
        let recovered = context.repo.recover_landings(&context.store.layout().landings())?;
        // One that can neither be finished nor taken back now stays marked for the next verb.
        let is_stuck = |id: &TaskId| {
            let its = |landing: &&Recovered| landing.task == id.to_string();
            recovered.iter().filter(its).any(|l| matches!(l.outcome, Recovery::Stuck(_)))
        };
        suspects.retain(|id| !is_stuck(id));
        record_finished(context, &suspects)?;
    }
    Ok(())
}

fn is_any_suspect(context: &Context) -> Result<bool> {
    Ok(context.repo.is_half_applied() || !suspects(context)?.is_empty())
}

/// Tasks that have ended and yet are marked as being changed: a landing of them may have been cut off.
fn suspects(context: &Context) -> Result<Vec<TaskId>> {
    let mut suspects = context.store.active_ids()?;
    suspects.retain(|id| context.store.read(*id).is_ok_and(|task| is_undecided(&task)));
    Ok(suspects)
}

/// Finishes or takes back every landing that was cut off, whichever task it is of, and records it.
pub(super) fn finish_all(context: &Context) -> Result<()> {
    let _landing = lock_landings(context)?;
    let folder = context.store.layout().landings();
    let _ = context.repo.recover_landings(&folder)?;
    // Once more: what belongs to no landing any more now is swept away.
    let recovered = context.repo.recover_landings(&folder)?;
    record_finished(context, &context.store.all_ids()?)?;
    let stuck = recovered.into_iter().find_map(|landing| match landing.outcome {
        Recovery::Stuck(error) => Some(error),
        Recovery::Finished { .. } | Recovery::TakenBack { .. } => None,
    });
    stuck.map_or(Ok(()), Err)
}

/// Records landings that moved their target in tasks that do not know of it. The caller holds the
/// landing lock.
fn record_finished(context: &Context, tasks: &[TaskId]) -> Result<()> {
    let folder = context.store.layout().landings();
    for id in tasks {
        if !context.store.read(*id).is_ok_and(|task| is_undecided(&task)) {
            continue;
        }
        let Ok(Some(lock)) = context.store.lock_task(*id, Wait::No) else { continue };
        let Ok(task) = context.store.read(*id) else { continue };
        let done = context.repo.finished_landing(&folder, &id.to_string())?;
        if let (Some(done), true) = (done, is_undecided(&task)) {
            let landing = Landing::Landed {
                id: done.number,
                target: done.target,
                strategy: done.strategy,
                before: done.before,
                after: done.after,
                at: context.now(),
                custody: Custody::default(),
            };
            // Whether the worktree was to go is not known any more; keeping it loses nothing.
            let change = Change::Landed { landing, worktree: Afterwards::Keep };
            let task = context.store.commit(&lock, &task, change)?;
            context.store.settle(&lock, &task)?;
        } else {
            // Whatever was cut off is taken back by now.
            context.store.settle(&lock, &task)?;
        }
    }
    Ok(())
}

/// Whether a task has ended and nobody has decided about its work.
pub(super) fn is_undecided(task: &Task) -> bool {
    task.ended().is_some() && matches!(task.record.landing, Landing::Open | Landing::Empty { .. })
}
