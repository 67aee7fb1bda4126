//! Extension headers: PAX records, of one entry or of all, and GNU's long names.

use std::io;
use std::sync::Arc;

use bstr::{BStr, BString, ByteSlice};
use tar::Header;

use super::entry::{Damage, Entry, EntryKind, damage};
use super::fields::{BLOCK, number_field, padded};
use super::pax::{self, Record};
use super::walker::Walker;
use super::xattrs::{LIBARCHIVE_XATTR, SCHILY_ACL, SCHILY_XATTR};
use crate::image::bytes::Bytes;
use crate::image::limits::{Exceeded, too_long};

/// Extension headers that wait for the entry they speak of.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) start: Option<u64>,
    pub(super) records: Option<Vec<Record>>,
    pub(super) long_name: Option<BString>,
    pub(super) long_link: Option<BString>,
}

impl<B: Bytes> Walker<'_, B> {
    /// Keeps the records of a PAX header for the entry after it.
    pub(super) fn pax(&mut self, header: &Header) -> Result<(), Damage> {
        let at = self.at;
        let records = self.records(header)?;
        if self.pending.records.replace(records).is_some() {
            return damage(
                at,
                "two PAX headers precede one entry; extractors disagree on such an archive",
            );
        }
        self.pending.start.get_or_insert(at);
        Ok(())
    }

    /// Keeps a GNU long name, or a link's long target, for the entry after it.
    pub(super) fn long_name(&mut self, header: &Header, typeflag: u8) -> Result<(), Damage> {
        let at = self.at;
        let mut name = self.extension(header)?;
        name.truncate(name.find_byte(0).unwrap_or(name.len()));
        let slot = if typeflag == b'L' {
            &mut self.pending.long_name
        } else {
            &mut self.pending.long_link
        };
        if slot.replace(name.into()).is_some() {
            return damage(
                at,
                "two long names precede one entry; extractors disagree on such an archive",
            );
        }
        self.pending.start.get_or_insert(at);
        Ok(())
    }

    /// Reads a global PAX header, which may say nothing of entries.
    pub(super) fn global(&mut self, header: &Header) -> Result<(), Damage> {
        let at = self.at;
        if self.pending.start.is_some() {
            return damage(
                at,
                "a global PAX header stands between an entry and its extension header",
            );
        }
        if let Some(record) = self
            .records(header)?
            .iter()
            .find(|r| speaks_of_an_entry(&r.key))
        {
            return damage(
                at,
                format!(
                    "a global PAX header sets `{}` for all entries; extractors disagree on that",
                    record.key
                ),
            );
        }
        self.keep(&Entry {
            start: at,
            header: at,
            data: at + BLOCK,
            stored: self.at - (at + BLOCK),
            kind: EntryKind::Metadata,
            path: BStr::new(""),
            link: BStr::new(""),
            meta: &Arc::default(),
            mtime: 0,
        })
    }

    fn records(&mut self, header: &Header) -> Result<Vec<Record>, Damage> {
        let at = self.at;
        self.first_pax.get_or_insert(at);
        let data = self.extension(header)?;
        let records = pax::parse(&data).or_else(|message| damage(at, message))?;
        self.count_records(at, records.len() as u64)?;
        Ok(records)
    }

    /// Returns the data of an extension header; moves past it.
    fn extension(&mut self, header: &Header) -> Result<Vec<u8>, Damage> {
        let size = number_field(&header.as_old().size)
            .map_or_else(|| damage(self.at, "the size field is not a number"), Ok)?;
        if size > self.limits.extension.min(1 << 30) {
            let (name, value) = ("extension", self.limits.extension);
            return damage(self.at, Exceeded { name, value }.to_string());
        }
        let data = self.at + BLOCK;
        let mut bytes = vec![0; usize::try_from(size).expect("at most a gibibyte")];
        let whole = match self.stream.read_exact_at(&mut bytes, data) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => false,
            read => {
                read?;
                self.stream.reaches(padded(data + size))?
            }
        };
        if !whole {
            return damage(
                self.at,
                "the archive is cut short inside an extension header",
            );
        }
        self.at = padded(data + size);
        Ok(bytes)
    }
}

/// Returns one name from the up to three places that may give it. GNU tar and Go rank PAX and GNU
/// names differently, so the two must agree where both are there.
pub(super) fn agreed(
    at: u64,
    what: &str,
    pax: Option<&[u8]>,
    gnu: Option<BString>,
    header: &[u8],
    longest: u64,
) -> Result<BString, Damage> {
    let name: BString = match (pax, gnu) {
        (Some(pax), Some(gnu)) if pax != gnu => {
            return damage(
                at,
                format!(
                    "a PAX and a GNU {what} differ ({} and {gnu}); extractors disagree on which counts",
                    pax.as_bstr()
                ),
            );
        }
        (Some(pax), _) => pax.into(),
        (None, Some(gnu)) => gnu,
        (None, None) => header.into(),
    };
    if name.is_empty() && what == "name" {
        return damage(
            at,
            "an entry has no name; extractors disagree on what it is",
        );
    }
    if name.len() as u64 > longest {
        return damage(
            at,
            format!("a {what} has {} bytes; {}", name.len(), too_long(longest)),
        );
    }
    if name.contains(&0) {
        return damage(at, format!("a {what} holds a NUL byte"));
    }
    Ok(name)
}

fn speaks_of_an_entry(key: &[u8]) -> bool {
    matches!(
        key,
        b"path" | b"linkpath" | b"size" | b"uid" | b"gid" | b"uname" | b"gname"
    ) || [
        &b"GNU.sparse."[..],
        SCHILY_XATTR,
        SCHILY_ACL,
        LIBARCHIVE_XATTR,
    ]
    .iter()
    .any(|p| key.starts_with(p))
}
