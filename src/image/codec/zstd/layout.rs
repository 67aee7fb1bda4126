//! Which frames of a Zstandard file can stand in a changed one as they are.

use std::ops::Range;

use super::scan::Frame;
use crate::image::segments::{Origin, Segments};

/// A piece of the changed file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Bytes of the file as they are: whole frames.
    Same(Range<u64>),
    /// A range of the output stream, to be compressed to a frame.
    Compress(Range<u64>),
}

/// Lays out the file that decodes to `output`, a changed version of what the frames decode to.
pub(super) fn layout(frames: &[Frame], output: &Segments) -> Vec<Piece> {
    let mut layout = Layout {
        pieces: Vec::new(),
        done: 0,
        at: 0,
    };
    for segment in output.iter() {
        match segment.from {
            Origin::Input(start) => layout.input(frames, start..start + segment.len),
            Origin::Memory(_) => layout.at += segment.len,
        }
    }
    // A file without any frame is none that a decoder takes.
    if layout.done < layout.at || layout.pieces.is_empty() {
        layout.pieces.push(Piece::Compress(layout.done..layout.at));
    }
    layout.pieces
}

struct Layout {
    pieces: Vec<Piece>,
    /// How far the output stream is in a piece, and how far it was looked at.
    done: u64,
    at: u64,
}

impl Layout {
    /// A run of the output that is a run of the input.
    fn input(&mut self, frames: &[Frame], run: Range<u64>) {
        let first = frames.partition_point(|frame| frame.output.end <= run.start);
        for frame in &frames[first..] {
            let start = run.start.max(frame.output.start);
            let end = run.end.min(frame.output.end);
            if start >= end {
                break;
            }
            if (start..end) == frame.output
                && let Some(bytes) = &frame.bytes
            {
                self.compress();
                self.same(bytes.clone());
                self.at += end - start;
                self.done = self.at;
                continue;
            }
            self.at += end - start;
            // What stands in the place of one frame is one frame again.
            if end == frame.output.end {
                self.compress();
            }
        }
    }

    fn compress(&mut self) {
        if self.done < self.at {
            self.pieces.push(Piece::Compress(self.done..self.at));
            self.done = self.at;
        }
    }

    fn same(&mut self, bytes: Range<u64>) {
        match self.pieces.last_mut() {
            Some(Piece::Same(before)) if before.end == bytes.start => before.end = bytes.end,
            _ => self.pieces.push(Piece::Same(bytes)),
        }
    }
}
