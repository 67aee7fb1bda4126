//! The lines in which two texts differ, with those around them.
//!
//! Lines end at a line feed only: `similar`'s own splitting and writing takes a carriage return for
//! an end too, and git and `patch` do not.

use similar::udiff::UnifiedHunkHeader;
use similar::{DiffOp, DiffTag, TextDiff};

/// How many lines around a change are shown.
const CONTEXT: usize = 3;

/// Lines that belong together.
pub(crate) struct Hunk<T> {
    /// `@@ -1,3 +1,4 @@`.
    pub(crate) header: String,
    pub(crate) lines: Vec<Line<T>>,
}

/// One line of a text, without the line feed that ends it.
pub(crate) struct Line<T> {
    pub(crate) sign: Sign,
    /// Its number in the old text, counted from 1.
    pub(crate) old: Option<usize>,
    /// Its number in the new text.
    pub(crate) new: Option<usize>,
    pub(crate) text: T,
    /// Whether a line feed ends it.
    pub(crate) ends: bool,
}

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Kept,
    Removed,
    Added,
}

impl Sign {
    /// Returns the character that diffs write before the line.
    pub(crate) fn char(self) -> char {
        match self {
            Self::Kept => ' ',
            Self::Removed => '-',
            Self::Added => '+',
        }
    }
}

impl<T> Hunk<T> {
    /// Turns the text of each line into another form.
    pub(crate) fn map<U>(self, form: impl Fn(T) -> U) -> Hunk<U> {
        let lines = self.lines.into_iter().map(|line| Line {
            sign: line.sign,
            old: line.old,
            new: line.new,
            text: form(line.text),
            ends: line.ends,
        });
        Hunk {
            lines: lines.collect(),
            header: self.header,
        }
    }
}

/// Returns the hunks that lead from one text to another.
pub(crate) fn of<'t>(old: &'t [u8], new: &'t [u8]) -> Vec<Hunk<&'t [u8]>> {
    let lines = |text| <[u8]>::split_inclusive(text, |byte| *byte == b'\n').collect::<Vec<_>>();
    let (before, after) = (lines(old), lines(new));
    let diff = TextDiff::configure()
        .newline_terminated(true)
        .diff_slices(&before, &after);
    let line = |sign, old: Option<usize>, new: Option<usize>| {
        let text = old.map_or_else(|| after[new.unwrap_or(0)], |at| before[at]);
        Line {
            sign,
            old: old.map(|at| at + 1),
            new: new.map(|at| at + 1),
            text: text.strip_suffix(b"\n").unwrap_or(text),
            ends: text.ends_with(b"\n"),
        }
    };
    let hunk = |ops: Vec<DiffOp>| {
        let mut lines = Vec::new();
        for op in &ops {
            let (tag, was, is) = op.as_tag_tuple();
            if tag == DiffTag::Equal {
                lines.extend(was.zip(is).map(|(o, n)| line(Sign::Kept, Some(o), Some(n))));
                continue;
            }
            lines.extend(was.map(|at| line(Sign::Removed, Some(at), None)));
            lines.extend(is.map(|at| line(Sign::Added, None, Some(at))));
        }
        Hunk {
            header: UnifiedHunkHeader::new(&ops).to_string(),
            lines,
        }
    };
    diff.grouped_ops(CONTEXT).into_iter().map(hunk).collect()
}
