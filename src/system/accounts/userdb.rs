//! userdb: groups as JSON records with a `members` list, and `USER:GROUP.membership` files.

use std::collections::BTreeMap;

use bstr::ByteSlice;
use serde_json::value::RawValue;

use super::GroupNumber;
use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::{InodeId, Location};

const DIRECTORIES: [&str; 4] = [
    "/etc/userdb",
    "/run/userdb",
    "/run/host/userdb",
    "/usr/lib/userdb",
];

/// Whether there is a record of this file name.
pub(super) fn exists(files: &Files<'_>, file: &str) -> bool {
    !entries(files, |name| name == file).is_empty()
}

/// Every group record.
pub(crate) fn groups(files: &Files<'_>) -> Vec<(String, InodeId)> {
    records(files, ".group")
}

/// Shows the numbers that group records give.
pub(super) fn group_numbers(
    files: &Files<'_>,
    each: &mut dyn FnMut(GroupNumber<'_>),
) -> Result<(), Stop> {
    for (path, file) in groups(files) {
        let text = files.text(file)?;
        let record: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        if let (Some(group), Some(gid)) = (record["groupName"].as_str(), record["gid"].as_u64()) {
            each(GroupNumber {
                path: &path,
                line: 1,
                group,
                gid,
            });
        }
    }
    Ok(())
}

/// Every user record.
pub(crate) fn user_files(files: &Files<'_>) -> Vec<(String, InodeId)> {
    records(files, ".user")
}

fn records(files: &Files<'_>, suffix: &str) -> Vec<(String, InodeId)> {
    let directories = DIRECTORIES.into_iter();
    directories
        .flat_map(|directory| files.files_in(directory, suffix))
        .collect()
}

/// Every pair of user and group that a file joins by its name.
pub(crate) fn all_memberships(files: &Files<'_>) -> Vec<(String, String)> {
    let found = entries(files, |name| name.ends_with(".membership"));
    let names = found.into_iter().filter_map(|(path, _)| {
        let name = path.rsplit('/').next()?.strip_suffix(".membership")?;
        let (user, group) = name.split_once(':')?;
        Some((user.to_owned(), group.to_owned()))
    });
    names.collect()
}

/// Every file that makes a user a member of a group by its name: the group and where it is.
pub(crate) fn memberships(files: &Files<'_>, user: &str) -> Vec<(String, Location)> {
    let prefix = format!("{user}:");
    let found = entries(files, |name| {
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

fn entries(files: &Files<'_>, wanted: impl Fn(&str) -> bool) -> Vec<(String, Location)> {
    let rootfs = files.rootfs();
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

/// What a user record says of its user.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) uid: Option<u64>,
    pub(crate) gid: Option<u64>,
    pub(crate) groups: Vec<String>,
}

/// Every user record that can be read.
pub(crate) fn users(files: &Files<'_>) -> Result<Vec<(String, User)>, Stop> {
    let mut found = Vec::new();
    for (path, file) in user_files(files) {
        found.extend(User::of(&files.text(file)?).map(|user| (path, user)));
    }
    Ok(found)
}

/// The groups that systemd-homed's records of a user have, which it signs.
pub(crate) fn homes(files: &Files<'_>, user: &str) -> Result<Vec<(String, Vec<String>)>, Stop> {
    let mut found = Vec::new();
    for directory in ["/var/lib/systemd/home", "/run/systemd/home"] {
        let path = format!("{directory}/{user}.identity");
        let text = files.text_at(&path)?.unwrap_or_default();
        let record = User::of(&text).filter(|record| record.name == user);
        found.extend(record.map(|record| (path, record.groups)));
    }
    Ok(found)
}

impl User {
    fn of(text: &[u8]) -> Option<Self> {
        let record: serde_json::Value = serde_json::from_slice(text).ok()?;
        let groups = record["memberOf"].as_array().into_iter().flatten();
        Some(Self {
            name: record["userName"].as_str()?.to_owned(),
            uid: record["uid"].as_u64(),
            gid: record["gid"].as_u64(),
            groups: groups
                .filter_map(|g| g.as_str().map(String::from))
                .collect(),
        })
    }
}

/// The group's record without a user among its members, all other bytes as they were, and the group's name; nothing where
/// the user is no member or the text is no group record.
pub(crate) fn without_member(text: &[u8], user: &str) -> Option<(Vec<u8>, String)> {
    without(text, ["groupName", "members"], |_, member| member == user)
}

/// The user's record without the groups that `wanted` picks; nothing where it is another user's, or lists none of them.
pub(crate) fn without_groups(
    text: &[u8],
    user: &str,
    mut wanted: impl FnMut(&str) -> bool,
) -> Option<Vec<u8>> {
    let record = without(text, ["userName", "memberOf"], |name, group| {
        name == user && wanted(group)
    });
    record.map(|(text, _)| text)
}

/// A record without the items of a list that `leaves` picks, given the record's name and the item; and that name.
fn without(
    text: &[u8],
    [name, list]: [&str; 2],
    mut leaves: impl FnMut(&str, &str) -> bool,
) -> Option<(Vec<u8>, String)> {
    let text = text.to_str().ok()?;
    let record: BTreeMap<&str, &RawValue> = serde_json::from_str(text).ok()?;
    let name: String = serde_json::from_str(record.get(name)?.get()).ok()?;
    let list = record.get(list)?.get();
    let members: Vec<&RawValue> = serde_json::from_str(list).ok()?;
    let place = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
    let keep: Vec<bool> = members
        .iter()
        .map(|m| serde_json::from_str::<String>(m.get()).map_or(true, |item| !leaves(&name, &item)))
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
        let user = br#"{"userName":"core","memberOf":["wheel", "x"]}"#;
        let left = without_groups(user, "core", |group| group == "wheel").unwrap();
        assert_eq!(left, br#"{"userName":"core","memberOf":["x"]}"#);
        assert_eq!(without_groups(user, "corey", |_| true), None);
        check(r#"{"groupName":"wheel"}"#, None);
        check("not json", None);
        check(r#"{"groupName":"wheel","members":"core"}"#, None);
    }
}
