//! The compressions that a tarball comes in, known by their magic and never by a name.

mod bzip2;
mod decoding;
pub(crate) mod gzip;
mod workers;
pub(crate) mod zstd;

use self::workers::workers;
use std::io::{self, BufRead, Read, Write};
use std::num::NonZeroU64;
use std::path::Path;

use lzma_rust2::{XzOptions, XzReader, XzWriterMt};

use self::bzip2::{Crumbs, Streams};
use super::spool;
use crate::error::Error;

pub(super) use decoding::Decoding;

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

    /// Returns the compression that a file with these first bytes has; `None` where no magic fits.
    pub fn detect(magic: &[u8]) -> Self {
        match magic {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            // With what follows, since a tar may begin with a name like that: a block, or the end
            // of an empty stream.
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

    /// Returns the compression that a file name's ending asks for, for an output that has no input
    /// to take it from.
    pub fn from_name(name: &str) -> Self {
        let ending = name.rsplit('.').next().unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "gz" | "tgz" => Self::Gzip,
            "zst" | "tzst" => Self::Zstd,
            "xz" | "txz" => Self::Xz,
            "bz2" | "tbz" | "tbz2" => Self::Bzip2,
            _ => Self::None,
        }
    }

    /// Returns a size up to which a tar stream is not a bomb, however small its compressed form:
    /// about what decodes in half a second, even if it is made to decode slowly.
    pub(super) fn harmless(self) -> u64 {
        match self {
            Self::Bzip2 => 32 << 20,
            Self::Xz => 128 << 20,
            Self::None | Self::Gzip | Self::Zstd => 256 << 20,
        }
    }

    /// Returns the name that the command line uses.
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

/// Returns a reader of the plain bytes, for the compressions of which nothing but those is kept.
pub(super) fn decoder<'a>(
    compression: Compression,
    input: impl BufRead + 'a,
) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match compression {
        Compression::Xz => Box::new(XzReader::new(input, true)),
        Compression::Bzip2 => Box::new(Streams::new(input)),
        Compression::None | Compression::Gzip | Compression::Zstd => {
            unreachable!("these have readers of their own")
        }
    })
}

/// Returns what a decoder's error says of an image: that it is damaged, unless reading itself
/// failed or was stopped, or keeping what was decoded.
pub(super) fn failure(error: io::Error, image: &str, compression: Compression) -> Error {
    let error = match spool::carried(error, image) {
        Ok(error) => return error,
        Err(error) => error,
    };
    if error.raw_os_error().is_some() {
        return Error::io("read", Path::new(image))(error);
    }
    let too_wide =
        compression == Compression::Zstd && error.to_string().contains("too much memory");
    let message = if too_wide {
        // What `zstd --long` over 27 or `--ultra` makes; `zstd -d` refuses it too.
        "the zstd data needs a window of more than 128 MiB; compress it with `--long=27` or less"
            .into()
    } else if error.get_ref().is_some_and(|inner| inner.is::<Crumbs>()) {
        error.to_string()
    } else {
        format!(
            "the {} data is cut short or damaged: {error}",
            compression.name()
        )
    };
    Error::image(image, message)
}

/// How much of a tar an xz block has, as `xz --threads` makes them: three times the dictionary of
/// the preset.
const XZ_BLOCK: NonZeroU64 = NonZeroU64::new(24 << 20).expect("it is not zero");

/// Compresses what `fill` writes, on all cores where the format allows that.
pub(crate) fn compress(
    compression: Compression,
    out: &mut dyn Write,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    compress_by(workers(), compression, out, fill)
}

/// Compresses by one or more workers. The bytes do not depend on how many.
fn compress_by(
    workers: u32,
    compression: Compression,
    out: &mut dyn Write,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<()> {
    match compression {
        Compression::None => fill(out),
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(out, flate2::Compression::default());
            fill(&mut encoder)?;
            encoder.finish().map(drop)
        }
        Compression::Zstd => zstd::compress(out, zstd::Style::default(), None, workers, fill),
        Compression::Xz => {
            let mut options = XzOptions::with_preset(6);
            options.set_block_size(Some(XZ_BLOCK));
            let mut encoder = XzWriterMt::new(out, options, workers)?;
            fill(&mut encoder)?;
            encoder.finish().map(drop)
        }
        Compression::Bzip2 => {
            let mut encoder = ::bzip2::write::BzEncoder::new(out, ::bzip2::Compression::best());
            fill(&mut encoder)?;
            encoder.finish().map(drop)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(compression: Compression, data: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        compress(compression, &mut packed, |out| out.write_all(data)).unwrap();
        packed
    }

    /// Those that are decoded to a temporary file; gzip has tests of its own.
    const SPOOLED: [Compression; 3] = [Compression::Zstd, Compression::Xz, Compression::Bzip2];

    fn decode(compression: Compression, data: &[u8]) -> io::Result<Vec<u8>> {
        let mut decoder: Box<dyn Read> = match compression {
            Compression::Zstd => Box::new(zstd::Scan::new(data)?),
            _ => decoder(compression, data)?,
        };
        let mut out = Vec::new();
        decoder.read_to_end(&mut out).map(|_| out)
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
    #[test]
    fn the_bytes_do_not_depend_on_how_many_cores_there_are() {
        // More than one worker's share of either.
        let large: Vec<u8> = (0..25 << 20)
            .map(|n: u32| ((n >> 12).wrapping_mul(2_654_435_769) >> 24).to_le_bytes()[0])
            .collect();
        for compression in [Compression::Zstd, Compression::Xz] {
            let by = |workers| {
                let (mut packed, size) = (Vec::new(), 1000 * usize::try_from(workers).unwrap() + 7);
                compress_by(workers, compression, &mut packed, |out| {
                    large.chunks(size).try_for_each(|part| out.write_all(part))
                })
                .unwrap();
                packed
            };
            let one = by(1);
            assert!(
                decode(compression, &one).unwrap() == large,
                "{compression:?}"
            );
            for workers in 2..=4 {
                assert!(by(workers) == one, "{compression:?} by {workers}");
            }
        }
    }
}
