//! Foreign text, written so that it cannot pass for something else.
//!
//! Names, contents and recipe texts can hold anything: bytes that move a cursor, reorder a line or end it. Whatever shows them
//! goes through here.

use bstr::{BString, ByteSlice};

/// Returns a text that stays on its line and shows what it holds: characters that do not print are escaped as Rust does it,
/// bytes that are not UTF-8 as `\xff`. No two texts look alike: a backslash that could begin an escape is doubled.
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
                push_bytes(&mut out, bytes);
            }
            _ => out.extend(c.escape_debug()),
        }
    }
    out
}

/// Whether a backslash before this would look like an escape. `\x2d` does not: ASCII is never escaped so.
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

/// Escapes a line of a text as [`escape`] does, but keeps tabs.
pub(crate) fn escape_line(line: impl AsRef<[u8]>) -> String {
    let parts: Vec<String> = line.as_ref().split_str("\t").map(escape).collect();
    parts.join("\t")
}

/// Returns a message in which nothing can move the cursor, change colours or reorder the line. Tabs and backslashes stay, so
/// that text that is escaped already is not escaped twice.
///
/// ```
/// let message = "cannot read \u{1b}[2Jetc";
/// assert_eq!(casehard::escape::printable(message), r"cannot read \u{1b}[2Jetc");
/// ```
pub fn printable(line: impl AsRef<[u8]>) -> String {
    let mut out = String::new();
    for chunk in line.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                _ if c != '\t' && is_misleading(c) => out.extend(c.escape_default()),
                _ => out.push(c),
            }
        }
        push_bytes(&mut out, chunk.invalid());
    }
    out
}

/// Makes a text of several lines fit for a terminal, as [`printable`] does for one.
pub fn printable_lines(text: impl AsRef<[u8]>) -> String {
    let lines = text.as_ref().split(|byte| *byte == b'\n');
    lines.map(printable).collect::<Vec<_>>().join("\n")
}

/// Returns one line from which [`unquote`] gets the text back; every backslash is doubled.
pub(crate) fn quote(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\'' => out.push(c),
                _ => out.extend(c.escape_debug()),
            }
        }
        push_bytes(&mut out, chunk.invalid());
    }
    out
}

/// Reads what [`quote`] wrote; nothing where the text has another escape.
pub(crate) fn unquote(text: &[u8]) -> Option<BString> {
    let mut out = BString::default();
    let mut rest = text;
    while let Some(at) = rest.find_byte(b'\\') {
        out.extend_from_slice(&rest[..at]);
        let after = &rest[at + 1..];
        let (taken, bytes): (usize, Vec<u8>) = match after.first()? {
            b'\\' => (1, b"\\".to_vec()),
            b't' => (1, b"\t".to_vec()),
            b'n' => (1, b"\n".to_vec()),
            b'r' => (1, b"\r".to_vec()),
            b'0' => (1, b"\0".to_vec()),
            b'x' => (3, vec![hexadecimal(after.get(1..3)?)?.try_into().ok()?]),
            b'u' => {
                let end = after.find_byte(b'}')?;
                let code = hexadecimal(after.get(1..end)?.strip_prefix(b"{")?)?;
                (end + 1, char::from_u32(code)?.to_string().into_bytes())
            }
            _ => return None,
        };
        out.extend_from_slice(&bytes);
        rest = &after[taken..];
    }
    out.extend_from_slice(rest);
    Some(out)
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(digits.to_str().ok()?, 16).ok()
}

fn push_bytes(out: &mut String, bytes: &[u8]) {
    out.extend(bytes.iter().map(|byte| format!("\\x{byte:02x}")));
}

/// Whether a text does not look like what it is: it reorders what follows, or a carriage return overwrites what precedes.
pub(crate) fn misleads(text: &[u8]) -> bool {
    let overwrites = || text.replace("\r\n", "\n").contains(&b'\r');
    text.utf8_chunks()
        .any(|chunk| chunk.valid().contains(|c| is_bidi(c) || is_separator(c)))
        || overwrites()
}

/// Whether a terminal or a browser would do something else with it than show it where it stands.
pub fn is_misleading(c: char) -> bool {
    c.is_control() || is_bidi(c) || is_separator(c)
}

/// Line ends to some programs, but not to git.
fn is_separator(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

fn is_bidi(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        assert!(misleads(b"+evil\rgood\n") && misleads("\u{202e}".as_bytes()));
        assert!(misleads("a\u{2028}+b\n".as_bytes()));
        assert!(!misleads("a\r\nb é\n".as_bytes()));
    }

    #[test]
    fn what_a_terminal_would_obey_is_spelled_out() {
        let cases: &[(&[u8], &str)] = &[
            (b"plain\ttext", "plain\ttext"),
            ("Grüße 漢字 🦀".as_bytes(), "Grüße 漢字 🦀"),
            (b"\x1b[2J\x07\x7f\r", "\\u{1b}[2J\\u{7}\\u{7f}\\r"),
            (b"two\nlines", "two\\nlines"),
            ("\u{9b}31m \u{85}".as_bytes(), "\\u{9b}31m \\u{85}"),
            ("a\u{202e}b\u{2066}c".as_bytes(), "a\\u{202e}b\\u{2066}c"),
            (b"latin-1 \xe9t\xe9", "latin-1 \\xe9t\\xe9"),
        ];
        for (raw, shown) in cases {
            assert_eq!(printable(raw), *shown);
        }
    }

    #[test]
    fn lines_stay_lines() {
        assert_eq!(printable_lines("a\n\x1bb\n"), "a\n\\u{1b}b\n");
    }
}
