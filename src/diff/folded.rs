//! Directories that were added or removed with everything in them.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, ByteSlice};

use super::{Comparison, PathChange};

/// A directory that was added or removed with more paths than these below it stands for them.
const LISTED: usize = 5;

/// The added and removed directories that stand for everything below them.
pub(crate) struct Folded<'c> {
    /// The added paths and the removed ones.
    sets: [BTreeSet<&'c BStr>; 2],
    /// How many paths are below the topmost of them.
    below: BTreeMap<(usize, &'c BStr), usize>,
}

impl<'c> Folded<'c> {
    pub(crate) fn of(comparison: &'c Comparison<'_>) -> Self {
        let mut folded = Self {
            sets: <_>::default(),
            below: BTreeMap::new(),
        };
        for change in &comparison.paths {
            if let Some(side) = side(change) {
                folded.sets[side].insert(change.path.as_bstr());
            }
        }
        for change in &comparison.paths {
            if let Some(side) = side(change)
                && let Some(top) = folded.top(side, change.path.as_bstr())
            {
                *folded.below.entry((side, top)).or_default() += 1;
            }
        }
        folded
    }

    /// Returns the topmost directory above a path that was added or removed with it.
    fn top(&self, side: usize, path: &'c BStr) -> Option<&'c BStr> {
        let mut found = None;
        let mut at = path;
        while let Some((above, _)) = at.rsplit_once_str("/") {
            let above = above.as_bstr();
            if !self.sets[side].contains(above) {
                break;
            }
            (found, at) = (Some(above), above);
        }
        found
    }

    /// Returns whether a directory above stands for a path.
    pub(crate) fn hides(&self, change: &'c PathChange) -> bool {
        side(change).is_some_and(|side| {
            let top = self.top(side, change.path.as_bstr());
            top.is_some_and(|top| self.below[&(side, top)] > LISTED)
        })
    }

    /// Returns how many paths a directory stands for.
    pub(crate) fn below(&self, change: &'c PathChange) -> Option<usize> {
        let count = self.below.get(&(side(change)?, change.path.as_bstr()));
        count.copied().filter(|count| *count > LISTED)
    }
}

fn side(change: &PathChange) -> Option<usize> {
    match (change.old, change.new) {
        (None, _) => Some(0),
        (_, None) => Some(1),
        _ => None,
    }
}
