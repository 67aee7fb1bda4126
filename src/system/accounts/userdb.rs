//! userdb: groups as JSON records with a `members` list, and `USER:GROUP.membership` files.

use std::collections::BTreeMap;

use bstr::{BString, ByteSlice};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Recorder, Role};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Location};

/// Where systemd's programs and its module for the C library look. Their manuals leave out two.
const DIRECTORIES: [&str; 6] = [
    "/etc/userdb",
    "/run/userdb",
    "/run/host/userdb",
    "/usr/local/lib/userdb",
    "/usr/lib/userdb",
    "/lib/userdb",
];

/// Returns every record of users (`.user`) or of groups (`.group`).
pub(crate) fn files(files: &Files<'_>, suffix: &str) -> Vec<(String, InodeId)> {
    let directories = files.etc_directories(&DIRECTORIES);
    let found = directories.iter();
    found
        .flat_map(|directory| files.files_in(directory, suffix))
        .collect()
}

/// A file that makes a user a member of a group by its name.
pub(crate) struct Membership {
    pub(crate) path: BString,
    pub(crate) location: Location,
    pub(crate) user: String,
    pub(crate) group: String,
}

/// Returns every file that makes a user a member of a group by its name.
pub(crate) fn memberships(files: &Files<'_>) -> Vec<Membership> {
    let rootfs = files.rootfs();
    let directories = files.etc_directories(&DIRECTORIES);
    let found = directories
        .iter()
        .flat_map(|directory| rootfs.glob(&format!("{directory}/*.membership")));
    let named = found.filter_map(|(path, location)| {
        let name = path.rsplit_str("/").next()?.strip_suffix(b".membership")?;
        let (user, group) = name.to_str().ok()?.split_once(':')?;
        let (user, group) = (user.to_owned(), group.to_owned());
        Some(Membership {
            path,
            location,
            user,
            group,
        })
    });
    named.collect()
}

/// Reads every record and membership. systemd finds a record by the name of its file, whatever is in it.
pub(super) fn read(recorder: &mut Recorder<'_, '_>) -> Result<(), Stop> {
    for (path, file) in files(recorder.files, ".user") {
        let record = record(&recorder.source(&path, file)?);
        recorder.add(1, Role::User, stem(&path), b"", None)?;
        let Some(user) = record["userName"].as_str().map(str::as_bytes) else {
            continue;
        };
        recorder.add(1, Role::User, user, b"", id(&record["uid"]))?;
        if let Some(gid) = id(&record["gid"]) {
            recorder.add(1, Role::PrimaryGroup, user, b"", Some(gid))?;
        }
        for group in strings(&record["memberOf"]) {
            recorder.add(1, Role::Member, user, group.as_bytes(), None)?;
        }
    }
    for (path, file) in files(recorder.files, ".group") {
        let record = record(&recorder.source(&path, file)?);
        recorder.add(1, Role::Group, b"", stem(&path), None)?;
        let Some(group) = record["groupName"].as_str().map(str::as_bytes) else {
            continue;
        };
        recorder.add(1, Role::Group, b"", group, id(&record["gid"]))?;
        for user in strings(&record["members"]) {
            recorder.add(1, Role::Member, user.as_bytes(), group, None)?;
        }
    }
    for membership in memberships(recorder.files) {
        recorder.accounts.sources.push(membership.path);
        let (user, group) = (membership.user.as_bytes(), membership.group.as_bytes());
        recorder.add(0, Role::Member, user, group, None)?;
    }
    Ok(())
}

/// Returns the groups that systemd-homed's records of a user have, which it signs.
pub(crate) fn homes(files: &Files<'_>, user: &str) -> Result<Vec<(String, Vec<String>)>, Stop> {
    let mut found = Vec::new();
    for directory in ["/var/lib/systemd/home", "/run/systemd/home"] {
        let path = format!("{directory}/{user}.identity");
        let record = record(&files.text_at(&path)?.unwrap_or_default());
        if record["userName"] == user {
            let groups = strings(&record["memberOf"]).map(String::from);
            found.push((path, groups.collect()));
        }
    }
    Ok(found)
}

/// Parses a record; a text that is not JSON has no fields.
fn record(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_default()
}

fn id(value: &Value) -> Option<u32> {
    value.as_u64()?.try_into().ok()
}

fn strings(list: &Value) -> impl Iterator<Item = &str> {
    let items = list.as_array().into_iter().flatten();
    items.filter_map(Value::as_str)
}

/// Returns the name of a file without its directory and extension.
fn stem(path: &str) -> &[u8] {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.rsplit_once('.')
        .map_or(name, |(stem, _)| stem)
        .as_bytes()
}

/// Takes a user out of the members of a group's record. Returns the text and the group's name; nothing if the user is not a
/// member or the text is not a group record.
pub(crate) fn without_member(text: &[u8], user: &str) -> Option<(Vec<u8>, String)> {
    without(text, ["groupName", "members"], |_, member| member == user)
}

/// Takes the groups that `wanted` picks out of a user's record. Returns nothing if it is another user's, or lists none of
/// them.
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

/// Takes out of a record's list the items that `leaves` picks, given the record's name and the item. Every other byte
/// stays. Returns the text and that name.
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
