//! Zstandard files of which whole frames are copied into a changed one.
//!
//! What a block means depends on the blocks before it, so no frame can be cut; but nothing reaches
//! from one frame into another. One pass ([`Scan`]) decodes the file and leaves behind where its
//! frames lie. A frame whose bytes are all in the changed file is copied there, and each that is
//! not is compressed anew, so that a file of many frames stays one.

mod layout;
mod scan;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use super::workers::workers;
use crate::image::bytes::Bytes as _;
use crate::image::segments::Segments;
use crate::image::sink::Sink;
use layout::{Piece, layout};
use scan::Frames;

pub(in crate::image) use scan::Scan;

/// A Zstandard file, and what it decodes to.
#[derive(Debug)]
pub(crate) struct Zstd {
    file: Arc<File>,
    tar: File,
    frames: Frames,
    style: Style,
}

impl Zstd {
    /// Joins a file, what it decodes to, and what the pass over it found.
    pub(in crate::image) fn new<R>(file: Arc<File>, tar: File, scan: Scan<R>) -> Self {
        let (frames, style) = scan.finish();
        Self {
            file,
            tar,
            frames,
            style,
        }
    }

    /// Returns what it decodes to.
    pub(crate) fn tar(&self) -> &File {
        &self.tar
    }

    /// Returns what the file holds beside its data that is left out of a changed one, as notes say
    /// it.
    pub(in crate::image) fn left_out(&self) -> Vec<String> {
        self.frames.left_out()
    }

    /// Writes the file that decodes to `output`, a changed version of what this one decodes to.
    ///
    /// # Errors
    /// What reading and writing gives.
    pub(crate) fn write_changed(&self, output: &Segments, out: &mut Sink<'_>) -> io::Result<()> {
        for piece in layout(self.frames.list(), output) {
            match piece {
                Piece::Same(bytes) => out.copy(&self.file, bytes)?,
                Piece::Compress(range) => {
                    let len = range.end - range.start;
                    let bytes = output.over(&self.tar);
                    let fill = |out: &mut dyn Write| bytes.copy_to(range, out);
                    compress(out, self.style, Some(len), workers(), fill)?;
                }
            }
        }
        Ok(())
    }
}

/// Compresses what `fill` writes to a frame, which says its length if that is known.
pub(super) fn compress(
    out: &mut dyn Write,
    style: Style,
    len: Option<u64>,
    workers: u32,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    let mut encoder = ::zstd::Encoder::new(out, style.level)?;
    encoder.include_checksum(style.checksum)?;
    encoder.set_pledged_src_size(len)?;
    // With one or more workers the bytes do not depend on how many there are; with none they would.
    if len.is_none_or(|len| len >= SHARE) {
        encoder.multithread(workers)?;
    }
    fill(&mut encoder)?;
    encoder.finish().map(drop)
}

/// How a Zstandard frame is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::image) struct Style {
    pub(super) level: i32,
    pub(super) checksum: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            level: ::zstd::DEFAULT_COMPRESSION_LEVEL,
            checksum: true,
        }
    }
}

impl Style {
    /// Returns what a frame's header tells of it. A frame does not say its level, but each level
    /// has its window, so this is the lowest that has the frame's. Larger windows come from
    /// `--long` as well, which says nothing of the level, and a frame without one is a small
    /// file's: those are taken for the default.
    pub(super) fn of_frame(header: &[u8]) -> Self {
        let default = Self::default();
        let (flags, window) = match header {
            [_, _, _, _, flags, window, ..] => (*flags, *window),
            _ => return default,
        };
        let single_segment = flags & 1 << 5 != 0;
        Self {
            level: match 10 + (window >> 3) {
                _ if single_segment => default.level,
                19 => 1,
                20 => 2,
                22 => 9,
                23 => 17,
                _ => default.level,
            },
            checksum: flags & 1 << 2 != 0,
        }
    }
}

/// A Zstandard frame that is shorter is not worth more than one core: zstd itself gives each this
/// much.
const SHARE: u64 = 8 << 20;
