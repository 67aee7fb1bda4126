//! Random access to a tar stream: the input's bytes, or those with splices laid over them.
//!
//! The planner reads the result of its edits through the same type that the writer copies from, so that what is checked
//! is what is written.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::gzip::Gzip;
use super::zstd::Zstd;

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

/// A tar stream that can be read at any offset.
#[derive(Clone, Debug)]
pub struct TarStream {
    source: Arc<Source>,
    segments: Vec<Segment>,
    len: u64,
}

/// What a [`TarStream`] lies in.
#[derive(Debug)]
pub(crate) enum Source {
    /// A file that holds it as it is.
    Plain(Arc<File>),
    Gzip(Box<Gzip>),
    /// A file that holds it beside the one that it was decoded from.
    Zstd(Box<Zstd>),
}

impl Source {
    fn len(&self) -> io::Result<u64> {
        match self {
            Self::Plain(file) => Ok(file.metadata()?.len()),
            Self::Gzip(gzip) => Ok(gzip.len()),
            Self::Zstd(zstd) => Ok(zstd.tar().metadata()?.len()),
        }
    }

    /// The file that holds the stream as it is, if one does.
    pub(crate) fn plain(&self) -> Option<&File> {
        match self {
            Self::Plain(file) => Some(file),
            Self::Gzip(_) => None,
            Self::Zstd(zstd) => Some(zstd.tar()),
        }
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read_at(buffer, offset),
            Self::Gzip(gzip) => gzip.read_at(buffer, offset),
            Self::Zstd(zstd) => zstd.tar().read_at(buffer, offset),
        }
    }
}

/// Bytes that can be read at an offset. Who only goes forward can read them while they are decoded for the first time.
pub(crate) trait Bytes {
    /// Reads some bytes at an offset; 0 at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Whether there are that many bytes.
    fn reaches(&self, end: u64) -> io::Result<bool>;

    /// Says that an offset, up to which was just read, will likely be read again.
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

    /// A reader over a range.
    fn reader(&self, range: Range<u64>) -> RangeReader<'_, Self>
    where
        Self: Sized,
    {
        RangeReader { bytes: self, range }
    }
}

impl Bytes for TarStream {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        Ok(end <= self.len)
    }
}

/// A run of a [`TarStream`] that comes from one place.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    at: u64,
    pub(crate) len: u64,
    pub(crate) from: Origin,
}

#[derive(Clone, Debug)]
pub(crate) enum Origin {
    /// The stream as it was opened, from this offset on.
    Input(u64),
    Memory(Arc<[u8]>),
}

impl TarStream {
    /// The whole of a source.
    pub(crate) fn new(source: Source) -> io::Result<Self> {
        let len = source.len()?;
        let mut stream = Self {
            source: Arc::new(source),
            segments: Vec::new(),
            len: 0,
        };
        stream.push(len, Origin::Input(0));
        Ok(stream)
    }

    /// This stream with splices laid over it. They must be sorted and disjoint, and this stream an input as it was opened.
    pub(crate) fn spliced(&self, splices: &[Splice]) -> Self {
        let mut out = Self {
            source: Arc::clone(&self.source),
            segments: Vec::new(),
            len: 0,
        };
        let mut copied = 0;
        for splice in splices {
            assert!(
                copied <= splice.at.start && splice.at.end <= self.len,
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
        out.push(self.len - copied, Origin::Input(copied));
        out
    }

    fn push(&mut self, len: u64, from: Origin) {
        if len > 0 {
            self.segments.push(Segment {
                at: self.len,
                len,
                from,
            });
            self.len += len;
        }
    }

    /// How many bytes the stream has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the stream has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segment that a place lies in, and how far behind its beginning.
    pub(super) fn segment_at(&self, at: u64) -> Option<(&Segment, u64)> {
        let index = self.segments.partition_point(|s| s.at + s.len <= at);
        self.segments
            .get(index)
            .map(|segment| (segment, at - segment.at))
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Reads some bytes at an offset; 0 at the end.
    ///
    /// # Errors
    /// What the system says of the file below.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let Some((segment, skip)) = self.segment_at(offset) else {
            return Ok(0);
        };
        let want =
            usize::try_from(segment.len - skip).map_or(buffer.len(), |left| left.min(buffer.len()));
        match &segment.from {
            Origin::Input(start) => self.source.read_at(&mut buffer[..want], start + skip),
            Origin::Memory(bytes) => {
                let skip = usize::try_from(skip).expect("an offset inside a slice");
                buffer[..want].copy_from_slice(&bytes[skip..skip + want]);
                Ok(want)
            }
        }
    }

    /// Fills the buffer from an offset.
    ///
    /// # Errors
    /// `UnexpectedEof` where the stream ends before the buffer is full, else what the system says.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        Bytes::read_exact_at(self, buffer, offset)
    }

    /// A reader over a range.
    pub fn reader(&self, range: Range<u64>) -> impl Read + '_ {
        Bytes::reader(self, range)
    }

    /// Writes all of it to somewhere else. What was gzip is decoded on all cores.
    pub(crate) fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        let inputs = self
            .segments
            .iter()
            .filter_map(|segment| match segment.from {
                Origin::Input(start) => Some(start..start + segment.len),
                Origin::Memory(_) => None,
            });
        let input = match self.source() {
            Source::Gzip(gzip) => gzip.in_order(inputs),
            _ => None,
        };
        let Some(mut input) = input else {
            return self.copy_to(0..self.len, out);
        };
        for segment in &self.segments {
            match &segment.from {
                Origin::Memory(bytes) => out.write_all(bytes)?,
                Origin::Input(_) => {
                    let mut left = segment.len;
                    while left > 0 {
                        let chunk = input.next()?;
                        out.write_all(chunk)?;
                        left -= chunk.len() as u64;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a range to somewhere else.
    pub(crate) fn copy_to(&self, range: Range<u64>, out: &mut impl Write) -> io::Result<()> {
        let mut input = BufReader::with_capacity(256 << 10, self.reader(range));
        io::copy(&mut input, out).map(drop)
    }
}

/// Reads a range of some [`Bytes`].
pub(crate) struct RangeReader<'a, B> {
    bytes: &'a B,
    range: Range<u64>,
}

impl<B: Bytes> Read for RangeReader<'_, B> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.end - self.range.start;
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.bytes.read_at(&mut buffer[..want], self.range.start)?;
        self.range.start += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(bytes: &[u8]) -> TarStream {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        TarStream::new(Source::Plain(Arc::new(file))).unwrap()
    }

    fn all(stream: &TarStream) -> Vec<u8> {
        let mut out = Vec::new();
        stream
            .reader(0..stream.len())
            .read_to_end(&mut out)
            .unwrap();
        out
    }

    proptest! {
        #[test]
        fn splices_equal_a_naive_rewrite(
            base in prop::collection::vec(any::<u8>(), 0..200),
            cuts in prop::collection::vec((0usize..20, 0usize..20, prop::collection::vec(any::<u8>(), 0..9), any::<bool>()), 0..8),
        ) {
            let (mut splices, mut want, mut at) = (Vec::new(), Vec::new(), 0);
            for (gap, len, new, moves) in cuts {
                let start = (at + gap).min(base.len());
                let end = (start + len).min(base.len());
                want.extend_from_slice(&base[at..start]);
                want.extend_from_slice(&new);
                let mut with = vec![Piece::Bytes(new.into())];
                if moves {
                    want.extend_from_slice(&base[..base.len() / 2]);
                    with.push(Piece::Input(0..base.len() as u64 / 2));
                }
                splices.push(Splice { at: start as u64..end as u64, with });
                at = end;
            }
            want.extend_from_slice(&base[at..]);
            let spliced = stream(&base).spliced(&splices);
            prop_assert_eq!(spliced.len(), want.len() as u64);
            prop_assert_eq!(all(&spliced), want.clone());
            for (offset, want) in want.iter().enumerate() {
                let mut byte = [0];
                spliced.read_exact_at(&mut byte, offset as u64).unwrap();
                prop_assert_eq!(byte[0], *want);
            }
            prop_assert!(spliced.read_exact_at(&mut [0], want.len() as u64).is_err());
        }
    }
}
