//! A line of sshd's configuration, taken apart as sshd does it: the keyword may be in double
//! quotes, the words behind it in either kind, with escapes.

use std::ops::Range;

use bstr::ByteSlice;

/// Returns the keyword of a line, without quotes, and where its arguments are, without the comment
/// behind them; none for a comment or half a line.
pub(super) fn parse(line: &[u8]) -> Option<(Vec<u8>, Range<usize>)> {
    let end = line.find_byte(0).unwrap_or(line.len());
    let line = line[..end].trim_end_with(|c| " \t\r\n\x0c".contains(c));
    let (mut keyword, mut value) = keyword_at(line, 0)?;
    if keyword.is_empty() {
        (keyword, value) = keyword_at(line, value)?;
    }
    if keyword.is_empty() || keyword.starts_with(b"#") {
        return None;
    }
    let value_end = value + words(&line[value..]).1;
    (value < value_end).then_some((keyword, value..value_end))
}

/// Returns the words of a text up to a comment, without quotes and escapes, and where the last of
/// them ends.
pub(super) fn words(text: &[u8]) -> (Vec<Vec<u8>>, usize) {
    let (mut words, mut end) = (Vec::new(), 0);
    let (mut word, mut quote) = (None::<Vec<u8>>, None);
    let mut bytes = text.iter().copied().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        let blank = matches!(byte, b' ' | b'\t');
        if quote.is_none() && blank {
            words.extend(word.take());
            continue;
        }
        if word.is_none() && byte == b'#' {
            break;
        }
        let word = word.get_or_insert_default();
        end = at + 1;
        match (byte, quote) {
            (b'\\', _) => {
                let escaped = bytes.next_if(|(_, next)| {
                    matches!(next, b'\'' | b'"' | b'\\') || (*next == b' ' && quote.is_none())
                });
                word.push(escaped.map_or(byte, |(_, next)| next));
                end += usize::from(escaped.is_some());
            }
            (b'"' | b'\'', None) => quote = Some(byte),
            (_, Some(open)) if open == byte => quote = None,
            _ => word.push(byte),
        }
    }
    words.extend(word);
    (words, end)
}

/// Returns what stands before the first blank, `=` or end of double quotes, and where the text goes
/// on behind it.
fn keyword_at(line: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    const BLANKS: &[u8] = b" \t\r\n";
    let skip = |from: usize| {
        let blanks = line[from..].find_not_byteset(BLANKS);
        blanks.map_or(line.len(), |count| from + count)
    };
    let end = start + line[start..].find_byteset(b" \t\r\n\"=")?;
    if line[end] == b'"' {
        let quoted = &line[end + 1..];
        let close = quoted.find_byte(b'"')?;
        let keyword = [&line[start..end], &quoted[..close]].concat();
        return Some((keyword, skip(end + close + 2)));
    }
    let mut next = skip(end + 1);
    if line[end] != b'=' && line[next..].starts_with(b"=") {
        next = skip(next + 1);
    }
    Some((line[start..end].to_vec(), next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_sshd_splits_them() {
        let split = |line: &'static str| {
            parse(line.as_bytes())
                .map(|(keyword, range)| (keyword.to_str_lossy().into_owned(), &line[range]))
        };
        for (line, keyword, value) in [
            ("PermitRootLogin no\r\n", "PermitRootLogin", "no"),
            ("\tPort=22", "Port", "22"),
            ("Port = 22 # x", "Port", "22"),
            ("Banner \"/a # b\" # c\n", "Banner", "\"/a # b\""),
            ("X a b  \n", "X", "a b"),
            ("X a\0b\n", "X", "a"),
            ("\"Port\" 22", "Port", "22"),
            (" Po\"rt\"22", "Port", "22"),
            ("X a\\\" # b", "X", "a\\\""),
            ("X a\\ #b c#d", "X", "a\\ #b c#d"),
        ] {
            assert_eq!(split(line), Some((keyword.to_owned(), value)), "{line:?}");
        }
        for line in [
            "",
            "\n",
            "# PermitRootLogin no",
            "PermitRootLogin",
            "PermitRootLogin # no",
            "=",
            " = x",
            "X =",
            "\0",
            "\"#\" x",
            "\"Port 22",
        ] {
            assert_eq!(split(line), None, "{line:?}");
        }
        for (text, want) in [
            (r#""my conf/*" b\ c \*"#, &["my conf/*", "b c", r"\*"][..]),
            (r#"a"b 'c"d '"' \' '\ \'"#, &["ab 'cd", "\"", "'", r"\ '"]),
            ("'' \t# c", &[""]),
        ] {
            let words: Vec<_> = words(text.as_bytes()).0;
            let words: Vec<_> = words.iter().map(|word| word.to_str_lossy()).collect();
            assert_eq!(words, want, "{text}");
        }
    }
}
