//! `send --conflict`: a conflict with the target goes back to whoever made the one side of it. The merge
//! is opened in the task's own worktree, and the agent is told what contradicts what.
//!
//! The agent need not use git: when its attempt ends, the merge is committed once everything is decided
//! (`supervisor/finish.rs`), and stays open otherwise.

use super::describe::describe;
use super::land::{Opened, finish_before_deciding, finish_under, lock_landings, open_for_agent};
use super::recover::{recover, take};
use super::send::leave_under_lock;
use crate::context::Context;
use crate::error::Result;
use crate::escape;
use crate::landing::Conflict;
use crate::supervisor;
use crate::view::TaskView;

/// How many conflicts are told of at most.
const MOST_PATHS: usize = 40;
/// How many lines of conflicting text go along at most, of one file and of all.
const MOST_LINES: (usize, usize) = (60, 240);
/// How much of one of these lines, in characters.
const LINE: usize = 300;
/// How many lines around a conflict are shown.
const AROUND: usize = 3;

/// Opens the merge of an ended task with its target in its worktree, and queues an attempt that is to
/// resolve it; `words` are told besides. A merge that is open there already goes on.
///
/// # Errors
/// `not_found` when no task is meant; `refused` when it has not ended, is landed or discarded, was
/// dispatched with uncommitted work or does not conflict; `dirty` when its worktree was changed since;
/// `busy` when another landing goes on.
pub fn hand_back(context: &Context, task: &str, words: Option<&str>) -> Result<TaskView> {
    recover(context)?;
    let id = context.store.resolve(task)?;
    finish_before_deciding(context, id)?;
    let landing = lock_landings(context)?;
    finish_under(&landing, context)?;
    let (lock, task) = take(context, id)?;
    let opened = open_for_agent(context, &lock, &task)?;
    let mut message = told(context, &opened)?;
    if let Some(words) = words {
        message.push_str(&format!("\n{}\n", words.trim_end()));
    }
    leave_under_lock(context, lock, &message)?;
    drop(landing);
    supervisor::pump(&context.store, &context.config)?;
    describe(context, &context.store.read(id)?)
}

/// What the agent is told.
fn told(context: &Context, opened: &Opened) -> Result<String> {
    let Opened { target, theirs, conflicted } = opened;
    let conflicts = &conflicted.conflicts;
    let mut text = format!(
        "Your work conflicts with the branch `{target}`, which is at {} now. The merge of `{target}` into \
         your branch is open in your worktree, as `git merge` leaves one: the files hold both sides \
         between the markers `<<<<<<<` (yours), `=======` and `>>>>>>>` (theirs).\n\nConflicts:\n",
        theirs.short()
    );
    let mut left = MOST_LINES.1;
    for conflict in conflicts.iter().take(MOST_PATHS) {
        text.push_str(&format!("- {}: {}\n", conflict.path, words_of(conflict)));
        let file = context.repo.file_in(conflicted.tree, &conflict.path)?;
        let file = file.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
        for line in marked(file.unwrap_or_default(), MOST_LINES.0.min(left)) {
            text.push_str(&format!("    {line}\n"));
            left = left.saturating_sub(1);
        }
    }
    if conflicts.len() > MOST_PATHS {
        let more = conflicts.len() - MOST_PATHS;
        text.push_str(&format!("- and {more} more, which `git status` names\n"));
    }
    text.push_str(
        "\nMake of each of these files what it should be with both changes in it, leave no marker \
         behind, and check that all of it works. Do not give the merge up, and change nothing that it \
         does not ask for. Then commit it (`git add` the files, `git commit --no-edit`), or leave the \
         files as they should be: it is committed for you when you end.\n",
    );
    Ok(text)
}

/// Who did what, as the agent sees it.
fn words_of(conflict: &Conflict) -> String {
    let words = conflict.kind.words();
    // The merge is of the target into the task's branch, so the agent's side is the first.
    match (conflict.base, conflict.ours, conflict.theirs) {
        (Some(_), Some(_), None) => format!("{words} (you changed it, they deleted it)"),
        (Some(_), None, Some(_)) => format!("{words} (you deleted it, they changed it)"),
        _ => words.to_owned(),
    }
}

/// The parts of a text that are marked as conflicts, with some lines around and their numbers, at most
/// so many lines.
fn marked(text: &str, most: usize) -> Vec<String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut shown = vec![false; lines.len()];
    let mut began = None;
    for (at, line) in lines.iter().enumerate() {
        if line.starts_with("<<<<<<< ") {
            began = Some(at);
        } else if line.starts_with(">>>>>>> ")
            && let Some(first) = began.take()
        {
            let last = (at + AROUND + 1).min(lines.len());
            shown[first.saturating_sub(AROUND)..last].fill(true);
        }
    }
    let mut told = Vec::new();
    let mut before = None;
    for (at, line) in lines.iter().enumerate().filter(|(at, _)| shown[*at]) {
        if told.len() == most {
            told.push("…".to_owned());
            break;
        }
        if at > 0 && before != Some(at - 1) {
            told.push(format!("from line {}:", at + 1));
        }
        before = Some(at);
        told.push(escape::line(&line.chars().take(LINE).collect::<String>()));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_marked_is_shown_and_not_too_much_of_it() {
        let conflict = "<<<<<<< a\nmine\n=======\ntheirs\n>>>>>>> b\n";
        let far: String = (1..=10).map(|number| format!("{number}\n")).collect();
        let text = format!("{far}{conflict}{far}{conflict}");
        let shown = marked(&text, 100);
        assert_eq!(shown[..3], ["from line 8:", "8", "9"]);
        assert_eq!(shown[4..9], ["<<<<<<< a", "mine", "=======", "theirs", ">>>>>>> b"]);
        assert!(shown.contains(&"from line 23:".to_owned()), "{shown:?}");
        assert!(!shown.contains(&"5".to_owned()));
        let short = marked(&text, 4);
        assert_eq!((short.len(), short.last().map(String::as_str)), (5, Some("…")));
        assert!(marked(&far, 100).is_empty());
    }
}
