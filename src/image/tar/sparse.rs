//! The maps of sparse files, and whether they agree with the file's size and its stored data.
//!
//! GNU tar reads whole blocks for each range of the map and goes on to the next header from there,
//! whatever the size field says; libarchive believes the size. Where the map asks for another length
//! than is stored, they see different entries after it; where its ranges overlap, fall or leave the
//! file, they make different files of it.

use std::io::{self, BufRead, BufReader, Read as _};

use bstr::ByteSlice;
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

use super::entry::{Damage, damage};
use super::fields::{BLOCK, number_field, padded, parse_number};
use super::pax::{self, Record};
use crate::image::bytes::Bytes;

pub(super) const ODD_MAP: &str = "a sparse map does not fit the file or the data that is stored; extractors disagree on what it means";

/// A map that fits.
pub(super) struct Map {
    /// How many ranges it has.
    pub(super) ranges: u64,
    /// The size that the file expands to.
    pub(super) len: u64,
    /// Where the data of the first range begins in the stream.
    pub(super) data: u64,
}

/// Ranges of a map as they are read, as long as they rise.
struct Ranges<'e> {
    /// Gets the offset in the file and the length of each.
    each: &'e mut dyn FnMut(u64, u64),
    count: u64,
    /// Whether one that has to be the last is among them.
    ended: bool,
    /// Where the last range ends in the file.
    end: u64,
    /// The bytes of all ranges.
    bytes: u64,
    /// The same in whole blocks for each.
    blocks: u64,
}

impl<'e> Ranges<'e> {
    fn new(each: &'e mut dyn FnMut(u64, u64)) -> Self {
        Self {
            each,
            count: 0,
            ended: false,
            end: 0,
            bytes: 0,
            blocks: 0,
        }
    }

    /// Adds a range; false where it is not a range that may come next.
    fn add(&mut self, offset: Option<u64>, length: Option<u64>) -> bool {
        self.try_add(offset, length).is_some()
    }

    fn try_add(&mut self, offset: Option<u64>, length: Option<u64>) -> Option<()> {
        let (offset, length) = (offset?, length?);
        if offset < self.end || self.ended {
            return None;
        }
        self.end = offset.checked_add(length)?;
        self.bytes = self.bytes.checked_add(length)?;
        let padded = length.checked_next_multiple_of(BLOCK)?;
        self.blocks = self.blocks.checked_add(padded)?;
        // libarchive puts an empty one before a file that is nothing but a hole. Others would go on
        // without end.
        self.ended = length == 0 && self.count > 0;
        self.count += 1;
        (self.each)(offset, length);
        Some(())
    }

    /// Adds the ranges of a block; false as [`add`](Self::add).
    fn add_block(&mut self, ranges: &[GnuSparseHeader]) -> bool {
        let mut used = ranges.iter().take_while(|r| r.numbytes[0] != 0);
        used.all(|r| self.add(number_field(&r.offset), number_field(&r.numbytes)))
    }

    /// Returns whether the ranges end with the file and are what is stored, no less and no more. A
    /// hole at the end is an empty range behind it; GNU tar makes the file shorter without.
    fn fit(&self, size: u64, stored: u64) -> bool {
        size == self.end && self.bytes == stored && self.blocks == padded(stored)
    }
}

/// Reads the map of an old GNU entry, whose header lies at a place. It goes on in blocks behind the
/// header.
pub(super) fn gnu(
    header: &Header,
    stream: &impl Bytes,
    at: u64,
    stored: u64,
    each: &mut dyn FnMut(u64, u64),
) -> Result<Map, Damage> {
    let Some(header) = header.as_gnu() else {
        return damage(at, ODD_MAP);
    };
    let mut ranges = Ranges::new(each);
    let mut rising = ranges.add_block(&header.sparse);
    let (mut data, mut more) = (at + BLOCK, header.is_extended());
    while more {
        let mut block = GnuExtSparseHeader::new();
        if !stream.reaches(data + BLOCK)? {
            return damage(at, "the archive is cut short inside a sparse file's map");
        }
        stream.read_exact_at(block.as_mut_bytes(), data)?;
        more = block.is_extended();
        rising = rising && ranges.add_block(&block.sparse);
        data += BLOCK;
    }
    let size = number_field(&header.realsize);
    match size.filter(|size| rising && ranges.fit(*size, stored)) {
        Some(len) => Ok(Map {
            ranges: ranges.count,
            len,
            data,
        }),
        None => damage(at, ODD_MAP),
    }
}

/// Reads the map that PAX records announce, if it fits. One of more than `most` ranges may not be
/// read to its end.
pub(super) fn pax(
    records: &[Record],
    stream: &impl Bytes,
    data: u64,
    stored: u64,
    most: u64,
    each: &mut dyn FnMut(u64, u64),
) -> io::Result<Option<Map>> {
    let has = |key: &str| records.iter().any(|r| r.key == key);
    let number = |key: &str| pax::value(records, key).and_then(parse_number);
    let all = |key: &'static str| {
        let of_key = records.iter().filter(move |r| r.key == key);
        of_key.map(|r| parse_number(&r.value))
    };
    let mut ranges = Ranges::new(each);
    let major = pax::value(records, "GNU.sparse.major");
    let rising = match (has("GNU.sparse.map"), has("GNU.sparse.numbytes"), major) {
        (false, false, Some(b"1")) => {
            let size = number("GNU.sparse.realsize");
            return before_data(stream, data, stored, size, most, ranges);
        }
        (true, false, None | Some(b"0")) => {
            let text = pax::value(records, "GNU.sparse.map").unwrap_or_default();
            let numbers: Vec<_> = text.split_str(",").map(parse_number).collect();
            let (pairs, rest) = numbers.as_chunks::<2>();
            let mut pairs = pairs.iter();
            rest.is_empty() && pairs.all(|[offset, length]| ranges.add(*offset, *length))
        }
        (false, true, None | Some(b"0")) => {
            let (offsets, lengths) = (all("GNU.sparse.offset"), all("GNU.sparse.numbytes"));
            let same = offsets.clone().count() == lengths.clone().count();
            same && offsets.zip(lengths).all(|(o, l)| ranges.add(o, l))
        }
        _ => false,
    };
    let size = number("GNU.sparse.size").filter(|size| {
        rising && number("GNU.sparse.numblocks") == Some(ranges.count) && ranges.fit(*size, stored)
    });
    Ok(size.map(|len| Map {
        ranges: ranges.count,
        len,
        data,
    }))
}

/// Reads a map that stands before the data: how many ranges, then two numbers of each, a line each,
/// filled up to a whole block.
fn before_data(
    stream: &impl Bytes,
    data: u64,
    stored: u64,
    size: Option<u64>,
    most: u64,
    mut ranges: Ranges<'_>,
) -> io::Result<Option<Map>> {
    let mut text = BufReader::new(stream.reader(data..data + stored));
    let mut read = 0;
    let mut number = || -> io::Result<Option<u64>> {
        let mut line = Vec::new();
        read += text.by_ref().take(32).read_until(b'\n', &mut line)? as u64;
        Ok(line.strip_suffix(b"\n").and_then(parse_number))
    };
    let Some(count) = number()? else {
        return Ok(None);
    };
    while ranges.count < count && ranges.count <= most {
        if !ranges.add(number()?, number()?) {
            return Ok(None);
        }
    }
    let left = stored.checked_sub(padded(read));
    let fits = |size: &u64| left.is_some_and(|left| ranges.fit(*size, left));
    let cut = ranges.count < count;
    let len = if cut { Some(0) } else { size.filter(fits) };
    Ok(len.map(|len| Map {
        ranges: count,
        len,
        data: data + padded(read),
    }))
}
