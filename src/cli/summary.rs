//! One task for people: how it stands, what it changed, what landing it would do, what to do next.

use super::exit::has_ended;
use super::forecast::moved;
use super::paint::{BAD, BUSY, FAINT, GOOD, Paint, STRONG};
use super::table::{self, state_style};
use super::{durations, ending, figures, landing, quoting, sizes};
use crate::context::Context;
use crate::escape;
use crate::outcome::Outcome;
use crate::path::RepoPath;
use crate::task::{Judgement, Verification};
use crate::timestamp::Timestamp;
use crate::view::{DiffView, LandingState, TaskView, WaitingFor};

/// The most paths of a warning that are listed.
const MOST_WARNED: usize = 10;
/// The most files that a summary lists; `diff --stat` lists all.
const MOST_FILES: usize = 20;
/// The most conflicting paths that are named before what to do next.
const MOST_PATHS: usize = 3;

/// How much is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// How it ended, what it changed, what to do.
    Result,
    /// Where and when, too.
    Everything,
}

/// What a summary asks of its surroundings: times and paths as people read them.
pub(super) trait Surroundings {
    /// A moment in the person's own time.
    fn local_time(&self, at: Timestamp) -> String;
    /// A path, relative to where the person is.
    fn place(&self, path: &std::path::Path) -> String;
}

impl Surroundings for Context {
    fn local_time(&self, at: Timestamp) -> String {
        Context::local_time(self, at)
    }

    fn place(&self, path: &std::path::Path) -> String {
        escape::line(&self.relative(path))
    }
}

/// The summary.
pub(super) fn of(
    around: &impl Surroundings,
    task: &TaskView,
    detail: Detail,
    paint: Paint,
) -> String {
    let mut text = format!("{}  {}\n", paint.apply(STRONG, task.name.as_str()), state(task, paint));
    let mut say = |label: &str, value: &str| {
        let label = paint.apply(FAINT, &format!("{label:<9}"));
        for (index, line) in value.lines().enumerate() {
            let indent = if index == 0 { format!("  {label} ") } else { " ".repeat(12) };
            text.push_str(&format!("{indent}{line}\n"));
        }
    };
    if detail == Detail::Everything {
        whereabouts(around, task, &mut say);
    } else {
        let title = task.title();
        say("task", &table::shortened(&title, table::LONGEST_TITLE).unwrap_or(title));
    }
    agents_words(task, paint, &mut say);
    if let Some(diff) = &task.diff {
        say("changes", &changes(diff, task, paint));
    }
    if let Some(verify) = &task.verify {
        say("verify", &verify_words(verify, paint));
    }
    if !task.overlaps.is_empty() {
        say(&paint.apply(BUSY, "overlaps"), &overlaps(task));
    }
    if let Some(words) = forecast_words(task, paint) {
        say("forecast", &words);
    }
    if has_ended(task) {
        say("work", &landing_words(around, task));
    }
    for warning in &task.warnings {
        let mut words = escape::line(&warning.message);
        for path in warning.paths.iter().take(MOST_WARNED) {
            words.push_str(&format!("\n{}", path.shown()));
        }
        if let more @ 1.. = warning.paths.len().saturating_sub(MOST_WARNED) {
            words.push_str(&format!("\nand {more} more, which `--json` names"));
        }
        say(&paint.apply(BUSY, "warning"), &words);
    }
    if !task.next.is_empty() {
        say("next", &next(task).join("\n"));
    }
    text
}

/// What the agent itself tells of its run.
fn agents_words(task: &TaskView, paint: Paint, say: &mut impl FnMut(&str, &str)) {
    if let Some(message) = &task.message {
        say("message", escape::lines(message).trim());
    }
    if !task.last_lines.is_empty() {
        say("log ends", escape::lines(&task.last_lines.join("\n")).trim());
    }
    // The outcome has it, where that is the agent's own; often its message has it too.
    let told = matches!(task.outcome, Some(Outcome::AgentError { .. }));
    let error = task.agent_error.as_ref().filter(|_| !told);
    if let Some(error) = error.filter(|error| Some(*error) != task.message.as_ref()) {
        say(&paint.apply(BAD, "error"), escape::lines(error).trim());
    }
    if let Some(question) = &task.needs_input {
        let answer = format!("offshoot send {} '…'", task.name);
        let asked = escape::lines(question);
        say(&paint.apply(BUSY, "asks"), &format!("{}\n(`{answer}` answers)", asked.trim()));
    }
    if let Some(usage) = &task.usage {
        let cost = usage.cost_usd.filter(|cost| *cost > 0.0);
        let cost = cost.map(|cost| format!(", ${cost:.3}")).unwrap_or_default();
        let (read, written) = (usage.input_tokens, usage.output_tokens);
        say("tokens", &format!("{read} read, {written} written{cost}"));
    }
    if task.messages_waiting > 0 {
        say("messages", &format!("{} waiting", task.messages_waiting));
    }
}

/// The commands that make sense now, behind what would come in their way.
fn next(task: &TaskView) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(forecast) = task.forecast.as_ref().filter(|it| it.verdict == "conflicts") {
        let paths: Vec<_> = forecast.conflicts.iter().map(|conflict| &conflict.path).collect();
        lines.push(format!("(landing it conflicts in {})", named(&paths)));
    }
    lines.extend(task.next.iter().map(|command| {
        let lands = ["merge", "rebase"].map(|verb| format!("offshoot {verb} "));
        let lands = lands.iter().any(|start| command.starts_with(start));
        let into = if lands && task.target.is_none() { " --into BRANCH" } else { "" };
        format!("{}{into}", escape::line(command))
    }));
    lines
}

fn state(task: &TaskView, paint: Paint) -> String {
    if let Some(outcome) = &task.outcome {
        return ending::in_full(task.state, outcome, task.duration_ms, paint);
    }
    let mut words = paint.apply(state_style(task.state), task.state.as_str());
    if let Some(phase) = task.phase {
        words.push_str(&format!(" ({phase})"));
    }
    if let Some(waiting) = &task.waiting_for {
        match waiting.kind {
            "held" => words.push_str(", held"),
            "task" => {
                let names: Vec<String> =
                    waiting.tasks.iter().map(|name| format!("`{}`", escape::line(name))).collect();
                words.push_str(&format!(", waiting for the end of {}", names.join(", ")));
            }
            "claim" => words.push_str(&format!(", waiting for paths that {} has", owners(waiting))),
            kind => words.push_str(&format!(", waiting for a {kind}")),
        }
    }
    if let Some(millis) = task.duration_ms {
        words.push_str(&format!(" after {}", durations::words(millis)));
    }
    words
}

/// Who has what a task waits for; owners of locks may be called anything.
fn owners(waiting: &WaitingFor) -> String {
    let names: Vec<_> =
        waiting.tasks.iter().map(|name| format!("`{}`", escape::line(name))).collect();
    names.join(" and ")
}

/// What running tasks have changed too, a line for each.
fn overlaps(task: &TaskView) -> String {
    let lines = task.overlaps.iter().map(|overlap| {
        let paths = named(&overlap.paths.iter().collect::<Vec<_>>());
        format!("`{}` has changed {paths} too", overlap.task)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The first few of some paths, and how many more there are.
fn named(paths: &[&RepoPath]) -> String {
    let shown: Vec<_> = paths.iter().take(MOST_PATHS).map(|path| format!("`{path}`")).collect();
    match paths.len().saturating_sub(MOST_PATHS) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn whereabouts(around: &impl Surroundings, task: &TaskView, say: &mut impl FnMut(&str, &str)) {
    say("id", &task.id.to_string());
    if let Some(prompt) = &task.prompt {
        say("prompt", escape::lines(prompt).trim());
    }
    say("command", &quoting::command(&task.command));
    for (label, value) in [
        ("agent", &task.agent),
        ("model", &task.model),
        ("context", &task.context),
        ("parent", &task.parent),
        ("session", &task.session),
    ] {
        if let Some(value) = value {
            say(label, escape::lines(value).trim());
        }
    }
    let from =
        task.base.branch.as_ref().map_or_else(|| "a detached HEAD".to_owned(), ToString::to_string);
    say("base", &format!("{from} at {}", task.base.commit.short()));
    say("target", task.target.as_ref().map_or("none", |target| target.as_str()));
    let head = task.head.map(|head| format!(" at {}", head.short())).unwrap_or_default();
    match (&task.worktree, &task.landing) {
        (None, LandingState::Landed { .. } | LandingState::Discarded { .. }) => {
            say("worktree", "released, with its branch");
        }
        (worktree, _) => {
            say("branch", &format!("{}{head}", task.branch));
            if let Some(worktree) = worktree {
                say("worktree", &around.place(worktree));
            }
        }
    }
    if !task.claims.is_empty() {
        let claims: Vec<_> = task.claims.iter().map(ToString::to_string).collect();
        say("claims", &claims.join(", "));
    }
    say("created", &around.local_time(task.created_at));
    for (label, moment) in [("started", task.started_at), ("finished", task.finished_at)] {
        if let Some(moment) = moment {
            say(label, &around.local_time(moment));
        }
    }
    if let Some(moment) = task.paused_at {
        say("paused", &format!("since {}", around.local_time(moment)));
    }
    if task.attempts.len() > 1 || task.attempt > 1 {
        let ended = task.attempts.iter().map(|it| format!("{}: {}", it.attempt, it.outcome));
        say("attempts", &ended.collect::<Vec<_>>().join("\n"));
    }
}

fn changes(diff: &DiffView, task: &TaskView, paint: Paint) -> String {
    let summary = diff.summary;
    if summary.figures.files == 0 {
        return "none".to_owned();
    }
    let mut words = figures::words(summary.figures, paint);
    words.push_str(&format!(" in {}", sizes::many(summary.commits, "commit")));
    if summary.leftovers_committed {
        words.push_str(", the last made of what the agent left uncommitted");
    }
    words.push('\n');
    let shown = diff.changes.len().min(MOST_FILES);
    words.push_str(&figures::files(&diff.changes[..shown], "", paint));
    if diff.changes.len() > shown {
        let more = diff.changes.len() - shown;
        words.push_str(&format!("and {more} more: offshoot diff --stat {}\n", task.name));
    }
    words
}

fn verify_words(verify: &Verification, paint: Paint) -> String {
    let said = landing::verify_words(verify);
    let log = escape::line(&verify.log.to_string_lossy());
    match verify.verdict {
        Some(Judgement::Green) => format!("{}: {said}", paint.apply(GOOD, "green")),
        Some(Judgement::Red) => format!("{}: {said}\n{log}", paint.apply(BAD, "red")),
        None => format!("{}: {said}", paint.apply(BUSY, "none")),
    }
}

fn forecast_words(task: &TaskView, paint: Paint) -> Option<String> {
    let target = task.target.as_ref()?;
    let Some(forecast) = &task.forecast else {
        let open = has_ended(task) && task.head.is_some() && task.landing == LandingState::Open;
        return open.then(|| {
            let ask = format!("offshoot merge --dry-run {}", task.name);
            format!("cannot be told for `{target}`; `{ask}` says why")
        });
    };
    Some(match forecast.verdict {
        "clean" => {
            let moved = moved(forecast.behind);
            format!("{} on `{target}`{moved}", paint.apply(GOOD, "lands cleanly"))
        }
        "up_to_date" => format!("`{target}` holds this change already"),
        "conflicts" => {
            let count = sizes::many(forecast.conflicts.len(), "path");
            let lines = landing::conflicts(&forecast.conflicts, paint);
            format!("{} with `{target}` in {count}\n{lines}", paint.apply(BAD, "conflicts"))
        }
        other => other.to_owned(),
    })
}

fn landing_words(around: &impl Surroundings, task: &TaskView) -> String {
    match &task.landing {
        LandingState::Open => "waits for your decision".to_owned(),
        LandingState::Empty => "nothing to land".to_owned(),
        LandingState::Landed { target, commit, at, .. } => {
            format!("landed on `{target}` as {}, {}", commit.short(), around.local_time(*at))
        }
        LandingState::Discarded { at } => format!("discarded, {}", around.local_time(*at)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::landing::{Conflict, ConflictKind};
    use crate::path::RepoPath;
    use crate::view::ForecastView;

    struct Nowhere;

    impl Surroundings for Nowhere {
        fn local_time(&self, at: Timestamp) -> String {
            at.to_string()
        }

        fn place(&self, path: &std::path::Path) -> String {
            path.display().to_string()
        }
    }

    #[test]
    fn a_result_says_how_it_ended_and_what_to_do() {
        let mut task = crate::cli::table::tests::completed();
        task.message = Some("Done.\n\u{1b}[2JAll of it.".into());
        assert_eq!(
            of(&Nowhere, &task, Detail::Result, Paint::Plain),
            "fix  completed: exited 0 after 4m 10s\n  \
               task      Fix \\u{1b}[31m the timeouts of the stor…\n  \
               message   Done.\n            \\u{1b}[2JAll of it.\n  \
               changes   2 files, +10 -3 in 1 commit, the last made of what the agent left uncommitted\n  \
               forecast  cannot be told for `main`; `offshoot merge --dry-run fix` says why\n  \
               work      waits for your decision\n  \
               next      offshoot diff fix\n            offshoot merge fix\n            \
               offshoot rebase fix\n            offshoot discard fix\n"
        );
        task.target = None;
        let detached = of(&Nowhere, &task, Detail::Result, Paint::Plain);
        assert!(detached.contains("  offshoot merge fix --into BRANCH\n"), "{detached}");
        assert!(!detached.contains("forecast"), "{detached}");
        let everything = of(&Nowhere, &task, Detail::Everything, Paint::Plain);
        assert!(everything.contains("  worktree  /r.offshoots/fix\n"), "{everything}");
        assert!(everything.contains("  base      main at 1111111111\n"), "{everything}");
    }
    #[test]
    fn what_would_conflict_is_said_before_the_commands() {
        let mut task = crate::cli::table::tests::completed();
        let conflict = |path: &str| Conflict {
            path: RepoPath::new(path),
            kind: ConflictKind::Content,
            base: None,
            ours: None,
            theirs: None,
        };
        task.forecast = Some(ForecastView {
            target_commit: task.base.commit,
            verdict: "conflicts",
            behind: 1,
            conflicts: ["a", "b", "c", "d"].map(conflict).into(),
            overlaps: Vec::new(),
        });
        let text = of(&Nowhere, &task, Detail::Result, Paint::Plain);
        let next = "  next      (landing it conflicts in `a`, `b`, `c` and 1 more)\n";
        assert!(text.contains(&format!("{next}            offshoot diff fix\n")), "{text}");
    }

    #[test]
    fn what_was_released_is_not_shown_as_if_it_were_there() {
        let mut task = crate::cli::table::tests::completed();
        (task.worktree, task.landing) = (None, LandingState::Discarded { at: task.created_at });
        let text = of(&Nowhere, &task, Detail::Everything, Paint::Plain);
        assert!(text.contains("  worktree  released, with its branch\n"), "{text}");
        assert!(!text.contains("offshoot/fix"), "{text}");
    }
}
