//! Writes a changed gzip file from the parts of the old one that are still right and what is
//! compressed anew.
//!
//! Copied blocks begin at the same bit of a byte as they did, so that they are copied as whole
//! bytes, inside the kernel where it can do that. Blocks that hold nothing are put in between to
//! get there.

use std::fs::File;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::sync::Arc;
use std::thread;

use crc32fast::Hasher;

use super::Gzip;
use super::bits::Bits;
use super::compress::{Pieces, pieces};
use super::inflate::{Frame, Inflater};
use super::layout::{Blocks, Part, Piece, layout};
use crate::image::segments::Segments;
use crate::image::sink::Sink;

/// More would wait for the one that writes.
const MOST_WORKERS: usize = 8;

impl Gzip {
    /// Writes the file that decodes to `output`, a changed version of what this one decodes to.
    ///
    /// # Errors
    /// What reading and writing gives.
    pub(crate) fn write_changed(&self, output: &Segments, out: &mut Sink<'_>) -> io::Result<()> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let workers = if cores == 1 { 0 } else { cores };
        self.write_by(workers.min(MOST_WORKERS), output, out)
    }

    pub(super) fn write_by(
        &self,
        workers: usize,
        output: &Segments,
        out: &mut Sink<'_>,
    ) -> io::Result<()> {
        let file = &self.seen.file;
        let pieces = layout(&self.seen.map, output, file.metadata()?.len());
        let mut compressed = Pieces::of(&pieces, output.over(self), workers)?;
        for piece in &pieces {
            match piece {
                Piece::Same(bytes) => out.copy(file, bytes.clone())?,
                Piece::Changed(changed) => {
                    let (fixed, rest) = changed.header.for_changed();
                    out.write_all(&fixed)?;
                    out.copy(file, rest)?;
                    let mut member = Changed {
                        file,
                        compressed: &mut compressed,
                        bits: Bits::new(&mut *out),
                        crc: Hasher::new(),
                    };
                    for (left, part) in (0..changed.parts.len()).rev().zip(&changed.parts) {
                        member.part(part, left == 0)?;
                    }
                    let crc = member.finish()?;
                    out.write_all(&crc.to_le_bytes())?;
                    #[expect(clippy::cast_possible_truncation, reason = "gzip wants it modulo 2³²")]
                    let len = (changed.output.end - changed.output.start) as u32;
                    out.write_all(&len.to_le_bytes())?;
                }
            }
        }
        Ok(())
    }
}

/// A member that is being written.
struct Changed<'a, 'o, 's> {
    file: &'a Arc<File>,
    compressed: &'a mut Pieces<'o>,
    bits: Bits<'a, 's>,
    crc: Hasher,
}

impl Changed<'_, '_, '_> {
    fn part(&mut self, part: &Part, last: bool) -> io::Result<()> {
        match part {
            Part::Blocks(blocks) => self.blocks(blocks, last),
            Part::Compress(range) => {
                self.bits.go_to(0);
                for _ in pieces(range) {
                    let piece = self.compressed.next()?;
                    self.crc.combine(&piece.crc);
                    self.bits.write(&piece.output)?;
                }
                Ok(())
            }
        }
    }

    fn blocks(&mut self, blocks: &Blocks, last: bool) -> io::Result<()> {
        let bits = blocks.bits.clone();
        self.crc
            .combine(&Hasher::new_with_initial_len(blocks.crc, blocks.len));
        match blocks.begin_inside {
            None => self.bits.go_to(bits.start),
            Some(block) => {
                let header = self.frame(block)?.header;
                self.bits.go_to(bits.start - (header.end - header.start));
                self.bits.put(0, 1);
                self.bits.shift(self.file, header.start + 1..header.end)?;
            }
        }
        match blocks.last_block {
            Some(bit) if !last => {
                self.bits.copy(self.file, bits.start..bit)?;
                self.bits.put(0, 1);
                self.bits.copy(self.file, bit + 1..bits.end)?;
            }
            _ => self.bits.copy(self.file, bits)?,
        }
        if let Some(block) = blocks.end_inside {
            let (code, count) = self.frame(block)?.end;
            self.bits.put(code, count);
        }
        if last && blocks.last_block.is_none() {
            self.bits.put_last();
        }
        Ok(())
    }

    fn frame(&self, block: u64) -> io::Result<Frame> {
        <Inflater>::frame(Arc::clone(self.file), block)
    }

    /// Fills the last byte; the CRC-32 of what the member decodes to.
    fn finish(self) -> io::Result<u32> {
        self.bits.finish()?;
        Ok(self.crc.finalize())
    }
}
