//! The two ways of storing a sparse file.

use crate::header::BLOCK;
use crate::model::{Record, Sparse};

/// Where the four ranges of an old GNU header begin, what follows them, and the size with holes.
const RANGES: usize = 386;
const IS_EXTENDED: usize = 482;
const REAL_SIZE: usize = 483;
/// Ranges in the header, and in each block after it.
const IN_HEADER: usize = 4;
const IN_BLOCK: usize = 21;

/// Puts the map into an `S` header and returns the blocks that continue it.
pub(crate) fn old_gnu(sparse: &Sparse, header: &mut [u8; BLOCK]) -> Vec<u8> {
    let ranges = ranges(sparse);
    let size = format!("{:011o}\0", sparse.size);
    header[REAL_SIZE..REAL_SIZE + 12].copy_from_slice(size.as_bytes());
    let (first, rest) = ranges.split_at(ranges.len().min(IN_HEADER));
    put_ranges(&mut header[RANGES..], first);
    header[IS_EXTENDED] = u8::from(!rest.is_empty());

    let mut blocks = Vec::new();
    let mut chunks = rest.chunks(IN_BLOCK).peekable();
    while let Some(chunk) = chunks.next() {
        let mut block = [0; BLOCK];
        put_ranges(&mut block, chunk);
        block[IN_BLOCK * 24] = u8::from(chunks.peek().is_some());
        blocks.extend(block);
    }
    blocks
}

/// The records of PAX version 1.0.
pub(crate) fn pax_records(sparse: &Sparse, name: &[u8]) -> Vec<Record> {
    let record = |key: &str, value: &[u8]| (format!("GNU.sparse.{key}").into_bytes(), value.into());
    vec![
        record("major", b"1"),
        record("minor", b"0"),
        record("name", name),
        record("realsize", sparse.size.to_string().as_bytes()),
    ]
}

/// The map that PAX version 1.0 puts before the data, padded to a block.
pub(crate) fn pax_map(sparse: &Sparse) -> Vec<u8> {
    let ranges = ranges(sparse);
    let mut map = format!("{}\n", ranges.len());
    for (offset, length) in ranges {
        map += &format!("{offset}\n{length}\n");
    }
    let mut map = map.into_bytes();
    map.resize(map.len().next_multiple_of(BLOCK), 0);
    map
}

/// The name that the header of a PAX sparse file shows to readers which do not know it.
pub(crate) fn pax_header_name(name: &[u8]) -> Vec<u8> {
    let slash = name.iter().rposition(|&byte| byte == b'/');
    let (folder, base) = name.split_at(slash.map_or(0, |at| at + 1));
    [folder, b"GNUSparseFile.0/", base].concat()
}

/// The stored ranges; a hole at the end is said by an empty range behind it.
fn ranges(sparse: &Sparse) -> Vec<(u64, u64)> {
    let mut ranges = sparse.map.clone();
    let end = ranges.last().map_or(0, |&(offset, length)| offset + length);
    if end < sparse.size {
        ranges.push((sparse.size, 0));
    }
    ranges
}

fn put_ranges(field: &mut [u8], ranges: &[(u64, u64)]) {
    for (slot, (offset, length)) in field.chunks_mut(24).zip(ranges) {
        slot[..24].copy_from_slice(format!("{offset:011o}\0{length:011o}\0").as_bytes());
    }
}
