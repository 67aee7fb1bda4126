//! A regular file's bytes as extraction gives them, read at any place: the holes of a sparse file
//! are zeros.

use std::io;

use super::entry::{Damage, Entry, EntryKind};
use super::fields::{TYPE, padded};
use super::head::Head;
use super::sparse;
use crate::image::stream::TarStream;

/// What a regular file holds.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    stream: &'a TarStream,
    extents: Vec<Extent>,
    len: u64,
    /// Where the first extent lies in the tar stream.
    data: u64,
}

/// Bytes of the file that the archive stores, in the file's order.
#[derive(Debug)]
struct Extent {
    at: u64,
    len: u64,
    /// How far behind the first they are in the tar stream.
    from: u64,
}

impl<'a> Contents<'a> {
    /// Returns what an entry for a regular file holds.
    pub(in crate::image) fn of(stream: &'a TarStream, entry: &Entry) -> Result<Self, Damage> {
        let (mut extents, mut from) = (Vec::new(), 0);
        let mut add = |at, len| {
            if len > 0 {
                extents.push(Extent { at, len, from });
            }
            from += padded(len);
        };
        let (len, data) = if entry.kind == EntryKind::SparseFile {
            let head = Head::read(stream, entry)?;
            let (header, stored) = (head.header(), entry.stored);
            let map = if header.as_bytes()[TYPE] == b'S' {
                Some(sparse::gnu(header, stream, entry.header, stored, &mut add)?)
            } else {
                let (records, most) = (head.records(), u64::MAX);
                sparse::pax(&records, stream, entry.data, stored, most, &mut add)?
            };
            let map = map.ok_or_else(|| Damage::Tar {
                offset: entry.start,
                message: sparse::ODD_MAP.into(),
            })?;
            (map.len, map.data)
        } else {
            add(0, entry.stored);
            (entry.stored, entry.data)
        };
        Ok(Self {
            stream,
            extents,
            len,
            data,
        })
    }

    /// Returns how many bytes the file has, holes included.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Returns the first byte from a place on that the archive stores; all before it are zeros.
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
                .read_exact_at(part, self.data + extent.from + (from - extent.at))?;
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
