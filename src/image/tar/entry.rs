//! What the headers of a tar stream's member say, and where it lies.

use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};

use super::fields::padded;

/// What an entry makes when it is extracted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file whose data follows as it is.
    File,
    /// A regular file stored as a map of holes and data (old GNU, or PAX `GNU.sparse.*`).
    SparseFile,
    /// Another name for a file that came earlier.
    HardLink,
    /// A symbolic link.
    Symlink,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A named pipe.
    Fifo,
    /// Nothing: a global PAX header or a volume label.
    Metadata,
}

/// One member of a tar stream.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// First byte of the entry, its extension headers (PAX, GNU long name) included.
    pub start: u64,
    /// First byte of the header block itself.
    pub header: u64,
    /// First byte of the data.
    pub data: u64,
    /// Bytes of data in the archive, without padding. For a sparse file this is less than what it expands to.
    pub stored: u64,
    /// What extraction makes of it.
    pub kind: EntryKind,
    /// The name, as the archive writes it.
    pub path: &'a BStr,
    /// The target of a symbolic link, or the archive path that a hard link names.
    pub link: &'a BStr,
    /// Mode, owner and attributes.
    pub meta: &'a Arc<Meta>,
    /// The modification time in whole seconds since 1970.
    pub mtime: u64,
}

/// Mode, owner and extended attributes of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meta {
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// The owner's id.
    pub uid: u64,
    /// The group's id.
    pub gid: u64,
    /// Extended attributes by their name in the system, such as `security.capability`, with their values.
    pub xattrs: Vec<(BString, BString)>,
}

impl Entry<'_> {
    /// Returns the place behind the entry's last byte, its padding included.
    pub fn end(&self) -> u64 {
        padded(self.data + self.stored)
    }

    /// Returns where the data lies in the tar stream.
    pub fn data_range(&self) -> Range<u64> {
        self.data..self.data + self.stored
    }
}

impl Meta {
    /// Returns the value of an extended attribute.
    pub fn xattr(&self, name: &str) -> Option<&BStr> {
        let mut named = self.xattrs.iter().rev().filter(|(n, _)| n == name);
        named.next().map(|(_, value)| value.as_bstr())
    }
}

/// Entries in little memory: all names lie in one string, and equal metas are shared.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Packed>,
    names: Vec<u8>,
    metas: BTreeSet<Arc<Meta>>,
}

#[derive(Debug)]
struct Packed {
    start: u64,
    stored: u64,
    mtime: u64,
    meta: Arc<Meta>,
    /// Where header and data are, seen from the start.
    header: u32,
    data: u32,
    /// Where the path is among the names, and how long it is and the link after it.
    names: u32,
    path: u32,
    link: u32,
    kind: EntryKind,
}

impl Table {
    /// Adds an entry. Returns none if its headers, or all names together, exceed 4 GiB.
    pub(super) fn push(&mut self, entry: &Entry<'_>) -> Option<()> {
        let number = |from: usize| u32::try_from(from).ok();
        let after_start = |place: u64| u32::try_from(place - entry.start).ok();
        let meta = Arc::clone(self.metas.get(entry.meta).unwrap_or(entry.meta));
        self.metas.insert(Arc::clone(&meta));
        self.entries.push(Packed {
            start: entry.start,
            stored: entry.stored,
            mtime: entry.mtime,
            meta,
            header: after_start(entry.header)?,
            data: after_start(entry.data)?,
            names: number(self.names.len())?,
            path: number(entry.path.len())?,
            link: number(entry.link.len())?,
            kind: entry.kind,
        });
        self.names.extend_from_slice(entry.path);
        self.names.extend_from_slice(entry.link);
        Some(())
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, number: usize) -> Option<Entry<'_>> {
        let packed = self.entries.get(number)?;
        let length = |length: u32| usize::try_from(length).expect("it is in memory");
        let (_, names) = self.names.split_at(length(packed.names));
        let (path, names) = names.split_at(length(packed.path));
        Some(Entry {
            start: packed.start,
            header: packed.start + u64::from(packed.header),
            data: packed.start + u64::from(packed.data),
            stored: packed.stored,
            kind: packed.kind,
            path: path.as_bstr(),
            link: names[..length(packed.link)].as_bstr(),
            meta: &packed.meta,
            mtime: packed.mtime,
        })
    }

    /// Returns the number of the entry that starts at a place.
    pub(super) fn at(&self, start: u64) -> Option<usize> {
        let found = self.entries.binary_search_by_key(&start, |e| e.start);
        found.ok()
    }

    /// Frees the spare capacity, once all entries are there.
    pub(super) fn finish(&mut self) {
        self.entries.shrink_to_fit();
        self.names.shrink_to_fit();
        self.metas.clear();
    }
}

/// What is wrong with a tar stream, and at which byte.
#[derive(Debug)]
pub(crate) enum Damage {
    Tar { offset: u64, message: String },
    Io(io::Error),
}

impl From<io::Error> for Damage {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

pub(super) fn damage<T>(offset: u64, message: impl Into<String>) -> Result<T, Damage> {
    Err(Damage::Tar {
        offset,
        message: message.into(),
    })
}
