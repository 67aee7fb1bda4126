//! What the headers of a tar stream's member say, and where it lies.

use std::io;
use std::ops::Range;

use bstr::BString;

use super::fields::{BLOCK, padded};

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
#[derive(Clone, Debug)]
pub struct Entry {
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
    pub path: BString,
    /// The target of a symbolic link, or the archive path that a hard link names.
    pub link: BString,
    /// Permission, set-id and sticky bits.
    pub mode: u32,
    /// The owner's id.
    pub uid: u64,
    /// The group's id.
    pub gid: u64,
    /// The modification time in whole seconds since 1970.
    pub mtime: u64,
    /// Extended attributes by their name in the system, such as `security.capability`.
    pub xattrs: Vec<(BString, BString)>,
}

impl Entry {
    /// One past the entry's last byte, its padding included.
    pub fn end(&self) -> u64 {
        padded(self.data + self.stored)
    }

    /// Where the data lies in the tar stream.
    pub fn data_range(&self) -> Range<u64> {
        self.data..self.data + self.stored
    }
}

impl Entry {
    /// A member that extracts to nothing.
    pub(super) fn metadata(start: u64, stored: u64) -> Self {
        let empty = BString::default;
        Self {
            start,
            header: start,
            data: start + BLOCK,
            stored,
            kind: EntryKind::Metadata,
            path: empty(),
            link: empty(),
            mode: 0,
            uid: 0,
            gid: 0,
            mtime: 0,
            xattrs: Vec::new(),
        }
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
