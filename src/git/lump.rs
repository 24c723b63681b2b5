//! Merges of files made as one: in one tree a side, each file under a name of its own.
//!
//! What git makes of a file depends on its three versions and its attributes, unless it looks for what was
//! moved, which it has no cause to do where every name is on all three sides. So where nobody gives any
//! attributes, it comes to the same under any name. That spares a tree for each merge, which git writes
//! and reads twice: a quarter of its time.

use super::command::shares;
use super::forecast::Forecaster;
use super::merge_batch::Wanted;
use super::merge_tree::Merged;
use super::parcel::Parcel;
use super::tree_diff::Entry;
use crate::error::{Error, Result};
use std::collections::BTreeSet;

/// What stands on the three sides: base, ours and theirs.
pub(super) type Sides = [Entry; 3];

/// Merges that are made as one.
pub(super) struct Lump {
    merge: Wanted,
    count: usize,
}

/// The merges of some files in order, a lump for each git that is worth its start; its trees go into the
/// parcel.
pub(super) fn lumps(merges: &[&[Sides]], parcel: &mut Parcel) -> Result<Vec<Lump>> {
    shares(merges).into_iter().map(|share| lump(share, parcel)).collect()
}

fn lump(merges: &[&[Sides]], parcel: &mut Parcel) -> Result<Lump> {
    let named = merges.iter().enumerate().flat_map(|(number, files)| {
        let name = move |(file, sides): (usize, &Sides)| {
            (format!("{number:09} {file}").into_bytes(), *sides)
        };
        files.iter().enumerate().map(name)
    });
    let named: Vec<(Vec<u8>, Sides)> = named.collect();
    // Only their trees: it reads the files that the merges by themselves would read.
    let mut made = Parcel::default();
    let mut tree_of = |side: usize| {
        let files: Vec<_> = named.iter().map(|(name, sides)| (&name[..], sides[side])).collect();
        made.add_tree(&files)
    };
    let (base, ours, theirs) = (Some(tree_of(0)?), tree_of(1)?, tree_of(2)?);
    parcel.add_trees(made);
    Ok(Lump { merge: Wanted { base, ours, theirs }, count: merges.len() })
}

impl Forecaster<'_> {
    /// Whether each of the merges conflicts that were lumped, in order.
    ///
    /// # Errors
    /// When any of them cannot be merged.
    pub(super) fn lumped(&self, lumps: &[Lump]) -> Result<Vec<bool>> {
        if lumps.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<_> = lumps.iter().map(|lump| lump.merge).collect();
        let merged = self.merger()?.batches(&wanted.chunks(1).collect::<Vec<_>>())?;
        let found = lumps.iter().zip(&merged).map(|(lump, merged)| {
            let conflicting = conflicting(merged)?;
            Ok((0..lump.count).map(|number| conflicting.contains(&number)).collect::<Vec<_>>())
        });
        Ok(found.collect::<Result<Vec<_>>>()?.concat())
    }
}

/// By their places in the lump, those that conflict.
fn conflicting(merged: &Merged) -> Result<BTreeSet<usize>> {
    let Merged::Conflicts(conflicts) = merged else { return Ok(BTreeSet::new()) };
    let number = |name: &[u8]| std::str::from_utf8(name.get(..9)?).ok()?.parse().ok();
    let numbers = conflicts.iter().map(|conflict| number(conflict.path.as_bytes()));
    numbers.collect::<Option<_>>().ok_or_else(|| Error::git("`git merge-tree` named another file"))
}
