//! Writes a changed gzip file from the parts of the old one that are still right and what is compressed anew.
//!
//! Copied blocks begin at the same bit of a byte as they did, so that they are copied as whole bytes, inside the kernel where
//! it can do that. Blocks that hold nothing are put in between to get there.

use std::fs::File;
use std::io;
use std::num::NonZero;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::thread;

use crc32fast::Hasher;

use super::Gzip;
use super::compress::{Pieces, pieces};
use super::layout::{Part, Piece, layout};
use crate::image::sink::Sink;
use crate::image::stream::TarStream;

/// More would wait for the one that writes.
const MOST_WORKERS: usize = 8;

impl Gzip {
    /// Writes the file that decodes to `output`, a changed version of what this one decodes to.
    ///
    /// # Errors
    /// What reading and writing gives.
    pub(crate) fn write_changed(&self, output: &TarStream, out: &mut impl Sink) -> io::Result<()> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        let workers = if cores == 1 { 0 } else { cores };
        self.write_by(workers.min(MOST_WORKERS), output, out)
    }

    pub(super) fn write_by(
        &self,
        workers: usize,
        output: &TarStream,
        out: &mut impl Sink,
    ) -> io::Result<()> {
        let file = &*self.seen.file;
        let pieces = layout(&self.seen.map, output, file.metadata()?.len());
        thread::scope(|scope| {
            let mut compressed = Pieces::of(&pieces, output, workers, scope)?;
            for piece in &pieces {
                match piece {
                    Piece::Same(bytes) => out.copy(file, bytes.clone())?,
                    Piece::Changed {
                        header,
                        output,
                        parts,
                    } => {
                        let (fixed, rest) = header.for_changed();
                        out.write_all(&fixed)?;
                        out.copy(file, rest)?;
                        let mut member = Changed {
                            file,
                            compressed: &mut compressed,
                            bits: Bits::new(&mut *out),
                            crc: Hasher::new(),
                        };
                        let (last, others) =
                            parts.split_last().expect("a changed member has parts");
                        for part in others {
                            member.part(part, false)?;
                        }
                        member.part(last, true)?;
                        let crc = member.finish()?;
                        out.write_all(&crc.to_le_bytes())?;
                        #[expect(
                            clippy::cast_possible_truncation,
                            reason = "gzip wants it modulo 2³²"
                        )]
                        let len = (output.end - output.start) as u32;
                        out.write_all(&len.to_le_bytes())?;
                    }
                }
            }
            Ok(())
        })
    }
}

/// A member that is being written.
struct Changed<'a, 'o, S> {
    file: &'a File,
    compressed: &'a mut Pieces<'o>,
    bits: Bits<'a, S>,
    crc: Hasher,
}

impl<S: Sink> Changed<'_, '_, S> {
    fn part(&mut self, part: &Part, last: bool) -> io::Result<()> {
        match part {
            Part::Blocks {
                bits,
                last_block,
                len,
                crc,
            } => {
                self.crc.combine(&Hasher::new_with_initial_len(*crc, *len));
                self.bits.go_to(bits.start % 8)?;
                match last_block {
                    Some(bit) if !last => {
                        self.bits.copy(self.file, bits.start..*bit)?;
                        self.bits.put(0, 1)?;
                        self.bits.copy(self.file, bit + 1..bits.end)
                    }
                    Some(_) => self.bits.copy(self.file, bits.clone()),
                    None => {
                        self.bits.copy(self.file, bits.clone())?;
                        if last {
                            self.bits.put(LAST_EMPTY, EMPTY_BITS)
                        } else {
                            Ok(())
                        }
                    }
                }
            }
            Part::Compress(range) => {
                self.bits.go_to(0)?;
                for _ in pieces(range) {
                    let piece = self.compressed.next()?;
                    self.crc.combine(&piece.crc);
                    self.bits.out.write_all(&piece.output)?;
                }
                Ok(())
            }
        }
    }

    /// Fills the last byte; the CRC-32 of what the member decodes to.
    fn finish(self) -> io::Result<u32> {
        self.bits.finish()?;
        Ok(self.crc.finalize())
    }
}

/// A block by the fixed codes that holds nothing, last or not.
const EMPTY: u32 = 0b010;
const LAST_EMPTY: u32 = 0b011;
const EMPTY_BITS: u32 = 10;

/// Writes bits, lowest first.
struct Bits<'a, S> {
    out: &'a mut S,
    held: u8,
    count: u32,
}

impl<'a, S: Sink> Bits<'a, S> {
    fn new(out: &'a mut S) -> Self {
        Self {
            out,
            held: 0,
            count: 0,
        }
    }

    fn put(&mut self, value: u32, count: u32) -> io::Result<()> {
        let all = u64::from(value) << self.count | u64::from(self.held);
        let bits = self.count + count;
        let bytes = all.to_le_bytes();
        let whole = (bits / 8) as usize;
        self.out.write_all(&bytes[..whole])?;
        self.held = bytes[whole];
        self.count = bits % 8;
        Ok(())
    }

    /// Writes blocks that hold nothing until the next bit is this one of a byte.
    fn go_to(&mut self, bit: u64) -> io::Result<()> {
        if u64::from(self.count) == bit {
            return Ok(());
        }
        if self.count != 0 {
            // A stored block's length begins at a whole byte.
            self.put(0, 3)?;
            self.pad()?;
            self.put(0xffff_0000, 32)?;
        }
        if bit % 2 == 1 {
            self.odd()?;
        }
        while u64::from(self.count) != bit {
            self.put(EMPTY, EMPTY_BITS)?;
        }
        Ok(())
    }

    /// A block by codes of its own that holds nothing and takes 91 bits, an odd number. It has two literals and lengths of a
    /// bit each, the last of which ends the block, and one distance, as decoders that want complete codes allow.
    fn odd(&mut self) -> io::Result<()> {
        self.put(0b100, 3)?;
        self.put(0, 5)?;
        self.put(0, 5)?;
        self.put(18 - 4, 4)?;
        // The code lengths come in the order 16, 17, 18, 0, 8, …, 14, 1. Only 1 (code 0) and 18 (code 1, zeros) are used.
        for at in 0..18 {
            self.put(u32::from(at == 2 || at == 17), 3)?;
        }
        for zeros in [138, 117] {
            self.put(1 | (zeros - 11) << 1, 8)?;
        }
        self.put(0b000, 3)?;
        self.put(1, 1)
    }

    /// Copies bits of a file; they must begin at the same bit of a byte as what is written next.
    fn copy(&mut self, file: &File, bits: Range<u64>) -> io::Result<()> {
        debug_assert_eq!(bits.start % 8, u64::from(self.count));
        let (first, last) = (bits.start.div_ceil(8), bits.end / 8);
        if first > last {
            return self.put_from(file, bits);
        }
        self.put_from(file, bits.start..first * 8)?;
        if first < last {
            self.out.copy(file, first..last)?;
        }
        self.put_from(file, last * 8..bits.end)
    }

    /// Copies bits that lie in one byte of a file.
    fn put_from(&mut self, file: &File, bits: Range<u64>) -> io::Result<()> {
        if bits.is_empty() {
            return Ok(());
        }
        let mut byte = [0];
        file.read_exact_at(&mut byte, bits.start / 8)?;
        let count = u32::try_from(bits.end - bits.start).expect("at most eight");
        let value = u32::from(byte[0]) >> (bits.start % 8) & ((1 << count) - 1);
        self.put(value, count)
    }

    fn pad(&mut self) -> io::Result<()> {
        self.put(0, (8 - self.count) % 8)
    }

    fn finish(mut self) -> io::Result<()> {
        self.pad()
    }
}
