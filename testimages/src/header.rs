//! One 512-byte header, written field by field.
//!
//! The setters of the tar crate refuse what these images are about (absolute names, bytes that are no text), so names and forced
//! base-256 numbers go into the block directly.

use std::ops::Range;

use tar::Header;

use crate::model::{Entry, Format, Kind, Owner, SparseStyle};

/// The unit of the format.
pub(crate) const BLOCK: usize = 512;

const NAME: Range<usize> = 0..100;
const UID: Range<usize> = 108..116;
const GID: Range<usize> = 116..124;
const CHECKSUM: usize = 148;
const TYPE: usize = 156;
const LINK: Range<usize> = 157..257;
const UNAME: Range<usize> = 265..297;
const GNAME: Range<usize> = 297..329;
const PREFIX: Range<usize> = 345..500;

/// The largest id that fits in seven octal digits.
pub(crate) const OCTAL_ID_MAX: u64 = 0o7_777_777;

/// An empty header of a format.
pub(crate) fn empty(format: Format) -> Header {
    match format {
        Format::V7 => Header::new_old(),
        Format::Ustar | Format::Pax => Header::new_ustar(),
        Format::Gnu => Header::new_gnu(),
    }
}

/// A header for a record that belongs to the format, not to the rootfs.
pub(crate) fn auxiliary(
    format: Format,
    typeflag: u8,
    name: &[u8],
    mtime: u64,
    size: usize,
) -> [u8; BLOCK] {
    let mut header = empty(format);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_size(size as u64);
    let bytes = header.as_mut_bytes();
    put(bytes, NAME, &name[..name.len().min(NAME.len())]);
    bytes[TYPE] = typeflag;
    header.set_cksum();
    *header.as_bytes()
}

/// An entry's own header; `name` and `link` are as much of them as the header shall hold.
pub(crate) fn of_entry(entry: &Entry, names: &Names, size: u64) -> Result<Header, String> {
    let mut header = empty(entry.format);
    header.set_mode(entry.mode);
    header.set_mtime(entry.mtime.seconds);
    header.set_size(entry.wrong.size.unwrap_or(size));
    set_ids(&mut header, &entry.owner, entry.format)?;
    if let Some((major, minor)) = entry.device {
        let fits = |_| "a v7 header has no device numbers".to_owned();
        header.set_device_major(major).map_err(fits)?;
        header.set_device_minor(minor).map_err(fits)?;
    }
    let bytes = header.as_mut_bytes();
    put(bytes, NAME, &names.name);
    put(bytes, LINK, &names.link);
    if entry.format != Format::V7 {
        put_within(bytes, UNAME, &entry.owner.uname)?;
        put_within(bytes, GNAME, &entry.owner.gname)?;
    }
    if !names.prefix.is_empty() {
        put(bytes, PREFIX, &names.prefix);
    }
    bytes[TYPE] = entry.wrong.typeflag.unwrap_or_else(|| typeflag(entry));
    Ok(header)
}

/// Writes the checksum, or a wrong one.
pub(crate) fn seal(mut header: Header, wrong: bool) -> [u8; BLOCK] {
    header.set_cksum();
    let mut bytes = *header.as_bytes();
    if wrong {
        // Six octal digits, of which the first is always 0 in a real header.
        bytes[CHECKSUM] = b'7';
    }
    bytes
}

/// The names as they are put into a header.
#[derive(Default)]
pub(crate) struct Names {
    pub(crate) prefix: Vec<u8>,
    pub(crate) name: Vec<u8>,
    pub(crate) link: Vec<u8>,
}

impl Names {
    /// Fits a name into the header of a format: whole, split at a `/` as ustar does, or not at all.
    pub(crate) fn fit(format: Format, name: &[u8]) -> Option<Self> {
        if name.len() <= NAME.len() {
            return Some(Self {
                name: name.to_vec(),
                ..Self::default()
            });
        }
        if !matches!(format, Format::Ustar | Format::Pax) {
            return None;
        }
        let slash = (0..name.len()).find(|&at| {
            let rest = name.len() - at - 1;
            name[at] == b'/' && at > 0 && at <= PREFIX.len() && (1..=NAME.len()).contains(&rest)
        })?;
        Some(Self {
            prefix: name[..slash].to_vec(),
            name: name[slash + 1..].to_vec(),
            ..Self::default()
        })
    }

    /// As much of a name as a header holds; a record before it has the rest.
    pub(crate) fn cut(name: &[u8]) -> Vec<u8> {
        name[..name.len().min(NAME.len())].to_vec()
    }
}

fn typeflag(entry: &Entry) -> u8 {
    let sparse = entry.sparse.as_ref().map(|sparse| sparse.style);
    match entry.kind {
        Kind::File if sparse == Some(SparseStyle::Gnu) => b'S',
        Kind::File if entry.format == Format::V7 => 0,
        Kind::File => b'0',
        Kind::Hardlink => b'1',
        Kind::Symlink => b'2',
        Kind::Char => b'3',
        Kind::Block => b'4',
        Kind::Dir => b'5',
        Kind::Fifo => b'6',
    }
}

fn set_ids(header: &mut Header, owner: &Owner, format: Format) -> Result<(), String> {
    for (id, range) in [(owner.uid, UID), (owner.gid, GID)] {
        let large = id > OCTAL_ID_MAX;
        if owner.base256 || (large && format == Format::Gnu) {
            if id >= 1 << 56 {
                return Err(format!("the id {id} does not fit in base 256"));
            }
            let mut field = id.to_be_bytes();
            field[0] = 0x80;
            put(header.as_mut_bytes(), range, &field);
        } else if large && format != Format::Pax {
            return Err(format!("the id {id} needs format gnu or pax, or base256"));
        } else {
            let octal = format!("{:07o}\0", if large { 0 } else { id });
            put(header.as_mut_bytes(), range, octal.as_bytes());
        }
    }
    Ok(())
}

fn put(block: &mut [u8; BLOCK], range: Range<usize>, value: &[u8]) {
    let field = &mut block[range];
    field.fill(0);
    field[..value.len()].copy_from_slice(value);
}

fn put_within(block: &mut [u8; BLOCK], range: Range<usize>, value: &[u8]) -> Result<(), String> {
    if value.len() > range.len() {
        return Err("a user or group name is longer than 32 bytes".to_owned());
    }
    put(block, range, value);
    Ok(())
}
