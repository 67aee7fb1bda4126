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
    /// Its number in the old text, counted from 1.
    pub(crate) old: Option<usize>,
    /// Its number in the new text.
    pub(crate) new: Option<usize>,
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

impl<'t> Line<'t> {
    fn kept(old: usize, new: usize, text: &'t [u8]) -> Self {
        let (old, new) = (Some(old + 1), Some(new + 1));
        Self {
            sign: Sign::Kept,
            old,
            new,
            text,
        }
    }

    fn removed(old: usize, text: &'t [u8]) -> Self {
        Self {
            sign: Sign::Removed,
            old: Some(old + 1),
            new: None,
            text,
        }
    }

    fn added(new: usize, text: &'t [u8]) -> Self {
        Self {
            sign: Sign::Added,
            old: None,
            new: Some(new + 1),
            text,
        }
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
            if tag == DiffTag::Equal {
                lines.extend(was.zip(is).map(|(o, n)| Line::kept(o, n, old[o])));
                continue;
            }
            lines.extend(was.map(|at| Line::removed(at, old[at])));
            lines.extend(is.map(|at| Line::added(at, new[at])));
        }
        hunks.push(Hunk { ops, lines });
    }
    hunks
}
