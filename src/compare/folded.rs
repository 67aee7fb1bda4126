//! Directories that came or went with all that is in them.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, ByteSlice};

use super::{Comparison, PathChange};

/// A directory that came or went with more than these below it stands for them.
const LISTED: usize = 5;

/// Which directories that came or went stand for what is below them.
pub(super) struct Folded<'c> {
    /// The paths that came and those that went.
    sets: [BTreeSet<&'c BStr>; 2],
    /// How many paths are below those of them that are not below others.
    below: BTreeMap<(usize, &'c BStr), usize>,
}

impl<'c> Folded<'c> {
    pub(super) fn of(comparison: &'c Comparison<'_>) -> Self {
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

    /// The highest directory above a path that came or went with it.
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

    /// Whether a directory above stands for a path.
    pub(super) fn hides(&self, change: &'c PathChange) -> bool {
        side(change).is_some_and(|side| {
            let top = self.top(side, change.path.as_bstr());
            top.is_some_and(|top| self.below[&(side, top)] > LISTED)
        })
    }

    /// How many paths a directory stands for.
    pub(super) fn below(&self, change: &'c PathChange) -> Option<usize> {
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
