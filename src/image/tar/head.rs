//! An entry's headers as bytes that can be edited: only the fields that an edit names change.

use std::io;
use std::sync::Arc;

use bstr::{BString, ByteSlice};
use tar::{EntryType, Header};

use super::entry::{Damage, Entry};
use super::fields::{
    BLOCK, GNU_SPARSE, GROUP_NAME, LINK, NUMERIC_GID, NUMERIC_MODE, NUMERIC_MTIME, NUMERIC_SIZE,
    NUMERIC_UID, Numeric, PREFIX, TYPE, USER_NAME, number_field, padded, set_base256, set_checksum,
    set_number,
};
use super::pax::{self, Record};
use super::xattrs::{self, xattr};
use crate::image::stream::TarStream;

const SPARSE_NAME: &[u8] = b"GNU.sparse.name";

/// The extension headers and the header block of one entry.
#[derive(Clone)]
pub(crate) struct Head {
    extensions: Vec<Extension>,
    header: Header,
}

#[derive(Clone)]
enum Extension {
    Pax(Pax),
    Long { typeflag: u8, raw: Arc<[u8]> },
}

/// A PAX header: as the archive has it, unless it was edited.
#[derive(Clone)]
struct Pax {
    header: Box<Header>,
    records: Vec<Record>,
    raw: Arc<[u8]>,
    edited: bool,
}

/// How new headers of an archive are written, taken from an entry that it already has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Gnu,
    Ustar,
}

impl Head {
    /// Reads the headers of an entry as they stand in the stream.
    pub(crate) fn read(stream: &TarStream, entry: &Entry) -> Result<Self, Damage> {
        let length = usize::try_from(entry.header - entry.start)
            .map_err(|_| io::Error::other("an extension header is too large"))?;
        let mut bytes = vec![0; length];
        stream.read_exact_at(&mut bytes, entry.start)?;
        let mut header = Header::new_old();
        stream.read_exact_at(header.as_mut_bytes(), entry.header)?;
        let mut head = Self {
            extensions: Vec::new(),
            header,
        };
        let mut rest = &bytes[..];
        while rest.len() >= block() {
            let header = Box::new(Header::from_byte_slice(&rest[..block()]).clone());
            let size = number_field(&header.as_old().size)
                .and_then(|size| usize::try_from(size).ok())
                .ok_or_else(|| io::Error::other("an extension header is no longer as it was"))?;
            let end = block() + size.next_multiple_of(block());
            let raw: Arc<[u8]> = rest[..end].into();
            head.extensions.push(match header.as_bytes()[TYPE] {
                typeflag @ (b'L' | b'K') => Extension::Long { typeflag, raw },
                _ => {
                    let records =
                        pax::parse(&rest[block()..block() + size]).map_err(io::Error::other)?;
                    let edited = false;
                    Extension::Pax(Pax {
                        header,
                        records,
                        raw,
                        edited,
                    })
                }
            });
            rest = &rest[end..];
        }
        Ok(head)
    }

    /// Returns the header block itself.
    pub(super) fn header(&self) -> &Header {
        &self.header
    }

    /// Returns the records of its PAX headers, in order.
    pub(super) fn records(&self) -> Vec<Record> {
        self.all_records().cloned().collect()
    }

    fn all_records(&self) -> impl DoubleEndedIterator<Item = &Record> {
        self.extensions
            .iter()
            .flat_map(|extension| match extension {
                Extension::Pax(pax) => &pax.records[..],
                Extension::Long { .. } => &[],
            })
    }

    /// Returns the headers of an entry that the archive does not have yet.
    pub(crate) fn new(format: Format, kind: EntryType, name: &[u8]) -> Self {
        let mut header = match format {
            Format::Gnu => Header::new_gnu(),
            Format::Ustar => Header::new_ustar(),
        };
        header.set_entry_type(kind);
        for field in [
            NUMERIC_MODE,
            NUMERIC_UID,
            NUMERIC_GID,
            NUMERIC_SIZE,
            NUMERIC_MTIME,
        ] {
            let _ = set_number(&mut header, field, 0);
        }
        let mut head = Self {
            extensions: Vec::new(),
            header,
        };
        head.set_path(name);
        head
    }

    pub(crate) fn format(&self) -> Format {
        if self.header.as_gnu().is_some() {
            Format::Gnu
        } else {
            Format::Ustar
        }
    }

    /// Returns whether owners are also written by name.
    pub(crate) fn names_owners(&self) -> bool {
        self.header.username_bytes().is_some_and(|n| !n.is_empty())
    }

    /// Writes owners by name as well as by number; [`set_uid`](Self::set_uid) and `set_gid` then
    /// keep the names right.
    pub(crate) fn name_owners(&mut self) {
        for field in [USER_NAME, GROUP_NAME] {
            self.header.as_mut_bytes()[field] = b'?';
        }
    }

    pub(crate) fn set_mode(&mut self, mode: u32) {
        // The file type bits that some old tars put there stay.
        let kept = self.header.mode().unwrap_or_default() & !0o7777;
        let _ = set_number(&mut self.header, NUMERIC_MODE, u64::from(kept | mode));
    }

    /// Sets the owner by id; a name that stood beside the old id would contradict it, so it goes,
    /// or becomes root's.
    pub(crate) fn set_uid(&mut self, uid: u64) {
        self.set_pax_number(NUMERIC_UID, "uid", uid);
        self.set_owner_name(USER_NAME, "uname", uid);
    }

    /// Sets the group by id, and its name as [`set_uid`](Self::set_uid) does.
    pub(crate) fn set_gid(&mut self, gid: u64) {
        self.set_pax_number(NUMERIC_GID, "gid", gid);
        self.set_owner_name(GROUP_NAME, "gname", gid);
    }

    fn set_owner_name(&mut self, field: usize, key: &str, id: u64) {
        self.remove_records(|r| r.key == key);
        let field = &mut self.header.as_mut_bytes()[field..field + 32];
        if field[0] != 0 {
            field.fill(0);
            if id == 0 {
                field[..4].copy_from_slice(b"root");
            }
        }
    }

    pub(crate) fn set_mtime(&mut self, mtime: u64) {
        self.set_pax_number(NUMERIC_MTIME, "mtime", mtime);
    }

    pub(crate) fn set_size(&mut self, size: u64) {
        self.set_pax_number(NUMERIC_SIZE, "size", size);
    }

    /// A number that a PAX record may override: the record goes, and comes back only where the
    /// field cannot hold it.
    fn set_pax_number(&mut self, field: Numeric, key: &str, value: u64) {
        self.remove_records(|r| r.key == key);
        if !set_number(&mut self.header, field, value) {
            match self.format() {
                Format::Gnu => set_base256(&mut self.header, field, value),
                Format::Ustar => {
                    let _ = set_number(&mut self.header, field, 0);
                    self.add_record(key.as_bytes(), value.to_string().as_bytes());
                }
            }
        }
    }

    /// Returns the major and minor number of the device that the entry makes.
    pub(crate) fn device(&self) -> (u32, u32) {
        let number = |field: io::Result<Option<u32>>| field.ok().flatten().unwrap_or_default();
        let Self { header, .. } = self;
        (number(header.device_major()), number(header.device_minor()))
    }

    pub(crate) fn set_device(&mut self, (major, minor): (u32, u32)) {
        let _ = self.header.set_device_major(major);
        let _ = self.header.set_device_minor(minor);
    }

    pub(crate) fn set_kind(&mut self, kind: EntryType) {
        self.header.set_entry_type(kind);
    }

    pub(crate) fn set_path(&mut self, name: &[u8]) {
        if self.record(SPARSE_NAME).is_some() {
            // The header's own name is one for extractors that know no sparse files.
            self.remove_records(|r| r.key == SPARSE_NAME);
            self.add_record(SPARSE_NAME, name);
            return;
        }
        self.set_long(b'L', "path", name);
    }

    pub(crate) fn set_link(&mut self, target: &[u8]) {
        self.set_long(b'K', "linkpath", target);
    }

    /// Makes an entry that was something else a plain file without a link target or holes.
    /// Makes it the head of a sparse file whose stored data begins with a map (version 1.0 of GNU tar's
    /// PAX form), as `path` with the holes filled has `size` bytes.
    pub(super) fn make_sparse(&mut self, path: &[u8], size: u64) {
        // For extractors that know no sparse files.
        let (folder, name) = path.split_at(path.rfind_byte(b'/').map_or(0, |slash| slash + 1));
        self.set_path(&[folder, b"GNUSparseFile.0/", name].concat());
        self.add_record(b"GNU.sparse.major", b"1");
        self.add_record(b"GNU.sparse.minor", b"0");
        self.add_record(SPARSE_NAME, path);
        self.add_record(b"GNU.sparse.realsize", size.to_string().as_bytes());
    }

    pub(crate) fn make_plain_file(&mut self) {
        self.set_link(b"");
        if self.header.entry_type().is_gnu_sparse() {
            self.header.as_mut_bytes()[GNU_SPARSE].fill(0);
        }
        self.set_kind(EntryType::Regular);
        let name = self.record(SPARSE_NAME);
        self.remove_records(|r| r.key.starts_with(b"GNU.sparse."));
        if let Some(name) = name {
            self.set_path(&name);
        }
    }

    fn record(&self, key: &[u8]) -> Option<BString> {
        let last = self.all_records().rfind(|r| r.key == key);
        last.map(|r| r.value.clone())
    }

    pub(crate) fn remove_xattr(&mut self, name: &[u8]) {
        self.remove_records(|r| xattr(r).is_some_and(|(n, _)| n == name));
    }

    pub(crate) fn add_xattr(&mut self, name: &[u8], value: &[u8]) {
        self.add_record(&xattrs::key(name), value);
    }

    /// A name or link target, in the header where it fits, else in the way that the archive's
    /// format has for long ones.
    fn set_long(&mut self, typeflag: u8, key: &str, name: &[u8]) {
        self.remove_records(|r| r.key == key);
        self.extensions
            .retain(|e| !matches!(e, Extension::Long { typeflag: t, .. } if *t == typeflag));
        let ustar = self.format() == Format::Ustar;
        let bytes = self.header.as_mut_bytes();
        let field = if typeflag == b'L' { 0..100 } else { LINK };
        bytes[field.clone()].fill(0);
        if typeflag == b'L' && ustar {
            bytes[PREFIX].fill(0);
        }
        let cut = name.len().min(100);
        bytes[field][..cut].copy_from_slice(&name[..cut]);
        if name.len() > 100 {
            if ustar {
                self.add_record(key.as_bytes(), name);
            } else {
                self.extensions.push(Extension::Long {
                    typeflag,
                    raw: gnu_long(typeflag, name),
                });
            }
        }
    }

    fn remove_records(&mut self, which: impl Fn(&Record) -> bool) {
        for pax in self.pax_mut() {
            let before = pax.records.len();
            pax.records.retain(|record| !which(record));
            pax.edited |= pax.records.len() != before;
        }
    }

    fn pax_mut(&mut self) -> impl Iterator<Item = &mut Pax> {
        self.extensions
            .iter_mut()
            .filter_map(|extension| match extension {
                Extension::Pax(pax) => Some(pax),
                Extension::Long { .. } => None,
            })
    }

    fn add_record(&mut self, key: &[u8], value: &[u8]) {
        let record = Record::new(key, value);
        if let Some(pax) = self.pax_mut().next() {
            pax.records.push(record);
            pax.edited = true;
            return;
        }
        let mut header = Box::new(self.header.clone());
        header.set_entry_type(EntryType::XHeader);
        let bytes = header.as_mut_bytes();
        bytes[..100].fill(0);
        bytes[..16].copy_from_slice(b"././@PaxHeader\0\0");
        bytes[LINK].fill(0);
        if header.as_ustar().is_some() {
            header.as_mut_bytes()[PREFIX].fill(0);
        }
        let (records, raw, edited) = (vec![record], Arc::default(), true);
        let pax = Pax {
            header,
            records,
            raw,
            edited,
        };
        self.extensions.insert(0, Extension::Pax(pax));
    }

    /// Returns the headers as the archive holds them, checksums renewed where something changed.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for extension in &self.extensions {
            match extension {
                Extension::Long { raw, .. } => out.extend_from_slice(raw),
                Extension::Pax(pax) if !pax.edited => out.extend_from_slice(&pax.raw),
                Extension::Pax(pax) if pax.records.is_empty() => {}
                Extension::Pax(pax) => {
                    let records: Vec<&[u8]> = pax.records.iter().map(Record::raw).collect();
                    let data = records.concat();
                    let mut header = Header::clone(&pax.header);
                    let _ = set_number(&mut header, NUMERIC_SIZE, data.len() as u64);
                    set_checksum(&mut header);
                    out.extend_from_slice(header.as_bytes());
                    out.extend_from_slice(&data);
                    out.resize(out.len().next_multiple_of(block()), 0);
                }
            }
        }
        let mut header = self.header.clone();
        set_checksum(&mut header);
        out.extend_from_slice(header.as_bytes());
        out
    }
}

fn block() -> usize {
    usize::try_from(BLOCK).expect("512")
}

fn gnu_long(typeflag: u8, name: &[u8]) -> Arc<[u8]> {
    let mut header = Header::new_gnu();
    header.as_mut_bytes()[..13].copy_from_slice(b"././@LongLink");
    header.set_entry_type(EntryType::new(typeflag));
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(name.len() as u64 + 1);
    header.set_cksum();
    let mut out = header.as_bytes().to_vec();
    out.extend_from_slice(name);
    out.resize(
        usize::try_from(padded(out.len() as u64 + 1)).expect("a name"),
        0,
    );
    out.into()
}

/// Returns the name that a path has in the archive's own style, given an entry whose style to
/// follow.
pub(crate) fn styled(path: &[u8], like: &[u8], directory: bool) -> BString {
    let mut out = BString::default();
    if like.starts_with(b"./") || like == b"." {
        out.extend_from_slice(b"./");
    } else if like.starts_with(b"/") {
        out.push(b'/');
    }
    out.extend_from_slice(path.trim_start_with(|c| c == '/'));
    if directory && like.ends_with(b"/") {
        out.push(b'/');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::OpenOptions;

    #[test]
    fn a_size_that_could_be_indexed_can_be_edited() {
        let mut bytes = casehard_testimages::build("file a format=pax pax:mtime=5\n").unwrap();
        // A blank ends a number, whatever is behind it.
        let size = usize::from_str_radix(str::from_utf8(&bytes[124..135]).unwrap(), 8).unwrap();
        bytes[124..136].copy_from_slice(format!("{size:08o} 7 \0").as_bytes());
        let mut header = Header::from_byte_slice(&bytes[..512]).clone();
        header.set_cksum();
        bytes[..512].copy_from_slice(header.as_bytes());
        let image = OpenOptions::new().read("t.tar", &bytes[..]).unwrap();
        let (layer, entry) = image.entry(0);
        let head = layer.head(&entry).unwrap();
        let end = usize::try_from(entry.header + BLOCK).unwrap();
        assert_eq!(head.to_bytes(), bytes[..end]);
    }
}
