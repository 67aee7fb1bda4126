//! Random access to a tar stream: the input's bytes, or those with splices laid over them.
//!
//! The planner reads the result of its edits through the same type that the writer copies from, so that what is checked
//! is what is written.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

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
    file: Arc<File>,
    segments: Vec<Segment>,
    len: u64,
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
    /// The file below, from this offset on.
    File(u64),
    Memory(Arc<[u8]>),
}

impl TarStream {
    /// The whole of a file.
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let len = file.metadata()?.len();
        let mut stream = Self {
            file: Arc::new(file),
            segments: Vec::new(),
            len: 0,
        };
        stream.push(len, Origin::File(0));
        Ok(stream)
    }

    /// This stream with splices laid over it. They must be sorted and disjoint, and this stream an input as it was opened.
    pub(crate) fn spliced(&self, splices: &[Splice]) -> Self {
        let mut out = Self {
            file: Arc::clone(&self.file),
            segments: Vec::new(),
            len: 0,
        };
        let mut copied = 0;
        for splice in splices {
            assert!(
                copied <= splice.at.start && splice.at.end <= self.len,
                "splices are sorted, disjoint and inside"
            );
            out.push(splice.at.start - copied, Origin::File(copied));
            for piece in &splice.with {
                match piece {
                    Piece::Bytes(bytes) => {
                        out.push(bytes.len() as u64, Origin::Memory(Arc::clone(bytes)));
                    }
                    Piece::Input(range) => {
                        out.push(range.end - range.start, Origin::File(range.start));
                    }
                }
            }
            copied = splice.at.end;
        }
        out.push(self.len - copied, Origin::File(copied));
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

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// Reads some bytes at an offset; 0 at the end.
    ///
    /// # Errors
    /// What the system says of the file below.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let index = self.segments.partition_point(|s| s.at + s.len <= offset);
        let Some(segment) = self.segments.get(index) else {
            return Ok(0);
        };
        let skip = offset - segment.at;
        let want =
            usize::try_from(segment.len - skip).map_or(buffer.len(), |left| left.min(buffer.len()));
        match &segment.from {
            Origin::File(start) => self.file.read_at(&mut buffer[..want], start + skip),
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
    pub fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
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
    pub fn reader(&self, range: Range<u64>) -> impl Read + '_ {
        RangeReader {
            stream: self,
            range,
        }
    }
}

struct RangeReader<'a> {
    stream: &'a TarStream,
    range: Range<u64>,
}

impl Read for RangeReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.range.end - self.range.start;
        let want = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let n = self.stream.read_at(&mut buffer[..want], self.range.start)?;
        self.range.start += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn stream(bytes: &[u8]) -> TarStream {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        TarStream::new(file).unwrap()
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
