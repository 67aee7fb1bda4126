//! An inventory as the lines of a lock file: kind, name and detail, with tabs between.

use bstr::{BString, ByteSlice};

use super::{Inventory, Item, Kind};
use crate::error::{Error, Result};
use crate::escape::{quote, unquote};

const FIRST: &str = "# casehard lock 2";
/// Locks without lines for who logs in and who writes files of root. To compare with one would
/// either fail for all of these or pass over them.
const OLD: &[u8] = b"# casehard lock 1";
const ABOUT: &str = "# What an image gives its users, one line each: kind, name, detail. `casehard apply --lock` writes this file, \
    and `--locked` compares with it.";

impl Inventory {
    /// Returns the text of a lock file: the privileges, sorted, one a line.
    pub fn to_lock(&self) -> String {
        self.privileges().to_text()
    }

    /// Returns all items in the form of a lock file.
    pub fn to_text(&self) -> String {
        let mut out = format!("{FIRST}\n{ABOUT}\n");
        for item in self.items() {
            let detail = match &item.detail[..] {
                [] => String::new(),
                detail => format!("\t{}", quote(detail)),
            };
            out += &format!("{}\t{}{detail}\n", item.kind.name(), quote(&item.name));
        }
        out
    }

    /// Reads a lock file. Comments, empty lines and the order of lines do not count.
    ///
    /// # Errors
    /// [`Error::Usage`] with the file's name and the line, where the text is not a lock file of a
    /// known version.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self> {
        let wrong = |line: usize, what: &str| Error::Usage(format!("{name}:{line}: {what}"));
        let first = text.lines().next();
        if first == Some(OLD) {
            return Err(wrong(
                1,
                "this lock does not list logins and who may write files of root, as casehard now does; write it again with --lock, and review what it adds",
            ));
        }
        if first != Some(FIRST.as_bytes()) {
            return Err(wrong(
                1,
                &format!(
                    "not a lock file that this version reads: the first line must be `{FIRST}`"
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
            let name = fields.next().map(unquote);
            let detail = fields.next().map_or(Some(BString::default()), unquote);
            let (Some(kind), Some(Some(name)), Some(detail)) = (kind, name, detail) else {
                return Err(wrong(
                    number,
                    "not a line of a lock file: kind, name and detail, with tabs between; write the file again with --lock",
                ));
            };
            inventory.items.insert(Item { kind, name, detail });
        }
        Ok(inventory)
    }
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
        check(
            "# casehard lock 1\n",
            "a.lock:1: this lock does not list logins",
        );
        check("# casehard lock 3\n", "a.lock:1: not a lock file");
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
