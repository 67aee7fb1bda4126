//! Tar streams: a layer's bytes as they were opened, or with splices laid over them.

use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::Range;
use std::sync::Arc;

use super::bytes::Bytes;
use super::codec::gzip::Gzip;
use super::codec::zstd::Zstd;
use super::segments::{Origin, Segments, Splice};

/// A tar stream that can be read at any offset.
#[derive(Clone, Debug)]
pub struct TarStream {
    source: Arc<Source>,
    segments: Segments,
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
    /// Returns the file that holds the stream as it is, if one does.
    pub(crate) fn plain(&self) -> Option<&File> {
        match self {
            Self::Plain(file) => Some(file),
            Self::Gzip(_) => None,
            Self::Zstd(zstd) => Some(zstd.tar()),
        }
    }

    fn bytes(&self) -> &dyn Bytes {
        match self {
            Self::Plain(file) => &**file,
            Self::Gzip(gzip) => &**gzip,
            Self::Zstd(zstd) => zstd.tar(),
        }
    }
}

impl Bytes for Source {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.bytes().read_at(buffer, offset)
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        self.bytes().reaches(end)
    }
}

impl Bytes for TarStream {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.read_at(buffer, offset)
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        Ok(end <= self.len())
    }
}

impl TarStream {
    /// Returns how many bytes the stream has.
    pub fn len(&self) -> u64 {
        self.segments.len()
    }

    /// Returns whether the stream has no bytes at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads some bytes at an offset; 0 at the end.
    ///
    /// # Errors
    /// What the system says of the file below.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.segments.over(&*self.source).read_at(buffer, offset)
    }

    /// Fills the buffer from an offset.
    ///
    /// # Errors
    /// `UnexpectedEof` where the stream ends before the buffer is full, else what the system says.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        Bytes::read_exact_at(self, buffer, offset)
    }

    /// Returns a reader over a range.
    pub fn reader(&self, range: Range<u64>) -> impl Read + '_ {
        Bytes::reader(self, range)
    }

    /// Returns the whole of a source.
    pub(crate) fn new(source: Source) -> io::Result<Self> {
        let len = match &source {
            Source::Gzip(gzip) => gzip.len(),
            Source::Plain(file) => file.metadata()?.len(),
            Source::Zstd(zstd) => zstd.tar().metadata()?.len(),
        };
        Ok(Self {
            source: Arc::new(source),
            segments: Segments::spliced(len, &[]),
        })
    }

    /// Returns this stream, which must be as it was opened, with splices laid over it. They must be
    /// sorted and disjoint.
    pub(crate) fn spliced(&self, splices: &[Splice]) -> Self {
        Self {
            source: Arc::clone(&self.source),
            segments: Segments::spliced(self.len(), splices),
        }
    }

    pub(crate) fn segments(&self) -> &Segments {
        &self.segments
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// Writes all of it to somewhere else. What was gzip is decoded on all cores.
    pub(crate) fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        let input = match self.source() {
            Source::Gzip(gzip) => gzip.in_order(self.segments.inputs()),
            _ => None,
        };
        let Some(mut input) = input else {
            return self.copy_to(0..self.len(), out);
        };
        for segment in self.segments.iter() {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::segments::Piece;
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
