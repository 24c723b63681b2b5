//! Checks of our own records and of the indexes made from them.

use super::finding::{Finding, Fix, Mend};
use super::{Look, is_newer};
use crate::error::Result;
use crate::layout::Index;
use crate::names::TaskName;
use crate::task::{Task, TaskState};
use std::collections::HashMap;

/// Records that cannot be read. They are told and never deleted.
pub(super) fn cannot_be_read(look: &Look<'_>) -> Result<Vec<Finding>> {
    let found = look.unreadable.iter().map(|(id, error)| {
        let place = look.context.store.layout().task(*id);
        let kind = if is_newer(error) { "newer_record" } else { "unreadable_record" };
        let message = format!(
            "the record of task {} in `{}` cannot be used: {}",
            id.short(),
            place.root().display(),
            error.message
        );
        Finding::new(kind, message, Mend::Nobody)
    });
    Ok(found.collect())
}

/// A journal with events of a version that knows more.
pub(super) fn journal_is_newer(look: &Look<'_>) -> Result<Vec<Finding>> {
    match look.context.store.journal_after(0).read_new() {
        Err(error) if is_newer(&error) => {
            Ok(vec![Finding::new("newer_journal", error.message, Mend::Nobody)])
        }
        other => other.map(|_| Vec::new()),
    }
}

/// Dispatches that died before their record was there.
pub(super) fn dispatch_died(look: &Look<'_>) -> Result<Vec<Finding>> {
    if !look.context.store.exists() {
        return Ok(Vec::new());
    }
    let found = look.context.store.half_dispatched()?.into_iter().map(|id| {
        let message =
            format!("the dispatch of task {} died before its record was whole", id.short());
        Finding::new("dead_dispatch", message, Mend::Ours(Fix::ForgetDispatch(id)))
    });
    Ok(found.collect())
}

/// Index entries that lead to no task.
pub(super) fn entries_lead_nowhere(look: &Look<'_>) -> Result<Vec<Finding>> {
    let store = &look.context.store;
    if !store.exists() {
        return Ok(Vec::new());
    }
    let found = store.stray_entries()?.into_iter().map(|entry| {
        let message = format!("`{}` leads to no task", store.entry_path(&entry).display());
        Finding::new("stray_entry", message, Mend::Ours(Fix::ForgetEntry(entry)))
    });
    Ok(found.collect())
}

/// Tasks that the indexes do not show as they are.
pub(super) fn indexes_are_out_of_line(look: &Look<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for task in &look.tasks {
        let indexes = look.context.store.out_of_line(task)?;
        if !indexes.is_empty() {
            let names: Vec<_> = indexes.into_iter().map(|index| shown(index)).collect();
            let message = format!(
                "`{}` is {}, and the index {} says otherwise",
                task.name(),
                task.record.state.name(),
                names.join(", ")
            );
            found.push(Finding::new("misfiled", message, Mend::Ours(Fix::Settle(task.id()))));
        }
    }
    Ok(found)
}

fn shown(index: Index) -> &'static str {
    match index {
        Index::Open => "`open`",
        Index::Names => "`names`",
        Index::Requests => "`requests`",
        Index::Queue => "`queue`",
        Index::Active => "`active`",
    }
}

/// Tasks that are not found by their name, though they are its newest bearer.
pub(super) fn names_are_forgotten(look: &Look<'_>) -> Result<Vec<Finding>> {
    let mut newest: HashMap<&TaskName, &Task> = HashMap::new();
    // In the order of their dispatch, so that the newest stays.
    newest.extend(look.tasks.iter().map(|task| (task.name(), task)));
    let mut found = Vec::new();
    for task in look.tasks.iter().filter(|task| newest[task.name()].id() == task.id()) {
        // A name may be borne by a newer task whose record cannot be read; then it stays there.
        if look.unreadable.is_empty() && !look.context.store.is_remembered(task)? {
            let (name, id) = (task.name(), task.id());
            let message = format!("task {} is not found by its name `{name}`", id.short());
            found.push(Finding::new("forgotten_name", message, Mend::Ours(Fix::Remember(id))));
        }
    }
    Ok(found)
}

/// Running tasks whose lock is free: their supervisor died.
pub(super) fn supervisor_is_gone(look: &Look<'_>) -> Result<Vec<Finding>> {
    let store = &look.context.store;
    let mut found = Vec::new();
    for task in &look.tasks {
        let runs = |task: &Task| matches!(task.record.state, TaskState::Running(_));
        // It may have ended between the two looks.
        if runs(task) && !store.is_held(task.id())? && runs(&store.read(task.id())?) {
            let (name, state) = (task.name(), task.record.state.name());
            let message = format!("`{name}` is {state}, and its supervisor is gone");
            found.push(Finding::new("no_supervisor", message, Mend::Ours(Fix::TakeUp)));
        }
    }
    Ok(found)
}

/// Landed and discarded tasks that were not let go of to the end.
pub(super) fn release_was_cut_off(look: &Look<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for task in look.tasks.iter().filter(|task| task.record.releasing) {
        if !look.context.store.is_held(task.id())? {
            let message = format!("`{}` was being released, and whoever did it died", task.name());
            let fix = Fix::Release(task.id());
            found.push(Finding::new("unfinished_release", message, Mend::Ours(fix)));
        }
    }
    Ok(found)
}
