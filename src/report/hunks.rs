//! The lines in which two texts differ, with those around them.
//!
//! Lines end at a line feed only: `similar`'s own splitting and writing takes a carriage return for an end too, and git and
//! `patch` do not.

use similar::udiff::UnifiedHunkHeader;
use similar::{DiffOp, DiffTag, TextDiff};

/// How many lines around a change are shown.
const CONTEXT: usize = 3;

/// Lines that belong together.
pub(crate) struct Hunk<'t> {
    ops: Vec<DiffOp>,
    pub(crate) lines: Vec<Line<'t>>,
}

/// A line with its end, if it has one.
pub(crate) struct Line<'t> {
    pub(crate) sign: Sign,
    pub(crate) text: &'t [u8],
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Kept,
    Removed,
    Added,
}

impl Hunk<'_> {
    /// `@@ -1,3 +1,4 @@`.
    pub(crate) fn header(&self) -> String {
        UnifiedHunkHeader::new(&self.ops).to_string()
    }
}

impl Sign {
    /// As diffs write it.
    pub(crate) fn byte(self) -> u8 {
        match self {
            Self::Kept => b' ',
            Self::Removed => b'-',
            Self::Added => b'+',
        }
    }
}

/// The hunks that lead from one text to another.
pub(crate) fn of<'t>(old: &'t [u8], new: &'t [u8]) -> Vec<Hunk<'t>> {
    let lines = |text| <[u8]>::split_inclusive(text, |byte| *byte == b'\n').collect::<Vec<_>>();
    let (old, new) = (lines(old), lines(new));
    let diff = TextDiff::configure()
        .newline_terminated(true)
        .diff_slices(&old, &new);
    let mut hunks = Vec::new();
    for ops in diff.grouped_ops(CONTEXT) {
        let mut lines = Vec::new();
        for op in &ops {
            let (tag, was, is) = op.as_tag_tuple();
            let line = |sign, text| Line { sign, text };
            if tag == DiffTag::Equal {
                lines.extend(was.map(|at| line(Sign::Kept, old[at])));
                continue;
            }
            lines.extend(was.map(|at| line(Sign::Removed, old[at])));
            lines.extend(is.map(|at| line(Sign::Added, new[at])));
        }
        hunks.push(Hunk { ops, lines });
    }
    hunks
}
