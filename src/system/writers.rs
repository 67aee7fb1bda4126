//! Who beside root may write a file: its owner, its group, everyone, and whom an access control list
//! names.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::image::{ACCESS_LISTS, Meta, acl_as_text};

/// Who may write.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Writer {
    Anyone,
    /// A user by number. The owner counts whatever the mode, as owners may change it.
    User(u64),
    Group(u64),
    /// A user or group as an access control list names it.
    Named(String),
    /// A list in a form that casehard does not read may let anyone write.
    UnknownList,
}

/// Returns everyone but root who may write a file or add names to a directory.
pub(crate) fn writers(meta: &Meta) -> BTreeSet<Writer> {
    let mut found = BTreeSet::new();
    if meta.uid != 0 {
        found.insert(Writer::User(meta.uid));
    }
    if meta.mode & 0o002 != 0 {
        found.insert(Writer::Anyone);
    }
    let mut listed = false;
    for name in ACCESS_LISTS {
        if let Some(value) = meta.xattr(name) {
            listed |= read(name, value, meta, &mut found);
        }
    }
    // Beside a list, the mode's bits for the group are the mask of all whom the list names.
    if !listed && meta.mode & 0o020 != 0 {
        found.insert(Writer::Group(meta.gid));
    }
    found
}

/// Adds whom a list lets write. Returns whether the list says who of the group may.
fn read(name: &str, value: &[u8], meta: &Meta, found: &mut BTreeSet<Writer>) -> bool {
    let text = match name.starts_with("system.") {
        true => acl_as_text(value),
        false => value.to_str().ok().map(str::to_owned),
    };
    let Some(text) = text else {
        found.insert(Writer::UnknownList);
        return false;
    };
    let entries: Vec<Vec<&str>> = text
        .split([',', '\n'])
        .map(|entry| entry.split('#').next().unwrap_or_default().trim())
        .filter(|entry| !entry.is_empty())
        .map(|entry| entry.split(':').collect())
        .collect();
    let field = |entry: &[&str], at: usize| entry.get(at).copied().unwrap_or_default().to_owned();
    let masks = |entry: &&Vec<&str>| ["mask", "m"].contains(&&*field(entry, 0));
    let mask = entries.iter().find(masks);
    // `mask::rwx`, and without the empty name as some write it.
    let masked = mask.is_some_and(|entry| !entry[1..].iter().any(|field| field.contains('w')));
    let mut has_group = false;
    for entry in &entries {
        let (tag, whom) = (field(entry, 0), field(entry, 1));
        // NFSv4: `everyone@:rwxp--aARWcCos:-------:allow`
        if tag.ends_with('@') {
            let allows = entry.last() == Some(&"allow") && whom.contains('w');
            match tag.as_str() {
                "everyone@" if allows => found.insert(Writer::Anyone),
                "group@" if allows => found.insert(Writer::Group(meta.gid)),
                _ => false,
            };
            has_group |= tag == "group@";
            continue;
        }
        let writes = field(entry, 2).contains('w');
        // The number, which star appends, counts more than the name.
        let number = || field(entry, 3).parse().or_else(|_| whom.parse::<u64>());
        match (tag.as_str(), whom.as_str()) {
            ("user" | "u", "") | ("mask" | "m", _) => {}
            ("other" | "o", _) => {
                let bits = field(entry, entry.len().saturating_sub(1));
                if bits.contains('w') {
                    found.insert(Writer::Anyone);
                }
            }
            ("group" | "g", "") => {
                has_group = true;
                if writes && !masked {
                    found.insert(Writer::Group(meta.gid));
                }
            }
            ("user" | "u", _) if writes && !masked => match number() {
                Ok(0) => {}
                Ok(uid) => drop(found.insert(Writer::User(uid))),
                Err(_) if whom == "root" => {}
                Err(_) => drop(found.insert(Writer::Named(format!("user {whom}")))),
            },
            ("group" | "g", _) if writes && !masked => match number() {
                Ok(gid) => drop(found.insert(Writer::Group(gid))),
                Err(_) => drop(found.insert(Writer::Named(format!("group {whom}")))),
            },
            ("user" | "u" | "group" | "g", _) => {}
            _ => drop(found.insert(Writer::UnknownList)),
        }
    }
    has_group
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(mode: u32, uid: u64, list: Option<(&str, &[u8])>, want: &str) {
        let xattrs = list.map(|(name, value)| (name.into(), value.into()));
        let meta = Meta {
            mode,
            uid,
            gid: 7,
            xattrs: xattrs.into_iter().collect(),
        };
        let found: Vec<_> = writers(&meta).into_iter().collect();
        assert_eq!(format!("{found:?}"), format!("[{want}]"));
    }

    #[test]
    fn owner_group_and_others_write() {
        check(0o644, 0, None, "");
        check(0o444, 5, None, "User(5)");
        check(0o664, 0, None, "Group(7)");
        check(0o646, 0, None, "Anyone");
    }

    #[test]
    fn lists_name_who_writes_within_their_mask() {
        let text = |list: &'static str| Some(("SCHILY.acl.access", list.as_bytes()));
        let list = "user::rw-,user:1000:rw-,user:amy:rw-,user:eve:rw-:1001,user:root:rw-,group::r--,group:9:-w-,mask::rw-,other::r--";
        check(
            0o664,
            0,
            text(list),
            "User(1000), User(1001), Group(9), Named(\"user amy\")",
        );
        check(
            0o644,
            0,
            text("user::rw-,user:5:rw-,group::rw-,mask::r--,other::r--"),
            "",
        );
        check(
            0o644,
            0,
            text("u::rw-\ng::r--\nm:rwx\no:rw- # all\n"),
            "Anyone",
        );
        check(
            0o644,
            0,
            text("user::rw-,whoever:5:rw-,group::rw-,other::r--"),
            "Group(7), UnknownList",
        );
        let binary = b"\x02\0\0\0\x02\0\x06\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff";
        check(
            0o664,
            0,
            Some(("system.posix_acl_access", binary)),
            "User(1000)",
        );
        check(
            0o644,
            0,
            Some(("system.posix_acl_access", b"odd")),
            "UnknownList",
        );
        let ace = b"owner@:rw-p:-------:allow,everyone@:rw-p:-------:allow";
        check(0o644, 0, Some(("SCHILY.acl.ace", ace)), "Anyone");
    }
}
