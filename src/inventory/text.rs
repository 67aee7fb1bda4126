//! An inventory as the lines of a lock file: kind, name and detail, with tabs between.

use bstr::{BString, ByteSlice};

use super::{Inventory, Item, Kind};
use crate::error::{Error, Result};

const FIRST: &str = "# casehard lock 1";
const ABOUT: &str = "# What an image gives its users, one line each: kind, name, detail. `casehard apply --lock` writes this file, \
    and `--locked` compares with it.";

impl Inventory {
    /// The text of a lock file: the privileges, sorted, a line for each; the same for the same inventory.
    pub fn to_lock(&self) -> String {
        self.privileges().to_text()
    }

    /// All items in the form of a lock file.
    pub fn to_text(&self) -> String {
        let mut out = format!("{FIRST}\n{ABOUT}\n");
        for item in self.items() {
            let detail = match &item.detail[..] {
                [] => String::new(),
                detail => format!("\t{}", escape(detail)),
            };
            out += &format!("{}\t{}{detail}\n", item.kind.name(), escape(&item.name));
        }
        out
    }

    /// Reads a lock file. Comments and empty lines do not count; the order of the lines does not either.
    ///
    /// # Errors
    /// [`Error::Usage`] with the file's name and the line, where the text is no lock file of a known version.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self> {
        let wrong = |line: usize, what: &str| Error::Usage(format!("{name}:{line}: {what}"));
        if text.lines().next() != Some(FIRST.as_bytes()) {
            return Err(wrong(
                1,
                &format!(
                    "not a lock file that this version reads: the first line has to be `{FIRST}`"
                ),
            ));
        }
        let mut inventory = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim().is_empty() || line.starts_with(b"#") {
                continue;
            }
            let mut fields = line.splitn(3, |byte| *byte == b'\t');
            let kind = fields.next().unwrap_or_default();
            let kind = Kind::ALL.into_iter().find(|k| k.name().as_bytes() == kind);
            let name = fields.next().map(unescape);
            let detail = fields.next().map_or(Some(BString::default()), unescape);
            let (Some(kind), Some(Some(name)), Some(detail)) = (kind, name, detail) else {
                return Err(wrong(
                    number,
                    "not a line of a lock file: kind, name and detail, with tabs between; write the file anew with --lock",
                ));
            };
            inventory.items.insert(Item { kind, name, detail });
        }
        Ok(inventory)
    }
}

/// One line that shows what it holds, and from which [`unescape`] gets it back.
fn escape(text: &[u8]) -> String {
    let mut out = String::new();
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' | '\'' => out.push(c),
                // Also a backslash, and all that a terminal or an editor might obey.
                _ => out.extend(c.escape_debug()),
            }
        }
        for byte in chunk.invalid() {
            out += &format!("\\x{byte:02x}");
        }
    }
    out
}

fn unescape(text: &[u8]) -> Option<BString> {
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

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_name_comes_back(name: Vec<u8>, detail: Vec<u8>) {
            let mut inventory = Inventory::default();
            inventory.add(Kind::SetId, name, detail);
            let text = inventory.to_text();
            assert!(text.lines().count() == 3 && !text.contains(|c: char| c.is_control() && !"\t\n".contains(c)));
            assert_eq!(Inventory::parse("lock", text.as_bytes()).unwrap(), inventory);
        }

        #[test]
        fn any_text_is_read_or_refused(text: Vec<u8>) {
            let text = [FIRST.as_bytes(), b"\n", &text].concat();
            let _ = Inventory::parse("lock", &text);
            let _ = Inventory::parse("lock", &[&text[..], b"\nunit\t\\", &text[..]].concat());
        }
    }

    #[test]
    fn what_is_no_lock_file_is_refused_with_its_place() {
        let check = |text: &str, want: &str| {
            let error = Inventory::parse("a.lock", text.as_bytes()).unwrap_err();
            assert!(error.to_string().starts_with(want), "{error}");
        };
        check("", "a.lock:1: not a lock file");
        check("# casehard lock 2\n", "a.lock:1: not a lock file");
        for line in [
            "unit",
            "nope\ta",
            "unit\ta\\",
            "unit\t\\q",
            "unit\t\\x4",
            "unit\t\\u{d800}",
        ] {
            check(&format!("{FIRST}\n\n# x\n{line}\n"), "a.lock:4: not a line");
        }
    }
}
