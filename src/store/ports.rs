//! The ports of running tasks: each has a block that no other running task of the repository has.

use super::files::{self, Durability};
use super::{Store, TaskLock};
use crate::error::Result;
use crate::names::TaskId;
use crate::task::{PortRange, SCHEMA};
use serde::{Deserialize, Serialize};

/// A block of ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Block {
    schema: u32,
    first: u16,
    count: u16,
}

impl Block {
    /// The first port behind it.
    fn end(self) -> u32 {
        u32::from(self.first) + u32::from(self.count)
    }

    fn overlaps(self, other: Self) -> bool {
        u32::from(self.first) < other.end() && u32::from(other.first) < self.end()
    }
}

impl Store {
    /// Gives a task that is about to run the lowest block that no other has that runs; none when there
    /// is no free one. The caller holds the queue's lock.
    ///
    /// # Errors
    /// `io` when it cannot be recorded.
    pub fn assign_ports(&self, lock: &TaskLock, range: PortRange) -> Result<()> {
        let path = self.layout.task(lock.id()).ports();
        match self.free_ports(lock.id(), range)? {
            Some(block) => files::replace(&path, &files::to_json(&block)?, Durability::Crash),
            None => files::remove(&path),
        }
    }

    /// The lowest block that no other task has that runs.
    pub(super) fn free_ports(&self, id: TaskId, range: PortRange) -> Result<Option<Block>> {
        let others = self.active_ids()?.into_iter().filter(|other| *other != id);
        // One that cannot be read was cut off before its task began.
        let taken: Vec<Block> = others.filter_map(|id| self.ports(id).ok().flatten()).collect();
        Ok(lowest_free(range, &taken))
    }

    /// The first of a task's ports; none for one that has none.
    ///
    /// # Errors
    /// `io` when that cannot be read.
    pub fn port_base(&self, id: TaskId) -> Result<Option<u16>> {
        Ok(self.ports(id)?.map(|block| block.first))
    }

    fn ports(&self, id: TaskId) -> Result<Option<Block>> {
        files::read_json(&self.layout.task(id).ports())
    }
}

fn lowest_free(range: PortRange, taken: &[Block]) -> Option<Block> {
    let firsts = (range.first..=u16::MAX).step_by(usize::from(range.per_task.max(1)));
    let block = |first| Block { schema: SCHEMA, first, count: range.per_task };
    firsts
        .map(block)
        .take_while(|block| block.end() <= u32::from(u16::MAX) + 1)
        .find(|block| !taken.iter().any(|other| other.overlaps(*block)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_free_block_is_given_and_none_that_overlaps_another() {
        let range = PortRange { first: 20_000, per_task: 10 };
        let block = |first, count| Block { schema: SCHEMA, first, count };
        let first = |taken: &[Block]| lowest_free(range, taken).map(|block| block.first);
        assert_eq!(first(&[]), Some(20_000));
        assert_eq!(first(&[block(20_000, 10), block(20_020, 10)]), Some(20_010));
        // Blocks of another size, from before the configuration changed.
        assert_eq!(first(&[block(19_995, 30)]), Some(20_030));
        let range = PortRange { first: 65_530, per_task: 3 };
        assert_eq!(lowest_free(range, &[block(65_530, 3)]), Some(block(65_533, 3)));
        assert_eq!(lowest_free(range, &[block(65_530, 6)]), None);
    }
}
