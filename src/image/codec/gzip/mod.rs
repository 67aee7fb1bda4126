//! Gzip files that are read at any place and changed without being compressed anew.
//!
//! One pass ([`Scan`]) decodes the file, checks it, and leaves a map of where its deflate blocks
//! begin, and places from which decoding can go on: every few MiB, and shortly before what will be
//! read again. Later reads decode from the nearest place. To write a changed file, the blocks whose
//! bytes and window are the same are copied as they are, and only the rest is compressed
//! (`splice`).

mod ahead;
mod bits;
mod compress;
mod guess;
mod huffman;
mod in_order;
mod inflate;
mod input;
mod layout;
mod map;
mod member;
mod places;
mod reader;
mod scan;
mod splice;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use ahead::Deal;
use map::Map;
use places::Places;
use reader::Reader;

use crate::image::bytes::Bytes;
use crate::image::progress::Meter;
pub(crate) use scan::Scan;

/// Returns the error for bytes that are not what a gzip file has.
fn damaged(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// A gzip file of which every byte has been seen once.
#[derive(Debug)]
pub(crate) struct Gzip {
    seen: Arc<Seen>,
    reader: Mutex<Reader>,
}

/// What is known of the file since then.
#[derive(Debug)]
struct Seen {
    file: Arc<File>,
    map: Map,
    /// How many bytes it decodes to.
    len: u64,
    places: Places,
}

const BGZIP: &str = "the image was compressed by bgzip; the changed parts lose their block sizes. For random \
                     access, compress the output with bgzip again";

impl Gzip {
    /// Begins the pass over a file.
    pub(crate) fn scan<'p>(file: &Arc<File>, meter: Meter<'p>) -> io::Result<Scan<'p>> {
        Scan::new(file, Deal::default(), meter)
    }

    /// Returns what the pass over the file found, to be read at any place.
    pub(crate) fn new(file: Arc<File>, scan: Scan<'_>) -> io::Result<Self> {
        let (map, places, len) = scan.finish()?;
        let seen = Arc::new(Seen {
            file,
            map,
            len,
            places,
        });
        Ok(Self {
            reader: Mutex::new(Reader::new(&seen)?),
            seen,
        })
    }

    /// Returns how many bytes it decodes to.
    pub(crate) fn len(&self) -> u64 {
        self.seen.len
    }

    /// Returns what the headers hold that is left out where a member changes, as notes say it.
    pub(in crate::image) fn left_out(&self) -> Vec<String> {
        let note = |name: &[u8; 2]| match name {
            // An eStargz layer's footer, which stays: its archive says more of it.
            b"SG" => None,
            b"BC" => Some(BGZIP.to_owned()),
            other => Some(format!(
                "the changed parts lose the extra field `{}` of their gzip headers, since it may describe \
                 the old bytes",
                other.escape_ascii()
            )),
        };
        self.seen.map.extras.iter().filter_map(note).collect()
    }
}

impl Bytes for Gzip {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.read_at(buffer, offset)
    }

    fn reaches(&self, end: u64) -> io::Result<bool> {
        Ok(end <= self.seen.len)
    }
}
