//! An event as a line: place in the journal, time, task, what happened.

use super::figures;
use super::paint::{BUSY, FAINT, Paint, STRONG};
use super::table;
use crate::escape;
use crate::event::{Event, EventKind};
use crate::outcome::Outcome;
use crate::view::QuestionView;

/// The line, without a newline; `at` is the event's time as people read it.
pub(super) fn line(event: &Event, at: &str, paint: Paint) -> String {
    let draft = &event.draft;
    let mut line = format!(
        "{} {} {} {}",
        paint.apply(FAINT, &format!("{:>4}", event.cursor)),
        paint.apply(FAINT, at),
        paint.apply(STRONG, draft.task.name.as_str()),
        words(draft.event),
    );
    if draft.event == EventKind::Finished {
        let style = table::state_style(draft.state);
        line.push_str(&format!(": {}", paint.apply(style, draft.state.as_str())));
        if let Some(outcome) = draft.outcome.as_ref().filter(|how| **how != Outcome::Cancelled) {
            line.push_str(&format!(" ({outcome})"));
        }
        if let Some(figures) = draft.diff.filter(|figures| figures.files > 0) {
            line.push_str(&format!(", {}", figures::words(figures, paint)));
        }
    }
    if let Some(landing) = &draft.landing {
        line.push_str(&format!(" {} `{}`", preposition(draft.event), landing.target));
        if let Some(id) = landing.id {
            line.push_str(&format!(" (landing {id})"));
        }
    }
    line
}

/// What the agent of a running task asks, as a line without a newline.
pub(super) fn question(asked: &QuestionView, paint: Paint) -> String {
    let name = paint.apply(STRONG, asked.task.name.as_str());
    format!("{} {name} asks: {}", paint.apply(BUSY, "   ?"), escape::line(&asked.question))
}

fn preposition(event: EventKind) -> &'static str {
    if event == EventKind::Undone { "from" } else { "on" }
}

fn words(event: EventKind) -> &'static str {
    match event {
        EventKind::NeedsInput => "needs an answer",
        EventKind::Restored => "brought back",
        EventKind::Undone => "taken back",
        other => other.as_str(),
    }
}
