//! A commit of what the agent left uncommitted. A supervisor that died on the way may have made it, and
//! moved the branch to it; its successor takes that for its own, so that there is one commit, and what
//! else belongs to it (the worktree's index, figures, warnings) is done.

use super::Life;
use super::finish::Work;
use super::merging::OpenMerge;
use crate::error::Result;
use crate::escape;
use crate::git::{NewCommit, Signing, SizedFile, Snapshot};
use crate::names::{CommitId, ObjectId};
use crate::task::{TaskSpec, Warning, WarningKind};

/// The longest subject of a commit made from leftovers, in characters.
const SUBJECT: usize = 72;

impl Life {
    /// Commits what is in the worktree beyond `work.head`, where `tip` is the task's branch.
    pub(super) fn commit_leftovers(
        &self,
        work: &mut Work,
        snapshot: Snapshot,
        tip: Option<CommitId>,
    ) -> Result<()> {
        if !snapshot.nested.is_empty() {
            work.warnings.push(Warning {
                kind: WarningKind::NestedRepository,
                message: "repositories inside the worktree are not part of the result".to_owned(),
                paths: snapshot.nested,
            });
        }
        let mut parents = vec![work.head];
        let mut message = leftovers_message(&self.task.spec);
        match self.open_merge((work.checkout.as_ref(), work.head), snapshot.tree) {
            OpenMerge::None => {}
            OpenMerge::Committed => work.merged = true,
            OpenMerge::Resolved { theirs, said } => {
                (work.merged, message) = (true, said.unwrap_or(message));
                parents.push(theirs);
            }
            OpenMerge::Undecided(warning) => {
                work.warnings.push(warning);
                // With nothing else to keep it by, it is kept as it is.
                if work.head != self.task.record.base {
                    return Ok(());
                }
            }
        }
        let nothing_left = snapshot.tree == self.repo.tree_of(work.head)? && parents.len() == 1;
        if nothing_left {
            if work.head == self.task.record.base {
                return Ok(());
            }
            // An agent may have begun anew, where there is none.
            let Ok(parent) = self.repo.first_parent_of(work.head) else { return Ok(()) };
            parents = vec![parent];
        }
        let new = commit_of((snapshot.tree, &parents), &message);
        // Where the worktree is not on the branch, that alone has moved.
        let made = if nothing_left { Some(work.head) } else { tip };
        work.head = match made {
            Some(made) if self.repo.is_made_as(made, &new)? => made,
            _ if nothing_left => return Ok(()),
            _ => self.repo.create_commit(&new)?,
        };
        work.of_leftovers = true;
        // What the attempt before came to is not told of again.
        work.leftovers_committed = Some(work.head) != self.task.record.head;
        if work.leftovers_committed {
            let before = self.repo.tree_of(parents[0])?;
            let large = self.repo.large_files((before, new.tree), self.config.large_file)?;
            work.warnings.extend(large_files(large));
        }
        Ok(())
    }

    /// Whether a commit is what was made of the leftovers in a worktree that was at `parent`.
    pub(super) fn is_of_leftovers(&self, commit: CommitId, parent: CommitId) -> Result<bool> {
        let (tree, message) = (self.repo.tree_of(commit)?, leftovers_message(&self.task.spec));
        self.repo.is_made_as(commit, &commit_of((tree, &[parent]), &message))
    }
}

fn commit_of<'a>((tree, parents): (ObjectId, &'a [CommitId]), message: &'a str) -> NewCommit<'a> {
    NewCommit { tree, parents, message, author_of: None, signing: Signing::Never }
}

/// That what nobody decided to commit is large.
fn large_files(files: Vec<SizedFile>) -> Option<Warning> {
    let (_, largest) = files.iter().max_by_key(|(_, size)| *size)?;
    let message = format!(
        "large files were left uncommitted and are part of the result now, the largest of {} MiB",
        largest / (1024 * 1024)
    );
    let paths = files.into_iter().map(|(path, _)| path).collect();
    Some(Warning { kind: WarningKind::LargeFile, message, paths })
}

fn leftovers_message(spec: &TaskSpec) -> String {
    let words = spec.prompt.clone().unwrap_or_else(|| spec.command.join(" "));
    let first = words.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("changes");
    let mut subject: String = escape::line(first).chars().take(SUBJECT).collect();
    if subject.starts_with('#') {
        subject.insert(0, ' ');
    }
    format!("{}\n\nOffshoot-Task: {}\nOffshoot-Id: {}\n", subject.trim(), spec.name, spec.id)
}
