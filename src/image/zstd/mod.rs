//! Zstandard files of which whole frames are copied into a changed one.
//!
//! What a block means depends on the blocks before it, so no frame can be cut; but nothing reaches from one frame into another.
//! One pass ([`Scan`]) decodes the file and leaves behind where its frames lie. A frame whose bytes are all in the changed
//! file is copied there, and each that is not is compressed anew, so that a file of many frames stays one.

mod layout;
mod scan;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::sync::Arc;

use super::codec::{Encoder, ZstdStyle};
use super::sink::Sink;
use super::stream::TarStream;
use layout::{Piece, layout};
use scan::Frames;

pub(super) use scan::Scan;

/// A Zstandard file, and what it decodes to.
#[derive(Debug)]
pub(crate) struct Zstd {
    file: Arc<File>,
    tar: File,
    frames: Frames,
    style: ZstdStyle,
}

impl Zstd {
    /// A file, what it decodes to, and what the pass over it found.
    pub(super) fn new<R>(file: Arc<File>, tar: File, scan: Scan<R>) -> Self {
        let (frames, style) = scan.finish();
        Self {
            file,
            tar,
            frames,
            style,
        }
    }

    /// What it decodes to.
    pub(crate) fn tar(&self) -> &File {
        &self.tar
    }

    /// What the file holds beside its data that is left out of a changed one, as notes say it.
    pub(super) fn left_out(&self) -> Vec<String> {
        self.frames.left_out()
    }

    /// Writes the file that decodes to `output`, a changed version of what this one decodes to.
    ///
    /// # Errors
    /// What reading and writing gives.
    pub(crate) fn write_changed(&self, output: &TarStream, out: &mut impl Sink) -> io::Result<()> {
        for piece in layout(self.frames.list(), output) {
            match piece {
                Piece::Same(bytes) => out.copy(&self.file, bytes)?,
                Piece::Compress(range) => {
                    let len = range.end - range.start;
                    let mut encoder = Encoder::zstd(&mut *out, self.style, len)?;
                    output.copy_to(range, &mut encoder)?;
                    encoder.finish()?;
                }
            }
        }
        Ok(())
    }
}
