//! Extended attributes in PAX records: raw as star and GNU tar write them, or base64 as libarchive
//! does.
//!
//! An access control list is an attribute to the kernel, but archives mostly have it as a text in a
//! record of its own, with users by name. It stands among the attributes under that record's key, and
//! so does the label of SELinux that `tar --selinux` writes.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bstr::{BString, ByteSlice};

use super::pax::Record;

pub(super) const SCHILY_XATTR: &[u8] = b"SCHILY.xattr.";
pub(super) const LIBARCHIVE_XATTR: &[u8] = b"LIBARCHIVE.xattr.";
/// Access control lists as star, GNU tar and libarchive all write them.
pub(super) const SCHILY_ACL: &[u8] = b"SCHILY.acl.";

/// A label of SELinux as GNU tar's `--selinux` writes it, and as it reads it then. Its value has no NUL
/// at the end, as the attribute `security.selinux` has.
pub(crate) const RHT_LABEL: &str = "RHT.security.selinux";

/// The lists that decide together with the mode who may do what: as a text, as FreeBSD has them,
/// and as Linux keeps them. Extractors set them after the mode, and so over it. (A directory's
/// default list speaks only of files to come.)
pub(crate) const ACCESS_LISTS: [&str; 3] = [
    "SCHILY.acl.access",
    "SCHILY.acl.ace",
    "system.posix_acl_access",
];

/// Returns the extended attribute or access control list that a PAX record carries; attributes may
/// be spelt raw (star, GNU tar) or in base64 (libarchive).
pub(crate) fn xattr(record: &Record) -> Option<(BString, BString)> {
    if has_own_key(&record.key) {
        return Some((record.key.clone(), record.value.clone()));
    }
    // No attribute is called like such a record, so one that is must not pass for it.
    let named = |name: BString| match has_own_key(&name) {
        true => record.key.clone(),
        false => name,
    };
    if let Some(name) = record.key.strip_prefix(SCHILY_XATTR) {
        return Some((named(name.into()), record.value.clone()));
    }
    let name = named(percent_decoded(record.key.strip_prefix(LIBARCHIVE_XATTR)?));
    let text = record.value.iter().copied().filter(|b| *b != b'=');
    let text: Vec<u8> = text.collect();
    Some((
        name,
        STANDARD_NO_PAD
            .decode(text)
            .map_or_else(|_| record.value.clone(), Into::into),
    ))
}

fn has_own_key(name: &[u8]) -> bool {
    name.starts_with(SCHILY_ACL) || name == RHT_LABEL.as_bytes()
}

/// Returns the key of the record for an attribute, or for a list or label that stands among them.
pub(super) fn key(name: &[u8]) -> Vec<u8> {
    if has_own_key(name) {
        return name.to_vec();
    }
    [SCHILY_XATTR, name].concat()
}

/// Returns all extended attributes; one that is there in both spellings, as bsdtar writes it,
/// counts once.
pub(super) fn xattrs(records: &[Record]) -> Vec<(BString, BString)> {
    let with_value = records.iter().filter(|r| !r.value.is_empty());
    let mut found: Vec<_> = with_value.filter_map(xattr).collect();
    let mut seen = BTreeSet::new();
    found.retain(|attribute| seen.insert(attribute.clone()));
    found.shrink_to_fit();
    found
}

/// libarchive writes attribute names with `%XX` for what is not plain ASCII.
fn percent_decoded(name: &[u8]) -> BString {
    let mut out = BString::default();
    let mut rest = name;
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .and_then(|h| h.to_str().ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        (rest, _) = match (first, hex) {
            (b'%', Some(byte)) => (&tail[2..], out.push(byte)),
            _ => (tail, out.push(*first)),
        };
    }
    out
}
