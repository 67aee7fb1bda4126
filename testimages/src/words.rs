//! Words, escapes and values of a description line.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::content;

/// Splits a line at blanks and resolves backslashes.
pub(crate) fn split(line: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut words = Vec::new();
    let mut word: Option<Vec<u8>> = None;
    let mut bytes = line.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b' ' | b'\t' => words.extend(word.take()),
            b'\\' => {
                let resolved = escape(&mut bytes)?;
                word.get_or_insert_default().push(resolved);
            }
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    Ok(words)
}

fn escape(bytes: &mut impl Iterator<Item = u8>) -> Result<u8, String> {
    match bytes.next() {
        Some(b'n') => Ok(b'\n'),
        Some(b't') => Ok(b'\t'),
        Some(kept @ (b'\\' | b' ')) => Ok(kept),
        Some(b'x') => {
            let digits: Vec<u8> = bytes.take(2).collect();
            hex(&digits)?
                .first()
                .copied()
                .ok_or_else(|| "`\\x` wants two digits".to_owned())
        }
        Some(other) => Err(format!(
            "unknown escape `\\{}`; known are \\xHH, \\n, \\t, \\\\ and `\\ `",
            char::from(other)
        )),
        None => Err("a backslash at the end of the line".to_owned()),
    }
}

/// Splits `KEY=VALUE` at the first `=`; a word without one is a flag.
pub(crate) fn key_value(word: &[u8]) -> Result<(&str, Option<&[u8]>), String> {
    let equals = word.iter().position(|&byte| byte == b'=');
    let key = std::str::from_utf8(&word[..equals.unwrap_or(word.len())])
        .map_err(|_| "a key is not text".to_owned())?;
    Ok((key, equals.map(|at| &word[at + 1..])))
}

/// The bytes that a value stands for.
pub(crate) fn value(word: &[u8]) -> Result<Vec<u8>, String> {
    if let Some(digits) = word.strip_prefix(b"hex:") {
        hex(digits)
    } else if let Some(digits) = word.strip_prefix(b"base64:") {
        base64(digits)
    } else if let Some(digits) = word.strip_prefix(b"zero:") {
        Ok(vec![0; length(digits)?])
    } else if let Some(digits) = word.strip_prefix(b"fill:") {
        content::fill(digits)
    } else {
        Ok(word.strip_prefix(b"text:").unwrap_or(word).to_vec())
    }
}

/// A decimal number.
pub(crate) fn number(word: &[u8]) -> Result<u64, String> {
    text(word)?
        .parse()
        .map_err(|_| format!("`{}` is not a number", show(word)))
}

/// A mode, in octal.
pub(crate) fn mode(word: &[u8]) -> Result<u32, String> {
    u32::from_str_radix(text(word)?, 8)
        .ok()
        .filter(|&mode| mode <= 0o7777)
        .ok_or_else(|| format!("`{}` is not an octal mode", show(word)))
}

/// A size in bytes, with `K` or `M` behind it.
pub(crate) fn size(word: &[u8]) -> Result<u64, String> {
    let (digits, unit) = match word.split_last() {
        Some((b'K', digits)) => (digits, 1 << 10),
        Some((b'M', digits)) => (digits, 1 << 20),
        _ => (word, 1),
    };
    number(digits)?
        .checked_mul(unit)
        .ok_or_else(|| format!("`{}` is too large", show(word)))
}

/// A size of something that is held in memory.
pub(crate) fn length(word: &[u8]) -> Result<usize, String> {
    usize::try_from(size(word)?).map_err(|_| format!("`{}` is too large", show(word)))
}

/// A word that must be text.
pub(crate) fn text(word: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(word).map_err(|_| format!("`{}` is not text", show(word)))
}

/// A word as a message shows it.
pub(crate) fn show(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

fn hex(digits: &[u8]) -> Result<Vec<u8>, String> {
    let mistake = || format!("`{}` is not pairs of hexadecimal digits", show(digits));
    if !digits.len().is_multiple_of(2) || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(mistake());
    }
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(text(pair)?, 16).map_err(|_| mistake()))
        .collect()
}

fn base64(digits: &[u8]) -> Result<Vec<u8>, String> {
    STANDARD
        .decode(digits)
        .or_else(|_| STANDARD_NO_PAD.decode(digits))
        .map_err(|error| format!("`{}` is not base64: {error}", show(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_at_blanks_and_resolves_escapes() {
        let words = split("file  a\\ b\t\\xffc\\\\x2d k=v").unwrap();
        assert_eq!(
            words,
            [&b"file"[..], b"a b", b"\xffc\\x2d", b"k=v"].map(<[u8]>::to_vec)
        );
        assert!(split("a\\q").is_err());
        assert!(split("a\\x4").is_err());
        assert!(split("a\\").is_err());
    }

    #[test]
    fn reads_values_and_sizes() {
        assert_eq!(value(b"hex:00ff").unwrap(), [0, 255]);
        assert_eq!(value(b"base64:AAE").unwrap(), [0, 1]);
        assert_eq!(value(b"zero:2").unwrap(), [0, 0]);
        assert_eq!(value(b"text:hex:00").unwrap(), b"hex:00");
        assert_eq!(size(b"3K").unwrap(), 3072);
        assert!(size(b"99999999999999999M").is_err());
        assert!(size(b"K").is_err());
        assert!(mode(b"10000").is_err());
        assert!(value(b"hex:0g").is_err());
    }
}
