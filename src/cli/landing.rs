//! What landing did, in plain words, and the ways out where it could not.

use super::paint::{BAD, BUSY, FAINT, GOOD, Paint, STRONG};
use super::{quoting, sizes};
use crate::escape;
use crate::landing::{Conflict, Strategy, Verdict};
use crate::ops::apply::Applied;
use crate::ops::land::Extent;
use crate::task::{Judgement, Verification};
use crate::view::{LandingView, TaskView};

/// What became of one task, of which so much was to land.
pub(super) fn of(landing: &LandingView, extent: &Extent, paint: Paint) -> String {
    let target = landing.target.as_str();
    let task = paint.apply(STRONG, landing.task.as_str());
    match landing.verdict {
        Verdict::Landed => {
            let moved = format!("({} → {})", landing.before.short(), landing.after.short());
            let done = paint.apply(GOOD, done_words(landing.strategy));
            format!("{task}: {done} `{target}` {}\n", paint.apply(FAINT, &moved))
        }
        Verdict::UpToDate if extent == &Extent::OwnBranch => {
            format!("{task}: up to date with `{target}` already\n")
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
            let mut text =
                format!("{task}: {said} on the result for `{target}`; nothing was changed\n");
            if let Some(verify) = &landing.verify {
                let log = escape::line(&verify.log.to_string_lossy());
                text.push_str(&format!("  {}\n  its output: {log}\n", verify_words(verify)));
            }
            text
        }
        Verdict::Rebased => {
            let done = paint.apply(GOOD, "brought up to date");
            format!("{task}: {done} with `{target}`; nothing was landed\n")
        }
        Verdict::Resolving => {
            let count = sizes::many(landing.conflicts.len(), "path");
            let said = paint.apply(BUSY, "the merge is open");
            format!("{task}: {said} in its worktree, with conflicts in {count}\n")
                + &conflicts(&landing.conflicts, paint)
        }
        Verdict::Undone => {
            let moved = format!("({} → {})", landing.before.short(), landing.after.short());
            let done = paint.apply(GOOD, "taken back from");
            let moved = paint.apply(FAINT, &moved);
            format!("{task}: {done} `{target}` {moved}; the task is open again\n")
        }
    }
}

/// What a verify command said.
pub(super) fn verify_words(verify: &Verification) -> String {
    let command = escape::line(&verify.command);
    match (verify.verdict, verify.code) {
        (Some(Judgement::Green), _) => format!("`{command}` passed"),
        (Some(Judgement::Red), Some(code)) => format!("`{command}` exited {code}"),
        (Some(Judgement::Red), None) => format!("`{command}` was ended"),
        (None, _) => format!("`{command}` was broken off"),
    }
}

/// A line for each conflicting path.
pub(super) fn conflicts(conflicts: &[Conflict], paint: Paint) -> String {
    let width = conflicts.iter().map(|c| c.path.shown().chars().count()).max().unwrap_or(0);
    let line = |conflict: &Conflict| {
        let path = format!("{:<width$}", conflict.path.shown());
        format!("  {}  {}\n", paint.apply(BUSY, &path), conflict.kind.words())
    };
    conflicts.iter().map(line).collect()
}

/// The ways on from a conflict.
pub(super) fn ways_out(landing: &LandingView, task: &TaskView) -> Vec<String> {
    let (name, target) = (&landing.task, &landing.target);
    let mut ways = Vec::new();
    if starts_from_changes(task) {
        if landing.strategy != Strategy::Rebase {
            ways.push(format!("`offshoot rebase {name}` tries its commits one by one"));
        }
        let by_hand = by_hand(task);
        ways.push(format!(
            "{by_hand} in a checkout of `{target}` resolves it by hand; then `offshoot discard {name}`"
        ));
    } else {
        let into = into(landing, task);
        ways.push(format!(
            "`offshoot merge --resolve {name}{into}` opens the merge in the task's worktree, to be \
             resolved there"
        ));
        if into.is_empty() {
            ways.push(format!(
                "`offshoot send --conflict {name}` opens it there and hands it to the task's agent"
            ));
        }
    }
    ways.push(format!(
        "`offshoot diff {name}` shows its change, `offshoot discard {name}` gives it up (it can be \
         restored)"
    ));
    ways
}

/// What stays with a task of which a part has landed.
pub(super) fn rest_words(task: &TaskView) -> String {
    let name = &task.name;
    let forecast = task.forecast.as_ref().filter(|forecast| forecast.verdict == "conflicts");
    match (forecast, &task.target) {
        (Some(forecast), Some(target)) => {
            let count = sizes::many(forecast.conflicts.len(), "path");
            format!(
                "the rest stays with `{name}` and conflicts with `{target}` in {count}; \
                 `offshoot status {name}` shows the ways on"
            )
        }
        _ => format!("the rest stays with `{name}`; `offshoot diff {name}` shows it"),
    }
}

/// How to go on with a merge that is open.
pub(super) fn ways_to_resolve(landing: &LandingView, task: &TaskView, place: &str) -> [String; 3] {
    let (name, into) = (&landing.task, into(landing, task));
    let place = quoting::word(place);
    [
        format!("`git -C {place} status` shows what is to be resolved, `git add` takes note of it"),
        format!("`offshoot merge --continue {name}{into}` commits the merge and lands it"),
        format!("`git -C {place} merge --abort` gives the merge up"),
    ]
}

/// The option that names a target which is not the task's own.
fn into(landing: &LandingView, task: &TaskView) -> String {
    let target = &landing.target;
    if task.target.as_ref() == Some(target) { String::new() } else { format!(" --into {target}") }
}

/// The command of git that brings a task's commits into a checkout, and nothing that a person had not
/// committed when it was dispatched.
fn by_hand(task: &TaskView) -> String {
    let branch = quoting::word(task.branch.as_str());
    if starts_from_changes(task) {
        format!("`git cherry-pick {}..{branch}`", task.base.commit.short())
    } else {
        format!("`git merge {branch}`")
    }
}

/// Whether a plain merge would land what a person had not committed; only the offered commands tell.
fn starts_from_changes(task: &TaskView) -> bool {
    task.next.iter().any(|command| command.contains("merge --squash"))
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

/// The ways on where what a checkout has committed contradicts a task.
pub(super) fn ways_out_of_applying(task: &TaskView) -> [String; 2] {
    let name = &task.name;
    let against = if task.target.is_some() { " --against target" } else { "" };
    let by_hand = by_hand(task);
    [
        format!("`offshoot diff {name}{against}` shows how the two differ"),
        format!("{by_hand} in a checkout resolves it by hand"),
    ]
}

fn done_words(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Merge => "merged into",
        Strategy::Squash => "landed as one commit on",
        Strategy::FastForward => "fast-forwarded",
        Strategy::Rebase => "rebased onto",
        Strategy::CherryPick => "cherry-picked onto",
    }
}

fn would_words(strategy: Strategy) -> &'static str {
    match strategy {
        Strategy::Merge => "would be merged into",
        Strategy::Squash => "would land as one commit on",
        Strategy::FastForward => "would fast-forward",
        Strategy::Rebase => "would be rebased onto",
        Strategy::CherryPick => "would be cherry-picked onto",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::landing::ConflictKind;
    use crate::names::BranchName;
    use crate::path::RepoPath;

    fn conflicted(task: &TaskView) -> LandingView {
        let commit = task.base.commit;
        let conflict = |path: &str, kind| Conflict {
            path: RepoPath::new(path),
            kind,
            base: None,
            ours: None,
            theirs: None,
        };
        LandingView {
            id: None,
            task: task.name.clone(),
            target: BranchName::new("main").expect("valid"),
            before: commit,
            after: commit,
            strategy: Strategy::Merge,
            verdict: Verdict::Conflicts,
            conflicts: vec![
                conflict("src/a.rs", ConflictKind::Content),
                conflict("b\u{1b}", ConflictKind::ModifyDelete),
            ],
            verify: None,
        }
    }

    #[test]
    fn a_conflict_names_the_paths_and_two_ways_out() {
        let task = crate::cli::table::tests::completed();
        let landing = conflicted(&task);
        assert_eq!(
            of(&landing, &Extent::Whole, Paint::Plain),
            "fix: conflicts with `main` in 2 paths; nothing was changed\n  \
               src/a.rs  both sides changed the same lines\n  \
               b\\u{1b}   changed on one side, deleted on the other\n"
        );
        let ways = ways_out(&landing, &task);
        assert_eq!(
            ways[0],
            "`offshoot merge --resolve fix` opens the merge in the task's worktree, to be resolved \
             there"
        );
        assert!(ways[1].starts_with("`offshoot send --conflict fix` opens it there"));
        assert!(ways[2].contains("`offshoot discard fix`"));
        assert!(ways_out_of_applying(&task)[0].contains("`offshoot diff fix --against target`"));
    }

    #[test]
    fn a_branch_that_is_up_to_date_is_not_said_to_be_landed() {
        let task = crate::cli::table::tests::completed();
        let landing = LandingView { verdict: Verdict::UpToDate, ..conflicted(&task) };
        let told = |extent| of(&landing, extent, Paint::Plain);
        assert_eq!(told(&Extent::OwnBranch), "fix: up to date with `main` already\n");
        assert_eq!(told(&Extent::Whole), "fix: `main` holds this change already\n");
    }

    #[test]
    fn nobody_is_told_to_merge_what_a_person_had_not_committed() {
        let mut task = crate::cli::table::tests::completed();
        task.next = vec!["offshoot rebase fix".into(), "offshoot merge --squash fix".into()];
        let mut landing = conflicted(&task);
        for (strategy, count) in [(Strategy::Squash, 3), (Strategy::Rebase, 2)] {
            landing.strategy = strategy;
            let ways = ways_out(&landing, &task);
            assert_eq!(ways.len(), count, "{ways:?}");
            assert!(ways[count - 2].starts_with("`git cherry-pick 1111111111..offshoot/fix` in"));
        }
        assert!(ways_out_of_applying(&task)[1].contains("cherry-pick"));
    }
}
