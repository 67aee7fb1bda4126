//! The applets' names, as busybox has them in its data: sorted, each with a NUL behind it, and an empty name last.

/// Twice as many as busybox could have.
const MOST_NAMES: usize = 1 << 10;
const LONGEST_NAME: usize = 32;

/// Returns every sorted run of names that ends in an empty one and has `false` in it.
pub(super) fn runs(data: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut found = Vec::new();
    let mut run: Vec<&[u8]> = Vec::new();
    for token in data.split(|byte| *byte == 0) {
        if token.is_empty() {
            if run.binary_search(&&b"false"[..]).is_ok() && run.len() <= MOST_NAMES {
                found.push(std::mem::take(&mut run));
            }
            run.clear();
            continue;
        }
        // `[` sorts before every other applet, but not before the digits that may stand before the table by chance.
        let first = token == b"[" || (token == b"[[" && run != [b"["]);
        if first || !is_name(token) || run.last().is_some_and(|last| *last >= token) {
            run.clear();
        }
        if !run.is_empty() {
            run.push(token);
        } else if let Some(name) = name_at_end(token) {
            // What comes before the first name need not end in a NUL.
            run.push(name);
        }
    }
    // What no empty name ends is cut short.
    found
}

fn is_name(token: &[u8]) -> bool {
    matches!(token, b"[" | b"[[")
        || token.len() <= LONGEST_NAME
            && token[0].is_ascii_alphanumeric()
            && token.iter().all(|byte| is_inner(*byte))
}

fn is_inner(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_' | b'.')
}

fn name_at_end(token: &[u8]) -> Option<&[u8]> {
    for bracket in [&b"[["[..], b"["] {
        if token.ends_with(bracket) {
            return Some(&token[token.len() - bracket.len()..]);
        }
    }
    let start = token
        .iter()
        .rposition(|byte| !is_inner(*byte))
        .map_or(0, |at| at + 1);
    let name = &token[start..];
    let start = name.iter().position(u8::is_ascii_alphanumeric)?;
    Some(&name[start..]).filter(|name| name.len() <= LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(data: &[u8], want: &[&[&str]]) {
        let found: Vec<Vec<String>> = runs(data)
            .iter()
            .map(|run| {
                run.iter()
                    .map(|name| String::from_utf8_lossy(name).into())
                    .collect()
            })
            .collect();
        assert_eq!(found, want);
    }

    #[test]
    fn a_run_ends_in_an_empty_name_and_has_false() {
        check(
            b"xyz\0[\0[[\0ash\0false\0ls\0\0",
            &[&["[", "[[", "ash", "false", "ls"]],
        );
        check(b"\0\0[\0ash\0false\0ls", &[]);
        check(b"\0[\0ash\0true\0\0", &[]);
        check(
            b"\0false\0\0ash\0false\0\0",
            &[&["false"], &["ash", "false"]],
        );
    }

    #[test]
    fn what_stands_before_the_first_name_is_cut_off() {
        check(b"\xbb\x82[\0ash\0false\0\0", &[&["[", "ash", "false"]]);
        check(b"10\0[\0[[\0false\0\0", &[&["[", "[[", "false"]]);
        check(b"10\0[[\0false\0\0", &[&["[[", "false"]]);
        check(b"Xash\0false\0\0", &[&["ash", "false"]]);
        check(b"\x03-ash\0false\0\0", &[&["ash", "false"]]);
    }

    #[test]
    fn what_is_not_sorted_begins_anew() {
        check(b"wget\0ash\0false\0\0", &[&["ash", "false"]]);
        check(b"ash\0Ash\0false\0\0", &[&["false"]]);
        check(b"ash\0ash\0false\0\0", &[&["ash", "false"]]);
    }
}
