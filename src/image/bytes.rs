//! Bytes that can be read at any offset.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes that can be read at an offset. Readers that only go forward can use this while the bytes
/// are decoded for the first time.
pub(crate) trait Bytes {
    /// Reads some bytes at an offset; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Returns whether there are that many bytes.
    fn reaches(&self, end: u64) -> io::Result<bool>;

    /// Announces that an offset, up to which was just read, will likely be read again.
    fn expect_again(&self, _offset: u64) {}

    /// Fills the buffer from an offset; `UnexpectedEof` where the bytes end before it is full.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            match self.read_at(buffer, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(n) => {
                    buffer = &mut buffer[n..];
                    offset += n as u64;
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Returns a reader over a range.
    fn reader(&self, range: Range<u64>) -> RangeReader<'_, Self>
    where
        Self: Sized,
    {
        RangeReader { bytes: self, range }
    }

    /// Writes a range to somewhere else.
    fn copy_to(&self, range: Range<u64>, out: &mut dyn Write) -> io::Result<()>
    where
        Self: Sized,
    {
        let mut input = BufReader::with_capacity(256 << 10, self.reader(range));
        io::copy(&mut input, out).map(drop)
    }
}

impl Bytes for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        FileExt::read_at(self, buffer, offset)
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        Ok(end <= self.metadata()?.len())
    }
}

/// Reads a range of some [`Bytes`].
pub(crate) struct RangeReader<'a, B> {
    bytes: &'a B,
    range: Range<u64>,
}

impl<B: Bytes> Read for RangeReader<'_, B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.end.saturating_sub(self.range.start);
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.bytes.read_at(&mut buffer[..want], self.range.start)?;
        self.range.start += n as u64;
        Ok(n)
    }
}
