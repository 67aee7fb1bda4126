//! Compressed bytes of a file, taken by bits.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::damaged;

/// How many bytes are read at once.
const READ: usize = 128 << 10;
/// How many bytes [`Input::refill`] may look at when called twice. Behind the last byte of the file
/// stand as many zeros.
const MARGIN: usize = 16;

/// A place in a file, in bits, from which bits are taken lowest first.
#[derive(Debug)]
pub(super) struct Input {
    file: Arc<File>,
    buffer: Vec<u8>,
    /// How much of the buffer is filled.
    filled: usize,
    /// The offset in the file of the buffer's first byte.
    base: u64,
    /// The length of what came from the file, once its end was met.
    end: Option<usize>,
    /// The next byte of the buffer to take bits from.
    at: usize,
    bits: Bits,
}

/// Bits taken out of a buffer. There may be more of them than `count` says: those that the next
/// refill puts there again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bits {
    held: u64,
    pub(super) count: u32,
}

impl Bits {
    /// Tops up to 56 bits or more from the eight bytes at `at`.
    #[inline(always)]
    pub(super) fn refill(&mut self, buffer: &[u8], at: &mut usize) {
        let bytes = buffer[*at..*at + 8].try_into().expect("eight bytes");
        self.held |= u64::from_le_bytes(bytes) << self.count;
        *at += ((63 - self.count) / 8) as usize;
        self.count |= 56;
    }

    /// The lowest bits, of which at most `count` mean anything.
    #[inline(always)]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the lowest bits are asked for"
    )]
    pub(super) fn peek(self, count: u32) -> u32 {
        (self.held & ((1 << count) - 1)) as u32
    }

    #[inline(always)]
    pub(super) fn skip(&mut self, count: u32) {
        self.held >>= count;
        self.count -= count;
    }
}

impl Input {
    /// Returns the file from a bit on.
    pub(super) fn new(file: Arc<File>, bit: u64) -> io::Result<Self> {
        let mut input = Self {
            file,
            buffer: vec![0; READ + 2 * MARGIN],
            filled: 0,
            base: bit / 8,
            end: None,
            at: 0,
            bits: Bits::default(),
        };
        input.take((bit % 8) as u32)?;
        Ok(input)
    }

    /// Goes to another bit of the file.
    pub(super) fn seek(&mut self, bit: u64) -> io::Result<()> {
        let end = self.base + self.end.unwrap_or(self.filled) as u64;
        self.bits = Bits::default();
        match usize::try_from((bit / 8).wrapping_sub(self.base)) {
            Ok(at) if (self.base..end).contains(&(bit / 8)) => self.at = at,
            _ => {
                (self.base, self.filled, self.at, self.end) = (bit / 8, 0, 0, None);
            }
        }
        self.take((bit % 8) as u32).map(drop)
    }

    /// Returns where the next bit lies in the file.
    pub(super) fn bit(&self) -> u64 {
        (self.base + self.at as u64) * 8 - u64::from(self.bits.count)
    }

    /// Returns what the decoder's inner loop works on: the buffer, the place in it, and the bits
    /// taken out.
    pub(super) fn parts(&self) -> (&[u8], usize, Bits) {
        (&self.buffer[..self.filled], self.at, self.bits)
    }

    /// Takes back what the inner loop left.
    pub(super) fn resume(&mut self, at: usize, bits: Bits) {
        (self.at, self.bits) = (at, bits);
    }

    /// Returns whether [`Bits::refill`] can be called twice at this place.
    #[inline(always)]
    pub(super) fn plenty(buffer: &[u8], at: usize) -> bool {
        at + MARGIN <= buffer.len()
    }

    /// Reads on until there is plenty.
    ///
    /// # Errors
    /// `InvalidData` where bytes from beyond the end of the file would be needed. It may come a few
    /// bytes late; [`was_there`](Self::was_there) is exact.
    pub(super) fn more(&mut self) -> io::Result<()> {
        while !Self::plenty(&self.buffer[..self.filled], self.at) {
            // A gzip trailer follows all data, so the eight bytes read ahead must be there.
            if self.end.is_some() {
                return Err(cut_short());
            }
            // The bytes that the bits were taken from stay, since `copy` goes back to them.
            let gone = self.at.saturating_sub(8);
            self.buffer.copy_within(gone..self.filled, 0);
            self.base += gone as u64;
            self.at -= gone;
            self.filled -= gone;
            let free = &mut self.buffer[self.filled..];
            match self.file.read_at(free, self.base + self.filled as u64) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
                Ok(0) => {
                    free[..MARGIN].fill(0);
                    self.end = Some(self.filled);
                    self.filled += MARGIN;
                }
                Ok(n) => self.filled += n,
            }
        }
        Ok(())
    }

    /// Takes up to 32 bits.
    pub(super) fn take(&mut self, count: u32) -> io::Result<u32> {
        let value = self.peek(count)?;
        self.bits.skip(count);
        Ok(value)
    }

    /// Returns the next bits without taking them; as many of them as there are, then zeros.
    pub(super) fn peek(&mut self, count: u32) -> io::Result<u32> {
        if self.bits.count < count {
            self.more()?;
            self.bits.refill(&self.buffer[..self.filled], &mut self.at);
        }
        Ok(self.bits.peek(count))
    }

    pub(super) fn skip(&mut self, count: u32) {
        self.bits.skip(count);
    }

    /// Goes on to the next whole byte.
    pub(super) fn align(&mut self) {
        let rest = self.bits.count % 8;
        self.bits.skip(rest);
    }

    /// Copies whole bytes, some at least; the place must be aligned.
    pub(super) fn copy(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.at -= (self.bits.count / 8) as usize;
        self.bits = Bits::default();
        if self.at >= self.end.unwrap_or(self.filled) {
            self.more()?;
        }
        let end = self.end.unwrap_or(self.filled);
        let there = end
            .checked_sub(self.at)
            .filter(|n| *n > 0)
            .ok_or_else(cut_short)?;
        let n = there.min(out.len());
        out[..n].copy_from_slice(&self.buffer[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }

    /// Fails where bits were taken from beyond the end of the file.
    pub(super) fn was_there(&self) -> io::Result<()> {
        match self.end {
            Some(end) if self.bit() > (self.base + end as u64) * 8 => Err(cut_short()),
            _ => Ok(()),
        }
    }

    /// Returns whether the file ends here.
    pub(super) fn is_end(&mut self) -> io::Result<bool> {
        if self.end.is_none() && !Self::plenty(&self.buffer[..self.filled], self.at) {
            self.more()?;
        }
        Ok(self
            .end
            .is_some_and(|end| self.bit() >= (self.base + end as u64) * 8))
    }
}

fn cut_short() -> io::Error {
    damaged("it ends in the middle")
}
