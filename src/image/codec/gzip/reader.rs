//! Reads any place of a gzip file that has been seen once, by decoding from the nearest place where
//! that can begin.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::inflate::{Inflater, Step};
use super::places::{BEFORE, Checkpoint, FAR};
use super::{Seen, member};

/// What was decoded last, in pages, and the decoder that can go on from there.
#[derive(Debug)]
pub(super) struct Reader {
    decoder: Decoder,
    pages: Pages,
}

/// Decodes from the nearest place where it can begin.
#[derive(Debug)]
pub(super) struct Decoder {
    seen: Arc<Seen>,
    inflater: Inflater,
    /// How many bytes of the whole come before what the inflater puts out next; none where it has
    /// not begun or has failed.
    output: Option<u64>,
}

/// Some pages, the one that was used last at the end.
#[derive(Debug, Default)]
struct Pages(Vec<Page>);

#[derive(Debug)]
struct Page {
    number: u64,
    bytes: Vec<u8>,
}

const PAGE: u64 = 64 << 10;
/// How many pages are kept: what planning goes back to.
const PAGES: usize = 8;

impl Reader {
    pub(super) fn new(seen: &Arc<Seen>) -> io::Result<Self> {
        Ok(Self {
            decoder: Decoder::new(seen)?,
            pages: Pages::default(),
        })
    }

    /// Decoded bytes from an offset; 0 at the end.
    pub(super) fn read_at(&mut self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = self.decoder.seen.len;
        if offset >= len || buffer.is_empty() {
            return Ok(0);
        }
        let number = offset / PAGE;
        let page = match self.pages.find(number) {
            Some(at) => at,
            None => {
                let (decoder, pages) = (&mut self.decoder, &mut self.pages);
                let end = ((number + 1) * PAGE).min(len);
                decoder.decode(number * PAGE..end, |offset, bytes| {
                    pages.keep(offset, bytes);
                })?;
                pages.find(number).expect("it was decoded last")
            }
        };
        let skip = usize::try_from(offset % PAGE).expect("less than a page");
        let bytes = self.pages.used(page).get(skip..).unwrap_or_default();
        let n = bytes.len().min(buffer.len());
        buffer[..n].copy_from_slice(&bytes[..n]);
        Ok(n)
    }
}

impl Decoder {
    pub(super) fn new(seen: &Arc<Seen>) -> io::Result<Self> {
        Ok(Self {
            seen: Arc::clone(seen),
            inflater: Inflater::new(Arc::clone(&seen.file), 0)?,
            output: None,
        })
    }

    /// Decodes a range, and what lies on the way to it, from where the decoder is if that is on the
    /// way. `put` gets all of it with its offset.
    pub(super) fn decode(
        &mut self,
        range: Range<u64>,
        mut put: impl FnMut(u64, &[u8]),
    ) -> io::Result<()> {
        let checkpoint = self.seen.places.before(range.start);
        let on_the_way = |output: &u64| (checkpoint.output..=range.start).contains(output);
        let mut output = match self.output.take().filter(on_the_way) {
            Some(output) => output,
            None => {
                self.inflater
                    .resume(&checkpoint.stand, &checkpoint.window)?;
                checkpoint.output
            }
        };
        let mut far = range.start - output > FAR;
        while output < range.end {
            let fresh = self.inflater.fresh();
            if fresh.is_empty() {
                if far && output + BEFORE > range.start {
                    let (stand, window) = (self.inflater.stand(), self.inflater.window());
                    self.seen
                        .places
                        .keep(Checkpoint::new(stand, output, window));
                    far = false;
                }
                if self.inflater.step()? == Step::End && self.inflater.fresh().is_empty() {
                    let input = self.inflater.input();
                    member::trailer(input)?;
                    member::Header::read(input)?;
                    self.inflater.restart();
                }
                continue;
            }
            let left = usize::try_from(range.end - output).unwrap_or(usize::MAX);
            let count = fresh.len().min(left);
            put(output, &fresh[..count]);
            self.inflater.take(count);
            output += count as u64;
        }
        self.output = Some(output);
        Ok(())
    }
}

impl Pages {
    fn find(&self, number: u64) -> Option<usize> {
        self.0.iter().position(|page| page.number == number)
    }

    /// Returns what a page holds, which is used now.
    fn used(&mut self, at: usize) -> &[u8] {
        self.0[at..].rotate_left(1);
        self.0.last().map_or(&[], |page| &page.bytes)
    }

    /// Puts bytes from an offset in the pages that they belong to. A page of which the beginning is
    /// missing is not kept.
    fn keep(&mut self, mut offset: u64, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (number, inside) = (offset / PAGE, offset % PAGE);
            let room = usize::try_from(PAGE - inside).expect("at most a page");
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let page = match self.find(number) {
                None if inside == 0 => Some(self.turn(number)),
                found => found,
            };
            if let Some(at) = page
                && self.0[at].bytes.len() as u64 == inside
            {
                self.0[at].bytes.extend_from_slice(now);
            }
            offset += now.len() as u64;
            bytes = later;
        }
    }

    /// Makes an empty page, of the one that was used longest ago if there are enough.
    fn turn(&mut self, number: u64) -> usize {
        let mut bytes = Vec::new();
        if self.0.len() == PAGES {
            bytes = self.0.remove(0).bytes;
            bytes.clear();
        }
        self.0.push(Page { number, bytes });
        self.0.len() - 1
    }
}
