//! The compressions that a tarball comes in, known by their magic and never by a name.

use std::io::{self, BufRead, Read, Write};
use std::path::Path;

use lzma_rust2::{XzOptions, XzReader, XzWriter};

use super::progress::is_stop;
use crate::error::Error;

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

/// A reader of the plain bytes, for the compressions that cannot be read at random.
pub(super) fn decoder<'a>(
    compression: Compression,
    input: impl BufRead + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Zstd => Box::new(zstd::Decoder::with_buffer(input)?),
        Compression::Xz => Box::new(XzReader::new(input, true)),
        Compression::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(input)),
        Compression::None | Compression::Gzip => unreachable!("these are read where they are"),
    })
}

/// What a decoder's error says of an image: that it is damaged, unless reading itself failed or was stopped.
pub(super) fn failure(error: io::Error, image: &str, compression: Compression) -> Error {
    if is_stop(&error) {
        return Error::Interrupted;
    }
    if error.raw_os_error().is_some() {
        return Error::io("read", Path::new(image))(error);
    }
    let message = if error.to_string().contains("too much memory") {
        // What `zstd --long` over 27 or `--ultra` makes; `zstd -d` refuses it too.
        "the zstd data needs a window of more than 128 MiB; compress it with `--long=27` or less"
            .into()
    } else {
        format!(
            "the {} data is cut short or damaged: {error}",
            compression.name()
        )
    };
    Error::Image {
        image: image.into(),
        offset: None,
        message,
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
    pub(crate) fn new(compression: Compression, out: W) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(out),
            Compression::Gzip => Self::Gzip(flate2::write::GzEncoder::new(
                out,
                flate2::Compression::default(),
            )),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(compression: Compression, data: &[u8]) -> Vec<u8> {
        let mut encoder = Encoder::new(compression, Vec::new()).unwrap();
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    /// Those that are decoded to a temporary file; gzip has tests of its own.
    const SPOOLED: [Compression; 3] = [Compression::Zstd, Compression::Xz, Compression::Bzip2];

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
        for compression in SPOOLED {
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
        for compression in SPOOLED {
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
        for compression in SPOOLED {
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
        for compression in SPOOLED {
            let mut bytes = encode(compression, &sample());
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x10;
            assert!(decode(compression, &bytes).is_err(), "{compression:?}");
        }
    }
}
