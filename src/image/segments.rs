//! What a changed stream consists of: runs of its input, and new bytes between them.
//!
//! The planner reads the result of its edits through the same segments that the writer copies, so
//! that what is checked is what is written.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::bytes::Bytes;

/// A byte range of the input's tar stream and what stands in its place in the output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The range that is replaced, in bytes of the input; empty to insert.
    pub at: Range<u64>,
    /// What replaces it, in order; nothing to delete.
    pub with: Vec<Piece>,
}

/// A part of what a [`Splice`] puts in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// New bytes.
    Bytes(Arc<[u8]>),
    /// Bytes from elsewhere in the input, for data that moves.
    Input(Range<u64>),
}

/// A stream as a list of [`Segment`]s.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segments {
    list: Vec<Segment>,
    len: u64,
}

/// A run of a stream that comes from one place.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    at: u64,
    pub(crate) len: u64,
    pub(crate) from: Origin,
}

/// Where a [`Segment`] comes from.
#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The input, from this offset on.
    Input(u64),
    Memory(Arc<[u8]>),
}

impl Segments {
    /// Returns those of an input of this length with splices laid over it, which must be sorted and
    /// disjoint.
    pub(crate) fn spliced(input: u64, splices: &[Splice]) -> Self {
        let (mut out, mut copied) = (Self::default(), 0);
        for splice in splices {
            assert!(
                copied <= splice.at.start && splice.at.end <= input,
                "splices are sorted, disjoint and inside"
            );
            out.push(splice.at.start - copied, Origin::Input(copied));
            for piece in &splice.with {
                match piece {
                    Piece::Bytes(bytes) => {
                        out.push(bytes.len() as u64, Origin::Memory(Arc::clone(bytes)));
                    }
                    Piece::Input(range) => {
                        out.push(range.end - range.start, Origin::Input(range.start));
                    }
                }
            }
            copied = splice.at.end;
        }
        out.push(input - copied, Origin::Input(copied));
        out
    }

    fn push(&mut self, len: u64, from: Origin) {
        if len > 0 {
            let at = self.len;
            self.list.push(Segment { at, len, from });
            self.len += len;
        }
    }

    /// Returns how many bytes the stream has.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Segment> {
        self.list.iter()
    }

    /// Returns the ranges of the input, in the stream's order.
    pub(crate) fn inputs(&self) -> impl Iterator<Item = Range<u64>> {
        self.list.iter().filter_map(|segment| match segment.from {
            Origin::Input(start) => Some(start..start + segment.len),
            Origin::Memory(_) => None,
        })
    }

    /// Returns the segment that a place lies in, and how far behind its beginning.
    pub(crate) fn at(&self, place: u64) -> Option<(&Segment, u64)> {
        let index = self.list.partition_point(|s| s.at + s.len <= place);
        let segment = self.list.get(index)?;
        Some((segment, place - segment.at))
    }

    /// Returns the stream's bytes, given its input.
    pub(crate) fn over<'a, B: Bytes>(&'a self, input: &'a B) -> Over<'a, B> {
        Over {
            segments: self,
            input,
        }
    }
}

/// The bytes of a stream.
#[derive(Clone, Copy)]
pub(crate) struct Over<'a, B> {
    segments: &'a Segments,
    input: &'a B,
}

impl<B: Bytes> Bytes for Over<'_, B> {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some((segment, skip)) = self.segments.at(offset) else {
            return Ok(0);
        };
        let left = usize::try_from(segment.len - skip).unwrap_or(usize::MAX);
        let want = left.min(buffer.len());
        match &segment.from {
            Origin::Input(start) => self.input.read_at(&mut buffer[..want], start + skip),
            Origin::Memory(bytes) => {
                let skip = usize::try_from(skip).expect("an offset inside a slice");
                buffer[..want].copy_from_slice(&bytes[skip..skip + want]);
                Ok(want)
            }
        }
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        Ok(end <= self.segments.len)
    }
}
