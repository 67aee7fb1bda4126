//! Foreign text in a report: names, reasons and contents that must not pass for something else.

use bstr::{BString, ByteSlice};

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

/// Whether a text looks other than it is: it reorders what follows, or a carriage return lets it overwrite what precedes.
pub(crate) fn misleads(text: &[u8]) -> bool {
    let overwrites = || text.replace("\r\n", "\n").contains(&b'\r');
    text.utf8_chunks()
        .any(|chunk| chunk.valid().contains(|c| is_bidi(c) || is_separator(c)))
        || overwrites()
}

/// Whether a terminal or a browser would do something else with it than show it where it stands.
pub(super) fn is_misleading(c: char) -> bool {
    c.is_control() || is_bidi(c) || is_separator(c)
}

/// What some take for the end of a line, and git does not.
fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// A text that stays on its line and shows what it holds: whatever does not print is escaped, as Rust has it, and bytes that are
/// not UTF-8 as `\xff`. No two texts look alike: a backslash that could be taken for the beginning of an escape is doubled.
pub(crate) fn escape(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    let mut out = String::new();
    for (start, end, c) in text.char_indices() {
        let bytes = &text[start..end];
        match c {
            // These print; systemd's unit names are full of backslashes.
            '"' | '\'' => out.push(c),
            '\\' if begins_escape(&text[end..]) => out.push_str("\\\\"),
            '\\' => out.push(c),
            char::REPLACEMENT_CHARACTER if bytes != "\u{fffd}".as_bytes() => {
                out.extend(bytes.iter().map(|byte| format!("\\x{byte:02x}")));
            }
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

/// Whether a backslash before this would look like an escape. `\x2d` does not: what is ASCII is never escaped so.
fn begins_escape(rest: &[u8]) -> bool {
    match rest {
        [b'\\' | b'n' | b'r' | b't' | b'0', ..] | [b'u', b'{', ..] => true,
        [b'x', high, ..] => matches!(high, b'8'..=b'9' | b'a'..=b'f'),
        // What follows is an escape itself.
        _ => rest.chars().next().is_some_and(|c| {
            c == char::REPLACEMENT_CHARACTER
                || !matches!(c, '"' | '\'') && c.escape_debug().len() > 1
        }),
    }
}

/// As [`escape`], for a line of a text: tabs stay.
pub(crate) fn escape_line(line: impl AsRef<[u8]>) -> String {
    let parts: Vec<String> = line.as_ref().split_str("\t").map(escape).collect();
    parts.join("\t")
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
    fn nothing_that_a_terminal_obeys_survives_escaping() {
        assert_eq!(
            escape("a\\x2db \"c\" é → \n\x1b[31m"),
            "a\\x2db \"c\" é → \\n\\u{1b}[31m"
        );
        assert_eq!(escape(b"\xff\x9b"), "\\xff\\x9b");
        assert_eq!(escape("\u{fffd} \\'\\\"\\é"), "\u{fffd} \\'\\\"\\é");
        let alike: &[&[u8]] = &[
            b"a\nb",
            br"a\nb",
            br"a\\nb",
            b"a\\\nb",
            b"a\xffb",
            br"a\xffb",
            b"a\\\xffb",
            br"a\\xffb",
            br"a\u{1b}b",
            b"a\x1bb",
            br"a\x1bb",
            b"a\\\x1bb",
            "a\u{fffd}b".as_bytes(),
        ];
        let shown: std::collections::BTreeSet<_> = alike.iter().map(escape).collect();
        assert_eq!(shown.len(), alike.len(), "{shown:?}");
        for c in '\0'..=char::MAX {
            if is_misleading(c) {
                let escaped = escape(c.to_string());
                assert!(escaped.is_ascii() && escaped.starts_with('\\'), "{c:?}");
            }
        }
    }

    #[test]
    fn what_misleads_is_known_one_by_one() {
        for c in "\0\x1b\x7f\u{9b}\u{61c}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{2028}\u{2029}".chars() {
            assert!(is_misleading(c), "{c:?}");
        }
        assert!(!"a \"\\é→\u{fffd}".contains(is_misleading));
    }

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
        assert!(misleads(b"+evil\rgood\n") && misleads("\u{202e}".as_bytes()));
        assert!(misleads("a\u{2028}+b\n".as_bytes()));
        assert!(!misleads("a\r\nb é\n".as_bytes()));
    }
}
