//! Writes the bits of a gzip file, most of them copied from another in whole bytes.

use std::fs::File;
use std::io::{self, Write as _};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;

use crate::image::sink::Sink;

/// Takes bits, lowest first.
pub(super) struct Bits<'a, 's> {
    out: &'a mut Sink<'s>,
    /// Bytes that are to be written.
    whole: Vec<u8>,
    /// The bits of the next byte, and how many of them there are.
    held: u8,
    count: u32,
}

/// A block by the fixed codes that holds nothing, last or not.
const EMPTY: u32 = 0b010;
const LAST_EMPTY: u32 = 0b011;
const EMPTY_BITS: u32 = 10;

impl<'a, 's> Bits<'a, 's> {
    pub(super) fn new(out: &'a mut Sink<'s>) -> Self {
        Self {
            out,
            whole: Vec::new(),
            held: 0,
            count: 0,
        }
    }

    pub(super) fn put(&mut self, value: u32, count: u32) {
        let all = u64::from(value) << self.count | u64::from(self.held);
        let bits = self.count + count;
        let bytes = all.to_le_bytes();
        let whole = (bits / 8) as usize;
        self.whole.extend_from_slice(&bytes[..whole]);
        self.held = bytes[whole];
        self.count = bits % 8;
    }

    /// Puts blocks that hold nothing until the next bit is that one of its byte which a bit of a
    /// file is.
    pub(super) fn go_to(&mut self, bit: u64) {
        let bit = bit % 8;
        if u64::from(self.count) == bit {
            return;
        }
        if self.count != 0 {
            // A stored block's length begins at a whole byte.
            self.put(0, 3);
            self.pad();
            self.put(0xffff_0000, 32);
        }
        if bit % 2 == 1 {
            self.odd();
        }
        while u64::from(self.count) != bit {
            self.put(EMPTY, EMPTY_BITS);
        }
    }

    /// A block by codes of its own that holds nothing and takes 91 bits, an odd number. It has two
    /// literals and lengths of a bit each, the last of which ends the block, and one distance, as
    /// decoders that want complete codes allow.
    fn odd(&mut self) {
        self.put(0b100, 3);
        self.put(0, 5);
        self.put(0, 5);
        self.put(18 - 4, 4);
        // The code lengths come in the order 16, 17, 18, 0, 8, …, 14, 1. Only 1 (code 0) and 18
        // (code 1, zeros) are used.
        for at in 0..18 {
            self.put(u32::from(at == 2 || at == 17), 3);
        }
        for zeros in [138, 117] {
            self.put(1 | (zeros - 11) << 1, 8);
        }
        self.put(0b000, 3);
        self.put(1, 1);
    }

    /// A last block that holds nothing.
    pub(super) fn put_last(&mut self) {
        self.put(LAST_EMPTY, EMPTY_BITS);
    }

    /// Writes whole bytes; the next bit must be the first of one.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        debug_assert_eq!(self.count, 0);
        self.flush()?;
        self.out.write_all(bytes)
    }

    /// Copies bits of a file; they must begin at the same bit of a byte as what is written next.
    pub(super) fn copy(&mut self, file: &File, bits: Range<u64>) -> io::Result<()> {
        debug_assert_eq!(bits.start % 8, u64::from(self.count));
        let (first, last) = (bits.start.div_ceil(8), bits.end / 8);
        if first >= last {
            return self.shift(file, bits);
        }
        self.shift(file, bits.start..first * 8)?;
        self.flush()?;
        self.out.copy(file, first..last)?;
        self.shift(file, last * 8..bits.end)
    }

    /// Copies a few bits of a file, which may begin at another bit of a byte.
    pub(super) fn shift(&mut self, file: &File, bits: Range<u64>) -> io::Result<()> {
        let bytes = bits.start / 8..bits.end.div_ceil(8);
        let mut read = vec![0; usize::try_from(bytes.end - bytes.start).expect("a few bytes")];
        file.read_exact_at(&mut read, bytes.start)?;
        for (byte, first) in read.iter().zip((bytes.start * 8..).step_by(8)) {
            let (from, to) = (bits.start.max(first), bits.end.min(first + 8));
            let count = u32::try_from(to - from).expect("at most eight");
            self.put(
                u32::from(*byte) >> (from - first) & ((1 << count) - 1),
                count,
            );
        }
        Ok(())
    }

    fn pad(&mut self) {
        self.put(0, (8 - self.count) % 8);
    }

    /// Fills the last byte and writes all.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.pad();
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.whole)?;
        self.whole.clear();
        Ok(())
    }
}
