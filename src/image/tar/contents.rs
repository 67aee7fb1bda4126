//! A regular file's bytes as extraction gives them, read at any place: the holes of a sparse file are zeros.

use std::io;

use bstr::ByteSlice;
use tar::GnuSparseHeader;

use super::entry::{Damage, Entry, EntryKind};
use super::fields::{BLOCK, TYPE, number_field, padded, parse_number};
use super::head::Head;
use super::pax::{self, Record};
use crate::image::layer::Layer;
use crate::image::stream::TarStream;

/// What a regular file holds.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    stream: &'a TarStream,
    extents: Vec<Extent>,
    len: u64,
}

/// Bytes of the file that the archive stores, in the file's order.
#[derive(Debug)]
struct Extent {
    at: u64,
    len: u64,
    /// Where they are in the tar stream.
    from: u64,
}

impl Layer {
    /// What an entry for a regular file holds.
    pub(crate) fn contents(&self, entry: &Entry) -> Result<Contents<'_>, Damage> {
        let stream = self.stream();
        if entry.kind != EntryKind::SparseFile {
            let extents = vec![Extent {
                at: 0,
                len: entry.stored,
                from: entry.data,
            }];
            return Ok(Contents {
                stream,
                extents,
                len: entry.stored,
            });
        }
        let odd = || Damage::Tar {
            offset: entry.start,
            message: format!("the sparse map of {} cannot be made out", entry.path),
        };
        let head = Head::read(stream, entry)?;
        let map = match head.header().as_bytes()[TYPE] {
            b'S' => gnu_map(stream, &head, entry)?,
            _ => pax_map(stream, &head.records(), entry)?,
        };
        let map = map.ok_or_else(odd)?;
        map.contents(stream, entry).ok_or_else(odd)
    }

    /// The major and minor number of the device that an entry makes.
    pub(crate) fn device(&self, entry: &Entry) -> Result<(u32, u32), Damage> {
        let head = Head::read(self.stream(), entry)?;
        let number = |field: io::Result<Option<u32>>| field.ok().flatten().unwrap_or_default();
        let header = head.header();
        Ok((number(header.device_major()), number(header.device_minor())))
    }
}

/// The ranges of a sparse file, the size that it expands to, and where in the stream its data begins.
struct Map {
    ranges: Vec<(u64, u64)>,
    len: u64,
    data: u64,
}

impl Map {
    /// None where ranges overlap or go beyond the end.
    fn contents<'a>(self, stream: &'a TarStream, entry: &Entry) -> Option<Contents<'a>> {
        let (mut extents, mut end, mut from) = (Vec::new(), 0, self.data);
        for (at, len) in self.ranges {
            let stop = at.checked_add(len)?;
            if at < end || stop > self.len || from.checked_add(len)? > entry.end() {
                return None;
            }
            if len > 0 {
                extents.push(Extent { at, len, from });
            }
            (end, from) = (stop, from + padded(len));
        }
        Some(Contents {
            stream,
            extents,
            len: self.len,
        })
    }
}

fn gnu_map(stream: &TarStream, head: &Head, entry: &Entry) -> io::Result<Option<Map>> {
    let Some(header) = head.header().as_gnu() else {
        return Ok(None);
    };
    let (mut ranges, mut more) = (numbers(&header.sparse), header.is_extended());
    let mut at = entry.header + BLOCK;
    while more {
        let mut block = tar::GnuExtSparseHeader::new();
        stream.read_exact_at(block.as_mut_bytes(), at)?;
        more = block.is_extended();
        ranges.extend(numbers(&block.sparse));
        at += BLOCK;
    }
    let ranges = ranges.into_iter().collect::<Option<_>>();
    let map = ranges.zip(number_field(&header.realsize));
    Ok(map.map(|(ranges, len)| Map {
        ranges,
        len,
        data: entry.data,
    }))
}

/// The ranges of a block; those of it that are not used are empty.
fn numbers(block: &[GnuSparseHeader]) -> Vec<Option<(u64, u64)>> {
    let used = block.iter().filter(|range| range.numbytes[0] != 0);
    used.map(|range| number_field(&range.offset).zip(number_field(&range.numbytes)))
        .collect()
}

fn pax_map(stream: &TarStream, records: &[Record], entry: &Entry) -> io::Result<Option<Map>> {
    let number = |key| pax::value(records, key).and_then(parse_number);
    let Some(len) = number("GNU.sparse.realsize").or_else(|| number("GNU.sparse.size")) else {
        return Ok(None);
    };
    let pairs = |numbers: &[u64]| numbers.chunks_exact(2).map(|p| (p[0], p[1])).collect();
    let plain = |numbers: &[u64]| Map {
        ranges: pairs(numbers),
        len,
        data: entry.data,
    };
    if let Some(map) = pax::value(records, "GNU.sparse.map") {
        let numbers: Option<Vec<u64>> = map.split_str(",").map(parse_number).collect();
        return Ok(numbers.map(|numbers| plain(&numbers)));
    }
    let listed = |r: &&Record| r.key == "GNU.sparse.offset" || r.key == "GNU.sparse.numbytes";
    let mut listed = records.iter().filter(listed).peekable();
    if listed.peek().is_some() {
        let numbers: Option<Vec<u64>> = listed.map(|r| parse_number(&r.value)).collect();
        return Ok(numbers.map(|numbers| plain(&numbers)));
    }
    // The map stands before the data: how many ranges, then two numbers of each, a line each, filled up to a whole block.
    let mut reader = io::BufReader::new(stream.reader(entry.data_range()));
    let mut read = 0;
    let mut next = || super::sparse::line(&mut reader, &mut read);
    let Some(count) = next()? else {
        return Ok(None);
    };
    let mut ranges = Vec::new();
    for _ in 0..count {
        match (next()?, next()?) {
            (Some(offset), Some(length)) => ranges.push((offset, length)),
            _ => return Ok(None),
        }
    }
    Ok(Some(Map {
        ranges,
        len,
        data: entry.data + padded(read),
    }))
}

impl Contents<'_> {
    /// How many bytes the file has, holes included.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The first byte from a place on that the archive stores; all before it are zeros.
    pub(crate) fn next_data(&self, from: u64) -> Option<u64> {
        let next = self.extents.partition_point(|e| e.at + e.len <= from);
        self.extents.get(next).map(|extent| extent.at.max(from))
    }

    /// Fills a buffer from a place on; says how much the file has there.
    pub(crate) fn read_at(&self, buffer: &mut [u8], at: u64) -> io::Result<usize> {
        let wanted = buffer.len() as u64;
        let end = at.saturating_add(wanted).min(self.len);
        let n = usize::try_from(end.saturating_sub(at)).unwrap_or(buffer.len());
        buffer[..n].fill(0);
        let first = self.extents.partition_point(|e| e.at + e.len <= at);
        for extent in self.extents[first..].iter().take_while(|e| e.at < end) {
            let (from, to) = (extent.at.max(at), (extent.at + extent.len).min(end));
            let place = |byte: u64| usize::try_from(byte - at).unwrap_or(n);
            let part = &mut buffer[place(from)..place(to)];
            self.stream
                .read_exact_at(part, extent.from + (from - extent.at))?;
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use crate::image::{EntryKind, OpenOptions};

    #[test]
    fn sparse_files_expand_to_the_same_however_they_are_stored() {
        let read = |image: &str| {
            let bytes = casehard_testimages::build(image).unwrap();
            let image = OpenOptions::new().read("t.tar", &bytes[..]).unwrap();
            let layer = &image.layers()[0];
            let mut entries = layer.archive().entries();
            let entry = entries.find(|e| e.path.ends_with(b"f")).unwrap();
            assert_eq!(entry.kind, EntryKind::SparseFile);
            let contents = layer.contents(&entry).unwrap();
            let mut all = vec![1; 40000];
            let n = contents.read_at(&mut all, 0).unwrap();
            all.truncate(n);
            // In pieces it is the same, and what is skipped is zeros.
            let (mut pieces, mut at) = (Vec::new(), 0);
            while let Some(data) = contents.next_data(at) {
                pieces.resize(usize::try_from(data).unwrap(), 0);
                let mut piece = vec![0; 700];
                let n = contents.read_at(&mut piece, data).unwrap();
                pieces.extend(&piece[..n]);
                at = data + n as u64;
            }
            pieces.resize(all.len(), 0);
            assert!(pieces == all);
            all
        };
        let map = "size=33000 map=0+512,1024+1024,4096+512,8192+512,16384+512,32768+232";
        let gnu = read(&format!("file f sparse=gnu {map}\n"));
        assert_eq!(gnu.len(), 33000);
        assert!(gnu[..512].iter().any(|b| *b != 0) && gnu[512..1024].iter().all(|b| *b == 0));
        assert!(gnu == read(&format!("file f sparse=pax format=pax {map}\n")));
    }
}
