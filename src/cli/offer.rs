//! What a person is asked when a task that they waited for has ended: merge, rebase, discard, diff or
//! later. Each answer is the verb of that name, carried out the same way.
//!
//! Nobody is asked unless a person sits at both ends. No answer, and the end of the input, mean later.

use super::args::DiffForm;
use super::exit::{Exit, has_ended};
use super::output::{Format, Output, prompt};
use super::paint::STRONG;
use super::{complain, decide, look};
use crate::context::Context;
use crate::error::{Attempt, Result};
use crate::landing::Strategy;
use crate::ops::diff::{Against, DiffRequest};
use crate::ops::land::{Extent, Hooks, LandRequest, Leftovers, Mode, Verify};
use crate::task::Afterwards;
use crate::view::{LandingState, TaskView};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    Merge,
    Rebase,
    Diff,
    Discard,
    Later,
}

/// The words, in the order in which a beginning is matched: `d` shows, it takes more to discard.
const CHOICES: [(&str, Choice); 5] = [
    ("merge", Choice::Merge),
    ("rebase", Choice::Rebase),
    ("diff", Choice::Diff),
    ("discard", Choice::Discard),
    ("later", Choice::Later),
];

/// Asks until the work is decided or put off.
///
/// # Errors
/// When the terminal cannot be read or written.
pub(super) fn after(context: &Context, output: &Output, task: &TaskView) -> Result<()> {
    let undecided = has_ended(task) && task.landing == LandingState::Open;
    if !undecided || output.format == Format::Json || !output.has_person() {
        return Ok(());
    }
    loop {
        let Some(choice) = ask(output, task)? else { continue };
        match carry_out(context, output, task, choice) {
            Ok(Some(Exit::Done)) => return Ok(()),
            Ok(_) => {}
            Err(error) if output.reader_has_gone() => return Err(error),
            Err(error) => complain::complain(output, &error),
        }
    }
}

/// One question; `None` when the answer was not understood.
fn ask(output: &Output, task: &TaskView) -> Result<Option<Choice>> {
    let name = output.paint_errors.apply(STRONG, task.name.as_str());
    prompt(&format!("\n{name}: (m)erge, (r)ebase, (d)iff, (dis)card or (l)ater? "));
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line).attempt(|| "read your answer")?;
    if read == 0 {
        output.tell("");
    }
    let choice = understand(&line);
    if choice.is_none() {
        output.tell("please answer with one of these words, or how it begins");
    }
    Ok(choice)
}

fn understand(answer: &str) -> Option<Choice> {
    let answer = answer.trim().to_lowercase();
    if answer.is_empty() {
        return Some(Choice::Later);
    }
    CHOICES.iter().find(|(word, _)| word.starts_with(&answer)).map(|(_, choice)| *choice)
}

/// Carries an answer out; `Some(Exit::Done)` when there is nothing left to ask.
fn carry_out(
    context: &Context,
    output: &Output,
    task: &TaskView,
    choice: Choice,
) -> Result<Option<Exit>> {
    let id = task.id.to_string();
    match choice {
        Choice::Merge => decide::land(context, output, &landing(id, Strategy::Merge)).map(Some),
        Choice::Rebase => decide::land(context, output, &landing(id, Strategy::Rebase)).map(Some),
        Choice::Discard => decide::discard(context, output, &[id]).map(Some),
        Choice::Diff => {
            let request = DiffRequest { task: id, paths: Vec::new(), against: Against::Base };
            look::diff(context, output, &request, DiffForm::Patch).map(|_| None)
        }
        Choice::Later => {
            output.tell(&format!("`offshoot result {}` shows this again", task.name));
            Ok(Some(Exit::Done))
        }
    }
}

fn landing(task: String, strategy: Strategy) -> LandRequest {
    LandRequest {
        tasks: vec![task],
        strategy,
        into: None,
        mode: Mode::Land,
        verify: Verify::AsConfigured,
        worktree: Afterwards::Release,
        leftovers: Leftovers::Refuse,
        extent: Extent::Whole,
        hooks: Hooks::Skip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_enough_and_the_harmless_word_comes_first() {
        assert_eq!(understand(" M\n"), Some(Choice::Merge));
        assert_eq!(understand("d"), Some(Choice::Diff));
        assert_eq!(understand("dis"), Some(Choice::Discard));
        assert_eq!(understand("\n"), Some(Choice::Later));
        assert_eq!(understand("yes"), None);
    }
}
