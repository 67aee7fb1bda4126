//! The compressions that a tarball comes in, known by their magic and never by a name.

use std::io::{self, BufRead, BufReader, Read, Write};

use flate2::bufread::GzDecoder;
use flate2::{GzBuilder, GzHeader};
use lzma_rust2::{XzOptions, XzReader, XzWriter};

/// How an image's tar stream is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all: a plain tar.
    None,
    /// gzip, RFC 1952, of one or more members.
    Gzip,
    /// Zstandard, RFC 8878, of one or more frames.
    Zstd,
    /// xz, of one or more streams.
    Xz,
    /// bzip2, of one or more streams.
    Bzip2,
}

impl Compression {
    /// Every compression, in the order in which help texts list them.
    pub const ALL: [Self; 5] = [Self::None, Self::Gzip, Self::Zstd, Self::Xz, Self::Bzip2];

    /// How many bytes [`detect`](Self::detect) wants to see.
    pub(crate) const MAGIC: usize = 10;

    /// The compression that a file with these first bytes has; `None` where no magic fits.
    pub fn detect(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // With what follows, since a tar may begin with a name like that: a block, or the end of an empty stream.
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..]
                if [*b"1AY&SY", *b"\x17rE8P\x90"]
                    .iter()
                    .any(|next| next.starts_with(&rest[..rest.len().min(next.len())])) =>
            {
                Self::Bzip2
            }
            _ => Self::None,
        }
    }

    /// The compression that a file name's ending asks for, for an output that has no input to take it from.
    pub fn from_name(name: &str) -> Self {
        match name.rsplit('.').next() {
            Some("gz" | "tgz") => Self::Gzip,
            Some("zst" | "tzst") => Self::Zstd,
            Some("xz" | "txz") => Self::Xz,
            Some("bz2" | "tbz" | "tbz2") => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// The name that the command line uses.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Bzip2 => "bzip2",
        }
    }
}

/// A reader of the plain bytes. What follows the compressed data must be zeros or nothing.
pub(crate) fn decoder<'a>(
    compression: Compression,
    input: impl BufRead + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::None => Box::new(input),
        Compression::Gzip => Box::new(GzipMembers {
            current: Some(GzDecoder::new(input)),
        }),
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(input)?),
        Compression::Xz => Box::new(XzReader::new(input, true)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
    })
}

/// gzip's members one after another. Unlike flate2's own, it takes the zeros that tapes and block devices leave at the
/// end, as gzip does.
struct GzipMembers<R> {
    current: Option<GzDecoder<R>>,
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.current else {
                return Ok(0);
            };
            let n = decoder.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let mut input = self.current.take().expect("it was there").into_inner();
            match input.fill_buf()?.first() {
                Some(0x1f) => self.current = Some(GzDecoder::new(input)),
                Some(_) => only_zeros(&mut input)?,
                None => {}
            }
        }
    }
}

fn only_zeros(input: &mut impl BufRead) -> io::Result<()> {
    loop {
        let bytes = input.fill_buf()?;
        if bytes.iter().any(|b| *b != 0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "something that is not gzip follows the gzip data",
            ));
        }
        match bytes.len() {
            0 => return Ok(()),
            n => input.consume(n),
        }
    }
}

/// A writer that compresses into another.
pub(crate) enum Encoder<W: Write> {
    None(W),
    Gzip(flate2::write::GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
    Xz(Box<XzWriter<W>>),
    Bzip2(bzip2::write::BzEncoder<W>),
}

impl<W: Write> Encoder<W> {
    /// `gzip_header` gives the input's name, time and comment, which the output keeps.
    pub(crate) fn new(
        compression: Compression,
        out: W,
        gzip_header: Option<&GzHeader>,
    ) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(out),
            Compression::Gzip => {
                let mut builder = GzBuilder::new();
                if let Some(header) = gzip_header {
                    builder = builder
                        .mtime(header.mtime())
                        .operating_system(header.operating_system());
                    if let Some(name) = header.filename() {
                        builder = builder.filename(name);
                    }
                    if let Some(comment) = header.comment() {
                        builder = builder.comment(comment);
                    }
                }
                Self::Gzip(builder.write(out, flate2::Compression::default()))
            }
            Compression::Zstd => {
                let mut encoder = zstd::Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL)?;
                encoder.include_checksum(true)?;
                // With one or more workers the bytes do not depend on how many there are; with none they would.
                encoder.multithread(2)?;
                Self::Zstd(encoder)
            }
            Compression::Xz => Self::Xz(Box::new(XzWriter::new(out, XzOptions::with_preset(6))?)),
            Compression::Bzip2 => Self::Bzip2(bzip2::write::BzEncoder::new(
                out,
                bzip2::Compression::best(),
            )),
        })
    }

    pub(crate) fn finish(self) -> io::Result<W> {
        match self {
            Self::None(out) => Ok(out),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Xz(encoder) => encoder.finish(),
            Self::Bzip2(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Encoder<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        match self {
            Self::None(out) => out.write(buffer),
            Self::Gzip(encoder) => encoder.write(buffer),
            Self::Zstd(encoder) => encoder.write(buffer),
            Self::Xz(encoder) => encoder.write(buffer),
            Self::Bzip2(encoder) => encoder.write(buffer),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::None(out) => out.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
            Self::Xz(encoder) => encoder.flush(),
            Self::Bzip2(encoder) => encoder.flush(),
        }
    }
}

/// The header of the first gzip member.
pub(crate) fn gzip_header(input: impl Read) -> Option<GzHeader> {
    let mut decoder = GzDecoder::new(BufReader::new(input));
    let _ = decoder.read(&mut [0]);
    decoder.header().cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(compression: Compression, data: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(compression, Vec::new(), None).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    fn decode(compression: Compression, data: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = Vec::new();
        decoder(compression, data)?
            .read_to_end(&mut out)
            .map(|_| out)
    }

    fn sample() -> Vec<u8> {
        (0..300_000u32)
            .flat_map(|n| (n / 7 % 251).to_le_bytes())
            .collect()
    }

    #[test]
    fn each_is_known_by_its_magic_and_comes_back() {
        for compression in Compression::ALL {
            let bytes = encode(compression, &sample());
            assert_eq!(Compression::detect(&bytes), compression);
            assert_eq!(
                decode(compression, &bytes).unwrap(),
                sample(),
                "{compression:?}"
            );
            assert_eq!(
                encode(compression, &sample()),
                bytes,
                "{compression:?} gives the same bytes again"
            );
        }
    }

    #[test]
    fn several_members_are_one_stream() {
        for compression in Compression::ALL {
            let twice = [encode(compression, b"one "), encode(compression, b"two")].concat();
            assert_eq!(
                decode(compression, &twice).unwrap(),
                b"one two",
                "{compression:?}"
            );
        }
    }

    #[test]
    fn a_cut_stream_is_an_error() {
        for compression in Compression::ALL.into_iter().skip(1) {
            let bytes = encode(compression, &sample());
            for cut in [bytes.len() - 1, bytes.len() / 2] {
                assert!(
                    decode(compression, &bytes[..cut]).is_err(),
                    "{compression:?} cut at {cut}"
                );
            }
        }
    }

    #[test]
    fn a_flipped_bit_is_an_error() {
        for compression in Compression::ALL.into_iter().skip(1) {
            let mut bytes = encode(compression, &sample());
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            assert!(decode(compression, &bytes).is_err(), "{compression:?}");
        }
    }

    #[test]
    fn zeros_may_follow_gzip_and_nothing_else() {
        let mut bytes = encode(Compression::Gzip, b"data");
        bytes.extend([0; 5000]);
        assert_eq!(decode(Compression::Gzip, &bytes).unwrap(), b"data");
        bytes.push(1);
        assert!(decode(Compression::Gzip, &bytes).is_err());
    }
}
