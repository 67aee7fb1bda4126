//! Which contents can be shown as text, and modes in words.

/// The largest content that is shown as text, in bytes.
pub(super) const TEXT_LIMIT: u64 = 1 << 20;

/// Returns whether a content can be shown line by line: it has no control characters that a
/// terminal would obey. Bytes that are not UTF-8 pass, or every Latin-1 file would be binary.
pub(super) fn is_text(content: &[u8]) -> bool {
    let obeyed = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c');
    content.len() as u64 <= TEXT_LIMIT
        && !content
            .utf8_chunks()
            .any(|chunk| chunk.valid().contains(obeyed))
}

/// Returns mode bits in digits and as `ls` shows them.
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
