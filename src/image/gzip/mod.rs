//! Gzip files that are read at any place and changed without being compressed anew.
//!
//! One pass ([`Scan`]) decodes the file, checks it, and leaves a map: where its deflate blocks begin, and every few MiB a
//! checkpoint from which decoding can go on. Later reads decode from the nearest checkpoint. To write a changed file, the
//! blocks whose bytes and window are the same are copied as they are, and only the rest is compressed (`splice`).

mod ahead;
mod huffman;
mod inflate;
mod input;
mod layout;
mod map;
mod member;
mod scan;
mod splice;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ahead::Deal;
use inflate::{Inflater, Step};
use map::Map;

use super::Meter;
pub(crate) use scan::Scan;

/// A gzip file of which every byte has been seen once.
#[derive(Debug)]
pub(crate) struct Gzip {
    file: Arc<File>,
    map: Map,
    len: u64,
    reader: Mutex<Reader>,
}

/// What was decoded last, in pages, and the decoder that can go on from there.
#[derive(Debug, Default)]
struct Reader {
    inflater: Option<Inflater>,
    /// Bytes that the decoder has put out, by the whole file's count.
    output: u64,
    pages: Vec<Page>,
    /// Counts reads, to know which page was used last.
    now: u64,
}

#[derive(Debug)]
struct Page {
    number: u64,
    used: u64,
    bytes: Vec<u8>,
}

const PAGE: u64 = 64 << 10;
/// How many pages are kept: a mebibyte, which holds what planning goes back to.
const PAGES: usize = 16;

const BGZIP: &str = "the image is compressed by bgzip, whose block sizes are left out where it changes; compress it by \
                     bgzip anew if it is to be read at random";

impl Gzip {
    /// Begins the pass over a file.
    pub(crate) fn scan<'a, 'p>(
        file: &Arc<File>,
        meter: &'a mut Meter<'p>,
    ) -> io::Result<Scan<'a, 'p>> {
        Scan::new(file, Deal::default(), meter)
    }

    /// What the pass over the file found, to be read at any place.
    pub(crate) fn new(file: Arc<File>, scan: Scan<'_, '_>) -> io::Result<Self> {
        let (map, len) = scan.finish()?;
        Ok(Self {
            file,
            map,
            len,
            reader: Mutex::default(),
        })
    }

    /// How many bytes it decodes to.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// What the headers hold that is left out where a member changes, as notes say it.
    pub(super) fn left_out(&self) -> Vec<String> {
        let note = |name: &[u8; 2]| match name {
            // An eStargz layer's footer, which stays: its archive says more of it.
            b"SG" => None,
            b"BC" => Some(BGZIP.to_owned()),
            other => Some(format!(
                "the extra field `{}` of the image's gzip headers is left out where it changes, since it may speak of the \
                 bytes as they were",
                other.escape_ascii()
            )),
        };
        self.map.extras.iter().filter_map(note).collect()
    }

    /// Decoded bytes from an offset; 0 at the end.
    pub(crate) fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        if offset >= self.len || buffer.is_empty() {
            return Ok(0);
        }
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.now += 1;
        let page = reader.page(self, offset / PAGE)?;
        let skip = usize::try_from(offset % PAGE).expect("less than a page");
        let bytes = page.get(skip..).unwrap_or_default();
        let n = bytes.len().min(buffer.len());
        buffer[..n].copy_from_slice(&bytes[..n]);
        Ok(n)
    }
}

impl Reader {
    fn page(&mut self, gzip: &Gzip, number: u64) -> io::Result<&[u8]> {
        let known = |pages: &[Page]| pages.iter().position(|page| page.number == number);
        let at = match known(&self.pages) {
            Some(at) => at,
            None => {
                self.decode(gzip, number)
                    .inspect_err(|_| self.inflater = None)?;
                known(&self.pages).expect("it was decoded last")
            }
        };
        self.pages[at].used = self.now;
        Ok(&self.pages[at].bytes)
    }

    /// Decodes up to the end of a page, from where the decoder is if that is on the way.
    fn decode(&mut self, gzip: &Gzip, number: u64) -> io::Result<()> {
        let (start, end) = (number * PAGE, ((number + 1) * PAGE).min(gzip.len));
        let checkpoint = gzip.map.checkpoint(start);
        let on_the_way =
            self.inflater.is_some() && (checkpoint.output..=start).contains(&self.output);
        let mut inflater = match self.inflater.take() {
            Some(inflater) => inflater,
            None => Inflater::new(Arc::clone(&gzip.file), 0, &[])?,
        };
        if !on_the_way {
            inflater.resume(&checkpoint.stand, &checkpoint.window()?)?;
            self.output = checkpoint.output;
        }
        while self.output < end {
            let fresh = inflater.fresh();
            if fresh.is_empty() {
                if inflater.step()? == Step::End && inflater.fresh().is_empty() {
                    member::trailer(inflater.input())?;
                    member::Header::read(inflater.input())?;
                    inflater.restart();
                }
                continue;
            }
            let room = PAGE - self.output % PAGE;
            let count = fresh
                .len()
                .min(usize::try_from(room).expect("at most a page"));
            self.keep(&fresh[..count]);
            inflater.take(count);
            self.output += count as u64;
        }
        self.inflater = Some(inflater);
        Ok(())
    }

    /// Puts decoded bytes in the page that they belong to. A page of which the beginning is missing is not kept.
    fn keep(&mut self, bytes: &[u8]) {
        let number = self.output / PAGE;
        let inside = self.output % PAGE;
        let known = self.pages.iter().position(|page| page.number == number);
        let at = match known {
            Some(at) => at,
            None if inside > 0 => return,
            None => {
                let mut bytes = Vec::new();
                if self.pages.len() == PAGES {
                    let oldest = (0..PAGES).min_by_key(|at| self.pages[*at].used);
                    bytes = self
                        .pages
                        .swap_remove(oldest.expect("there are pages"))
                        .bytes;
                    bytes.clear();
                }
                self.pages.push(Page {
                    number,
                    used: self.now,
                    bytes,
                });
                self.pages.len() - 1
            }
        };
        let page = &mut self.pages[at].bytes;
        if page.len() as u64 == inside {
            page.extend_from_slice(bytes);
        }
    }
}
