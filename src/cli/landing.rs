//! What landing did, in plain words, and the ways out where it could not.

use super::paint::{BAD, BUSY, FAINT, GOOD, Paint, STRONG};
use super::sizes;
use crate::landing::{Conflict, ConflictKind, Strategy, Verdict};
use crate::names::BranchName;
use crate::ops::apply::Applied;
use crate::view::LandingView;

/// What became of one task.
pub(super) fn of(landing: &LandingView, paint: Paint) -> String {
    let target = landing.target.as_str();
    let task = paint.apply(STRONG, landing.task.as_str());
    match landing.verdict {
        Verdict::Landed => {
            let moved = format!("({} → {})", landing.before.short(), landing.after.short());
            let done = paint.apply(GOOD, done_words(landing.strategy));
            format!("{task}: {done} `{target}` {}\n", paint.apply(FAINT, &moved))
        }
        Verdict::UpToDate => format!("{task}: `{target}` holds this change already\n"),
        Verdict::Planned => {
            let would = would_words(landing.strategy);
            format!("{task}: {would} `{target}` without conflicts; nothing was changed\n")
        }
        Verdict::Conflicts => {
            let count = sizes::many(landing.conflicts.len(), "path");
            let said = paint.apply(BAD, "conflicts");
            format!("{task}: {said} with `{target}` in {count}; nothing was changed\n")
                + &conflicts(&landing.conflicts, paint)
        }
        Verdict::VerifyFailed => {
            let said = paint.apply(BAD, "the verify command failed");
            format!("{task}: {said} on the result for `{target}`; nothing was changed\n")
        }
        Verdict::Undone => format!("{task}: taken back from `{target}`\n"),
    }
}

/// A line for each conflicting path.
pub(super) fn conflicts(conflicts: &[Conflict], paint: Paint) -> String {
    let width = conflicts.iter().map(|c| c.path.shown().chars().count()).max().unwrap_or(0);
    let line = |conflict: &Conflict| {
        let path = format!("{:<width$}", conflict.path.shown());
        format!("  {}  {}\n", paint.apply(BUSY, &path), conflict_words(conflict.kind))
    };
    conflicts.iter().map(line).collect()
}

/// The two ways on from a conflict.
pub(super) fn ways_out(landing: &LandingView, branch: &BranchName) -> [String; 2] {
    let (task, target) = (&landing.task, &landing.target);
    [
        format!(
            "`git merge {branch}` in a checkout of `{target}` resolves it by hand; then \
             `offshoot discard {task}`"
        ),
        format!(
            "`offshoot diff {task}` shows its change, `offshoot discard {task}` gives it up (it \
             can be restored)"
        ),
    ]
}

/// What `apply` did.
pub(super) fn of_applied(applied: &Applied, paint: Paint) -> String {
    let task = paint.apply(STRONG, applied.task.as_str());
    if !applied.conflicts.is_empty() {
        let said = paint.apply(BAD, "conflicts");
        return format!("{task}: {said} with your checkout; nothing was changed\n")
            + &conflicts(&applied.conflicts, paint);
    }
    if applied.paths.is_empty() {
        return format!("{task}: your checkout holds this change already\n");
    }
    let count = sizes::many(applied.paths.len(), "file");
    let mut text = format!("{task}: {count} changed in your checkout, nothing committed\n");
    for path in &applied.paths {
        text.push_str(&format!("  {}\n", path.shown()));
    }
    text
}

/// The two ways on where a checkout is in the way.
pub(super) fn ways_out_of_applying(applied: &Applied) -> [String; 2] {
    let task = &applied.task;
    [
        format!("commit or stash your own changes, then `offshoot apply {task}` again"),
        format!("`offshoot diff {task} | git apply --3way` resolves it by hand in your checkout"),
    ]
}

fn done_words(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Merge => "merged into",
        Strategy::Squash => "landed as one commit on",
        Strategy::FastForward => "fast-forwarded",
        Strategy::Rebase => "rebased onto",
    }
}

fn would_words(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Merge => "would be merged into",
        Strategy::Squash => "would land as one commit on",
        Strategy::FastForward => "would fast-forward",
        Strategy::Rebase => "would be rebased onto",
    }
}

fn conflict_words(kind: ConflictKind) -> &'static str {
    match kind {
        ConflictKind::Content => "both sides changed the same lines",
        ConflictKind::AddAdd => "both sides added it, differently",
        ConflictKind::ModifyDelete => "changed on one side, deleted on the other",
        ConflictKind::Rename => "renamed on one side, moved or changed on the other",
        ConflictKind::FileDirectory => "a file on one side, a folder on the other",
        ConflictKind::Mode => "made different sorts of thing by the two sides",
        ConflictKind::Binary => "both sides changed a binary file",
        ConflictKind::Submodule => "the submodule moved on both sides",
        ConflictKind::Other => "git could not merge it",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::path::RepoPath;

    #[test]
    fn a_conflict_names_the_paths_and_two_ways_out() {
        let task = crate::cli::table::tests::completed();
        let commit = task.base.commit;
        let conflict = |path: &str, kind| Conflict {
            path: RepoPath::new(path),
            kind,
            base: None,
            ours: None,
            theirs: None,
        };
        let landing = LandingView {
            id: None,
            task: task.name,
            target: BranchName::new("main").expect("valid"),
            before: commit,
            after: commit,
            strategy: Strategy::Merge,
            verdict: Verdict::Conflicts,
            conflicts: vec![
                conflict("src/a.rs", ConflictKind::Content),
                conflict("b\u{1b}", ConflictKind::ModifyDelete),
            ],
        };
        assert_eq!(
            of(&landing, Paint::Plain),
            "fix: conflicts with `main` in 2 paths; nothing was changed\n  \
               src/a.rs  both sides changed the same lines\n  \
               b\\u{1b}   changed on one side, deleted on the other\n"
        );
        let [by_hand, give_up] = ways_out(&landing, &task.branch);
        assert!(by_hand.starts_with("`git merge offshoot/fix` in a checkout of `main`"));
        assert!(give_up.contains("`offshoot discard fix`"));
    }
}
