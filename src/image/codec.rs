//! The compressions that a tarball comes in, known by their magic and never by a name.

use std::io::{self, BufRead, Read, Write};
use std::num::NonZeroU64;
use std::path::Path;
use std::thread;

use lzma_rust2::{XzOptions, XzReader, XzWriterMt};

use super::limits::Exceeded;
use super::progress::is_stop;
use super::streams::{Crumbs, Streams};
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
        let ending = name.rsplit('.').next().unwrap_or_default();
        match ending.to_ascii_lowercase().as_str() {
            "gz" | "tgz" => Self::Gzip,
            "zst" | "tzst" => Self::Zstd,
            "xz" | "txz" => Self::Xz,
            "bz2" | "tbz" | "tbz2" => Self::Bzip2,
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

/// A reader of the plain bytes, for the compressions of which nothing but those is kept.
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

/// What a decoder's error says of an image: that it is damaged, unless reading itself failed or was stopped,
/// or keeping what was decoded.
pub(super) fn failure(error: io::Error, image: &str, compression: Compression) -> Error {
    if is_stop(&error) {
        return Error::Interrupted;
    }
    if Exceeded::of(&error).is_some() {
        return Exceeded::refusal(&error, image);
    }
    if error.raw_os_error().is_some() {
        return Error::io("read", Path::new(image))(error);
    }
    // What was decoded could not be kept.
    let error = match error.downcast::<Error>() {
        Ok(error) => return error,
        Err(error) => error,
    };
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
    Xz(Box<XzWriterMt<W>>),
    Bzip2(bzip2::write::BzEncoder<W>),
}

/// How a Zstandard frame is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ZstdStyle {
    pub(super) level: i32,
    pub(super) checksum: bool,
}

impl Default for ZstdStyle {
    fn default() -> Self {
        Self {
            level: zstd::DEFAULT_COMPRESSION_LEVEL,
            checksum: true,
        }
    }
}

impl ZstdStyle {
    /// What a frame's header tells of it. A frame does not say its level, but each level has its window, so this is the
    /// lowest that has the frame's. Larger windows come from `--long` as well, which says nothing of the level, and a frame
    /// without one is a small file's: those are taken for the default.
    pub(super) fn of_frame(header: &[u8]) -> Self {
        let default = Self::default();
        let (flags, window) = match header {
            [_, _, _, _, flags, window, ..] => (*flags, *window),
            _ => return default,
        };
        let single_segment = flags & 1 << 5 != 0;
        Self {
            level: match 10 + (window >> 3) {
                _ if single_segment => default.level,
                19 => 1,
                20 => 2,
                22 => 9,
                23 => 17,
                _ => default.level,
            },
            checksum: flags & 1 << 2 != 0,
        }
    }
}

/// A Zstandard frame that is shorter is not worth more than one core: zstd itself gives each this much.
const ZSTD_SHARE: u64 = 8 << 20;

/// How much of a tar an xz block has, as `xz --threads` makes them: three times the dictionary of the preset.
const XZ_BLOCK: NonZeroU64 = NonZeroU64::new(24 << 20).expect("it is not zero");

/// One for each core. More than eight would wait for what they are to compress, and each takes its memory.
fn workers() -> u32 {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(cores.min(8)).expect("at most eight")
}

impl<W: Write> Encoder<W> {
    pub(crate) fn new(compression: Compression, out: W) -> io::Result<Self> {
        Self::with_workers(compression, out, workers())
    }

    /// One or more workers; the bytes do not depend on how many.
    fn with_workers(compression: Compression, out: W, workers: u32) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::None(out),
            Compression::Gzip => Self::Gzip(flate2::write::GzEncoder::new(
                out,
                flate2::Compression::default(),
            )),
            Compression::Zstd => zstd_frame(out, ZstdStyle::default(), None, workers)?,
            Compression::Xz => {
                let mut options = XzOptions::with_preset(6);
                options.set_block_size(Some(XZ_BLOCK));
                Self::Xz(Box::new(XzWriterMt::new(out, options, workers)?))
            }
            Compression::Bzip2 => Self::Bzip2(bzip2::write::BzEncoder::new(
                out,
                bzip2::Compression::best(),
            )),
        })
    }

    /// A Zstandard frame of so many bytes.
    pub(super) fn zstd(out: W, style: ZstdStyle, len: u64) -> io::Result<Self> {
        zstd_frame(out, style, Some(len), workers())
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

fn zstd_frame<W: Write>(
    out: W,
    style: ZstdStyle,
    len: Option<u64>,
    workers: u32,
) -> io::Result<Encoder<W>> {
    let mut encoder = zstd::Encoder::new(out, style.level)?;
    encoder.include_checksum(style.checksum)?;
    encoder.set_pledged_src_size(len)?;
    // With one or more workers the bytes do not depend on how many there are; with none they would.
    if len.is_none_or(|len| len >= ZSTD_SHARE) {
        encoder.multithread(workers)?;
    }
    Ok(Encoder::Zstd(encoder))
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
        let mut decoder: Box<dyn Read> = match compression {
            Compression::Zstd => Box::new(super::super::zstd::Scan::new(data)?),
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
                let mut encoder = Encoder::with_workers(compression, Vec::new(), workers).unwrap();
                for part in large.chunks(1000 * usize::try_from(workers).unwrap() + 7) {
                    encoder.write_all(part).unwrap();
                }
                encoder.finish().unwrap()
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
