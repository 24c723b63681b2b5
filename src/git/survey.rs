//! What has to be done to a checkout's files for a landing, and what stands in the way.
//!
//! Every path that changes must be in the checkout exactly as the target's commit has it: in the index
//! and on disk, as git sees both (filters, line endings, sparse checkouts). Whatever else a person has
//! there is left alone and not even looked at. New files never replace untracked or ignored ones.
//!
//! After a crash the same survey tells for each path whether it is still old, new already, or the
//! person's own by now.

use super::ground::{Ground, Signature, parents};
use super::private_index::PrivateIndex;
use super::staging::Staging;
use super::tree_diff::{Change, Entry};
use crate::error::{Error, Result};
use crate::names::ObjectId;
use crate::path::RepoPath;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// How many paths an error names.
const SHOWN: usize = 10;

/// Whether the checkout must be untouched, or may be half-way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Anything but the old state is refused.
    Strict,
    /// Old is brought forward, new is kept, anything else is the person's and left.
    Recovering,
}

/// What is done with a path. In this order: removals make room for additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Act {
    Remove,
    /// A submodule's folder goes, if it is empty.
    RemoveFolder,
    Replace,
    Add,
    /// A submodule's empty folder is made.
    AddFolder,
}

/// One path to be done, as the journal holds it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) path: RepoPath,
    pub(super) act: Act,
    /// What lay there when it was found to be as the target has it.
    pub(super) checked: Option<Signature>,
    /// The new file, made ready in the staging folder.
    pub(super) staged: Option<Signature>,
    /// How many of the folders above it are missing.
    pub(super) new_parents: usize,
}

/// The two states between which a checkout is moved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<'a> {
    pub(super) before: ObjectId,
    pub(super) after: ObjectId,
    pub(super) changes: &'a [Change],
}

/// What a survey found.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// What is to be done to files, in this order.
    pub(super) steps: Vec<Step>,
    /// Paths that are neither old nor new; only while recovering.
    pub(super) left: Vec<RepoPath>,
    /// How many paths are new already; only while recovering.
    pub(super) placed: usize,
    /// Index entries that are neither old nor new; only while recovering.
    pub(super) foreign_entries: HashSet<RepoPath>,
}

/// What git says about the paths that change.
struct Facts {
    skipped: HashSet<RepoPath>,
    /// In the index they are not as before.
    staged: HashSet<RepoPath>,
    /// On disk they are not as before.
    not_old: HashSet<RepoPath>,
    /// On disk they are not as after; asked only while recovering.
    not_new: HashSet<RepoPath>,
}

/// Surveys a checkout.
///
/// # Errors
/// In the strict manner `dirty`, naming the paths that are in the way.
pub(super) fn survey(
    staging: &Staging,
    index: &PrivateIndex<'_>,
    span: &Span<'_>,
    manner: Manner,
) -> Result<Survey> {
    let ground = Ground::open(&staging.checkout.root)?;
    let mut survey = Survey::default();
    // Before the contents are compared, so that an edit in between shows in the signature.
    let mut seen = Vec::with_capacity(span.changes.len());
    for change in span.changes {
        seen.push(ground.signature(&change.path)?);
    }
    let facts = gather(index, span, manner)?;
    if manner == Manner::Recovering {
        let not_after = index.differs_from(span.after)?;
        let concerned = span.changes.iter().map(|change| &change.path);
        survey.foreign_entries = concerned
            .filter(|path| facts.staged.contains(path) && not_after.contains(path))
            .cloned()
            .collect();
    }
    let removed: HashSet<_> = span
        .changes
        .iter()
        .filter(|change| change.old_file().is_some() && change.new_file().is_none())
        .map(|change| &change.path)
        .collect();
    let mut in_the_way = Vec::new();
    for (change, seen) in span.changes.iter().zip(seen) {
        if seen.is_none() && facts.skipped.contains(&change.path) {
            continue;
        }
        if manner == Manner::Recovering && is_new(change, seen, &facts) {
            survey.placed += 1;
            continue;
        }
        let staged = manner == Manner::Strict && facts.staged.contains(&change.path);
        match obstacle(&ground, change, seen, &facts, &removed)? {
            None if !staged => survey.steps.extend(steps_for(&ground, change, seen)?),
            None => in_the_way.push(change.path.clone()),
            Some(path) => in_the_way.push(path),
        }
    }
    match manner {
        Manner::Strict => refuse_dirty(staging, index.unmerged()?, in_the_way)?,
        Manner::Recovering => survey.left = in_the_way,
    }
    survey.steps.sort_by_key(|step| step.act);
    Ok(survey)
}

fn gather(index: &PrivateIndex<'_>, span: &Span<'_>, manner: Manner) -> Result<Facts> {
    let side = |file: fn(&Change) -> Option<Entry>| -> Vec<_> {
        span.changes.iter().filter_map(|change| Some((&change.path, file(change)?))).collect()
    };
    Ok(Facts {
        skipped: index.skipped()?,
        staged: index.differs_from(span.before)?,
        not_old: index.files_that_differ(&side(Change::old_file))?,
        not_new: match manner {
            Manner::Strict => HashSet::new(),
            Manner::Recovering => index.files_that_differ(&side(Change::new_file))?,
        },
    })
}

fn is_new(change: &Change, seen: Option<Signature>, facts: &Facts) -> bool {
    match change.new_file() {
        Some(_) => seen.is_some() && !facts.not_new.contains(&change.path),
        // A submodule has its folder, if only an empty one.
        None if change.new.is_some() => seen.is_some_and(Signature::is_folder),
        // A folder may have taken the place of a removed file.
        None => seen.is_none_or(Signature::is_folder),
    }
}

/// The path that keeps a change from being made, if one does.
fn obstacle(
    ground: &Ground,
    change: &Change,
    seen: Option<Signature>,
    facts: &Facts,
    removed: &HashSet<&RepoPath>,
) -> Result<Option<RepoPath>> {
    let path = &change.path;
    if change.old_file().is_some() {
        let modified = seen.is_none() || facts.not_old.contains(path);
        return Ok(modified.then(|| path.clone()));
    }
    if change.new.is_none() {
        return Ok(None);
    }
    match seen {
        Some(found) if !found.is_folder() => return Ok(Some(path.clone())),
        Some(_) if change.new_file().is_some() => {
            let files = ground.files_below(path)?;
            return Ok(files.into_iter().find(|file| !removed.contains(file)));
        }
        _ => {}
    }
    // Nothing is written through a symbolic link, nor below a file that stays.
    for parent in parents(path) {
        let found = ground.signature(&parent)?;
        if found.is_some_and(|found| !found.is_folder()) && !removed.contains(&parent) {
            return Ok(Some(parent));
        }
    }
    Ok(None)
}

fn steps_for(ground: &Ground, change: &Change, seen: Option<Signature>) -> Result<Vec<Step>> {
    let mut new_parents = 0;
    for parent in parents(&change.path) {
        match ground.signature(&parent)? {
            Some(found) if found.is_folder() => break,
            _ => new_parents += 1,
        }
    }
    let step =
        |act, checked| Step { path: change.path.clone(), act, checked, staged: None, new_parents };
    let is_link = |side: Option<Entry>| side.is_some_and(Entry::is_gitlink);
    let mut steps = Vec::new();
    match (change.old_file(), change.new_file()) {
        (Some(_), Some(_)) => steps.push(step(Act::Replace, seen)),
        (None, Some(_)) => steps.push(step(Act::Add, None)),
        (Some(_), None) => steps.push(step(Act::Remove, seen)),
        (None, None) => {}
    }
    if is_link(change.new) && !is_link(change.old) {
        steps.push(step(Act::AddFolder, None));
    } else if is_link(change.old) && change.new.is_none() {
        steps.push(step(Act::RemoveFolder, None));
    }
    Ok(steps)
}

/// Refuses paths that lie outside the sparse checkout, and yet are there to be replaced.
pub(super) fn refuse_unsparse(staging: &Staging, paths: &[RepoPath]) -> Result<()> {
    if paths.is_empty() {
        return Ok(());
    }
    let place = staging.checkout.root.display();
    Err(Error::dirty(format!(
        "outside the sparse checkout of `{place}`, and yet there: {}",
        listed(paths)
    ))
    .hint("`git sparse-checkout reapply` there puts that right"))
}

fn refuse_dirty(
    staging: &Staging,
    unmerged: Vec<RepoPath>,
    mut in_the_way: Vec<RepoPath>,
) -> Result<()> {
    let place = staging.checkout.root.display();
    if !unmerged.is_empty() {
        return Err(Error::dirty(format!(
            "the index of `{place}` has unresolved conflicts: {}",
            listed(&unmerged)
        ))
        .hint("resolve them, then `git add` and `git commit`"));
    }
    in_the_way.dedup();
    if in_the_way.is_empty() {
        return Ok(());
    }
    Err(Error::dirty(format!(
        "uncommitted work in `{place}` is in the way: {}",
        listed(&in_the_way)
    ))
    .hint("`git stash --include-untracked` or `git commit` there first; move ignored files away")
    .hint("`--into BRANCH` lands on another branch"))
}

/// Up to ten paths for people.
pub(super) fn listed(paths: &[RepoPath]) -> String {
    let shown: Vec<_> = paths.iter().take(SHOWN).map(|path| format!("`{path}`")).collect();
    let more = paths.len().saturating_sub(SHOWN);
    let tail = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{tail}", shown.join(", "))
}
