//! Checks of what was left in the repository and beside it: refs, landings, worktrees and folders.

use super::Look;
use super::finding::{Finding, Fix, Mend, word};
use crate::error::{Attempt, Result};
use crate::git::{self, Journaled, Landing, OwnedEntry, Purpose};
use crate::layout::RepoLock;
use crate::lock::{FileLock, Wait};
use crate::names::TaskId;
use crate::ops::land::{self, PINS, is_undecided};
use crate::ops::place::worktree_root;
use crate::ops::release::{BASES, base_pin};
use crate::task::{Landing as TaskLanding, Task};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// How old a lock file of git's must be to be taken for nobody's, in seconds.
const ABANDONED_S: i64 = 120;

/// The landing lock; none while somebody is landing, whose steps are nothing to tell.
fn nobody_lands(look: &Look<'_>) -> Result<Option<FileLock>> {
    if look.context.store.exists() {
        look.context.store.try_lock(RepoLock::Land, Wait::No)
    } else {
        Ok(None)
    }
}

/// Landings that are neither done nor taken back, and what they work in.
pub(super) fn landings_were_cut_off(look: &Look<'_>) -> Result<Vec<Finding>> {
    let Some(_landing) = nobody_lands(look)? else { return Ok(Vec::new()) };
    let repo = &look.context.repo;
    let mut found = Vec::new();
    for (landing, ended) in repo.landings(&look.context.store.layout().landings())? {
        if ended == Journaled::CutOff {
            let message = format!(
                "landing {} of task {} on `{}` was cut off",
                landing.number,
                landing.task.get(..8).unwrap_or(&landing.task),
                landing.target
            );
            found.push(Finding::new("unfinished_landing", message, fix_landings()));
        }
    }
    if found.is_empty() {
        for place in repo.leftover_stagings()? {
            let locked = place.with_file_name("index.lock").exists();
            let lock = if locked { ", and with it maybe git's `index.lock` there" } else { "" };
            let message = format!("a landing left `{}`{lock}", place.display());
            found.push(Finding::new("landing_leftover", message, fix_landings()));
        }
    }
    Ok(found)
}

fn fix_landings() -> Mend {
    Mend::Ours(Fix::FinishLandings)
}

/// Landings that moved their target while their task says that nobody has decided.
pub(super) fn landings_are_not_recorded(look: &Look<'_>) -> Result<Vec<Finding>> {
    let Some(_landing) = nobody_lands(look)? else { return Ok(Vec::new()) };
    let landings = look.context.repo.landings(&look.context.store.layout().landings())?;
    let mut found = Vec::new();
    let decided = |task: &Task| matches!(task.record.landing, TaskLanding::Landed { .. });
    for task in look.tasks.iter().filter(|task| is_undecided(task) || decided(task)) {
        let (id, known) = (task.id().to_string(), task.record.last_landing());
        let untold = |it: &Landing| it.task == id && it.number > known;
        let done = landings.iter().find(|(it, ended)| untold(it) && *ended == Journaled::Done);
        if let Some((landing, _)) = done {
            let (number, name, target) = (landing.number, task.name(), &landing.target);
            let message = match landing.purpose {
                Purpose::Land { .. } => {
                    format!(
                        "landing {number} put `{name}` on `{target}`, and its record does not say so"
                    )
                }
                _ => format!(
                    "landing {number} of `{name}` moved `{target}`, and its record does not say so"
                ),
            };
            found.push(Finding::new("unrecorded_landing", message, fix_landings()));
        }
    }
    Ok(found)
}

/// Pins of bases that nobody needs, and bases that nothing pins.
pub(super) fn pins_of_bases(look: &Look<'_>) -> Result<Vec<Finding>> {
    let repo = &look.context.repo;
    let mut found = Vec::new();
    for name in repo.refs_below(BASES)? {
        let Some(id) = name.strip_prefix(BASES).and_then(|id| id.parse::<TaskId>().ok()) else {
            continue;
        };
        let is_needed = match look.task(id) {
            Some(task) => !task.is_released(),
            // A record that cannot be read may be of an open task.
            None => look.context.store.has_folder(id),
        };
        if !is_needed {
            let message = format!("`{name}` keeps the base of no open task");
            found.push(Finding::new("leaked_pin", message, Mend::Ours(Fix::DropBasePin(id))));
        }
    }
    for task in look.tasks.iter().filter(|task| !task.is_released() && !task.record.releasing) {
        let base = task.spec.base.commit;
        if repo.read_ref(&base_pin(task.id()))?.is_none() && repo.tree_of(base).is_ok() {
            let name = task.name();
            let message = format!("nothing keeps the base {base} of `{name}` from `git gc`");
            found.push(Finding::new("unpinned_base", message, Mend::Ours(Fix::PinBase(task.id()))));
        }
    }
    Ok(found)
}

/// Pins of landings that have not happened.
pub(super) fn pins_of_landings(look: &Look<'_>) -> Result<Vec<Finding>> {
    let Some(_landing) = nobody_lands(look)? else { return Ok(Vec::new()) };
    let repo = &look.context.repo;
    let landings = repo.landings(&look.context.store.layout().landings())?;
    let mut numbers = BTreeSet::new();
    for name in repo.refs_below(land::PINS)? {
        let number: Option<u64> =
            name.strip_prefix(PINS).and_then(|rest| rest.split('/').next()?.parse().ok());
        numbers.extend(number);
    }
    numbers.retain(|number| !landings.iter().any(|(landing, _)| landing.number == *number));
    let found = numbers.into_iter().map(|number| {
        let message = format!("`{PINS}{number}/…` is of a landing that has not happened");
        Finding::new("leaked_pin", message, Mend::Ours(Fix::DropLandingPins(number)))
    });
    Ok(found.collect())
}

/// Worktrees in git's list that were made for tasks which have none.
pub(super) fn worktrees_without_task(look: &Look<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for OwnedEntry { task: id, git_dir, root } in look.context.repo.owned_entries()? {
        let released = match look.task(id) {
            Some(task) if !task.is_released() => continue,
            Some(task) => Some(task.name()),
            None if look.context.store.has_folder(id) => continue,
            None => None,
        };
        let entry = git_dir.display();
        let (message, mend) = match (root, released) {
            (None, _) => (
                format!("git's entry `{entry}` is of task {}, and the folder is gone", id.short()),
                Mend::Ours(Fix::PutEntryAway(id)),
            ),
            (Some(root), Some(name)) => (
                format!("`{name}` was released, and its worktree `{}` is there", root.display()),
                Mend::Person(format!("offshoot restore {name}")),
            ),
            (Some(root), None) => (
                format!("`{}` is the worktree of task {}, which has no record", root.display(), id),
                Mend::Person(format!("git worktree remove {}", word(&root))),
            ),
        };
        found.push(Finding::new("worktree_without_task", message, mend));
    }
    Ok(found)
}

/// Released worktrees with work that could not be recorded; `gc` leaves them alone.
pub(super) fn released_unrecorded(look: &Look<'_>) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for entry in git::trashed_in(&look.context.store.layout().trash())? {
        let Some(task) = look.task(entry.task).filter(|_| git::is_only_copy(&entry.path)) else {
            continue;
        };
        let name = task.name();
        let (folder, command) = match &task.record.landing {
            TaskLanding::Discarded { custody, .. } => {
                (&custody.folder, Some(format!("offshoot restore {name}")))
            }
            TaskLanding::Landed { custody, .. } => (&custody.folder, None),
            TaskLanding::Open | TaskLanding::Empty { .. } => continue,
        };
        let Some(folder) = folder.as_ref().filter(|folder| folder.is_dir()) else { continue };
        let message = format!(
            "what was in the worktree of `{name}` could not be recorded when it was released; the \
             only copy is `{}`",
            folder.display()
        );
        let remove = || format!("rm -r {}  when nothing in it is needed", word(folder));
        let command = command.unwrap_or_else(remove);
        found.push(Finding::new("only_copy", message, Mend::Person(command)));
    }
    Ok(found)
}

/// Lock files that a git which was killed left: it makes and removes them within a moment.
pub(super) fn locks_of_git(look: &Look<'_>) -> Result<Vec<Finding>> {
    let repo = &look.context.repo;
    let mut places = vec![repo.common_dir().join("packed-refs.lock")];
    for task in look.tasks.iter().filter(|task| task.ended().is_some()) {
        let name = format!("{}.lock", task.spec.branch.full_ref());
        places.push(repo.common_dir().join(name));
        let entry = repo.entry_of(task.id())?;
        places.extend(entry.iter().flat_map(|it| ["index.lock", "HEAD.lock"].map(|n| it.join(n))));
    }
    let is_old = |place: &PathBuf| {
        let now = look.context.now().as_millis() / 1000;
        place.metadata().is_ok_and(|facts| now.saturating_sub(facts.mtime()) >= ABANDONED_S)
    };
    places.retain(is_old);
    let found = places.into_iter().map(|place| {
        let message = format!(
            "`{}` is there for minutes, and keeps git from changing what it guards",
            place.display()
        );
        let command = format!("rm {}  when no git is at work here", word(&place));
        Finding::new("abandoned_lock", message, Mend::Person(command))
    });
    Ok(found.collect())
}

/// Folders among the worktrees that are nobody's. They are told and never deleted.
pub(super) fn folders_of_nobody(look: &Look<'_>) -> Result<Vec<Finding>> {
    let context = look.context;
    // A folder that a person chose may hold other repositories' worktrees, and anything else.
    if !context.store.exists() || context.config.worktree_root.is_some() {
        return Ok(Vec::new());
    }
    let root = worktree_root(context);
    let mut owned: BTreeSet<PathBuf> = look
        .tasks
        .iter()
        .filter(|task| !task.is_released())
        .map(|it| resolved(&it.spec.worktree))
        .collect();
    // Every worktree that git knows is somebody's; ours were looked at before.
    owned.extend(context.repo.checkouts()?.into_iter().map(|checkout| checkout.root));
    let [trash, trees, pool] = [".trash", ".trees", ".pool"].map(|name| root.join(name));
    let mut folders = children(&root)?;
    folders.retain(|it| ![&trash, &trees, &pool].contains(&it));
    folders.extend(children(&trees)?);
    let spares = context.store.spares()?;
    owned.extend(spares.iter().map(|spare| resolved(&spare.folder)));
    folders.extend(children(&pool)?);
    folders.retain(|folder| !owned.contains(&resolved(folder)));
    let trashed = git::trashed_in(&trash)?;
    let ours = |folder: &PathBuf| {
        trashed.iter().any(|it| it.path == *folder && context.store.has_folder(it.task))
    };
    folders.extend(children(&trash)?.into_iter().filter(|folder| !ours(folder)));
    let found = folders.into_iter().map(|folder| {
        let message = format!("`{}` belongs to no task; it is left alone", folder.display());
        Finding::new("foreign_folder", message, Mend::Nobody)
    });
    Ok(found.collect())
}

/// Spare worktrees whose folder is gone, and those that are not ready while nobody is at work on them.
pub(super) fn pool_is_untidy(look: &Look<'_>) -> Result<Vec<Finding>> {
    let store = &look.context.store;
    if store.is_kept_up()? {
        return Ok(Vec::new());
    }
    let spares = store.spares()?;
    let gone = spares.iter().filter(|spare| !spare.folder.is_dir());
    let gone = gone.map(|spare| format!("the spare worktree `{}` is gone", spare.folder.display()));
    let unready = store.unready_spares()?;
    let unready = unready.iter().map(|(name, _)| {
        format!("the spare worktree `{name}` was left behind by who made it ready")
    });
    let told = |text| Finding::new("stray_spare", text, Mend::Ours(Fix::SweepPool));
    Ok(gone.chain(unready).map(told).collect())
}

fn children(folder: &Path) -> Result<Vec<PathBuf>> {
    let list = || format!("list `{}`", folder.display());
    let entries = match std::fs::read_dir(folder) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.attempt(list)?,
    };
    let mut children = Vec::new();
    for entry in entries {
        children.push(entry.attempt(list)?.path());
    }
    children.sort();
    Ok(children)
}

/// A path without symbolic links in the folder that it lies in.
fn resolved(path: &Path) -> PathBuf {
    match (path.parent().map(std::fs::canonicalize), path.file_name()) {
        (Some(Ok(parent)), Some(name)) => parent.join(name),
        _ => path.to_owned(),
    }
}
