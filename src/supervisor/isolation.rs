//! The isolation check: what all worktrees share is noted when the agent is let go and compared when
//! it has ended. What changed and is not the task's own becomes a warning with names.
//!
//! A warning never says that the task did it, since it cannot be known: only that it happened while
//! the task ran. What is known to be somebody else's is left out: landings of our own, and branches of
//! tasks (whatever is below the configured prefix). The note lies in the task's folder, so a new
//! supervisor has it too. Nothing is put back; that is for a person to decide.

use super::Life;
use crate::error::Result;
use crate::escape;
use crate::git::{
    Checkout, Fingerprint, Landing, MainCheckout, MainFile, Repo, StashEntry, changed_names,
};
use crate::names::{BranchName, CommitId, TaskId};
use crate::path::RepoPath;
use crate::store::Store;
use crate::task::{SCHEMA, Task, Warning, WarningKind};
use serde::{Deserialize, Serialize};

/// The most paths that a warning names.
const MOST_PATHS: usize = 100;

/// The most other names that a warning names.
const MOST_NAMES: usize = 10;

/// The main checkout's uncommitted files, where they could be told.
type MainFiles = Option<Vec<MainFile>>;

/// What was noted when the agent was let go.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Note {
    schema: u32,
    /// The first landing that may move a ref from then on; the last one may be under way.
    first_landing: u64,
    fingerprint: Fingerprint,
}

/// The two moments to compare.
pub(super) struct Seen {
    first_landing: u64,
    before: Fingerprint,
    after: Fingerprint,
}

impl Seen {
    /// What the note may be shrunk to when nobody compares any more, if it is large.
    pub(super) fn shrunk(&self) -> Option<Note> {
        let fingerprint = self.before.without_many_refs()?;
        Some(Note { schema: SCHEMA, first_landing: self.first_landing, fingerprint })
    }
}

impl Life {
    /// What is uncommitted in the main checkout now.
    pub(super) fn look_at_main(&self) -> MainFiles {
        self.repo.main_checkout().as_ref().and_then(MainCheckout::files)
    }

    /// Does some work while somebody looks at the main checkout, which takes as long as git does.
    pub(super) fn beside_main<T>(&self, work: impl FnOnce() -> T) -> (T, MainFiles) {
        let main = self.repo.main_checkout();
        let look = || main.as_ref().and_then(MainCheckout::files);
        std::thread::scope(|scope| {
            let looking = std::thread::Builder::new().spawn_scoped(scope, look);
            let done = work();
            // Where nobody could look there is nothing to compare.
            let seen = looking.map_or_else(|_| look(), |looking| looking.join().ok().flatten());
            (done, seen)
        })
    }

    /// Notes what the agent finds. If that cannot be written there is no check at the end, and that
    /// must not keep the task from running.
    pub(super) fn note_surroundings(&self, checkout: &Checkout, main: MainFiles) {
        let tasks = &self.config.branch_prefix;
        let mut fingerprint = self.repo.fingerprint(checkout, tasks);
        fingerprint.main = main;
        let next = self.repo.next_landing_number(&self.store.layout().landings());
        let first_landing = next.unwrap_or(1).saturating_sub(1);
        let note = Note { schema: SCHEMA, first_landing, fingerprint };
        drop(self.store.write_fingerprint(&self.lock, &note));
    }

    /// What there is now beside what was noted, but for the main checkout; before anything is mended.
    pub(super) fn look_around(&self) -> Option<Seen> {
        let note: Note = self.store.fingerprint(self.task.id()).ok()??;
        let spec = &self.task.spec;
        let checkout = self.repo.worktree_near(spec.id, &spec.worktree).ok().flatten();
        // Without its worktree only the links cannot be compared; that it is gone is told elsewhere.
        let gone = Checkout { root: spec.worktree.clone(), git_dir: spec.worktree.clone() };
        let is_there = checkout.is_some();
        let mut after =
            self.repo.fingerprint(&checkout.unwrap_or(gone), &self.config.branch_prefix);
        if !is_there {
            after.links.clone_from(&note.fingerprint.links);
        }
        Some(Seen { first_landing: note.first_landing, before: note.fingerprint, after })
    }

    /// The warnings about what changed, `main` included, and those of earlier attempts that still
    /// hold. `head` is the task's result.
    pub(super) fn judge(
        &self,
        (seen, main): (Option<Seen>, MainFiles),
        head: CommitId,
    ) -> Vec<Warning> {
        let earlier = &self.task.record.warnings;
        let mut warnings: Vec<_> =
            earlier.iter().filter(|warning| warning.outlasts_its_attempt()).cloned().collect();
        if let Some(mut seen) = seen {
            seen.after.main = main;
            let found = [
                self.moved_refs(&seen, head),
                changed_configuration(&seen),
                names_warning(
                    WarningKind::HooksChanged,
                    "hooks of the repository changed during the run",
                    &changed_names(&seen.before.hooks, &seen.after.hooks),
                ),
                self.changed_stash(&seen),
                names_warning(
                    WarningKind::WorktreeChanged,
                    "the files that tie the worktree to the repository are not as they were made",
                    &changed_names(&seen.before.links, &seen.after.links),
                ),
                self.changed_main_files(&seen),
            ];
            for warning in found.into_iter().flatten() {
                if !warnings.contains(&warning) {
                    warnings.push(warning);
                }
            }
        }
        warnings
    }

    /// Keeps of what was noted what is asked for after the end. Where that fails only room is lost.
    pub(super) fn shrink_note(&self, note: &Note) {
        drop(self.store.write_fingerprint(&self.lock, note));
    }

    fn moved_refs(&self, seen: &Seen, head: CommitId) -> Option<Warning> {
        let own = self.task.spec.branch.full_ref();
        let mut names = seen.after.changed_refs(&seen.before);
        names.retain(|name| *name != own && !self.is_of_another_task(name));
        if names.is_empty() {
            return None;
        }
        let landings = self.landings_since(seen.first_landing).unwrap_or_default();
        names.retain(|name| !is_landed(name, seen, &landings));
        let told: Vec<_> = names.iter().map(|name| self.tell_of_ref(name, seen, head)).collect();
        let message = format!("refs changed during the run: {}", listed(&told)?);
        Some(Warning::new(WarningKind::MainRefMoved, message))
    }

    fn tell_of_ref(&self, name: &str, seen: &Seen, head: CommitId) -> String {
        let (before, after) = (seen.before.ref_value(name), seen.after.ref_value(name));
        let shown = format!("`{}`", escape::line(name.strip_prefix("refs/heads/").unwrap_or(name)));
        match (before, after) {
            (Some(before), Some(after)) => {
                format!("{shown} moved from {} to {}", value(before), value(after))
            }
            (None, Some(after)) => {
                let made = format!("{shown} was made at {}", value(after));
                if self.holds_work(after, head) {
                    format!("{made}, with commits of this task")
                } else {
                    made
                }
            }
            (Some(before), None) => format!("{shown} is gone, which was at {}", value(before)),
            (None, None) => shown,
        }
    }

    /// Whether a ref points at commits that the task made.
    fn holds_work(&self, value: &str, head: CommitId) -> bool {
        let Ok(commit) = value.parse::<CommitId>() else { return false };
        let base = self.task.record.base;
        let leads_to = |from, to| self.repo.is_ancestor(from, to).unwrap_or(false);
        leads_to(commit, head) && !leads_to(commit, base)
    }

    fn landings_since(&self, first: u64) -> Result<Vec<Landing>> {
        self.repo.landings_since(&self.store.layout().landings(), first)
    }

    /// Whether a ref is the branch of a task that is not this one.
    fn is_of_another_task(&self, full_ref: &str) -> bool {
        full_ref.strip_prefix("refs/heads/").is_some_and(|branch| self.is_anothers(branch))
    }

    fn is_anothers(&self, branch: &str) -> bool {
        let Some(name) = branch.strip_prefix(&self.config.branch_prefix) else { return false };
        let other = self.store.resolve(name).and_then(|id| self.store.read(id));
        other
            .is_ok_and(|other| other.id() != self.task.id() && other.spec.branch.as_str() == branch)
    }

    fn changed_stash(&self, seen: &Seen) -> Option<Warning> {
        let (before, after) = (&seen.before.stash, &seen.after.stash);
        let is_anothers = |entry: &&StashEntry| {
            let message = &entry.message;
            let rest = message.strip_prefix("On ").or_else(|| message.strip_prefix("WIP on "));
            let branch = rest.and_then(|rest| rest.split_once(": ").map(|(branch, _)| branch));
            branch.is_some_and(|branch| self.is_anothers(branch))
        };
        let put: Vec<_> = after
            .iter()
            .filter(|entry| !before.contains(entry) && !is_anothers(entry))
            .map(|entry| format!("`{}`", escape::line(&entry.message)))
            .collect();
        let taken = before.iter().filter(|entry| !after.contains(entry)).count();
        let parts = [
            listed(&put).map(|names| format!("put there: {names}")),
            (taken > 0).then(|| format!("{taken} taken from it")),
        ];
        let parts: Vec<_> = parts.into_iter().flatten().collect();
        (!parts.is_empty()).then(|| {
            let message = format!(
                "the stash, which all worktrees share, changed during the run: {}",
                parts.join("; ")
            );
            Warning::new(WarningKind::SharedStash, message)
        })
    }

    fn changed_main_files(&self, seen: &Seen) -> Option<Warning> {
        let mut paths: Vec<RepoPath> = self.repo.changed_main_files(&seen.before, &seen.after);
        let count = paths.len();
        if count == 0 {
            return None;
        }
        paths.truncate(MOST_PATHS);
        let files = if count == 1 { "1 file".to_owned() } else { format!("{count} files") };
        let message =
            format!("{files} of the main checkout changed during the run, by whom is not known");
        Some(Warning { kind: WarningKind::MainChanged, message, paths })
    }
}

/// The keys of the repository's configuration that name programs which git would run while it merges,
/// checks out or commits, if they came or changed while the task ran and are so still.
///
/// # Errors
/// `io` when what was noted cannot be read.
pub fn planted_programs(store: &Store, repo: &Repo, task: &Task) -> Result<Vec<String>> {
    let warnings = &task.record.warnings;
    if !warnings.iter().any(|warning| warning.kind == WarningKind::ConfigChanged) {
        return Ok(Vec::new());
    }
    changed_programs(store, repo, task.id())
}

/// The same, whatever was warned of before.
pub(super) fn changed_programs(store: &Store, repo: &Repo, task: TaskId) -> Result<Vec<String>> {
    let Some(note) = store.fingerprint::<Note>(task)? else { return Ok(Vec::new()) };
    let now = repo.configuration();
    let mut keys = changed_names(&note.fingerprint.config, &now);
    keys.retain(|key| now.contains_key(key) && names_a_program(key));
    Ok(keys)
}

/// Whether a key leads to a program that git runs without being asked for it.
fn names_a_program(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let (section, name) = (key.split('.').next(), key.rsplit('.').next());
    matches!(
        (section.unwrap_or_default(), name.unwrap_or_default()),
        ("filter", "clean" | "smudge" | "process")
            | ("merge", "driver")
            | ("gpg", "program" | "defaultkeycommand")
            | ("commit", "gpgsign")
            | ("include" | "includeif", "path")
            | ("extensions", "worktreeconfig")
    )
}

/// Whether landings of ours explain how a branch came from one value to the other.
fn is_landed(full_ref: &str, seen: &Seen, landings: &[Landing]) -> bool {
    let (Some(before), Some(after)) =
        (seen.before.ref_value(full_ref), seen.after.ref_value(full_ref))
    else {
        return false;
    };
    let on_it = |landing: &&Landing| BranchName::full_ref(&landing.target) == full_ref;
    let mut tip = before.to_owned();
    for landing in landings.iter().filter(on_it) {
        if landing.before.to_string() == tip {
            tip = landing.after.to_string();
        }
    }
    tip == *after
}

fn changed_configuration(seen: &Seen) -> Option<Warning> {
    let mut names = changed_names(&seen.before.config, &seen.after.config);
    let info = changed_names(&seen.before.info, &seen.after.info);
    names.extend(info.into_iter().map(|name| format!("info/{name}")));
    names_warning(
        WarningKind::ConfigChanged,
        "the repository's configuration changed during the run",
        &names,
    )
}

fn names_warning(kind: WarningKind, what: &str, names: &[String]) -> Option<Warning> {
    let names: Vec<_> = names.iter().map(|name| format!("`{}`", escape::line(name))).collect();
    Some(Warning::new(kind, format!("{what}: {}", listed(&names)?)))
}

/// Several names in a sentence; none for none.
fn listed(names: &[String]) -> Option<String> {
    let shown = names.get(..MOST_NAMES.min(names.len())).filter(|names| !names.is_empty())?;
    let more = names.len() - shown.len();
    let shown = shown.join(", ");
    Some(if more == 0 { shown } else { format!("{shown} and {more} more") })
}

/// A ref's value, short.
fn value(text: &str) -> String {
    match (text.parse::<CommitId>(), text.strip_prefix("ref: ")) {
        (Ok(commit), _) => commit.short(),
        (_, Some(name)) => {
            format!("`{}`", escape::line(name.strip_prefix("refs/heads/").unwrap_or(name)))
        }
        (Err(_), None) => escape::line(text),
    }
}
