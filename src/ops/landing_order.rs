//! Which of some tasks can all be landed, given which two cannot: as many as possible.
//!
//! That is the largest independent set of a graph. The tasks with the fewest conflicts are tried first,
//! so the first answer is the greedy one already; the search after it is bounded, and each cluster of
//! conflicts is a problem of its own, so real ones are solved whole.

use std::collections::BTreeSet;

/// The most steps of the search in one cluster.
const MOST_STEPS: usize = 20_000;

type Set = BTreeSet<usize>;

/// The largest set of `0..count` without a conflict, in ascending order.
pub(super) fn most_together(count: usize, conflicts: &[(usize, usize)]) -> Vec<usize> {
    let mut rivals = vec![Set::new(); count];
    for (one, other) in conflicts {
        rivals[*one].insert(*other);
        rivals[*other].insert(*one);
    }
    let (mut left, mut chosen): (Set, Set) = ((0..count).collect(), Set::new());
    while let Some(first) = left.first().copied() {
        let cluster = reachable(first, &rivals);
        left.retain(|one| !cluster.contains(one));
        let mut search = Search { rivals: &rivals, best: Set::new(), steps: MOST_STEPS };
        search.go(cluster, &mut Set::new());
        chosen.extend(search.best);
    }
    chosen.into_iter().collect()
}

/// Those of `members` that hang together by ties, each group in the order of `members`.
pub(super) fn clusters(
    members: &[usize],
    tied: impl Fn(&usize, &usize) -> bool,
) -> Vec<Vec<usize>> {
    let mut ties = vec![Set::new(); members.len()];
    for one in 0..members.len() {
        for other in one + 1..members.len() {
            if tied(&members[one], &members[other]) {
                ties[one].insert(other);
                ties[other].insert(one);
            }
        }
    }
    let (mut left, mut found): (Set, Vec<_>) = ((0..members.len()).collect(), Vec::new());
    while let Some(first) = left.first().copied() {
        let cluster = reachable(first, &ties);
        left.retain(|one| !cluster.contains(one));
        found.push(cluster.into_iter().map(|at| members[at]).collect());
    }
    found
}

/// All that hang together with one.
fn reachable(first: usize, rivals: &[Set]) -> Set {
    let (mut seen, mut next) = (Set::from([first]), vec![first]);
    while let Some(one) = next.pop() {
        next.extend(rivals[one].iter().filter(|rival| seen.insert(**rival)));
    }
    seen
}

struct Search<'a> {
    rivals: &'a [Set],
    best: Set,
    steps: usize,
}

impl Search<'_> {
    fn go(&mut self, left: Set, chosen: &mut Set) {
        if chosen.len() > self.best.len() {
            self.best.clone_from(chosen);
        }
        if chosen.len() + left.len() <= self.best.len() || self.steps == 0 {
            return;
        }
        self.steps -= 1;
        let degree = |one: &usize| self.rivals[*one].intersection(&left).count();
        let Some(one) = left.iter().copied().min_by_key(degree) else { return };
        let is_lonely = degree(&one) <= 1;
        let mut without_it = left;
        without_it.remove(&one);
        let with_it = without_it.difference(&self.rivals[one]).copied().collect();
        chosen.insert(one);
        self.go(with_it, chosen);
        chosen.remove(&one);
        // With one rival at most, taking it is never worse than leaving it.
        if !is_lonely {
            self.go(without_it, chosen);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_are_chosen_and_never_two_that_conflict() {
        assert_eq!(most_together(3, &[]), [0, 1, 2]);
        // One that conflicts with everybody gives way to all of them.
        assert_eq!(most_together(4, &[(0, 1), (0, 2), (0, 3)]), [1, 2, 3]);
        // A ring of five holds two.
        assert_eq!(most_together(5, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)]).len(), 2);
        // Two complete threes: one of each.
        assert_eq!(most_together(6, &[(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)]), [0, 3]);
    }

    #[test]
    fn the_search_finds_what_every_subset_would_show() {
        // Graphs from a fixed series of numbers, each compared with all subsets of ten.
        let mut number = 12_345u32;
        for _ in 0..60 {
            let mut conflicts = Vec::new();
            for one in 0..10 {
                for other in one + 1..10 {
                    number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    if number >> 30 == 0 {
                        conflicts.push((one, other));
                    }
                }
            }
            let fits =
                |set: u32| !conflicts.iter().any(|(a, b)| set >> a & 1 == 1 && set >> b & 1 == 1);
            let most = (0..1024u32).filter(|set| fits(*set)).map(u32::count_ones).max();
            let chosen = most_together(10, &conflicts);
            assert!(fits(chosen.iter().map(|one| 1 << one).sum()), "{conflicts:?}");
            assert_eq!(u32::try_from(chosen.len()).ok(), most, "{conflicts:?}");
        }
    }
}
