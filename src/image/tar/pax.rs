//! PAX extended header records: `LENGTH KEY=VALUE\n`.
//!
//! Values can be binary (a file capability may hold a newline), so only the length says where a
//! record ends.

use bstr::{BString, ByteSlice};

/// One record; `raw` keeps its very bytes, so that records nobody changes are written back as they
/// were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: BString,
    pub(crate) value: BString,
    raw: Vec<u8>,
}

impl Record {
    pub(crate) fn new(key: &[u8], value: &[u8]) -> Self {
        // The length counts its own digits, so grow it until it holds.
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while rest + length.to_string().len() != length {
            length = rest + length.to_string().len();
        }
        let mut raw = length.to_string().into_bytes();
        raw.push(b' ');
        raw.extend_from_slice(key);
        raw.push(b'=');
        raw.extend_from_slice(value);
        raw.push(b'\n');
        Self {
            key: key.into(),
            value: value.into(),
            raw,
        }
    }

    pub(crate) fn raw(&self) -> &[u8] {
        &self.raw
    }
}

/// Splits an extended header's data into its records, or says what is wrong with it.
pub(crate) fn parse(mut data: &[u8]) -> Result<Vec<Record>, &'static str> {
    let mut records = Vec::new();
    while !data.is_empty() {
        let space = data.iter().take(20).position(|b| *b == b' ');
        let space = space.ok_or("a PAX record has no length")?;
        let digits = &data[..space];
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err("the length of a PAX record is not a number");
        }
        let length = digits.to_str().ok().and_then(|d| d.parse().ok());
        let length: usize = length.ok_or("the length of a PAX record is too large")?;
        if length > data.len() || length < space + 3 {
            return Err("the length of a PAX record does not fit its header");
        }
        let (raw, rest) = data.split_at(length);
        let body = raw[space + 1..]
            .strip_suffix(b"\n")
            .ok_or("a PAX record does not end in a newline")?;
        let (key, value) = body.split_once_str("=").ok_or("a PAX record has no `=`")?;
        if key.is_empty() {
            return Err("a PAX record has no key");
        }
        records.push(Record {
            key: key.into(),
            value: value.into(),
            raw: raw.into(),
        });
        data = rest;
    }
    Ok(records)
}

/// Returns the value that counts for a key: the last one; an empty one takes the key back, as POSIX
/// has it.
pub(crate) fn value<'a>(records: &'a [Record], key: &str) -> Option<&'a [u8]> {
    last(records, key).filter(|v| !v.is_empty())
}

/// Returns the last value for a key, even if it is empty.
pub(crate) fn last<'a>(records: &'a [Record], key: &str) -> Option<&'a [u8]> {
    let last = records.iter().rfind(|r| r.key == key);
    last.map(|r| r.value.as_slice())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn records_round_trip(all in prop::collection::vec(("[a-zA-Z.]{1,12}", prop::collection::vec(any::<u8>(), 0..1200)), 0..5)) {
            let records: Vec<Record> = all.iter().map(|(k, v)| Record::new(k.as_bytes(), v)).collect();
            let bytes: Vec<u8> = records.iter().flat_map(|r| r.raw().to_vec()).collect();
            prop_assert_eq!(parse(&bytes).unwrap(), records);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(records) = parse(&bytes) {
                let again: Vec<u8> = records.iter().flat_map(|r| r.raw().to_vec()).collect();
                prop_assert_eq!(again, bytes);
            }
        }
    }

    #[test]
    fn a_newline_in_a_value_does_not_end_the_record() {
        let record = Record::new(
            b"SCHILY.xattr.security.capability",
            b"\x01\0\0\x02\n\0\0\0=\n",
        );
        assert_eq!(parse(record.raw()).unwrap(), [record]);
    }

    #[test]
    fn malformed_records_are_named() {
        for (bytes, want) in [
            (&b"x a=b\n"[..], "not a number"),
            (b"99 a=b\n", "does not fit"),
            (b"6 a=bc", "newline"),
            (b"6 abc\n", "no `=`"),
            (b"6 =bc\n", "no key"),
            (b"99999999999999999999", "no length"),
            (b"9999999999999999999 a=b\n", "does not fit"),
            (b"-6 a=b\n", "not a number"),
        ] {
            let got = parse(bytes).unwrap_err();
            assert!(got.contains(want), "{bytes:?}: {got}");
        }
    }
}
