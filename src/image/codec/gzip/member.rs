//! What surrounds a deflate stream in a gzip file (RFC 1952).

use std::io;
use std::ops::Range;

use super::damaged;
use super::input::Input;

const NAME: u8 = 1 << 3;
const COMMENT: u8 = 1 << 4;
const EXTRA: u8 = 1 << 2;
const CHECK: u8 = 1 << 1;
const RESERVED: u8 = 0b1110_0000;

/// The header of a gzip member. Places are bytes of the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Header {
    pub(super) bytes: Range<u64>,
    flags: u8,
    fixed: [u8; 10],
    names: Range<u64>,
    /// The name of the first part of the extra field.
    pub(super) extra: Option<[u8; 2]>,
}

impl Header {
    /// Reads one at a whole byte.
    pub(super) fn read(input: &mut Input) -> io::Result<Self> {
        let place = |input: &Input| input.bit() / 8;
        let start = place(input);
        let mut fixed = [0; 10];
        for byte in &mut fixed {
            *byte = self::byte(input)?;
        }
        let [0x1f, 0x8b, 8, flags, ..] = fixed else {
            return Err(damaged(match fixed {
                [0x1f, 0x8b, ..] => "the compression method is not deflate",
                _ => "bytes that are not gzip follow the gzip data",
            }));
        };
        if flags & RESERVED != 0 {
            return Err(damaged("its header sets reserved flags"));
        }
        let mut extra = None;
        if flags & EXTRA != 0 {
            let mut left = input.take(16)?;
            if left >= 2 {
                extra = Some([byte(input)?, byte(input)?]);
                left -= 2;
            }
            for _ in 0..left {
                byte(input)?;
            }
        }
        let names = place(input);
        for text in [NAME, COMMENT] {
            while flags & text != 0 && byte(input)? != 0 {}
        }
        let end = place(input);
        if flags & CHECK != 0 {
            input.take(16)?;
        }
        input.was_there()?;
        Ok(Self {
            bytes: start..place(input),
            flags,
            fixed,
            names: names..end,
            extra,
        })
    }

    /// Returns how hard the data was compressed, as far as the header says: a level of zlib's.
    pub(super) fn level(&self) -> u32 {
        match self.fixed[8] {
            2 => 9,
            4 => 1,
            _ => 6,
        }
    }

    /// Returns the header for changed data: its first bytes, and the range of the file that follows
    /// them. An extra field is left out: it speaks of the compressed bytes (bgzip's block size,
    /// dictzip's table), so it would be wrong.
    pub(super) fn for_changed(&self) -> (Vec<u8>, Range<u64>) {
        if self.flags & EXTRA == 0 {
            return (Vec::new(), self.bytes.clone());
        }
        let mut fixed = self.fixed;
        fixed[3] &= !(EXTRA | CHECK);
        (fixed.to_vec(), self.names.clone())
    }
}

/// Reads what follows the data: its CRC-32 and its length modulo 2³².
pub(super) fn trailer(input: &mut Input) -> io::Result<(u32, u32)> {
    input.align();
    let both = (input.take(32)?, input.take(32)?);
    input.was_there()?;
    Ok(both)
}

fn byte(input: &mut Input) -> io::Result<u8> {
    Ok(input.take(8)?.to_le_bytes()[0])
}
