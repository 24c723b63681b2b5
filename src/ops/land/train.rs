//! Landing what has to pass a verify command first. Tasks with the same target and command form a train:
//! each is planned on the one before it, in the object database, and the last tree, which holds them
//! all, is verified. Then they land one after another.
//!
//! A red train is bisected for the first task with which it is red. That one is left out and the rest
//! planned anew. One that conflicts with the train is left out too; it may fit into the next. A train of
//! N tasks takes at most 1 + log2 N runs, and as many again for each task that is left out; no tree is
//! tried twice. The same tasks in the same order always come to the same end.
//!
//! Nothing is locked while the command runs. Afterwards all is planned once more under the lock: a
//! target that moved meanwhile makes another tree, which has to be verified too.

use super::verify::{Attendance, Judge, Verify};
use super::{Candidate, LandRequest, Patience, finish_under, land_whole, lock_landings};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{Plan, Planned};
use crate::landing::Verdict;
use crate::names::{BranchName, CommitId, TaskId};
use crate::ops::base::require_branch;
use crate::ops::recover::take;
use crate::ops::several::{Several, each, named};
use crate::store::TaskLock;
use crate::task::Task;
use crate::view::LandingView;
use std::collections::BTreeMap;

/// Lands the tasks if any of them has to be verified; `None` when none has.
pub(super) fn land_verified(
    context: &Context,
    request: &LandRequest,
    attendance: &Attendance<'_>,
) -> Result<Option<Several<LandingView>>> {
    if request.verify == Verify::Never {
        return Ok(None);
    }
    let ids = named(context, &request.tasks)?;
    let mut trains: Vec<(Kind, Vec<TaskId>)> = Vec::new();
    for id in ids {
        let task = context.store.read(id)?;
        let kind = Kind {
            target: request.into.clone().or(task.spec.target.as_ref().map(BranchName::to_string)),
            command: request.command_for(context, &task),
        };
        match trains.last_mut() {
            Some((last, ids)) if *last == kind => ids.push(id),
            _ => trains.push((kind, vec![id])),
        }
    }
    if trains.iter().all(|(kind, _)| kind.command.is_none()) {
        return Ok(None);
    }
    let mut all = Several { done: Vec::new(), stopped: None };
    for (kind, ids) in trains {
        let landed = match &kind.command {
            Some(command) => Judge::new(context, command, attendance)
                .and_then(|judge| Train::new(context, request, judge).run(&ids)),
            None => {
                let words: Vec<_> = ids.iter().map(TaskId::to_string).collect();
                each(context, &words, |id| land_whole(context, request, id))
            }
        };
        match landed {
            Ok(landed) => {
                all.done.extend(landed.done);
                all.stopped = landed.stopped;
            }
            Err(error) if all.done.is_empty() => return Err(error),
            Err(error) => all.stopped = Some(error),
        }
        if all.stopped.is_some() {
            break;
        }
    }
    Ok(Some(all))
}

/// What tasks of one train have in common.
#[derive(PartialEq, Eq)]
struct Kind {
    target: Option<String>,
    command: Option<String>,
}

struct Train<'a> {
    context: &'a Context,
    request: &'a LandRequest,
    judge: Judge<'a>,
    /// Landed, or there already.
    done: BTreeMap<TaskId, LandingView>,
    /// Found to make the train red.
    rejected: BTreeMap<TaskId, LandingView>,
}

/// One task in the train, on those before it.
struct Car {
    id: TaskId,
    commit: CommitId,
    red: LandingView,
}

/// How far a round came.
enum Round {
    /// Everything that lands has landed.
    Over(Several<LandingView>),
    /// This has to be verified first.
    Unverified { cars: Vec<Car>, target: BranchName },
}

impl<'a> Train<'a> {
    fn new(context: &'a Context, request: &'a LandRequest, judge: Judge<'a>) -> Self {
        Self { context, request, judge, done: BTreeMap::new(), rejected: BTreeMap::new() }
    }

    fn run(mut self, ids: &[TaskId]) -> Result<Several<LandingView>> {
        let mut patience = Patience::new(self.request.holding());
        loop {
            let landed = self.done.len();
            let went_on = match self.round(ids, &mut patience) {
                Ok(Some(Round::Over(several))) => return Ok(several),
                Ok(Some(Round::Unverified { cars, target })) => match self.verify(cars) {
                    // Leaving one out ends by itself; a target that keeps moving does not.
                    Ok(Verified::OneLess) => Ok(()),
                    Ok(Verified::Green) => patience.lose(&target),
                    Err(error) => Err(error),
                },
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = went_on {
                return self.stop(ids, error);
            }
            if self.done.len() > landed {
                patience = Patience::new(self.request.holding());
            }
        }
    }

    /// What has landed is told even where something stops the rest.
    fn stop(self, ids: &[TaskId], error: Error) -> Result<Several<LandingView>> {
        if self.done.is_empty() && self.rejected.is_empty() {
            return Err(error);
        }
        Ok(self.told(ids, BTreeMap::new(), Some(error)))
    }

    fn told(
        &self,
        ids: &[TaskId],
        mut conflicts: BTreeMap<TaskId, LandingView>,
        stopped: Option<Error>,
    ) -> Several<LandingView> {
        let mut answer = |id: &TaskId| {
            let known = self.done.get(id).or_else(|| self.rejected.get(id)).cloned();
            known.or_else(|| conflicts.remove(id))
        };
        Several { done: ids.iter().filter_map(&mut answer).collect(), stopped }
    }

    /// Plans the train under the lock, and lands it if its tree has passed. `None` when the target moved
    /// while it was landed on.
    fn round(&mut self, ids: &[TaskId], patience: &mut Patience) -> Result<Option<Round>> {
        let (context, request) = (self.context, self.request);
        let landing = lock_landings(context)?;
        finish_under(&landing, context)?;
        let Several { done: held, mut stopped } = self.take_all(ids)?;
        let mut candidates = Vec::new();
        for (lock, task) in &held {
            match Candidate::examine(context, request, task) {
                Ok(candidate) => candidates.push((lock, candidate)),
                Err(error) if candidates.is_empty() => return Err(error),
                Err(error) => {
                    stopped = Some(error);
                    break;
                }
            }
        }
        match candidates.first() {
            None => Ok(Some(Round::Over(self.told(ids, BTreeMap::new(), stopped)))),
            Some((lock, first)) => patience.attempt(context, &first.moving(lock), || {
                self.land(ids, (&first.target, &candidates), stopped)
            }),
        }
    }

    fn land(
        &mut self,
        ids: &[TaskId],
        (target, candidates): (&BranchName, &[(&TaskLock, Candidate<'_>)]),
        mut stopped: Option<Error>,
    ) -> Result<Option<Round>> {
        let (context, request) = (self.context, self.request);
        let tip = require_branch(context, target)?;
        let (mut onto, mut steps, mut conflicts) = (tip, Vec::new(), BTreeMap::new());
        for (lock, candidate) in candidates {
            match candidate.plan(context, request.strategy, onto)? {
                Plan::Ready(planned) => {
                    steps.push((*lock, candidate, onto, Some(planned)));
                    onto = planned.commit;
                }
                Plan::UpToDate => steps.push((*lock, candidate, onto, None)),
                Plan::Conflicts(found) => {
                    let view = candidate.conflicts(request, tip, found);
                    conflicts.insert(candidate.task.id(), view);
                }
                Plan::NotFastForward if steps.is_empty() => {
                    return Err(candidate.not_fast_forward());
                }
                Plan::NotFastForward => {
                    stopped = Some(candidate.not_fast_forward());
                    break;
                }
            }
        }
        let cars: Vec<Car> = steps
            .iter()
            .filter_map(|(_, candidate, _, planned)| Some((candidate, (*planned)?)))
            .map(|(candidate, Planned { commit, .. })| Car {
                id: candidate.task.id(),
                commit,
                red: candidate.view(request, tip, (tip, Verdict::VerifyFailed)),
            })
            .collect();
        if onto != tip && !self.judge.has_passed(context.repo.tree_of(onto)?) {
            return Ok(Some(Round::Unverified { cars, target: target.clone() }));
        }
        for (lock, candidate, before, planned) in steps {
            let landed = match planned {
                Some(planned) => candidate.carry_out(context, request, lock, (before, planned)),
                None => candidate
                    .record(context, request, lock, (0, before, before))
                    .map(|()| Some(candidate.view(request, before, (before, Verdict::UpToDate)))),
            };
            match landed {
                Ok(Some(view)) => drop(self.done.insert(candidate.task.id(), view)),
                Ok(None) => return Ok(None),
                Err(error) if self.done.is_empty() => return Err(error),
                Err(error) => {
                    let told = self.told(ids, conflicts, Some(error));
                    return Ok(Some(Round::Over(told)));
                }
            }
        }
        Ok(Some(Round::Over(self.told(ids, conflicts, stopped))))
    }

    /// The locks of the tasks that are neither landed nor left out. One that cannot be had stops the
    /// rest, unless it is the first.
    fn take_all(&self, ids: &[TaskId]) -> Result<Several<(TaskLock, Task)>> {
        let mut held = Several { done: Vec::new(), stopped: None };
        for id in ids {
            if self.done.contains_key(id) || self.rejected.contains_key(id) {
                continue;
            }
            match take(self.context, *id) {
                Ok(taken) => held.done.push(taken),
                Err(error) if held.done.is_empty() => return Err(error),
                Err(error) => return Ok(Several { stopped: Some(error), ..held }),
            }
        }
        Ok(held)
    }

    /// Verifies the whole train; when it is red, finds the first task with which it is.
    fn verify(&mut self, mut cars: Vec<Car>) -> Result<Verified> {
        let Some(mut said) = self.judge.rejects(cars[cars.len() - 1].commit)? else {
            return Ok(Verified::Green);
        };
        // Red from `last` on; everything before `first` is green.
        let (mut first, mut last) = (0, cars.len() - 1);
        while first < last {
            let middle = (first + last) / 2;
            match self.judge.rejects(cars[middle].commit)? {
                Some(red) => (said, last) = (red, middle),
                None => first = middle + 1,
            }
        }
        let car = cars.swap_remove(last);
        self.rejected.insert(car.id, LandingView { verify: Some(said), ..car.red });
        Ok(Verified::OneLess)
    }
}

/// What verifying a train came to.
enum Verified {
    Green,
    /// One task is left out from now on.
    OneLess,
}
