//! The pass over a Zstandard file: decodes it and finds where its frames lie.

use std::io::{self, BufRead, Read};
use std::ops::Range;

use zstd::stream::raw::{Decoder, Operation as _};

use super::Style;

/// Decodes a file, frame by frame.
pub(in crate::image) struct Scan<R> {
    input: R,
    decoder: Decoder<'static>,
    frame: Current,
    /// How many bytes were read and put out.
    place: u64,
    output: u64,
    /// A frame that only says how long the next one is, as pzstd puts before each.
    announced: Option<(Range<u64>, u64)>,
    style: Option<Style>,
    frames: Frames,
}

/// The frame that decoding is in.
#[derive(Default)]
struct Current {
    place: u64,
    output: u64,
    /// Its first bytes, and its last.
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// A frame, or several that are too small to be told apart.
#[derive(Debug)]
pub(super) struct Frame {
    /// Its bytes in the file; none where something lies between that is left out of a changed file.
    pub(super) bytes: Option<Range<u64>>,
    /// What it decodes to, in bytes of the whole output.
    pub(super) output: Range<u64>,
}

/// The frames that hold data, and what was found beside them. Bounded whatever the file holds: when
/// the list is full, small neighbours are taken together.
#[derive(Debug, Default)]
pub(super) struct Frames {
    list: Vec<Frame>,
    /// Frames that decode to less than this are taken together.
    granule: u64,
    seek_table: bool,
    chunked: bool,
    others: u64,
}

const FRAMES: usize = 1 << 15;
/// The longest header of a frame; more is not looked at.
const HEAD: usize = 18;
/// What seekable files end with, and zstd:chunked ones.
const SEEKABLE: [u8; 4] = 0x8f92_eab1_u32.to_le_bytes();
const CHUNKED: [u8; 8] = *b"GNUlInUx";

impl<R: BufRead> Scan<R> {
    pub(in crate::image) fn new(input: R) -> io::Result<Self> {
        Ok(Self {
            input,
            decoder: Decoder::new()?,
            frame: Current::default(),
            place: 0,
            output: 0,
            announced: None,
            style: None,
            frames: Frames::default(),
        })
    }
}

impl<R: BufRead> Read for Scan<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let input = self.input.fill_buf()?;
            let at_end = input.is_empty();
            let between = self.place == self.frame.place;
            if buffer.is_empty() || at_end && between {
                return Ok(0);
            }
            let status = self.decoder.run_on_buffers(input, buffer)?;
            self.frame.saw(&input[..status.bytes_read]);
            self.input.consume(status.bytes_read);
            self.place += status.bytes_read as u64;
            self.output += status.bytes_written as u64;
            if status.remaining == 0 {
                self.end_frame();
                self.decoder.reinit()?;
            }
            if status.bytes_written > 0 {
                return Ok(status.bytes_written);
            }
            if at_end && status.remaining > 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "incomplete frame",
                ));
            }
        }
    }
}

impl<R> Scan<R> {
    /// Returns what was found, once all was read.
    pub(super) fn finish(self) -> (Frames, Style) {
        (self.frames, self.style.unwrap_or_default())
    }

    fn end_frame(&mut self) {
        let bytes = self.frame.place..self.place;
        let output = self.frame.output..self.output;
        let announced = self.announced.take();
        if !output.is_empty() {
            self.style
                .get_or_insert_with(|| Style::of_frame(&self.frame.head));
            let start = match announced {
                Some((before, len)) if len == bytes.end - bytes.start => before.start,
                _ => bytes.start,
            };
            self.frames.add(Frame {
                bytes: Some(start..bytes.end),
                output,
            });
        } else if let [0x50..=0x5f, 0x2a, 0x4d, 0x18, _, _, _, _, data @ ..] = &self.frame.head[..]
        {
            if let Ok(len) = <[u8; 4]>::try_from(data) {
                self.announced = Some((bytes, u32::from_le_bytes(len).into()));
            } else if self.frame.tail.ends_with(&SEEKABLE) {
                self.frames.seek_table = true;
            } else if self.frame.tail == CHUNKED {
                self.frames.chunked = true;
            } else {
                self.frames.others += 1;
            }
        }
        self.frame = Current {
            place: self.place,
            output: self.output,
            ..Current::default()
        };
    }
}

impl Current {
    fn saw(&mut self, bytes: &[u8]) {
        let more = bytes.len().min(HEAD - self.head.len());
        self.head.extend_from_slice(&bytes[..more]);
        let last = bytes.len().saturating_sub(CHUNKED.len());
        self.tail.extend_from_slice(&bytes[last..]);
        self.tail
            .drain(..self.tail.len().saturating_sub(CHUNKED.len()));
    }
}

impl Frames {
    pub(super) fn list(&self) -> &[Frame] {
        &self.list
    }

    fn add(&mut self, frame: Frame) {
        self.push(frame);
        while self.list.len() > FRAMES {
            self.granule = (self.granule * 2).max(64 << 10);
            for frame in std::mem::take(&mut self.list) {
                self.push(frame);
            }
        }
    }

    fn push(&mut self, frame: Frame) {
        match self.list.last_mut() {
            Some(before) if before.is_small_with(&frame, self.granule) => before.join(frame),
            _ => self.list.push(frame),
        }
    }

    /// Returns what is left out of a changed file, as notes say it.
    pub(super) fn left_out(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.seek_table {
            notes.push(
                "the output has no zstd seek table, since the old one would be wrong; make it seekable again for random access".to_owned(),
            );
        }
        if self.chunked {
            notes.push(
                "the output has no zstd:chunked table of contents, since the old one would be wrong; convert the hardened layer to zstd:chunked again".to_owned(),
            );
        }
        if self.others > 0 {
            notes.push(format!(
                "{} skippable zstd frames, which hold no data of the tar, are left out",
                self.others
            ));
        }
        notes
    }
}

impl Frame {
    fn is_small_with(&self, next: &Self, granule: u64) -> bool {
        next.output.end - self.output.start < granule
    }

    fn join(&mut self, next: Self) {
        self.bytes = match (self.bytes.take(), next.bytes) {
            (Some(own), Some(next)) if own.end == next.start => Some(own.start..next.end),
            _ => None,
        };
        self.output.end = next.output.end;
    }
}
