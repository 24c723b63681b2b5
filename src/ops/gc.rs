//! `gc`: free what was kept of landed and discarded tasks for long enough.
//!
//! What is there is looked at first, then it is decided what has expired, and only then anything is
//! freed, each thing under its task's lock and after a second look at the record. Whatever belongs to
//! a task that is open, or that no record names, is not even a candidate. Logs and records stay.

use super::land::{PINS, drop_landing_pins, lock_landings};
use super::recover::recover;
use super::recycle::{drop_spare, superfluous};
use super::release::kept_refs;
use super::stock;
use super::upkeep;
use crate::config::Keep;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::git::{self, Journaled, Stocked, Trashed};
use crate::lock::Wait;
use crate::names::TaskId;
use crate::store::{Chore, TaskLock, What as Work};
use crate::task::{Custody, Landing, Spare, Task};
use crate::timestamp::Timestamp;
use crate::view::FreedView;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Whether anything is to be freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Yes.
    Free,
    /// Only say what would be.
    DryRun,
}

/// What was freed, and what could not be.
#[must_use]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Collected {
    /// What was, or would be.
    pub freed: Vec<FreedView>,
    /// Why other things were not.
    pub errors: Vec<Error>,
}

/// Frees what has expired.
///
/// # Errors
/// `io` when the records cannot be listed; what goes wrong with one thing is in the answer.
pub fn gc(context: &Context, mode: Mode) -> Result<Collected> {
    if mode == Mode::Free {
        recover(context)?;
    }
    let mut collected = Collected { freed: Vec::new(), errors: Vec::new() };
    let held = held(context, &mut collected.errors)?;
    for thing in expired(held, &context.config.keep, context.now()) {
        let freed = match mode {
            Mode::DryRun => Ok(()),
            Mode::Free => free(context, &thing),
        };
        match freed {
            Ok(()) => collected.freed.push(thing.view()),
            Err(error) => collected.errors.push(error),
        }
    }
    for spare in superfluous(context)? {
        let freed = match mode {
            Mode::DryRun => spare_view(context, &spare),
            Mode::Free => spare_view(context, &spare)
                .and_then(|view| drop_spare(context, &spare).map(|()| view)),
        };
        match freed {
            Ok(view) => collected.freed.push(view),
            Err(error) => collected.errors.push(error),
        }
    }
    if let Some(stocked) = stock::superfluous(context) {
        let freed = match mode {
            Mode::DryRun => Ok(()),
            Mode::Free => stock::stock(context).remove(),
        };
        match freed {
            Ok(()) => collected.freed.push(stock_view(&stocked)),
            Err(error) => collected.errors.push(error),
        }
    }
    if mode == Mode::Free {
        upkeep::start(context)?;
    }
    Ok(collected)
}

/// Something that is kept of a released task.
struct Thing {
    task: Task,
    since: Timestamp,
    what: What,
    bytes: u64,
}

#[derive(Clone, PartialEq, Eq)]
enum What {
    HalfDeleted(PathBuf),
    Folder(PathBuf),
    Entry(PathBuf),
    Ref(String),
    Environment(PathBuf),
    Landing { number: u64, journal: PathBuf },
}

impl Thing {
    fn view(&self) -> FreedView {
        let shown = |path: &Path| path.to_string_lossy().into_owned();
        let (what, path) = match &self.what {
            What::HalfDeleted(path) => ("half_deleted", shown(path)),
            What::Folder(path) => ("folder", shown(path)),
            What::Entry(path) => ("entry", shown(path)),
            What::Ref(name) => ("ref", name.clone()),
            What::Environment(path) => ("environment", shown(path)),
            What::Landing { number, .. } => ("landing", format!("{PINS}{number}/")),
        };
        FreedView { what, path, bytes: self.bytes, task: Some(self.task.name().clone()) }
    }
}

fn spare_view(context: &Context, spare: &Spare) -> Result<FreedView> {
    let task = Some(context.store.read(spare.task)?.name().clone());
    let path = spare.folder.to_string_lossy().into_owned();
    Ok(FreedView { what: "spare", path, bytes: spare.bytes, task })
}

fn stock_view(stocked: &Stocked) -> FreedView {
    let path = stocked.path.to_string_lossy().into_owned();
    FreedView { what: "stock", path, bytes: stocked.bytes, task: None }
}

/// Everything that is kept of released tasks. A record that cannot be read keeps what is its task's.
fn held(context: &Context, errors: &mut Vec<Error>) -> Result<Vec<Thing>> {
    let mut released = Vec::new();
    for id in context.store.all_ids()? {
        match context.store.read(id) {
            Ok(task) if task.is_released() => released.push(task),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
    }
    let mut trashed = whose(&context.store.layout().trash(), What::Entry)?;
    for trash in trashes(&released) {
        // Folders come before entries: what can be brought back whole goes whole.
        trashed.splice(0..0, whose(&trash, What::Folder)?);
    }
    leave_only_copies(&mut trashed);
    // What is being deleted was told before; what could not be deleted is tried here, and told.
    let being_deleted: Vec<Work> =
        context.store.chores()?.into_iter().map(|chore| chore.what).collect();
    trashed.retain(|(_, path, _)| !being_deleted.contains(&Work::Delete(path.clone())));
    let mut things = landings(context, &released)?;
    for task in released {
        let since = released_at(&task);
        let thing = |what, bytes| Thing { task: task.clone(), since, what, bytes };
        for (_, path, what) in trashed.iter().filter(|(owner, ..)| *owner == task.id()) {
            things.push(thing(what.clone(), git::size_of(path)));
        }
        for name in context.repo.refs_below(&kept_refs(&task))? {
            things.push(thing(What::Ref(name), 0));
        }
        for (path, bytes) in context.store.environment_files(task.id()) {
            things.push(thing(What::Environment(path), bytes));
        }
    }
    Ok(things)
}

/// A folder with work that is nowhere else is no candidate, nor is the entry that says so.
fn leave_only_copies(trashed: &mut Vec<(TaskId, PathBuf, What)>) {
    let only: BTreeSet<TaskId> = trashed
        .iter()
        .filter(|(_, path, what)| matches!(what, What::Entry(_)) && git::is_only_copy(path))
        .map(|(owner, ..)| *owner)
        .collect();
    let folders = trashed.iter().filter(|(.., what)| matches!(what, What::Folder(_)));
    let there: BTreeSet<TaskId> = folders.map(|(owner, ..)| *owner).collect();
    trashed.retain(|(owner, _, what)| {
        matches!(what, What::HalfDeleted(_)) || !only.contains(owner) || !there.contains(owner)
    });
}

/// Journals and pins of landings. The last one stays, since the next is numbered after it.
fn landings(context: &Context, released: &[Task]) -> Result<Vec<Thing>> {
    let folder = context.store.layout().landings();
    let mut landings = context.repo.landings(&folder)?;
    landings.pop();
    let mut things = Vec::new();
    for (landing, ended) in landings {
        let task = released.iter().find(|task| task.id().to_string() == landing.task);
        let (Some(task), Journaled::Done) = (task, ended) else { continue };
        let what = What::Landing { number: landing.number, journal: folder.clone() };
        things.push(Thing { task: task.clone(), since: released_at(task), what, bytes: 0 });
    }
    Ok(things)
}

/// What lies in a trash, and whose it is by its name.
fn whose(trash: &Path, whole: fn(PathBuf) -> What) -> Result<Vec<(TaskId, PathBuf, What)>> {
    let found = git::trashed_in(trash)?.into_iter().map(
        |Trashed { path, task, is_half_deleted, .. }| {
            let what = if is_half_deleted { What::HalfDeleted } else { whole };
            (task, path.clone(), what(path))
        },
    );
    Ok(found.collect())
}

/// The folders that released worktrees were moved into.
fn trashes(tasks: &[Task]) -> BTreeSet<PathBuf> {
    let mut trashes = BTreeSet::new();
    for task in tasks {
        trashes.insert(task.spec.worktree.with_file_name(".trash"));
        let folder = custody(task).and_then(|custody| custody.folder.as_ref());
        let moved = folder.and_then(|folder| folder.parent());
        trashes.extend(moved.filter(|place| place.ends_with(".trash")).map(Path::to_owned));
    }
    trashes
}

/// What was kept of a task when it was released.
fn custody(task: &Task) -> Option<&Custody> {
    match &task.record.landing {
        Landing::Landed { custody, .. } | Landing::Discarded { custody, .. } => Some(custody),
        Landing::Open | Landing::Empty { .. } => None,
    }
}

fn released_at(task: &Task) -> Timestamp {
    let decided = match &task.record.landing {
        Landing::Landed { at, .. } | Landing::Discarded { at, .. } => *at,
        Landing::Open | Landing::Empty { .. } => task.spec.created_at,
    };
    custody(task).and_then(|custody| custody.released_at).unwrap_or(decided)
}

/// Those whose time is over, and the oldest folders beyond what all of them may take together.
fn expired(mut things: Vec<Thing>, keep: &Keep, now: Timestamp) -> Vec<Thing> {
    things.sort_by_key(|thing| (thing.since, thing.task.spec.sequence));
    let is_over = |since: Timestamp, limit: Duration| {
        // A clock that was set back makes nothing older than it is.
        let age = now.as_millis().saturating_sub(since.as_millis()).max(0);
        u128::try_from(age).unwrap_or(0) >= limit.as_millis()
    };
    let folders = || things.iter().filter(|thing| matches!(thing.what, What::Folder(_)));
    let mut left: u64 = folders().map(|thing| thing.bytes).sum();
    let mut kept: BTreeSet<TaskId> = BTreeSet::new();
    let mut gone: Vec<PathBuf> = Vec::new();
    for thing in folders() {
        if is_over(thing.since, keep.folders) || left > keep.folders_bytes {
            left -= thing.bytes;
            gone.extend(thing.path());
        } else {
            kept.insert(thing.task.id());
        }
    }
    things.retain(|thing| match &thing.what {
        What::HalfDeleted(_) | What::Environment(_) => true,
        What::Folder(path) => gone.contains(path),
        // An entry without its folder serves nobody, but it says for a while where that went.
        What::Entry(path) => {
            let is_told = git::is_recycled(path) && !is_over(thing.since, keep.folders);
            !kept.contains(&thing.task.id()) && !is_told
        }
        What::Ref(_) | What::Landing { .. } => is_over(thing.since, keep.refs),
    });
    things
}

impl Thing {
    fn path(&self) -> Option<PathBuf> {
        match &self.what {
            What::HalfDeleted(path)
            | What::Folder(path)
            | What::Entry(path)
            | What::Environment(path) => Some(path.clone()),
            What::Ref(_) | What::Landing { .. } => None,
        }
    }
}

fn free(context: &Context, thing: &Thing) -> Result<()> {
    // Whoever lands reads the journals.
    let _landing = match &thing.what {
        What::Landing { .. } => Some(lock_landings(context)?),
        _ => None,
    };
    let lock = still_released(context, thing)?;
    match &thing.what {
        What::HalfDeleted(path) => git::delete(path),
        What::Folder(path) => delete(context, &lock, path),
        What::Entry(path) => match git::owner_of(path) {
            Some(owner) if owner == thing.task.id() => delete(context, &lock, path),
            // It never said whose it is, so it is not ours to delete.
            _ => Err(Error::refused(format!("`{}` names no task as its owner", path.display()))
                .hint("offshoot doctor")),
        },
        What::Ref(name) => {
            // Marked, so that a lock which stays is looked for.
            context.store.begin(&lock)?;
            if let Some(commit) = context.repo.read_ref(name)? {
                context.repo.delete_ref(name, commit)?;
            }
            context.store.settle(&lock, &context.store.read(thing.task.id())?)
        }
        What::Environment(_) => context.store.forget_environment(&lock),
        // The journal goes last: pins without one are told by `doctor`.
        What::Landing { number, journal } => {
            drop_landing_pins(context, *number)?;
            context.repo.forget_landing(journal, *number)
        }
    }
}

/// Nobody can take the folder for something to bring back from here on, and it goes in the background.
fn delete(context: &Context, lock: &TaskLock, path: &Path) -> Result<()> {
    let note = |doomed: &Path| context.store.note_chore(&Chore::delete(lock.id(), doomed));
    git::doom(path, note).map(drop)
}

/// The task's lock, if it is still as it was looked at: somebody may have restored it meanwhile.
fn still_released(context: &Context, thing: &Thing) -> Result<TaskLock> {
    let name = thing.task.name();
    let lock = context.store.lock_task(thing.task.id(), Wait::briefly())?.ok_or_else(|| {
        Error::busy(format!("somebody else is changing `{name}`"))
            .hint(format!("offshoot status {name}"))
    })?;
    let now = context.store.read(thing.task.id())?;
    if now.is_released() && released_at(&now) == thing.since {
        return Ok(lock);
    }
    Err(Error::refused(format!("`{name}` was restored meanwhile"))
        .hint(format!("offshoot status {name}")))
}
