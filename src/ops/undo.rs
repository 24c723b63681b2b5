//! `undo`: take a landing back. The target goes back to where it was, by the same journaled move that
//! landing is; where others may build on the landing already, a commit that reverts it lands instead.
//! Either way the task is open again.

use super::base::{refuse_under_way, require_branch};
use super::describe::measure;
use super::land::{
    Holding, Journey, Moving, Patience, Settled, finish_under, lock_landings, message, move_branch,
    trailers, unmark,
};
use super::recover::{ended, recover, take};
use super::restore;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::git::{Landing as Move, NewCommit, Plan, Planned, Purpose, RevertRequest, Signing};
use crate::landing::{LandingRef, Strategy, Verdict};
use crate::names::CommitId;
use crate::store::TaskLock;
use crate::task::{Change, Custody, Landing, MovedWork, TakenBack, Task};
use crate::view::LandingView;

/// How a landing is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// The target goes back to where it was.
    GoBack,
    /// A commit that takes the change out again lands on the target.
    Revert,
}

/// A landing that is to be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UndoRequest {
    /// Its number, or its task; the last one that stands when not given.
    pub landing: Option<String>,
    /// How.
    pub manner: Manner,
}

/// Takes a landing back and opens its task again. Conflicts of a revert are an answer.
///
/// # Errors
/// `not_found` when no landing is meant; `refused` when the target has moved on or was pushed since,
/// when the landing was taken back before, or when the task's name is used by another one now; `dirty`
/// when the person's own changes are in the way. Nothing has changed then.
pub fn undo(context: &Context, request: &UndoRequest) -> Result<LandingView> {
    recover(context)?;
    if !context.store.exists() {
        // There is no folder to hold a lock either.
        which(context, request.landing.as_deref())?;
    }
    let landing = lock_landings(context)?;
    finish_under(&landing, context)?;
    let landing = which(context, request.landing.as_deref())?;
    let (lock, task) = take(context, landing.task.parse()?)?;
    let undo = Undo { context, task: ended(&task)?.task(), landing: &landing };
    undo.refuse_unless_its_own()?;
    refuse_under_way(context, &landing.target)?;
    let moving = Moving { lock: &lock, task: undo.task, target: &landing.target };
    let mut patience = Patience::new(Holding::Allowed);
    loop {
        let undone = patience.attempt(context, &moving, || undo.try_once(&lock, request.manner))?;
        if let Some(view) = undone {
            return Ok(view);
        }
    }
}

/// The landing that is meant.
fn which(context: &Context, word: Option<&str>) -> Result<Move> {
    let mut done = context.repo.done_landings(&context.store.layout().landings(), 0)?;
    let taken_back = |number: u64| {
        let by =
            |it: &&Move| matches!(it.purpose, Purpose::Undo { landing, .. } if landing == number);
        done.iter().find(by).map(|by| by.number)
    };
    let lands = |it: &Move| matches!(it.purpose, Purpose::Land { .. } | Purpose::Part { .. });
    let stands = |it: &Move| lands(it) && taken_back(it.number).is_none();
    let Some(word) = word else {
        let last = done.iter().rposition(stands);
        return last.map(|place| done.swap_remove(place)).ok_or_else(|| {
            Error::refused("there is no landing to take back").hint("offshoot list --all")
        });
    };
    let number = word.parse::<u64>().ok();
    if let Some(place) = done.iter().position(|it| Some(it.number) == number) {
        let it = &done[place];
        match (it.purpose, taken_back(it.number)) {
            (Purpose::Land { .. } | Purpose::Part { .. }, None) => {
                return Ok(done.swap_remove(place));
            }
            (Purpose::Land { .. } | Purpose::Part { .. }, Some(by)) => {
                return Err(Error::refused(format!(
                    "landing {word} was taken back already, by landing {by}"
                ))
                .hint("offshoot events"));
            }
            (Purpose::Undo { landing, .. }, _) => {
                return Err(Error::refused(format!(
                    "landing {word} took landing {landing} back, and landing the task once more undoes that"
                ))
                .hint(format!("offshoot status {}", it.task.get(..8).unwrap_or(&it.task))));
            }
            (Purpose::Own { .. }, _) => {
                return Err(Error::refused(format!(
                    "landing {word} moved nothing but the task's own branch `{}`",
                    it.target
                ))
                .hint(format!("git reflog {}", it.target)));
            }
        }
    }
    let id = context.store.resolve(word).map_err(|error| match (error.kind, number) {
        (ErrorKind::NotFound, Some(number)) => Error::not_found(format!("no landing {number}"))
            .hint("`offshoot list --all` shows every landing"),
        _ => error,
    })?;
    let last = done.iter().rposition(|it| it.task == id.to_string() && stands(it));
    last.map(|place| done.swap_remove(place)).ok_or_else(|| {
        Error::refused(format!(
            "no landing of `{}` is there to be taken back",
            crate::escape::line(word)
        ))
        .hint(format!("offshoot status {}", crate::escape::line(word)))
    })
}

/// A landing that is to be taken back, and whose it was.
struct Undo<'a> {
    context: &'a Context,
    task: &'a Task,
    landing: &'a Move,
}

impl Undo<'_> {
    /// Refuses when the task has gone on since, or could not be opened again.
    fn refuse_unless_its_own(&self) -> Result<()> {
        let (name, number) = (self.task.name(), self.landing.number);
        let custody = match &self.task.record.landing {
            Landing::Landed { id, custody, .. } if *id == number => custody,
            Landing::Open if self.is_its_last_part() => return Ok(()),
            _ => return Err(self.has_gone_on()),
        };
        if self.task.record.releasing {
            return Err(
                Error::busy(format!("`{name}` is still being released")).hint("offshoot doctor")
            );
        }
        let attempt = format!("take back landing {number} of");
        restore::refuse_collected(self.context, self.task, custody, &attempt)?;
        if self.task.is_released() {
            restore::refuse_taken(self.context, self.task, custody, &attempt)?;
        }
        Ok(())
    }

    /// Whether the task has done nothing since a part of it landed.
    fn is_its_last_part(&self) -> bool {
        let part = matches!(self.landing.purpose, Purpose::Part { base, .. } if self.task.record.base == base);
        let next = self.landing.number + 1;
        part && (self.landing.number..=next).contains(&self.task.record.last_landing())
    }

    /// Refuses when somebody may have built on the landing.
    fn refuse_unless_last(&self, now: CommitId) -> Result<()> {
        let Move { number, target, after, .. } = self.landing;
        let revert = format!("`offshoot undo {number} --revert` lands a commit that takes it back");
        if now != *after {
            return Err(if self.context.repo.is_ancestor(*after, now)? {
                Error::refused(format!("`{target}` has moved on since landing {number}"))
                    .hint(revert)
                    .hint(format!("git log {}..{target}  shows what came since", after.short()))
            } else {
                Error::refused(format!("`{target}` does not hold landing {number} any more"))
                    .hint(format!("git log {target}"))
            });
        }
        match self.context.repo.remote_branch_with(*after)? {
            None => Ok(()),
            Some(remote) => Err(Error::refused(format!(
                "landing {number} was pushed: `{}` holds it",
                crate::escape::line(&remote)
            ))
            .hint(revert)),
        }
    }

    fn plan_revert(&self, now: CommitId) -> Result<Plan> {
        let (context, Move { before, after, .. }) = (self.context, self.landing);
        if !context.repo.is_ancestor(*after, now)? {
            return self.refuse_unless_last(now).map(|()| Plan::UpToDate);
        }
        let one = matches!(self.landing.strategy, Strategy::Merge | Strategy::Squash);
        let subject = match one {
            true => format!("Revert \"{}\"", context.repo.subject_of(*after)?),
            false => format!("Revert task {}", self.task.name()),
        };
        let what = match self.landing.strategy {
            Strategy::Merge => {
                format!("This reverts commit {after}, reversing\nchanges made to {before}.")
            }
            Strategy::Squash => format!("This reverts commit {after}."),
            Strategy::FastForward | Strategy::Rebase | Strategy::CherryPick => {
                format!("This reverts the commits after {before}\nup to {after}.")
            }
        };
        let message = format!("{subject}\n\n{what}\n\n{}", trailers(self.task));
        let (before, after) = (*before, *after);
        context.repo.plan_revert(&RevertRequest { target: now, before, after, message: &message })
    }

    /// The work once more, on the commit that takes it back: git would hold the old commits for landed.
    /// Of a part the task has the rest besides.
    fn again(&self, lock: &TaskLock, now: CommitId, revert: Planned) -> Result<CommitId> {
        let (repo, task) = (&self.context.repo, self.task);
        let tip = task.record.head;
        let once_more = |tree| {
            repo.create_commit(&NewCommit {
                tree,
                parents: &[revert.commit],
                message: &message(task, Strategy::Squash),
                author_of: tip,
                signing: Signing::Never,
            })
        };
        let again = once_more(repo.tree_of(now)?)?;
        let (Purpose::Part { .. }, Some(tip)) = (self.landing.purpose, tip) else {
            return Ok(again);
        };
        let settled = Settled::without_leftovers(self.context, task)?;
        if settled.tip != tip {
            return Err(self.has_gone_on());
        }
        let Some(whole) = repo.rest_on(again, (task.record.base, tip), "")? else {
            let Move { number, target, after, .. } = self.landing;
            return Err(Error::refused(format!(
                "what `{}` has besides landing {number} contradicts what `{target}` is by now",
                task.name()
            ))
            .hint(format!("git revert {after}  in a checkout of `{target}`")));
        };
        let again = once_more(repo.tree_of(whole)?)?;
        self.context.store.begin(lock)?;
        if let Err(error) = settled.refuse_obstacles(self.context, task, again) {
            unmark(self.context, lock, task)?;
            return Err(error);
        }
        Ok(again)
    }

    fn has_gone_on(&self) -> Error {
        let (name, number) = (self.task.name(), self.landing.number);
        Error::refused(format!(
            "`{name}` has gone on since landing {number}, so that it cannot be taken back"
        ))
        .hint(format!("offshoot status {name}"))
    }

    fn nothing_left(&self) -> Error {
        let Move { number, target, before, after, .. } = self.landing;
        Error::refused(format!("nothing of landing {number} is left on `{target}`")).hint(format!(
            "git diff {} {}  shows what it had changed",
            before.short(),
            after.short()
        ))
    }

    /// Takes it back as the target is now. `None` when that moved by itself in between.
    fn try_once(&self, lock: &TaskLock, manner: Manner) -> Result<Option<LandingView>> {
        let now = require_branch(self.context, &self.landing.target)?;
        match manner {
            Manner::GoBack => {
                self.refuse_unless_last(now)?;
                self.carry_out(lock, now, (self.landing.before, None))
            }
            Manner::Revert => match self.plan_revert(now)? {
                Plan::Ready(planned) => {
                    let again = self.again(lock, now, planned)?;
                    self.carry_out(lock, now, (planned.commit, Some(again)))
                }
                Plan::Conflicts(conflicts) => {
                    let view = self.view((now, now), Verdict::Conflicts);
                    Ok(Some(LandingView { conflicts, ..view }))
                }
                Plan::UpToDate | Plan::NotFastForward => Err(self.nothing_left()),
            },
        }
    }

    fn carry_out(
        &self,
        lock: &TaskLock,
        now: CommitId,
        (after, again): (CommitId, Option<CommitId>),
    ) -> Result<Option<LandingView>> {
        let (context, landing) = (self.context, self.landing);
        let moved = move_branch(
            context,
            lock,
            &Journey {
                branch: &landing.target,
                before: now,
                after,
                strategy: landing.strategy,
                purpose: Purpose::Undo { landing: landing.number, again },
                reflog: format!("offshoot: undo {}", self.task.name()),
            },
        );
        let Ok(Some(_)) = moved else {
            unmark(context, lock, self.task)?;
            return moved.map(|_| None);
        };
        reopen(context, lock, self.task, landing, again)?;
        Ok(Some(self.view((now, after), Verdict::Undone)))
    }

    fn view(&self, (before, after): (CommitId, CommitId), verdict: Verdict) -> LandingView {
        LandingView {
            id: Some(self.landing.number),
            task: self.task.name().clone(),
            target: self.landing.target.clone(),
            before,
            after,
            strategy: self.landing.strategy,
            verdict,
            conflicts: Vec::new(),
            verify: None,
        }
    }
}

/// Opens a task again whose landing was taken back: branch and worktree are brought back, and the work
/// goes on at `again` where that is not where it was. Every step may be repeated.
pub(super) fn reopen(
    context: &Context,
    lock: &TaskLock,
    task: &Task,
    landing: &Move,
    again: Option<CommitId>,
) -> Result<Task> {
    let custody = match &task.record.landing {
        Landing::Landed { custody, .. } => custody.clone(),
        _ => Custody::default(),
    };
    let mut worktree = None;
    if task.is_released() {
        let branch = context.repo.read_ref(&task.spec.branch.full_ref())?;
        worktree = match again {
            // Cut off after the branch had gone on from where it was brought back to.
            Some(again) if branch == Some(again) => {
                context.repo.worktree_of(task.id())?.map(|there| there.root)
            }
            _ => Some(restore::bring_back(context, task, &custody)?.0),
        };
        restore::adopt_environment(context, lock)?;
    }
    let work = match again {
        None => match (landing.purpose, task.record.head) {
            // Its branch goes on from the part, so that it holds all of it.
            (Purpose::Part { base, .. }, Some(head)) => {
                let base = match base == landing.after {
                    true => landing.before,
                    false => context.repo.first_parent_of(base)?,
                };
                Some(MovedWork { base, head, diff: measure(context, task, (base, head))? })
            }
            _ => None,
        },
        Some(again) => {
            let from = restore::tip(task, &custody);
            super::land::move_own_branch(context, lock, task, (from, again), None)?;
            let base = context.repo.first_parent_of(again)?;
            Some(MovedWork { base, head: again, diff: measure(context, task, (base, again))? })
        }
    };
    let landing = LandingRef {
        id: Some(landing.number),
        target: landing.target.clone(),
        strategy: landing.strategy,
        before: landing.before,
        after: landing.after,
    };
    let by = context.repo.next_landing_number(&context.store.layout().landings())? - 1;
    let change = Change::Undone(TakenBack { landing, by, worktree, work });
    let task = context.store.commit(lock, task, change)?;
    context.store.settle(lock, &task)?;
    Ok(task)
}
