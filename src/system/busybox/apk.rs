//! What Alpine's package manager does to busybox's links.

use bstr::{BString, ByteSlice};

use crate::error::Stop;
use crate::rootfs::Files;

/// Where apk keeps its records, before and after Alpine merged /usr.
const RECORDS: &[&str] = &["/lib/apk/db", "/usr/lib/apk/db"];

/// Returns the file and line by which apk runs busybox's trigger, which makes a link for every applet.
pub(crate) fn link_trigger(files: &Files<'_>) -> Result<Option<(BString, usize)>, Stop> {
    for records in RECORDS {
        let path = format!("{records}/triggers");
        let installed = files.text_at(&format!("{records}/installed"))?;
        let triggers = files.text_at(&path)?;
        if let (Some(installed), Some(triggers)) = (installed, triggers)
            && let Some(line) = trigger_line(&installed, &triggers)
        {
            return Ok(Some((path.into(), line)));
        }
    }
    Ok(None)
}

/// Finds the package's line: a line of `triggers` begins with the checksum by which `installed` knows the package.
fn trigger_line(installed: &[u8], triggers: &[u8]) -> Option<usize> {
    let mut checksum: Option<&[u8]> = None;
    for line in installed.lines() {
        if line.is_empty() {
            checksum = None;
        } else if let Some(value) = line.strip_prefix(b"C:") {
            checksum = Some(value);
        } else if let (Some(name), Some(sum)) = (line.strip_prefix(b"P:"), checksum)
            && name.starts_with(b"busybox")
        {
            let of = |line: &[u8]| line.split(|byte| *byte == b' ').next() == Some(sum);
            if let Some(at) = triggers.lines().position(of) {
                return Some(at + 1);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::trigger_line;

    #[test]
    fn the_packages_checksum_finds_the_line() {
        let installed =
            b"C:Q1musl=\nP:musl\nV:1\n\nC:Q1bb=\nP:busybox\nV:1.37\n\nC:Q1kmod=\nP:kmod\n\n";
        let found = |triggers: &[u8]| trigger_line(installed, triggers);
        assert_eq!(
            found(b"Q1kmod= /lib/modules/*\nQ1bb= /bin /usr/bin /sbin\n"),
            Some(2)
        );
        assert_eq!(found(b"Q1kmod= /lib/modules/*\nQ1bb /bin\n"), None);
        assert_eq!(found(b""), None);
        assert_eq!(trigger_line(b"P:busybox\nC:Q1bb=\n", b"Q1bb= /bin\n"), None);
    }
}
