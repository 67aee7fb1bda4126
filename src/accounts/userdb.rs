//! userdb: groups as JSON records with a `members` list, and `USER:GROUP.membership` files.

use std::collections::BTreeMap;

use bstr::ByteSlice;
use serde_json::value::RawValue;

use crate::edit::Draft;
use crate::rootfs::{InodeId, Location};

const DIRECTORIES: [&str; 4] = [
    "/etc/userdb",
    "/run/userdb",
    "/run/host/userdb",
    "/usr/lib/userdb",
];

/// Every group record.
pub(crate) fn groups(draft: &Draft<'_>) -> Vec<(String, InodeId)> {
    let rootfs = draft.rootfs();
    let mut found = Vec::new();
    for (path, _) in entries(draft, |name| name.ends_with(".group")) {
        found.extend(
            rootfs
                .open(&path)
                .filter(|id| rootfs.inode(*id).is_file())
                .map(|id| (path, id)),
        );
    }
    found
}

/// Every file that makes a user a member of a group by its name: the group and where it is.
pub(crate) fn memberships(draft: &Draft<'_>, user: &str) -> Vec<(String, Location)> {
    let prefix = format!("{user}:");
    let found = entries(draft, |name| {
        name.starts_with(&prefix) && name.ends_with(".membership")
    });
    found
        .into_iter()
        .map(|(path, location)| {
            let name = path.rsplit('/').next().unwrap_or_default();
            (
                name[prefix.len()..name.len() - ".membership".len()].to_owned(),
                location,
            )
        })
        .collect()
}

fn entries(draft: &Draft<'_>, wanted: impl Fn(&str) -> bool) -> Vec<(String, Location)> {
    let rootfs = draft.rootfs();
    let mut found = Vec::new();
    for directory in DIRECTORIES {
        let Some(id) = rootfs.open(directory) else {
            continue;
        };
        let names = rootfs
            .children(id)
            .map(|(name, _)| name.to_string())
            .filter(|name| wanted(name));
        found.extend(names.filter_map(|name| {
            let path = format!("{directory}/{name}");
            rootfs
                .locate(path.as_bytes())
                .ok()
                .map(|location| (path, location))
        }));
    }
    found
}

/// The record without a user among its members, all other bytes as they were, and the group's name; nothing where the
/// user is no member or the text is no group record.
pub(crate) fn without_member(text: &[u8], user: &str) -> Option<(Vec<u8>, String)> {
    let text = text.to_str().ok()?;
    let record: BTreeMap<&str, &RawValue> = serde_json::from_str(text).ok()?;
    let name: String = serde_json::from_str(record.get("groupName")?.get()).ok()?;
    let list = record.get("members")?.get();
    let members: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let keep: Vec<bool> = members
        .iter()
        .map(|m| serde_json::from_str::<String>(m.get()).ok().as_deref() != Some(user))
        .collect();
    if keep.iter().all(|k| *k) {
        return None;
    }
    // What stands before a member, comma and blanks, goes with it; the first that stays needs none.
    let mut out = text[..=place(list)].to_owned();
    let staying = (0..members.len()).filter(|at| keep[*at]);
    for (nth, at) in staying.enumerate() {
        if nth > 0 {
            let before = members[at - 1].get();
            out.push_str(&text[place(before) + before.len()..place(members[at].get())]);
        }
        out.push_str(members[at].get());
    }
    out.push_str(&text[place(list) + list.len() - 1..]);
    Some((out.into_bytes(), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_member_goes_and_the_formatting_stays() {
        let check = |text: &str, want: Option<&str>| {
            let got = without_member(text.as_bytes(), "core").map(|(bytes, name)| {
                assert_eq!(name, "wheel");
                String::from_utf8(bytes).unwrap()
            });
            assert_eq!(got.as_deref(), want, "{text}");
        };
        check(
            r#"{ "groupName" : "wheel", "gid": 10, "members": ["root", "core"] }"#,
            Some(r#"{ "groupName" : "wheel", "gid": 10, "members": ["root"] }"#),
        );
        check(
            r#"{"groupName":"wheel","members":["core","root"],"x":[1]}"#,
            Some(r#"{"groupName":"wheel","members":["root"],"x":[1]}"#),
        );
        check(
            r#"{"groupName":"wheel","members":["a","core", "b"]}"#,
            Some(r#"{"groupName":"wheel","members":["a", "b"]}"#),
        );
        check(
            r#"{"groupName":"wheel","members":["core"]}"#,
            Some(r#"{"groupName":"wheel","members":[]}"#),
        );
        check(r#"{"groupName":"wheel","members":["root"]}"#, None);
        check(r#"{"groupName":"wheel"}"#, None);
        check("not json", None);
        check(r#"{"groupName":"wheel","members":"core"}"#, None);
    }
}
