//! Whether a sparse file's map agrees with the file's size and its stored data.
//!
//! GNU tar reads whole blocks for each range of the map and goes on to the next header from there, whatever the size field
//! says; libarchive goes by the size. Where the map asks for another length than is stored, they see different entries after
//! it; where its ranges overlap, fall or leave the file, they make different files of it.

use std::io::{self, BufRead, BufReader};

use bstr::ByteSlice;
use tar::{GnuExtSparseHeader, GnuHeader, GnuSparseHeader};

use super::fields::{BLOCK, number_field, padded, parse_number};
use super::pax::{self, Record};
use crate::image::bytes::Bytes;

/// What a map's ranges come to, as long as they rise.
#[derive(Clone, Copy, Default)]
pub(super) struct Map {
    /// How many there are.
    pub(super) ranges: u64,
    /// Whether one that has to be the last is among them.
    ended: bool,
    /// Where the last range ends in the file.
    end: u64,
    /// The bytes of all ranges.
    bytes: u64,
    /// The same in whole blocks for each.
    blocks: u64,
}

impl Map {
    pub(super) fn of_gnu_header(header: &GnuHeader) -> Option<Self> {
        Self::default().with(&header.sparse)
    }

    pub(super) fn with_block(self, block: &GnuExtSparseHeader) -> Option<Self> {
        self.with(&block.sparse)
    }

    fn with(self, ranges: &[GnuSparseHeader]) -> Option<Self> {
        ranges
            .iter()
            .take_while(|r| r.numbytes[0] != 0)
            .try_fold(self, |map, r| {
                map.and(number_field(&r.offset)?, number_field(&r.numbytes)?)
            })
    }

    fn and(self, offset: u64, length: u64) -> Option<Self> {
        if offset < self.end || self.ended {
            return None;
        }
        Some(Self {
            ranges: self.ranges + 1,
            // libarchive puts an empty one before a file that is nothing but a hole. Others would go on without end.
            ended: length == 0 && self.ranges > 0,
            end: offset.checked_add(length)?,
            bytes: self.bytes.checked_add(length)?,
            blocks: self
                .blocks
                .checked_add(length.checked_next_multiple_of(BLOCK)?)?,
        })
    }

    fn of(ranges: impl IntoIterator<Item = (Option<u64>, Option<u64>)>) -> Option<Self> {
        let mut ranges = ranges.into_iter();
        ranges.try_fold(Self::default(), |map, (offset, length)| {
            map.and(offset?, length?)
        })
    }

    /// Whether the ranges end with the file and are what is stored, no less and no more. A hole at the end is said by an empty
    /// range behind it; GNU tar makes the file shorter without.
    pub(super) fn fits(self, size: Option<u64>, stored: u64) -> bool {
        size == Some(self.end) && self.bytes == stored && self.blocks == padded(stored)
    }
}

/// How many ranges the map has that PAX records announce, if it fits. One of more than `most` may not be read to its end.
pub(super) fn pax_ranges(
    records: &[Record],
    stream: &impl Bytes,
    data: u64,
    stored: u64,
    most: u64,
) -> io::Result<Option<u64>> {
    let has = |key: &str| records.iter().any(|r| r.key == key);
    let number = |key: &str| pax::value(records, key).and_then(parse_number);
    let all = |key: &'static str| {
        let of_key = records.iter().filter(move |r| r.key == key);
        of_key.map(|r| parse_number(&r.value))
    };
    let (size, blocks) = (number("GNU.sparse.size"), number("GNU.sparse.numblocks"));
    let major = pax::value(records, "GNU.sparse.major");
    let map = match (has("GNU.sparse.map"), has("GNU.sparse.numbytes"), major) {
        (false, false, Some(b"1")) => {
            let size = number("GNU.sparse.realsize");
            return stored_ranges(stream, data, stored, size, most);
        }
        (true, false, None | Some(b"0")) => {
            let text = pax::value(records, "GNU.sparse.map").unwrap_or_default();
            let numbers: Vec<_> = text.split_str(",").map(parse_number).collect();
            let (ranges, rest) = numbers.as_chunks::<2>();
            let map = Map::of(ranges.iter().map(|[offset, length]| (*offset, *length)));
            map.filter(|_| rest.is_empty())
        }
        (false, true, None | Some(b"0")) => {
            let same = all("GNU.sparse.offset").count() == all("GNU.sparse.numbytes").count();
            let map = Map::of(all("GNU.sparse.offset").zip(all("GNU.sparse.numbytes")));
            map.filter(|_| same)
        }
        _ => None,
    };
    let map = map.filter(|map| blocks == Some(map.ranges) && map.fits(size, stored));
    Ok(map.map(|map| map.ranges))
}

/// As [`pax_ranges`], for a map that stands before the data.
fn stored_ranges(
    stream: &impl Bytes,
    data: u64,
    stored: u64,
    size: Option<u64>,
    most: u64,
) -> io::Result<Option<u64>> {
    let mut text = BufReader::new(stream.reader(data..data + stored));
    let mut read = 0;
    let Some(count) = line(&mut text, &mut read)? else {
        return Ok(None);
    };
    let mut map = Map::default();
    while map.ranges < count {
        if map.ranges > most {
            return Ok(Some(count));
        }
        let (offset, length) = (line(&mut text, &mut read)?, line(&mut text, &mut read)?);
        match offset
            .zip(length)
            .and_then(|(offset, length)| map.and(offset, length))
        {
            Some(more) => map = more,
            None => return Ok(None),
        }
    }
    let left = stored.checked_sub(padded(read));
    let fits = left.is_some_and(|left| map.fits(size, left));
    Ok(fits.then_some(count))
}

/// One number of a map that stands before the data.
pub(super) fn line(map: &mut impl BufRead, read: &mut u64) -> io::Result<Option<u64>> {
    let mut text = Vec::new();
    *read += io::Read::take(map, 32).read_until(b'\n', &mut text)? as u64;
    Ok(text.strip_suffix(b"\n").and_then(parse_number))
}
