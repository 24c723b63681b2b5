//! Many merges by one git, or by one for each processor: `git merge-tree --stdin`, which costs each of them
//! a twentieth of a process.
//!
//! What cannot be merged at all (a commit that is gone, histories that share nothing) ends git in the
//! midst of a batch. Then each merge is tried by itself, so that one bad task spoils no other's answer.

use super::command::{Output, Started, shares};
use super::merge_tree::{Merged, Merger, malformed, one_merge};
use crate::error::Result;
use crate::names::ObjectId;

/// A merge that is wanted: of two commits that share history, or of any two trees from a base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    pub(super) base: Option<ObjectId>,
    pub(super) ours: ObjectId,
    pub(super) theirs: ObjectId,
}

impl Wanted {
    fn sides(&self) -> [String; 2] {
        [self.ours.to_string(), self.theirs.to_string()]
    }
}

impl Merger<'_> {
    /// Whether this git merges trees, which no commit need hold.
    pub(super) fn merges_trees(&self) -> bool {
        self.version >= (2, 45)
    }

    /// Merges one after another, independently of each other; an answer for each, in order.
    pub(super) fn merge_all(&self, wanted: &[Wanted]) -> Vec<Result<Merged>> {
        // `--stdin` came with 2.39, a base in its lines with 2.40.
        if wanted.len() > 1
            && self.version >= (2, 40)
            && let Ok(merged) = self.batches(&shares(wanted))
        {
            return merged.into_iter().map(Ok).collect();
        }
        wanted.iter().map(|one| self.single(one)).collect()
    }

    fn single(&self, wanted: &Wanted) -> Result<Merged> {
        let base = wanted.base.map(|base| format!("--merge-base={base}"));
        self.run(&base.into_iter().chain(wanted.sides()).collect::<Vec<_>>())
    }

    /// A git for each share, all at once.
    ///
    /// # Errors
    /// When any of them cannot be merged.
    pub(super) fn batches(&self, parts: &[&[Wanted]]) -> Result<Vec<Merged>> {
        let started: Vec<_> = parts.iter().map(|part| self.start(part)).collect::<Result<_>>()?;
        let mut merged = Vec::new();
        for (part, started) in parts.iter().zip(started) {
            merged.extend(read(part, &started.finish(&[0])?)?);
        }
        Ok(merged)
    }

    fn start(&self, wanted: &[Wanted]) -> Result<Started> {
        let mut lines = String::new();
        for one in wanted {
            if let Some(base) = one.base {
                lines.push_str(&format!("{base} -- "));
            }
            lines.push_str(&format!("{} {}\n", one.ours, one.theirs));
        }
        self.command().arg("--stdin").input(lines).start()
    }
}

/// An answer a line: `<1 when clean> NUL` and what a single merge answers, each part ended by NUL.
fn read(wanted: &[Wanted], output: &Output) -> Result<Vec<Merged>> {
    let mut fields = output.stdout.split(|byte| *byte == 0);
    let mut merged = Vec::new();
    for one in wanted {
        let is_clean = match fields.next() {
            Some(b"1") => true,
            Some(b"0") => false,
            _ => return Err(malformed()),
        };
        merged.push(one_merge(&mut fields, is_clean, &one.sides())?);
        if is_clean {
            // The end of an answer; of a conflict it was taken with the last message.
            fields.next().filter(|end| end.is_empty()).ok_or_else(malformed)?;
        }
    }
    Ok(merged)
}
