//! The syntax of unit files and drop-ins, read as systemd's own parser does.

use bstr::{BString, ByteSlice};

/// One assignment of a unit file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) section: BString,
    pub(crate) key: BString,
    pub(crate) value: BString,
    /// The line on which it starts, counted from 1.
    pub(crate) line: usize,
}

/// The longest line that systemd reads, joined ones included; a longer one ends the file.
const LONGEST_LINE: usize = 1 << 20;

/// Returns the assignments of a unit file in order.
///
/// A backslash at the very end of a line joins the next one by a blank; comments between are left
/// out. A comment starts a line with `#` or `;`. A section header that does not end, or text that
/// is not UTF-8, ends the file: systemd reads no further. A line that is not an assignment is skipped
/// (systemd.syntax(7)).
pub(crate) fn settings(text: &[u8]) -> Vec<Assignment> {
    let mut found = Vec::new();
    let mut section: Option<BString> = None;
    for (line, text) in logical_lines(text) {
        let text = text.trim_with(is_blank);
        if text.is_empty() {
            continue;
        }
        if text.to_str().is_err() {
            break;
        }
        if let Some(header) = text.strip_prefix(b"[") {
            let Some(name) = header.strip_suffix(b"]") else {
                break;
            };
            section = Some(name.into());
            continue;
        }
        let (Some(section), Some((key, value))) = (&section, text.split_once_str("=")) else {
            continue;
        };
        let key = key.trim_with(is_blank);
        if !key.is_empty() {
            found.push(Assignment {
                section: section.clone(),
                key: key.into(),
                value: value.trim_with(is_blank).into(),
                line,
            });
        }
    }
    found
}

/// Returns the lines with continuations joined, each with the number of its first.
fn logical_lines(text: &[u8]) -> Vec<(usize, BString)> {
    let mut lines: Vec<(usize, BString)> = Vec::new();
    let mut open: Option<(usize, BString)> = None;
    let mut bom = true;
    for (number, mut line) in physical_lines(text) {
        let start = line.trim_start_with(is_blank);
        if start.first().is_some_and(|first| b"#;".contains(first)) {
            continue;
        }
        if let Some(rest) = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| bom) {
            (line, bom) = (rest, false);
        }
        let (number, mut joined) = open.take().unwrap_or((number, BString::default()));
        if joined.len() + line.len() > LONGEST_LINE {
            return lines;
        }
        joined.extend_from_slice(line);
        let escaped = joined
            .iter()
            .fold(false, |escaped, b| !escaped && *b == b'\\');
        if escaped {
            joined.pop();
            joined.push(b' ');
            open = Some((number, joined));
        } else {
            lines.push((number, joined));
        }
    }
    lines.extend(open);
    lines
}

/// Lines as systemd splits them: newlines, carriage returns and NUL bytes end one, and so do two or
/// three of them that differ. The numbers count newlines.
fn physical_lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let (mut rest, mut number) = (text, 1);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let ends = |b: &u8| matches!(*b, b'\n' | b'\r' | 0);
        let end = rest.iter().position(ends).unwrap_or(rest.len());
        let (line, after) = rest.split_at(end);
        let all = after.iter().take(3).take_while(|b| ends(b)).count();
        let differ = (1..=all).take_while(|n| !after[..n - 1].contains(&after[n - 1]));
        let (end, after) = after.split_at(differ.count());
        let found = (number, line);
        number += usize::from(end.contains(&b'\n'));
        rest = after;
        Some(found)
    })
}

fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Returns the words of a value, quotes and backslashes resolved.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let (mut quote, mut open) = (None, false);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if quote.is_none() && c.is_whitespace() {
            open = false;
            continue;
        }
        if !open {
            found.push(String::new());
            open = true;
        }
        let Some(word) = found.last_mut() else {
            continue;
        };
        match (quote, c) {
            (_, '\\') => word.extend(characters.next()),
            (Some(end), _) if end == c => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            _ => word.push(c),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], want: &[&str]) {
        let found: Vec<_> = settings(text)
            .into_iter()
            .map(|s| format!("{}:{}.{}={}", s.line, s.section, s.key, s.value))
            .collect();
        assert_eq!(found, want);
    }

    #[test]
    fn assignments_are_found_as_systemd_reads_them() {
        check(
            b"\xef\xbb\xbf[Socket]\r\nSocketMode=0600 # tight\r\n; c\nListenStream=\n[Service]\nExecStart=/bin/a \\\r\n# between\n  -b\n\nX=1\\\n\nY=2\nnonsense\n=x\nEnd = 1\\",
            &[
                "2:Socket.SocketMode=0600 # tight",
                "4:Socket.ListenStream=",
                "6:Service.ExecStart=/bin/a    -b",
                "10:Service.X=1",
                "12:Service.Y=2",
                "15:Service.End=1",
            ],
        );
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(parts in proptest::collection::vec(proptest::sample::select(vec![
            &b"[S]"[..], b"[", b"]", b"\n", b"\r", b"\0", b"=", b"A", b"\\", b"#", b";", b" ", b"\xef\xbb\xbf", b"\xff", b"\xc3\xa4",
        ]), 0..40)) {
            let text = parts.concat();
            let lines = text.split(|b| *b == b'\n').count();
            for found in settings(&text) {
                assert!(!found.key.is_empty() && found.line >= 1 && found.line <= lines, "{found:?}");
            }
        }
    }

    #[test]
    fn what_systemd_does_not_read_is_not_read() {
        check(b"A=1\n[S]\nA=2\n[S\nA=3\n", &["3:S.A=2"]);
        check(b"[S]\nA=\xff\nA=3\n", &[]);
        check(
            b"[S]\nA=1\\\\\nB=2\\ \nC=3\n",
            &["2:S.A=1\\\\", "3:S.B=2\\", "4:S.C=3"],
        );
        check(b"[S]\nA=1\0B=2\rC=3", &["2:S.A=1", "2:S.B=2", "2:S.C=3"]);
        check(b"[S]\nA=1 \\\n[T]\nB=2", &["2:S.A=1  [T]", "4:S.B=2"]);
        check(b"", &[]);
        check(b"[]\n=\n\\", &[]);
        let long = [b"[S]\nA=1\nB=".as_slice(), &vec![b'x'; 2 << 20], b"\nC=1"].concat();
        check(&long, &["2:S.A=1"]);
    }

    #[test]
    fn words_are_split_and_unquoted() {
        assert_eq!(
            words(r#" a "b c"d 'e"' \"f\\ "" "#),
            ["a", "b cd", "e\"", "\"f\\", ""]
        );
        assert_eq!(words("\"open \\"), ["open "]);
    }
}
