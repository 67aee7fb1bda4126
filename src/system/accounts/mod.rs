//! Users and groups as the rootfs gives them: not in one place, but in every source that the booted system merges.
//!
//! Without an `initgroups:` line in nsswitch.conf glibc takes the union of all sources, so a member that is removed from
//! `/etc/group` alone is a member still.

mod account;
pub(crate) mod cloud_init;
pub(crate) mod doas;
pub(crate) mod group;
pub(crate) mod pam_group;
pub(crate) mod polkit;
pub(crate) mod sudoers;
pub(crate) mod sysusers;
pub(crate) mod userdb;

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::lowerdir;
use crate::rootfs::{InodeId, Rootfs};

pub(crate) use account::Account;

/// The directories that hold passwd, group, shadow and gshadow: `/etc`, nss-altfiles' (Container Linux:
/// `/usr/share/baselayout`, ostree: `/usr/lib`), and copies of `/etc` from which the booted system fills it.
fn database_directories(rootfs: &Rootfs) -> Vec<String> {
    let fixed = ["/etc", "/usr/lib", "/usr/share/baselayout"].map(String::from);
    fixed
        .into_iter()
        .chain(lowerdir::directories(rootfs))
        .collect()
}

/// Every file of one account database, such as `group`, each inode once.
pub(crate) fn databases(rootfs: &Rootfs, name: &str) -> Vec<(String, InodeId)> {
    let mut seen = BTreeSet::new();
    let paths = database_directories(rootfs)
        .into_iter()
        .map(|directory| format!("{directory}/{name}"));
    paths
        .filter_map(|path| rootfs.open(&path).map(|id| (path, id)))
        .filter(|(_, id)| rootfs.inode(*id).is_file() && seen.insert(*id))
        .collect()
}

/// The fields of the lines of a colon-separated database, with their line numbers.
pub(crate) fn records(text: &[u8]) -> impl Iterator<Item = (usize, Vec<&[u8]>)> {
    let lines = (1..).zip(text.lines().map(past_blanks));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
        .map(|(n, line)| (n, line.split(|byte| *byte == b':').collect()))
}

/// The text without what the C library takes for blanks at its start.
fn past_blanks(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    &text[text.iter().take_while(|byte| blank(byte)).count()..]
}

/// The number of a user or group: a number itself, or what the first database that has the name says.
pub(crate) fn id(files: &Files<'_>, database: &str, name: &str) -> Result<Option<u64>, Stop> {
    if let Ok(number) = name.parse() {
        return Ok(Some(number));
    }
    if name == "root" {
        return Ok(Some(0));
    }
    for (_, file) in databases(files.rootfs(), database) {
        let text = files.text(file)?;
        let found = records(&text).find(|(_, fields)| fields[0] == name.as_bytes());
        if let Some(number) =
            found.and_then(|(_, fields)| fields.get(2)?.to_str().ok()?.parse().ok())
        {
            return Ok(Some(number));
        }
    }
    Ok(None)
}

/// Whether any source knows the user.
pub(crate) fn user_exists(files: &Files<'_>, user: &str) -> Result<bool, Stop> {
    Ok(id(files, "passwd", user)?.is_some()
        || sysusers::names(files, b'u', user)?
        || userdb::exists(files, &format!("{user}.user")))
}

/// Whether any source knows the group.
pub(crate) fn group_exists(files: &Files<'_>, group: &str) -> Result<bool, Stop> {
    Ok(id(files, "group", group)?.is_some()
        || sysusers::names(files, b'g', group)?
        || sysusers::names(files, b'u', group)?
        || userdb::exists(files, &format!("{group}.group")))
}

/// Where the user has one of the groups as primary group: file, line and group.
pub(crate) fn primary_group(
    files: &Files<'_>,
    user: &str,
    groups: &[&str],
) -> Result<Vec<(String, usize, String)>, Stop> {
    let mut found = Vec::new();
    let mut numbers: BTreeMap<&str, BTreeSet<u64>> = groups
        .iter()
        .map(|group| (*group, BTreeSet::new()))
        .collect();
    group_numbers(files, &mut |number| {
        if let Some(gids) = numbers.get_mut(number.group) {
            gids.insert(number.gid);
        }
    })?;
    for (group, gids) in &numbers {
        for (path, file) in databases(files.rootfs(), "passwd") {
            let text = files.text(file)?;
            for (line, fields) in records(&text).filter(|(_, f)| f[0] == user.as_bytes()) {
                let gid = fields
                    .get(3)
                    .and_then(|gid| gid.to_str().ok()?.parse().ok());
                if gid.is_some_and(|gid: u64| gids.contains(&gid)) {
                    found.push((path.clone(), line, (*group).to_owned()));
                }
            }
        }
        for created in sysusers::users(files, user)? {
            let named = created.group.as_deref().is_some_and(|of| {
                of == *group || of.parse().is_ok_and(|gid: u64| gids.contains(&gid))
            });
            if named {
                found.push((created.path, created.line, (*group).to_owned()));
            }
        }
        for (path, record) in userdb::users(files)? {
            if record.name == user && record.gid.is_some_and(|gid| gids.contains(&gid)) {
                found.push((path, 1, (*group).to_owned()));
            }
        }
    }
    found.sort();
    Ok(found)
}

/// A number that a source gives a group, and the line that does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupNumber<'a> {
    pub(crate) path: &'a str,
    pub(crate) line: usize,
    pub(crate) group: &'a str,
    pub(crate) gid: u64,
}

/// Shows every number that a source gives a group. Two names of one number are one group to the kernel.
pub(crate) fn group_numbers(
    files: &Files<'_>,
    each: &mut dyn FnMut(GroupNumber<'_>),
) -> Result<(), Stop> {
    for (path, file) in databases(files.rootfs(), "group") {
        for (line, fields) in records(&files.text(file)?) {
            if let Some(gid) = fields
                .get(2)
                .and_then(|gid| gid.to_str().ok()?.parse().ok())
            {
                each(GroupNumber {
                    path: &path,
                    line,
                    group: &fields[0].to_str_lossy(),
                    gid,
                });
            }
        }
    }
    sysusers::group_numbers(files, each)?;
    userdb::group_numbers(files, each)
}
