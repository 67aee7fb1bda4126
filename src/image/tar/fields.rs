//! Blocks, and the fields of a tar header: where they lie, numbers read where all extractors read
//! the same, and written.

use std::io;
use std::ops::Range;

use bstr::ByteSlice;
use tar::Header;

/// A tar stream's unit, in bytes: headers take one, and data is padded to whole ones.
pub(in crate::image) const BLOCK: u64 = 512;

/// Where the type of an entry stands in its header.
pub(super) const TYPE: usize = 156;
/// The target of a link.
pub(super) const LINK: Range<usize> = 157..257;
/// Where the owner's name begins, and the group's.
pub(super) const USER_NAME: usize = 265;
pub(super) const GROUP_NAME: usize = 297;
/// The part of a name that stands before it, in headers since 1988.
pub(super) const PREFIX: Range<usize> = 345..500;
/// Times, sparse map, is-extended flag and real size, in headers of GNU tar.
pub(super) const GNU_SPARSE: Range<usize> = 345..495;

pub(super) fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK)
}

/// Returns a size where all extractors read the same: octal digits, or GNU's base 256 without a bit
/// to spare.
pub(super) fn number_field(field: &[u8; 12]) -> Option<u64> {
    match field.split_last_chunk::<8>() {
        Some(([0x80, 0, 0, 0], low)) => Some(u64::from_be_bytes(*low)),
        _ => octal(field),
    }
}

pub(super) fn id_field(field: &[u8], value: io::Result<u64>) -> Option<u64> {
    if field[0] & 0x80 == 0 {
        octal(field)
    } else {
        value.ok()
    }
}

/// Octal digits between blanks; a blank field is zero.
pub(super) fn octal(field: &[u8]) -> Option<u64> {
    let blank = |b: &u8| matches!(b, b' ' | 0);
    if field.iter().all(blank) {
        return Some(0);
    }
    let digits = field.trim_start_with(|c| c == ' ');
    let digits = &digits[..digits.iter().position(blank).unwrap_or(digits.len())];
    digits.first()?;
    digits.iter().try_fold(0, |sum, b| {
        matches!(b, b'0'..=b'7').then(|| sum << 3 | u64::from(b - b'0'))
    })
}

/// Returns whether a header's checksum is that of its bytes, with blanks for itself; historic tars
/// added the bytes as signed ones.
pub(super) fn is_intact(header: &Header) -> bool {
    let Ok(stored) = header.cksum() else {
        return false;
    };
    let bytes = without_checksum(header);
    let sum: u32 = bytes.iter().map(|byte| u32::from(*byte)).sum();
    let signed: i32 = bytes.iter().map(|b| i32::from(b.cast_signed())).sum();
    stored == sum || stored.cast_signed() == signed
}

/// Returns the bytes that a checksum is made of: the header's, with blanks for the checksum itself.
fn without_checksum(header: &Header) -> [u8; 512] {
    let mut bytes = *header.as_bytes();
    let (at, len) = NUMERIC_CHECKSUM;
    bytes[at..at + len].fill(b' ');
    bytes
}

/// Returns whether there is something in the last part of a header that only some extractors read:
/// Python takes it for a prefix of the name whatever the format, libarchive takes a part of it for
/// the size and the map of holes in any GNU header, and Go's prefix is shorter in what star wrote.
pub(super) fn strays(header: &Header) -> bool {
    let bytes = header.as_bytes();
    if bytes[257..263] == *b"ustar\0" {
        return bytes[508..] == *b"tar\0" && bytes[475] != 0;
    }
    let sparse = bytes[257..265] == *b"ustar  \0" && bytes[TYPE] == b'S';
    !sparse && bytes[PREFIX].iter().any(|b| *b != 0)
}

pub(super) fn parse_number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit).then_some(text)?;
    digits.to_str().ok()?.parse().ok()
}

/// The place of a numeric field in a header block.
pub(super) type Numeric = (usize, usize);
pub(super) const NUMERIC_MODE: Numeric = (100, 8);
pub(super) const NUMERIC_UID: Numeric = (108, 8);
pub(super) const NUMERIC_GID: Numeric = (116, 8);
pub(super) const NUMERIC_SIZE: Numeric = (124, 12);
pub(super) const NUMERIC_MTIME: Numeric = (136, 12);
const NUMERIC_CHECKSUM: Numeric = (148, 8);

/// Writes an octal number over the digits that are there, so that width, blanks and terminator stay
/// the writer's own. False where the number does not fit.
pub(super) fn set_number(header: &mut Header, (at, len): Numeric, value: u64) -> bool {
    let field = &mut header.as_mut_bytes()[at..at + len];
    let last = field.iter().rposition(u8::is_ascii_digit);
    let end = last.map_or(0, |last| last + 1);
    let well_formed = end > 0
        && field[..end]
            .iter()
            .all(|b| b.is_ascii_digit() || *b == b' ');
    let end = if well_formed { end } else { len - 1 };
    let digits = format!("{value:o}");
    // A terminator may give way to a digit, as writers do for sizes over 8 GiB minus one.
    let end = if digits.len() > end { len - 1 } else { end };
    if digits.len() > end {
        return false;
    }
    if !well_formed {
        field.fill(0);
    }
    field[..end].fill(b'0');
    field[end - digits.len()..end].copy_from_slice(digits.as_bytes());
    true
}

pub(super) fn set_base256(header: &mut Header, (at, len): Numeric, value: u64) {
    let field = &mut header.as_mut_bytes()[at..at + len];
    field.fill(0);
    field[len - 8..].copy_from_slice(&value.to_be_bytes());
    field[0] |= 0x80;
}

pub(super) fn set_checksum(header: &mut Header) {
    let sum = without_checksum(header).iter().map(|b| u32::from(*b)).sum();
    if header.cksum().ok() != Some(sum) && !set_number(header, NUMERIC_CHECKSUM, u64::from(sum)) {
        header.set_cksum();
    }
}
