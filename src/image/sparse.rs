//! Whether a sparse file's map and its stored data agree.
//!
//! GNU tar reads whole blocks for each range of the map and goes on to the next header from there, whatever the size field
//! says; libarchive goes by the size. Where the map asks for more than is stored, the two see different entries after it.

use std::io::{self, BufRead, BufReader};

use bstr::ByteSlice;
use tar::{GnuExtSparseHeader, GnuHeader, GnuSparseHeader};

use super::fields::{BLOCK, number_field, padded, parse_number};
use super::pax::{self, Record};
use super::stream::Bytes;

/// The bytes that a map's ranges take in whole blocks.
#[derive(Default)]
pub(super) struct Ranges(u64);

impl Ranges {
    pub(super) fn of_gnu_header(header: &GnuHeader) -> Option<Self> {
        Self::default().with(&header.sparse)
    }

    pub(super) fn with_block(self, block: &GnuExtSparseHeader) -> Option<Self> {
        self.with(&block.sparse)
    }

    fn with(self, ranges: &[GnuSparseHeader]) -> Option<Self> {
        let ranges = ranges.iter().take_while(|r| r.numbytes[0] != 0);
        ranges
            .map(|r| number_field(&r.numbytes))
            .try_fold(self, |all, n| all.and(n?))
    }

    fn and(self, length: u64) -> Option<Self> {
        let whole = length.checked_next_multiple_of(BLOCK)?;
        self.0.checked_add(whole).map(Self)
    }

    /// Whether that is stored.
    pub(super) fn fit(self, stored: u64) -> bool {
        self.0 <= padded(stored)
    }
}

/// Whether the map that PAX records announce fits the data. None where it cannot be made out.
pub(super) fn pax_fits(
    records: &[Record],
    stream: &impl Bytes,
    data: u64,
    stored: u64,
) -> io::Result<Option<bool>> {
    let has = |key: &str| records.iter().any(|r| r.key == key);
    let numbers =
        |text: &[u8]| -> Option<Vec<u64>> { text.split_str(",").map(parse_number).collect() };
    let fits = |lengths: Option<Vec<u64>>| {
        let all = lengths?
            .into_iter()
            .try_fold(Ranges::default(), Ranges::and)?;
        Some(all.fit(stored))
    };
    let major = pax::value(records, "GNU.sparse.major");
    match (has("GNU.sparse.map"), has("GNU.sparse.numbytes"), major) {
        (false, false, Some(b"1")) => {
            let mut map = BufReader::new(stream.reader(data..data + stored));
            let mut read = 0;
            let mut ranges = Some(Ranges::default());
            let Some(count) = line(&mut map, &mut read)? else {
                return Ok(None);
            };
            for _ in 0..count {
                let (Some(_), Some(length)) =
                    (line(&mut map, &mut read)?, line(&mut map, &mut read)?)
                else {
                    return Ok(None);
                };
                ranges = ranges.and_then(|all| all.and(length));
            }
            Ok(ranges.map(|all| {
                padded(read) <= padded(stored) && all.fit(padded(stored) - padded(read))
            }))
        }
        (true, false, None | Some(b"0")) => {
            let map = pax::value(records, "GNU.sparse.map").unwrap_or_default();
            Ok(fits(
                numbers(map).map(|all| all.into_iter().skip(1).step_by(2).collect()),
            ))
        }
        (false, true, None | Some(b"0")) => {
            let lengths = records.iter().filter(|r| r.key == "GNU.sparse.numbytes");
            Ok(fits(lengths.map(|r| parse_number(&r.value)).collect()))
        }
        _ => Ok(None),
    }
}

/// One number of a map that stands before the data.
pub(super) fn line(map: &mut impl BufRead, read: &mut u64) -> io::Result<Option<u64>> {
    let mut text = Vec::new();
    *read += io::Read::take(map, 32).read_until(b'\n', &mut text)? as u64;
    Ok(text.strip_suffix(b"\n").and_then(parse_number))
}
