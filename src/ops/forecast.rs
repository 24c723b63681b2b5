//! `forecast`: what landing now would do, of each open task by itself, of any two together, and which of
//! them land together. The same look ahead is the `forecast` of a task.
//!
//! All is worked out against the targets' present tips, without reading or touching any checkout. A
//! worktree that was changed after the end, or files of a person that are in the way, are found only by
//! landing.

use super::foresight::Foresight;
use super::land::refuse_planted_programs;
use super::landing_order::{clusters, most_together};
use super::recover::{ended, find, recover_if_possible};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{Coming, Forecast, Forecaster, MergingAsked, Outlook, close_pairs};
use crate::landing::Conflict;
use crate::names::{CommitId, TaskId};
use crate::path::RepoPath;
use crate::task::{Landing, Task};
use crate::view::{ForecastReport, ForecastView, OverlapView, PairView, TaskForecast, TaskView};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::thread;

/// Tasks for one target, and what landing each of them would do.
struct Group<'a> {
    commit: CommitId,
    forecaster: Forecaster<'a>,
    tasks: Vec<&'a Task>,
    outlooks: Vec<Result<Outlook>>,
}

/// What some of a group's members come to together, by their places among those that could be told.
struct Together {
    pairs: Vec<(usize, usize)>,
    /// Those of which something could be told besides that they are no matter to each other.
    close: BTreeSet<(usize, usize)>,
    conflicts: BTreeSet<(usize, usize)>,
    order: Vec<usize>,
}

/// Looks ahead for the tasks that the words mean, or for all that wait for a decision.
///
/// # Errors
/// `refused` when a named task has not ended, was landed or discarded or changed nothing;
/// `unsupported` when git is too old; `refused` while programs are in the configuration that an open
/// task put there.
pub fn forecast(context: &Context, words: &[String]) -> Result<ForecastReport> {
    let merging = context.repo.ask_merging();
    recover_if_possible(context);
    let mut asked = BTreeSet::new();
    for word in words {
        let task = find(context, word)?;
        refuse_unless_open(&task)?;
        asked.insert(task.id());
    }
    let tasks = open_tasks(context)?;
    if words.is_empty() {
        asked.extend(tasks.iter().map(Task::id));
    }
    let scratch = context.store.layout().scratch();
    let (foresight, mut groups) = groups(context, &tasks, (merging, &scratch))?;
    let together: Result<Vec<_>> = groups.iter().map(|group| group.together(&asked)).collect();
    let (together, tips) = (together?, tips(context, &tasks)?);
    // Removing what was merged takes as long as telling what it came to.
    let leavings = groups.iter_mut().filter_map(|group| group.forecaster.leavings());
    let leavings: Vec<_> = leavings.collect();
    Ok(thread::scope(|scope| {
        if !leavings.is_empty() {
            drop(thread::Builder::new().spawn_scoped(scope, || drop(leavings)));
        }
        let mut report = ForecastReport::empty();
        report.forecasts = tasks
            .iter()
            .filter(|task| asked.contains(&task.id()))
            .map(|task| by_itself(task, &groups))
            .collect();
        for (group, together) in groups.iter().zip(&together) {
            group.report(together, &mut report);
        }
        keep(context, foresight, &tips, groups);
        report
    }))
}

/// Adds to the views what landing the tasks now would do.
pub(super) fn tell_forecasts(context: &Context, tasks: &[Task], views: &mut [TaskView]) {
    let targets: BTreeSet<_> =
        tasks.iter().filter(|task| is_open(task)).map(|task| &task.spec.target).collect();
    if targets.is_empty() {
        return;
    }
    let merging = context.repo.ask_merging();
    // Those beside which they would land.
    let Ok(mut all) = open_tasks(context) else { return };
    let Ok(tips) = tips(context, &all) else { return };
    all.retain(|task| targets.contains(&task.spec.target));
    let scratch = context.store.layout().scratch();
    // Where landing itself would fail it says why; a view has nothing to tell then.
    let Ok((foresight, groups)) = groups(context, &all, (merging, &scratch)) else { return };
    for view in views {
        view.forecast = groups.iter().find_map(|group| group.view_of(view.id));
    }
    keep(context, foresight, &tips, groups);
}

/// The commits on which tasks would land.
fn tips(context: &Context, tasks: &[Task]) -> Result<BTreeSet<CommitId>> {
    let targets: BTreeSet<_> = tasks.iter().filter_map(|task| task.spec.target.as_ref()).collect();
    let tips = targets
        .into_iter()
        .filter_map(|target| context.repo.read_ref(&target.full_ref()).transpose());
    tips.collect()
}

fn keep(
    context: &Context,
    foresight: Foresight,
    tips: &BTreeSet<CommitId>,
    groups: Vec<Group<'_>>,
) {
    let told = groups.into_iter().map(|group| (group.commit, group.forecaster.told()));
    foresight.keep(context, tips, told.collect());
}

/// Ended tasks whose work waits for a decision, in the order in which they were dispatched.
fn open_tasks(context: &Context) -> Result<Vec<Task>> {
    let ids = context.store.open_ids()?;
    // One bad record must not spoil everybody's forecast; `list` tells of it.
    let read = ids.into_iter().filter_map(|id| context.store.read(id).ok());
    let mut tasks: Vec<Task> = read.filter(is_open).collect();
    tasks.sort_by_key(|task| task.spec.sequence);
    Ok(tasks)
}

fn is_open(task: &Task) -> bool {
    // While another attempt is made, the last one's result is nothing to land.
    task.ended().is_some() && task.record.head.is_some() && task.record.landing == Landing::Open
}

fn refuse_unless_open(task: &Task) -> Result<()> {
    let name = ended(task)?.task().name();
    let refused = |what: String| {
        Err(Error::refused(format!("`{name}` {what}")).hint(format!("offshoot status {name}")))
    };
    match &task.record.landing {
        Landing::Landed { target, .. } => refused(format!("is already landed on `{target}`")),
        Landing::Discarded { .. } => refused("was discarded".to_owned()),
        Landing::Empty { .. } => refused("has changed nothing that could be landed".to_owned()),
        Landing::Open => Ok(()),
    }
}

/// The tasks by their targets; those whose target is not there are in no group.
fn groups<'a>(
    context: &'a Context,
    tasks: &'a [Task],
    (merging, scratch): (Result<MergingAsked>, &'a Path),
) -> Result<(Foresight, Vec<Group<'a>>)> {
    let mut by_target: BTreeMap<&str, Vec<&Task>> = BTreeMap::new();
    for task in tasks {
        if let Some(target) = &task.spec.target {
            by_target.entry(target.as_str()).or_default().push(task);
        }
    }
    // They would run for whichever tasks git merges.
    tasks.iter().try_for_each(|task| refuse_planted_programs(context, task))?;
    // Where nothing is known, the results are looked at while git still says how it merges.
    let is_first = context.store.foresees_nothing();
    let mut sides = Vec::new();
    for tasks in by_target.into_values() {
        let Some(target) = &tasks[0].spec.target else { continue };
        let Some(commit) = context.repo.read_ref(&target.full_ref())? else { continue };
        let coming: Result<Vec<_>> = tasks.iter().map(|task| coming(context, task)).collect();
        let coming = coming?;
        let seen = is_first.then(|| context.repo.scout(commit, &coming)).transpose()?;
        sides.push((commit, tasks, coming, seen));
    }
    let foresight = Foresight::of(context, merging);
    let group = |(commit, tasks, coming, seen): (_, _, Vec<_>, _)| {
        let known = foresight.of_target(commit);
        let mut forecaster = context.repo.forecaster(commit, scratch, known)?;
        forecaster.is_the_same_for_all = foresight.is_the_same_for_all();
        let outlooks = forecaster.outlooks(&coming, seen)?;
        Ok(Group { commit, forecaster, tasks, outlooks })
    };
    let groups = sides.into_iter().map(group).collect::<Result<_>>()?;
    Ok((foresight, groups))
}

/// What would be landed: commits that somebody added on the branch after the end belong to it.
fn coming(context: &Context, task: &Task) -> Result<Coming> {
    let head = task.record.head.ok_or_else(|| Error::internal("a task without a result"))?;
    let (branch, snapshot) = (task.spec.branch.full_ref(), task.snapshot());
    if context.repo.is_at(&branch, head) {
        return Ok(Coming { tip: head, snapshot });
    }
    let tip = match context.repo.read_ref(&branch)? {
        Some(tip) if context.repo.is_ancestor(head, tip).unwrap_or(false) => tip,
        _ => head,
    };
    Ok(Coming { tip, snapshot })
}

fn by_itself(task: &Task, groups: &[Group<'_>]) -> TaskForecast {
    let name = task.name().clone();
    let impossible = |target_commit, reason: String| TaskForecast {
        task: name.clone(),
        target: task.spec.target.clone(),
        target_commit,
        verdict: "impossible",
        behind: 0,
        conflicts: Vec::new(),
        reason: Some(reason),
    };
    let Some(target) = &task.spec.target else {
        let reason = "it was dispatched from a detached HEAD and has no target";
        return impossible(None, reason.to_owned());
    };
    let Some((group, outlook)) = groups.iter().find_map(|group| group.of(task.id())) else {
        return impossible(None, format!("there is no branch `{target}`"));
    };
    match outlook {
        Err(error) => impossible(Some(group.commit), error.message.clone()),
        Ok(outlook) => {
            let (verdict, conflicts) = verdict(&outlook.forecast);
            TaskForecast {
                task: name,
                target: Some(target.clone()),
                target_commit: Some(group.commit),
                verdict,
                behind: outlook.behind,
                conflicts,
                reason: None,
            }
        }
    }
}

fn verdict(forecast: &Forecast) -> (&'static str, Vec<Conflict>) {
    match forecast {
        Forecast::Clean => ("clean", Vec::new()),
        Forecast::UpToDate => ("up_to_date", Vec::new()),
        Forecast::Conflicts(conflicts) => ("conflicts", conflicts.clone()),
    }
}

impl Group<'_> {
    fn of(&self, id: TaskId) -> Option<(&Self, &Result<Outlook>)> {
        let at = self.tasks.iter().position(|task| task.id() == id)?;
        Some((self, &self.outlooks[at]))
    }

    /// The members that could be told.
    fn told(&self) -> Vec<(&Task, &Outlook)> {
        let members = self.tasks.iter().zip(&self.outlooks);
        members.filter_map(|(task, outlook)| Some((*task, outlook.as_ref().ok()?))).collect()
    }

    fn view_of(&self, id: TaskId) -> Option<ForecastView> {
        let (_, outlook) = self.of(id)?;
        let outlook = outlook.as_ref().ok()?;
        let (verdict, conflicts) = verdict(&outlook.forecast);
        let others = self.told().into_iter().filter(|(task, _)| task.id() != id);
        let overlaps = others.map(|(task, other)| OverlapView {
            task: task.name().clone(),
            paths: overlap(outlook, other),
        });
        let overlaps = overlaps.filter(|overlap| !overlap.paths.is_empty()).collect();
        let (target_commit, behind) = (self.commit, outlook.behind);
        Some(ForecastView { target_commit, verdict, behind, conflicts, overlaps })
    }

    fn together(&self, asked: &BTreeSet<TaskId>) -> Result<Together> {
        let told = self.told();
        let is_asked = |at: usize| asked.contains(&told[at].0.id());
        let pairs = (0..told.len())
            .flat_map(|one| (one + 1..told.len()).map(move |other| (one, other)))
            .filter(|(one, other)| is_asked(*one) || is_asked(*other));
        let pairs: Vec<(usize, usize)> = pairs.collect();
        let mut close = close_pairs(&told.iter().map(|(_, outlook)| *outlook).collect::<Vec<_>>());
        close.retain(|(one, other)| is_asked(*one) || is_asked(*other));
        let merges: Vec<_> =
            close.iter().map(|(one, other)| (told[*one].1, told[*other].1)).collect();
        let found = self.forecaster.conflicting(&merges)?;
        let conflicts: BTreeSet<_> =
            close.iter().zip(found).filter(|(_, found)| *found).map(|(pair, _)| *pair).collect();
        let landable: Vec<usize> = (0..told.len())
            .filter(|at| is_asked(*at) && told[*at].1.forecast == Forecast::Clean)
            .collect();
        let outlooks: Vec<_> = landable.iter().map(|at| told[*at].1).collect();
        let place = |at: &usize| landable.binary_search(at).ok();
        let rivals = conflicts.iter().filter_map(|(one, other)| Some((place(one)?, place(other)?)));
        let order = self.all_that_land(&outlooks, &rivals.collect::<Vec<_>>())?;
        let order = order.into_iter().map(|at| landable[at]).collect();
        Ok(Together { pairs, close, conflicts, order })
    }

    fn report(&self, together: &Together, report: &mut ForecastReport) {
        let told = self.told();
        for pair @ (one, other) in &together.pairs {
            let shared = || overlap(told[*one].1, told[*other].1);
            report.pairs.push(PairView {
                tasks: [told[*one].0.name().clone(), told[*other].0.name().clone()],
                overlap: together.close.contains(pair).then(shared).unwrap_or_default(),
                verdict: if together.conflicts.contains(pair) { "conflicts" } else { "clean" },
            });
        }
        report.order.extend(together.order.iter().map(|at| told[*at].0.name().clone()));
    }

    /// As many as land one after another. Three may conflict though any two of them do not, so those
    /// that hang together are tried one on the other.
    fn all_that_land(
        &self,
        outlooks: &[&Outlook],
        conflicts: &[(usize, usize)],
    ) -> Result<Vec<usize>> {
        let mut chosen = most_together(outlooks.len(), conflicts);
        let near = close_pairs(outlooks);
        let close = |one: &usize, other: &usize| {
            near.contains(&(*one, *other)) || outlooks[*one].may_move_with(outlooks[*other])
        };
        let crowds: Vec<_> =
            clusters(&chosen, close).into_iter().filter(|crowd| crowd.len() > 2).collect();
        let of = |crowd: &Vec<usize>| crowd.iter().map(|at| outlooks[*at]).collect();
        let lands = self.forecaster.trains(&crowds.iter().map(of).collect::<Vec<_>>())?;
        let tried = crowds.iter().flatten().zip(lands.iter().flatten());
        let left_out: BTreeSet<_> =
            tried.filter(|(_, lands)| !**lands).map(|(at, _)| *at).collect();
        chosen.retain(|at| !left_out.contains(at));
        Ok(chosen)
    }
}

/// The paths that both change.
fn overlap(one: &Outlook, other: &Outlook) -> Vec<RepoPath> {
    one.changed().intersection(other.changed()).cloned().collect()
}
