//! The lines of a `KEY=VALUE` file.

use bstr::ByteSlice;

/// How the programs that read a file take its lines.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As a shell does, more or less: with quotes, `export` and blanks.
    Shell,
    /// As old versions of libselinux do: nothing before the key or around the `=`, and no quotes.
    Bare,
}

/// Returns the text with a key set on every line that sets it, or on one more: behind the lines of
/// its section, where that is known, else at the end.
pub(super) fn with_key(
    text: &[u8],
    key: &str,
    value: &str,
    form: Form,
    section: Option<&str>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut found = false;
    for line in text.lines_with_terminator() {
        let (body, end) = line.split_at(line.trim_end_with(|c| c == '\n' || c == '\r').len());
        match body.split_once_str("=") {
            Some((left, right)) if names(left, key) => {
                found = true;
                let (left, blanks, is) = match form {
                    Form::Shell => {
                        let blanks = right.len() - right.trim_start().len();
                        (left, &right[..blanks], unquoted(right))
                    }
                    Form::Bare => (key.as_bytes(), &b""[..], right.trim_end()),
                };
                out.extend_from_slice(left);
                out.push(b'=');
                if is == value.as_bytes() {
                    out.extend_from_slice(right);
                } else {
                    out.extend_from_slice(blanks);
                    out.extend_from_slice(value.as_bytes());
                }
                out.extend_from_slice(end);
            }
            _ => out.extend_from_slice(line),
        }
    }
    if !found {
        add(&mut out, &format!("{key}={value}\n"), section);
    }
    out
}

/// Adds a line at the end, or at the end of a section.
fn add(out: &mut Vec<u8>, line: &str, section: Option<&str>) {
    if !out.is_empty() && !out.ends_with(b"\n") {
        out.push(b'\n');
    }
    let (mut at, mut within, mut end) = (0, section.is_none(), None);
    for line in out.lines_with_terminator() {
        at += line.len();
        if is_header(line) && section.is_some() {
            let inner = line.trim();
            within = section.is_some_and(|s| inner[1..inner.len() - 1] == *s.as_bytes());
        }
        if within {
            end = Some(at);
        }
    }
    match (section, end) {
        (Some(_), Some(end)) => {
            out.splice(end..end, line.bytes());
        }
        (Some(section), None) => out.extend(format!("[{section}]\n{line}").bytes()),
        (None, _) => out.extend(line.bytes()),
    }
}

/// Returns whether a line of the text sets the key.
pub(super) fn sets(text: &[u8], key: &str) -> bool {
    let mut left = text.lines().filter_map(|line| line.split_once_str("="));
    left.any(|(left, _)| names(left, key))
}

/// Whether what stands before a `=` sets the key: it alone, or after `export`. sysctl.d has slashes
/// for points too, and a `-` before a key that may be missing.
fn names(left: &[u8], key: &str) -> bool {
    let left = left.trim();
    let left = left.strip_prefix(b"export ").map_or(left, ByteSlice::trim);
    let dotted = || left.strip_prefix(b"-").unwrap_or(left).replace("/", ".");
    left == key.as_bytes() || (key.contains('.') && dotted() == key.as_bytes())
}

fn unquoted(value: &[u8]) -> &[u8] {
    let value = value.trim();
    let quoted = |q: &[u8]| value.strip_prefix(q).and_then(|v| v.strip_suffix(q));
    quoted(b"\"").or_else(|| quoted(b"'")).unwrap_or(value)
}

/// The first line that gives one of the keys a value after a blank, as in login.defs, where no line
/// has it with a `=`.
pub(super) fn without_equals<'s>(text: &[u8], keys: &[&'s str]) -> Option<(usize, &'s str)> {
    let assigned = |line: &[u8], key: &str| {
        let left = line.split_once_str("=").map(|(left, _)| left);
        left.is_some_and(|left| names(left, key))
    };
    let mut keys = keys
        .iter()
        .filter(|key| !text.lines().any(|line| assigned(line, key)));
    keys.find_map(|&key| {
        let is_set = |line: &[u8]| {
            let mut words = line.fields();
            words.next() == Some(key.as_bytes()) && words.next().is_some()
        };
        let line = text.lines().position(is_set)?;
        Some((line + 1, key))
    })
}

/// A line that sets one of the keys together with others, or is a part of what another line sets.
pub(super) fn spread<'s>(text: &[u8], keys: &[&'s str]) -> Option<(usize, &'s str)> {
    let mut goes_on = false;
    (1..).zip(text.lines()).find_map(|(number, line)| {
        let within = std::mem::replace(&mut goes_on, joins_the_next(line));
        let (name, value) = line.split_once_str("=")?;
        let key = keys.iter().find(|key| names(name, key))?;
        (within || goes_on || is_cut(value)).then_some((number, *key))
    })
}

/// Why a line cannot be added for a key that none has, if so; it goes on behind the file's path.
pub(super) fn no_place(text: &[u8], keys: &[&str], section: Option<&str>) -> Option<String> {
    let key = keys.iter().find(|key| !sets(text, key))?;
    if text.lines().next_back().is_some_and(joins_the_next) {
        return Some(format!(
            " ends with a backslash, so that no line for {key} can be added"
        ));
    }
    let sections = text.lines().filter(|line| is_header(line)).count();
    // What stands before the first header belongs to none of the sections.
    let above = text.lines().take_while(|line| !is_header(line));
    let has_above = sections > 0
        && above
            .filter(|line| !line.trim_start().starts_with(b"#"))
            .any(|line| line.contains(&b'='));
    let what = if section.is_none() && sections + usize::from(has_above) > 1 {
        "several sections"
    } else if has_blocks(text) {
        "blocks in braces"
    } else {
        return None;
    };
    Some(format!(
        " has {what}, and no line that shows to which {key} belongs; add one"
    ))
}

/// Returns whether a text has blocks in braces that are not a shell's functions.
fn has_blocks(text: &[u8]) -> bool {
    let mut before: &[u8] = b"";
    text.lines().map(ByteSlice::trim).any(|line| {
        let before = std::mem::replace(&mut before, line);
        let is_function = |line: &[u8]| line.contains_str("()") || line.starts_with(b"function ");
        let opens = line.ends_with(b"{") && !line.starts_with(b"#");
        opens && !is_function(line) && !(line == b"{" && is_function(before))
    })
}

/// Returns whether a line, unless it is a comment, ends with a backslash, which joins the next one to it.
fn joins_the_next(line: &[u8]) -> bool {
    let rest = line.trim_end_with(|c| c == '\\');
    (line.len() - rest.len()) % 2 == 1 && !line.trim_start().starts_with(b"#")
}

/// Whether a value begins with a quote that another line has to end.
fn is_cut(value: &[u8]) -> bool {
    let value = value.trim();
    let quote = value.first().copied().filter(|b| b"\"'".contains(b));
    quote.is_some_and(|quote| !value[1..].contains(&quote))
}

/// Whether a line begins a section of an INI file.
fn is_header(line: &[u8]) -> bool {
    let inner = line.trim().strip_prefix(b"[");
    let inner = inner.and_then(|inner| inner.strip_suffix(b"]"));
    // A shell's tests begin with brackets too.
    inner
        .is_some_and(|inner| !inner.is_empty() && inner.trim() == inner && !inner.contains_str("["))
}
