//! Reads the headers of a tar stream one after another, and refuses what extractors read in more
//! ways than one.

use std::sync::Arc;

use bstr::{BString, ByteSlice};
use tar::Header;

use super::entry::{Damage, Entry, EntryKind, Meta, Table, damage};
use super::extensions::{Pending, agreed};
use super::fields::{self, BLOCK, TYPE, id_field, is_intact, number_field, octal, parse_number};
use super::pax::{self, Record};
use super::sparse::{self, ODD_MAP};
use super::xattrs::xattrs;
use crate::image::bytes::Bytes;
use crate::image::limits::{Exceeded, Limits};

/// The first number that is not a user or group of Linux: the last of 32 bits means "leave it".
const ID_LIMIT: u64 = u32::MAX as u64;

/// What an extended attribute takes in memory beside its bytes, which may be one or two.
const ATTRIBUTE: usize = 128;

/// A place in a tar stream, and what the headers before it mean for those to come.
pub(super) struct Walker<'a, B> {
    pub(super) stream: &'a B,
    /// Where the next header lies.
    pub(super) at: u64,
    pub(super) limits: Limits,
    /// The entries that were read, and how many there are with those that were known.
    pub(super) table: Table,
    pub(super) count: usize,
    /// The bytes of all names and attributes so far, and the PAX records.
    names: u64,
    records: u64,
    /// Where the first PAX header lies, once one came by.
    pub(super) first_pax: Option<u64>,
    pub(super) pending: Pending,
}

impl<'a, B: Bytes> Walker<'a, B> {
    pub(super) fn new(stream: &'a B, limits: Limits) -> Self {
        Self {
            stream,
            at: 0,
            limits,
            table: Table::default(),
            count: 0,
            names: 0,
            records: 0,
            first_pax: None,
            pending: Pending::default(),
        }
    }

    /// Returns where the extension header lies that waits for the entry which it speaks of.
    pub(super) fn waiting(&self) -> Option<u64> {
        self.pending.start
    }

    /// Returns the header at the current place, its checksum verified; nothing at the end marker or
    /// the end of the stream.
    pub(super) fn next_header(&self) -> Result<Option<Header>, Damage> {
        if !self.stream.reaches(self.at + 1)? {
            return Ok(None);
        }
        if !self.stream.reaches(self.at + BLOCK)? {
            return damage(
                self.at,
                if self.at == 0 {
                    NOT_TAR
                } else {
                    "the archive is cut short inside a header"
                },
            );
        }
        let mut header = Header::new_old();
        self.stream.read_exact_at(header.as_mut_bytes(), self.at)?;
        verified(header, self.at)
    }

    /// Keeps an entry, within the limits on memory, and goes on behind it.
    pub(super) fn keep(&mut self, entry: &Entry<'_>) -> Result<(), Damage> {
        let xattrs = entry
            .meta
            .xattrs
            .iter()
            .map(|(name, value)| name.len() + value.len() + ATTRIBUTE);
        let names = entry.path.len() + entry.link.len() + xattrs.sum::<usize>();
        self.names += names as u64;
        let over = |name, value| damage(entry.start, Exceeded { name, value }.to_string());
        if self.count as u64 >= self.limits.entries {
            return over("entries", self.limits.entries);
        }
        if self.names > self.limits.names {
            return over("names", self.limits.names);
        }
        if self.table.push(entry).is_none() {
            return over("names", u64::from(u32::MAX));
        }
        self.count += 1;
        self.at = entry.end();
        Ok(())
    }

    /// Reads one header with what belongs to it. Extension headers are kept for the entry that they
    /// speak of.
    pub(super) fn entry(&mut self, header: &Header) -> Result<(), Damage> {
        let typeflag = header.as_bytes()[TYPE];
        match typeflag {
            b'x' | b'X' => self.pax(header),
            b'L' | b'K' => self.long_name(header, typeflag),
            b'g' => self.global(header),
            _ => self.member(header),
        }
    }

    fn member(&mut self, header: &Header) -> Result<(), Damage> {
        let at = self.at;
        let pending = std::mem::take(&mut self.pending);
        let records = pending.records.as_deref().unwrap_or_default();
        let typeflag = header.as_bytes()[TYPE];
        let number = |what: &str, value: Option<u64>| match pax::last(records, what) {
            // An empty one takes the record back, says POSIX, but some take it for zero.
            Some(text) => parse_number(text).map_or_else(
                || damage(at, format!("the PAX record `{what}` is not a number")),
                Ok,
            ),
            None => value.map_or_else(
                || damage(at, format!("the {what} field is not a number")),
                Ok,
            ),
        };
        let id = |what: &str, value: Option<u64>| match number(what, value)? {
            id if id < ID_LIMIT => Ok(id),
            id => damage(at, format!("the {what} {id} is more than Linux allows")),
        };
        if fields::strays(header) {
            return damage(
                at,
                "a header has bytes in a field that its format leaves empty; some extractors read them as part of the name or size",
            );
        }
        let path = agreed(
            at,
            "name",
            sparse_name(records).or_else(|| pax::value(records, "path")),
            pending.long_name,
            &header.path_bytes(),
            self.limits.path,
        )?;
        let link = agreed(
            at,
            "link name",
            pax::value(records, "linkpath"),
            pending.long_link,
            &header.link_name_bytes().unwrap_or_default(),
            self.limits.path,
        )?;
        let sparse = typeflag == b'S' || records.iter().any(|r| r.key.starts_with(b"GNU.sparse."));
        let kind = kind(header, &path, sparse).or_else(|why| damage(at, why))?;
        let size = number("size", number_field(&header.as_old().size))?;
        let stored = stored(kind, size, &path, self.first_pax.is_some());
        let stored = stored.or_else(|why| damage(at, why))?;
        // No PAX record speaks of the mode.
        let Some(mode) = octal(&header.as_old().mode) else {
            return damage(at, "the mode field is not a number");
        };
        let mode = u32::try_from(mode & 0o7777).expect("twelve bits");
        // What grants more than its caller has is what rules change all over an image.
        let grants = |record: &Record| record.key.ends_with(b"security.capability");
        if mode & 0o6000 != 0 || records.iter().any(grants) {
            self.stream.expect_again(at);
        }
        let end = |data: u64| {
            let end = data.checked_add(stored);
            end.and_then(|end| end.checked_next_multiple_of(BLOCK))
        };
        let (mut data, mut fits) = (at + BLOCK, true);
        let ignore = &mut |_, _| ();
        // The map is looked at before what lies behind it, since a stream may be read for the first
        // time.
        if typeflag == b'S' {
            let map = sparse::gnu(header, self.stream, at, stored, ignore)?;
            self.count_records(at, map.ranges)?;
            data = map.data;
            fits = records.iter().all(|r| !r.key.starts_with(b"GNU.sparse."));
        } else if kind == EntryKind::SparseFile && end(data).is_some() {
            let most = self.limits.records;
            let map = sparse::pax(records, self.stream, data, stored, most, ignore)?;
            fits = map.is_some();
            self.count_records(at, map.map_or(0, |map| map.ranges))?;
        }
        let end = end(data);
        if !self.stream.reaches(end.unwrap_or(u64::MAX))? {
            return damage(
                at,
                format!("the archive is cut short: it ends inside {path}"),
            );
        }
        if !fits {
            return damage(at, ODD_MAP);
        }
        let meta = Arc::new(Meta {
            mode,
            uid: id("uid", id_field(&header.as_old().uid, header.uid()))?,
            gid: id("gid", id_field(&header.as_old().gid, header.gid()))?,
            xattrs: xattrs(records),
        });
        let mtime = match pax::value(records, "mtime") {
            Some(text) => parse_number(text.split(|b| *b == b'.').next().unwrap_or_default())
                .unwrap_or_default(),
            // Before 1970 it is negative, which a new file need not inherit.
            None => header
                .mtime()
                .ok()
                .filter(|t| i64::try_from(*t).is_ok())
                .unwrap_or_default(),
        };
        self.keep(&Entry {
            start: pending.start.unwrap_or(at),
            header: at,
            data,
            stored,
            kind,
            path: path.as_bstr(),
            link: link.as_bstr(),
            meta: &meta,
            mtime,
        })
    }

    /// Holds the limit on PAX records, and on ranges of sparse files, which take as much.
    pub(super) fn count_records(&mut self, at: u64, more: u64) -> Result<(), Damage> {
        self.records = self.records.saturating_add(more);
        let (name, value) = ("records", self.limits.records);
        if self.records > value {
            return damage(at, Exceeded { name, value }.to_string());
        }
        Ok(())
    }
}

/// Returns a header whose checksum is right; nothing where the block is one of zeros, which ends an
/// archive.
pub(super) fn verified(mut header: Header, at: u64) -> Result<Option<Header>, Damage> {
    if header.as_bytes().iter().all(|b| *b == 0) {
        return Ok(None);
    }
    if !is_intact(&header) {
        return damage(
            at,
            if at == 0 {
                NOT_TAR
            } else {
                "a header's checksum fails: the archive is damaged"
            },
        );
    }
    if header.as_bytes().get(257..263) == Some(b"ustar\0") {
        // Extractors read the name's prefix whatever the version; so shall `tar::Header`.
        header.as_mut_bytes()[263..265].copy_from_slice(b"00");
    }
    Ok(Some(header))
}

/// Returns what an entry makes, where all extractors make the same.
fn kind(header: &Header, path: &BString, sparse: bool) -> Result<EntryKind, String> {
    Ok(match header.as_bytes()[TYPE] {
        0 if path.ends_with(b"/") && header.path_bytes().ends_with(b"/") => EntryKind::Directory,
        b'0' | 0 | b'7' | b'S' if path.ends_with(b"/") => {
            return Err(format!(
                "the name of the file {path} ends in a slash; extractors disagree on whether it is a directory"
            ));
        }
        b'0' | 0 | b'7' | b'S' if sparse => EntryKind::SparseFile,
        b'0' | 0 | b'7' => EntryKind::File,
        b'1' => EntryKind::HardLink,
        b'2' => EntryKind::Symlink,
        b'3' => EntryKind::CharDevice,
        b'4' => EntryKind::BlockDevice,
        b'5' => EntryKind::Directory,
        b'6' => EntryKind::Fifo,
        b'V' => EntryKind::Metadata,
        other => {
            return Err(format!(
                "unknown entry type `{}` for {path}",
                char::from(other).escape_default()
            ));
        }
    })
}

/// Returns how many bytes of data follow an entry's headers, given the size that those say and
/// whether PAX headers came before.
fn stored(kind: EntryKind, size: u64, path: &BString, after_pax: bool) -> Result<u64, String> {
    match kind {
        EntryKind::File | EntryKind::SparseFile => Ok(size),
        EntryKind::HardLink if after_pax && size > 0 => Err(format!(
            "the hard link {path} has a size in an archive with PAX headers; extractors disagree on whether data follows"
        )),
        // Elsewhere it may repeat its file's size, but no data follows.
        EntryKind::HardLink => Ok(0),
        _ if size == 0 => Ok(0),
        _ => Err(format!(
            "{path} is not a regular file but has a size; extractors disagree on where it ends"
        )),
    }
}

const NOT_TAR: &str = "this is not a tar archive, nor one compressed by gzip, zstd, xz or bzip2";

fn sparse_name(records: &[Record]) -> Option<&[u8]> {
    pax::value(records, "GNU.sparse.name")
}
