//! The syntax of unit files and drop-ins, as far as finding a key's value needs it.

use std::borrow::Cow;

use bstr::ByteSlice;

/// One assignment of a unit file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assignment<'a> {
    pub(crate) section: &'a [u8],
    pub(crate) key: &'a [u8],
    pub(crate) value: Cow<'a, [u8]>,
}

/// The assignments of a unit file in order. A backslash at a line's end joins the next, comment lines between left out;
/// a comment starts a line with `#` or `;` (systemd.syntax(7)).
pub(crate) fn settings(text: &[u8]) -> impl Iterator<Item = Assignment<'_>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let mut lines = text.lines().map(ByteSlice::trim);
    let mut section: &[u8] = b"";
    std::iter::from_fn(move || {
        loop {
            let line = lines.find(|line| !is_comment(line))?;
            if let Some(name) = line.strip_prefix(b"[").and_then(|l| l.strip_suffix(b"]")) {
                section = name;
                continue;
            }
            let Some((key, first)) = line.split_once_str("=") else {
                continue;
            };
            let mut value = Cow::Borrowed(first.trim());
            while let Some(part) = value.strip_suffix(b"\\") {
                let more = lines.find(|line| !is_comment(line)).unwrap_or_default();
                value = Cow::Owned([part, b" ", more].concat());
            }
            return Some(Assignment {
                section,
                key: key.trim(),
                value,
            });
        }
    })
}

fn is_comment(line: &[u8]) -> bool {
    line.starts_with(b"#") || line.starts_with(b";")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_found_as_systemd_reads_them() {
        let text = b"\xef\xbb\xbf[Socket]\r\nSocketMode=0600 # tight\r\n; c\nListenStream=\n[Service]\nExecStart=/bin/a \\\n# between\n  -b\nnonsense\nEnd = 1\\";
        let found: Vec<_> = settings(text)
            .map(|s| {
                format!(
                    "{}.{}={}",
                    s.section.as_bstr(),
                    s.key.as_bstr(),
                    s.value.as_bstr()
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                "Socket.SocketMode=0600 # tight",
                "Socket.ListenStream=",
                "Service.ExecStart=/bin/a  -b",
                "Service.End=1 "
            ]
        );
    }
}
