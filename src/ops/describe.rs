//! Tasks as views: what the records tell, and what only git can tell.

use super::forecast::tell_forecasts;
use super::logs::last_lines;
use crate::context::Context;
use crate::diff::{DiffSummary, figures};
use crate::error::{Error, Result};
use crate::git::{Checkout, DiffRange};
use crate::names::CommitId;
use crate::outcome::Outcome;
use crate::supervisor::{self, Precedence};
use crate::task::{Landing, StreamKind, Task, TaskState, Told, Warning, WarningKind};
use crate::view::{DiffEnds, TaskView, WaitingFor};
use std::cell::OnceCell;

/// How many lines of a preset's log are told whose stream is not read.
const LAST_LINES: usize = 5;

/// Tells of tasks; what several of them need is read once.
pub(super) struct Teller<'a> {
    context: &'a Context,
    precedence: OnceCell<Precedence>,
}

impl<'a> Teller<'a> {
    /// Nothing has been read yet.
    pub(super) fn new(context: &'a Context) -> Self {
        Self { context, precedence: OnceCell::new() }
    }

    /// A task as its record tells it.
    pub(super) fn describe_briefly(&self, task: &Task) -> Result<TaskView> {
        let mut view = TaskView::of(task);
        view.waiting_for = self.waiting_for(task)?;
        // One that somebody deleted by hand is not there, whatever the record says.
        view.worktree = view.worktree.filter(|worktree| worktree.is_dir());
        Ok(view)
    }

    /// Tasks with their files.
    pub(super) fn describe_each(&self, tasks: &[Task]) -> Result<Vec<TaskView>> {
        let views = tasks.iter().map(|task| self.describe_briefly(task));
        let mut views = views.collect::<Result<Vec<_>>>()?;
        let (mut changed, mut ranges) = (Vec::new(), Vec::new());
        for (view, task) in views.iter_mut().zip(tasks) {
            view.messages_waiting = self.messages_waiting(task)?;
            // Most tasks of a long list changed nothing; git need not be asked about them.
            let diff = view.diff.as_mut().filter(|diff| diff.summary.figures.files > 0);
            if let (Some(diff), Ok(Some(ends))) = (diff, ends(self.context, task)) {
                changed.push(diff);
                ranges.push(DiffRange { from: ends.from, to: ends.to, paths: &[] });
            }
        }
        for (diff, changes) in changed.into_iter().zip(self.context.repo.changes_of_each(&ranges)) {
            // A commit that was collected has no files to tell any more.
            diff.changes = changes.unwrap_or_default();
        }
        Ok(views)
    }

    fn messages_waiting(&self, task: &Task) -> Result<usize> {
        match &task.record.state {
            // Elsewhere none can wait.
            TaskState::Pending { .. }
            | TaskState::Running(_)
            | TaskState::Ended { outcome: Outcome::Cancelled, .. } => {
                self.context.store.messages_waiting(task)
            }
            TaskState::Ended { .. } => Ok(0),
        }
    }

    /// Why a task does not run now, if it is for want of something.
    fn waiting_for(&self, task: &Task) -> Result<Option<WaitingFor>> {
        let store = &self.context.store;
        let waits = |kind, tasks| Ok(Some(WaitingFor { kind, tasks }));
        match &task.record.state {
            TaskState::Pending { held: true } => waits("held", Vec::new()),
            TaskState::Pending { held: false } => {
                let mut needed = Vec::new();
                for other in &task.spec.after {
                    if store.read(other.task).is_ok_and(|other| other.ended().is_none()) {
                        needed.push(other.name.to_string());
                    }
                }
                if !needed.is_empty() {
                    return waits("task", needed);
                }
                if !supervisor::has_room(task, &self.context.config).unwrap_or(true) {
                    return waits("disk", Vec::new());
                }
                match self.in_the_way_of(task)? {
                    owners if owners.is_empty() => waits("slot", running_names(self.context)?),
                    owners => waits("claim", owners),
                }
            }
            TaskState::Running(running) if running.waits_for_slot() => {
                waits("slot", running_names(self.context)?)
            }
            TaskState::Running(_) | TaskState::Ended { .. } => Ok(None),
        }
    }

    /// Who keeps a task from what it claims.
    fn in_the_way_of(&self, task: &Task) -> Result<Vec<String>> {
        if task.spec.claims.is_empty() {
            return Ok(Vec::new());
        }
        let store = &self.context.store;
        let precedence = match self.precedence.get() {
            Some(known) => known,
            None => {
                let read = Precedence::read(store)?;
                self.precedence.get_or_init(|| read)
            }
        };
        Ok(precedence.in_the_way_of(store, task).iter().map(ToString::to_string).collect())
    }
}

/// A task with its files.
pub(super) fn describe(context: &Context, task: &Task) -> Result<TaskView> {
    let mut views = Teller::new(context).describe_each(std::slice::from_ref(task))?;
    views.pop().ok_or_else(|| Error::internal("a task without a view"))
}

/// Tasks with their files, with what landing each now would do, and with who was told of their ends.
pub(super) fn describe_in_full(context: &Context, tasks: &[Task]) -> Result<Vec<TaskView>> {
    let mut views = Teller::new(context).describe_each(tasks)?;
    for (task, view) in tasks.iter().zip(&mut views) {
        if task.spec.agent.is_some() && task.spec.stream() == StreamKind::Text {
            // A log that cannot be read is no reason to tell nothing.
            view.last_lines = last_lines(context, task, LAST_LINES).unwrap_or_default();
        }
    }
    tell_forecasts(context, tasks, &mut views);
    for (task, view) in tasks.iter().zip(&mut views) {
        tell_ways_on(context, task, view);
    }
    for view in &mut views {
        view.told = context.store.told(view.id)?;
        view.warnings.extend(not_told(&view.told));
    }
    Ok(views)
}

/// The commands that make sense amid a merge, or with a conflict ahead.
fn tell_ways_on(context: &Context, task: &Task, view: &mut TaskView) {
    if task.ended().is_none() || task.record.landing != Landing::Open {
        return;
    }
    let checkout = context.repo.worktree_near(task.id(), &task.spec.worktree).ok().flatten();
    let merging = |checkout: &Checkout| context.repo.merge_in_progress(checkout).ok().flatten();
    if let Some(checkout) = checkout.filter(|checkout| merging(checkout).is_some()) {
        view.next = task.next_amid_merge(&checkout.root);
    } else if view.forecast.as_ref().is_some_and(|forecast| forecast.verdict == "conflicts") {
        view.next = task.next_in_conflict();
    }
}

/// Who could not be told: of each way the last try counts.
fn not_told(told: &[Told]) -> impl Iterator<Item = Warning> {
    told.iter().enumerate().filter_map(move |(index, last)| {
        let is_same = |later: &Told| (later.cursor, later.channel) == (last.cursor, last.channel);
        let error = last.error.as_ref().filter(|_| !told[index + 1..].iter().any(is_same))?;
        let message = format!("{}: {error}", last.channel.words());
        Some(Warning::new(WarningKind::NotTold, message))
    })
}

/// What a task's change is between; none before it has a result.
pub(super) fn ends(context: &Context, task: &Task) -> Result<Option<DiffEnds>> {
    let Some(to) = task.record.head else { return Ok(None) };
    let target = match &task.record.landing {
        // Once it has landed, the target's tip says nothing about what was the task's.
        Landing::Landed { before, .. } => Some(*before),
        _ => target_tip(context, task)?,
    };
    let from = context.repo.diff_base(task.record.base, to, target)?;
    Ok(Some(DiffEnds { from, to }))
}

/// The size of a task's change between two commits.
pub(super) fn measure(
    context: &Context,
    task: &Task,
    (base, head): (CommitId, CommitId),
) -> Result<DiffSummary> {
    let from = context.repo.diff_base(base, head, target_tip(context, task)?)?;
    let changes = context.repo.changes(&DiffRange { from, to: head, paths: &[] })?;
    Ok(DiffSummary {
        figures: figures(&changes),
        commits: context.repo.count_commits(from, head)?,
        leftovers_committed: task.record.diff.is_some_and(|diff| diff.leftovers_committed),
    })
}

fn target_tip(context: &Context, task: &Task) -> Result<Option<CommitId>> {
    match &task.spec.target {
        Some(target) => context.repo.read_ref(&target.full_ref()),
        None => Ok(None),
    }
}

fn running_names(context: &Context) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for id in context.store.active_ids()? {
        if let Ok(task) = context.store.read(id)
            && let TaskState::Running(running) = &task.record.state
            && !running.gave_its_slot_back()
        {
            names.push(task.name().to_string());
        }
    }
    names.sort();
    Ok(names)
}
