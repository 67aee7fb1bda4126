//! Blocks, and the number fields of a tar header, read where all extractors read the same.

use std::io;

use bstr::ByteSlice;
use tar::Header;

/// A tar stream's unit, in bytes: headers take one, and data is padded to whole ones.
pub(super) const BLOCK: u64 = 512;

pub(super) fn padded(size: u64) -> u64 {
    size.next_multiple_of(BLOCK)
}

/// A size where all extractors read the same: octal digits, or GNU's base 256 without a bit to spare.
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

/// The sum of a header's bytes with its checksum field as blanks; historic tars added the bytes as signed ones.
pub(super) fn checksums(header: &Header) -> (u64, i64) {
    header
        .as_bytes()
        .iter()
        .enumerate()
        .fold((0, 0), |(unsigned, signed), (at, byte)| {
            let byte = if (148..156).contains(&at) {
                b' '
            } else {
                *byte
            };
            (
                unsigned + u64::from(byte),
                signed + i64::from(byte.cast_signed()),
            )
        })
}

/// Whether there is something in the last part of a header that only some extractors read: Python takes it for a prefix of the
/// name whatever the format, libarchive takes a part of it for the size and the map of holes in any GNU header, and Go's
/// prefix is shorter in what star wrote.
pub(super) fn strays(header: &Header) -> bool {
    let bytes = header.as_bytes();
    if bytes[257..263] == *b"ustar\0" {
        return bytes[508..] == *b"tar\0" && bytes[475] != 0;
    }
    let sparse = bytes[257..265] == *b"ustar  \0" && bytes[156] == b'S';
    !sparse && bytes[345..500].iter().any(|b| *b != 0)
}

pub(super) fn parse_number(text: &[u8]) -> Option<u64> {
    text.to_str()
        .ok()
        .filter(|t| t.bytes().all(|b| b.is_ascii_digit()))?
        .parse()
        .ok()
}
