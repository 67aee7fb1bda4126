//! Foreign text in a report: names, reasons and contents that must not pass for something else.

use bstr::BString;

/// The largest content that is shown as text, in bytes.
pub(super) const TEXT_LIMIT: u64 = 1 << 20;

/// Whether a content can be shown line by line: no control characters that a terminal would obey. Bytes that are not UTF-8
/// pass, or every Latin-1 file would be binary.
pub(super) fn is_text(content: &[u8]) -> bool {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c');
    content.len() as u64 <= TEXT_LIMIT
        && !content
            .utf8_chunks()
            .any(|chunk| chunk.valid().contains(obeyed))
}

/// A text in which backticks set off what is code, in parts: whether each is code, and its text.
pub(super) fn spans(text: &str) -> Vec<(bool, &str)> {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return vec![(false, text)];
    }
    (0..).map(|at| at % 2 == 1).zip(parts).collect()
}

/// A path as git's headers have it, below `a` or `b`. Git leaves spaces unquoted and guesses where the first name ends;
/// quoting them needs no guess and every reader of git's headers knows it.
pub(super) fn quote(side: &str, path: &[u8]) -> BString {
    let mut out = BString::from(side);
    out.extend_from_slice(path);
    if path
        .iter()
        .all(|b| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\'))
    {
        return out;
    }
    let mut quoted = BString::from("\"");
    for byte in out.iter() {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', *byte]),
            b'\t' => quoted.extend(b"\\t"),
            b'\n' => quoted.extend(b"\\n"),
            b'\r' => quoted.extend(b"\\r"),
            b' '..=b'~' => quoted.push(*byte),
            _ => quoted.extend(format!("\\{byte:03o}").bytes()),
        }
    }
    quoted.push(b'"');
    quoted
}

/// Mode bits in digits and as `ls` shows them.
pub(crate) fn mode(bits: u32) -> String {
    let mut letters = String::new();
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let has = |bit: u32| bits >> shift & bit != 0;
        letters.push(if has(4) { 'r' } else { '-' });
        letters.push(if has(2) { 'w' } else { '-' });
        letters.push(match (bits & special != 0, has(1)) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    format!("{bits:04o} ({letters})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backticks_set_off_code_where_they_pair() {
        let code = [(false, "a "), (true, "b"), (false, "")];
        assert_eq!(spans("a `b`"), code);
        assert_eq!(spans("a ` b"), [(false, "a ` b")]);
    }

    #[test]
    fn paths_are_quoted_as_git_reads_them() {
        let check = |path: &[u8], expect: &str| assert_eq!(quote("a", path), expect);
        check(b"/etc/passwd", "a/etc/passwd");
        check(b"/a b", r#""a/a b""#);
        check(
            b"/\"\\\n\t\r\x01\x7f\xc3\xbc",
            r#""a/\"\\\n\t\r\001\177\303\274""#,
        );
    }

    #[test]
    fn modes_show_set_id_bits_as_ls_does() {
        let check = |bits, expect| assert_eq!(mode(bits), expect);
        check(0o4755, "4755 (rwsr-xr-x)");
        check(0o0755, "0755 (rwxr-xr-x)");
        check(0o7000, "7000 (--S--S--T)");
        check(0o1777, "1777 (rwxrwxrwt)");
    }

    #[test]
    fn text_is_what_can_be_shown() {
        assert!(is_text(b"a\tb\r\n\x0cc \xfc \xc3\xbc"));
        assert!(!is_text(b"\0") && !is_text(b"\x1b[2J") && !is_text("\u{9b}2J".as_bytes()));
    }
}
