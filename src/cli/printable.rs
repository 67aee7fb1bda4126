//! Text from images and recipes, made fit for a terminal.

/// A line in which nothing can move the cursor, change colours, or show text in another order than it has.
///
/// Image and recipe can come from anyone, and a terminal obeys what it is sent. Tabs stay; whatever else is no visible
/// character is written as reports have it: `\n`, `\u{1b}`, or, where it is no UTF-8, byte by byte.
pub(crate) fn printable(line: impl AsRef<[u8]>) -> String {
    let mut out = String::new();
    for chunk in line.as_ref().utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\t' => out.push(c),
                _ if misleads(c) => out.extend(c.escape_default()),
                _ => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            out += &format!("\\x{byte:02x}");
        }
    }
    out
}

/// As [`printable`], for a text of several lines.
pub(crate) fn printable_lines(text: impl AsRef<[u8]>) -> String {
    let lines = text.as_ref().split(|byte| *byte == b'\n');
    lines.map(printable).collect::<Vec<_>>().join("\n")
}

/// Whether a terminal would do something else with it than show it where it stands.
pub(crate) fn misleads(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

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
