//! passwd, group and gshadow: the files of colon-separated lines that hold accounts.
//!
//! An edit takes a member out of a list; every other byte stays.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::{Recorder, Role, nsswitch, number};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, lowerdir};

/// A file that holds accounts, a line each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Database {
    /// `name:password:uid:gid:comment:home:shell`
    Passwd,
    /// `name:password:gid:members`
    Group,
    /// `name:password:administrators:members`
    Gshadow,
}

impl Database {
    /// Returns the name of its files.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Group => "group",
            Self::Gshadow => "gshadow",
        }
    }

    /// Returns the fields that list users. gpasswd leaves administrators, who could add themselves again; casehard takes them out.
    fn lists(self) -> &'static [(usize, Role)] {
        match self {
            Self::Passwd => &[],
            Self::Group => &[(3, Role::Member)],
            Self::Gshadow => &[(2, Role::Administrator), (3, Role::ShadowMember)],
        }
    }
}

/// Returns every file of one database, such as `group`, each inode once: in `/etc`, in the directories of nss-altfiles
/// (Container Linux: `/usr/share/baselayout`, ostree: `/usr/lib`), in that of nss-extrausers where nsswitch.conf has it (Ubuntu
/// Core), and in the copies from which the booted system fills `/etc`.
pub(crate) fn files(files: &Files<'_>, name: &str) -> Result<Vec<(String, InodeId)>, Stop> {
    let rootfs = files.rootfs();
    let mut seen = BTreeSet::new();
    let extrausers = nsswitch::asks(files, "extrausers")?.then_some("/var/lib/extrausers");
    let fixed = ["/etc", "/usr/lib", "/usr/share/baselayout"]
        .into_iter()
        .chain(extrausers);
    let directories = fixed.map(String::from).chain(lowerdir::directories(rootfs));
    Ok(directories
        .map(|directory| format!("{directory}/{name}"))
        .filter_map(|path| rootfs.open(&path).map(|id| (path, id)))
        .filter(|(_, id)| rootfs.inode(*id).is_file() && seen.insert(*id))
        .collect())
}

/// Reads every file of the three databases.
pub(super) fn read(recorder: &mut Recorder<'_, '_>) -> Result<(), Stop> {
    for database in [Database::Passwd, Database::Group, Database::Gshadow] {
        for (path, file) in files(recorder.files, database.name())? {
            let text = recorder.source(&path, file)?;
            for (line, fields) in lines(&text) {
                let field = |at: usize| fields.get(at).copied().unwrap_or_default();
                let (name, id) = (field(0), number(field(2)));
                // glibc passes over an account without a number.
                match (database, id) {
                    (Database::Passwd, Some(_)) => {
                        recorder.add(line, Role::User, name, b"", id)?;
                    }
                    (Database::Group, Some(_)) => {
                        recorder.add(line, Role::Group, b"", name, id)?;
                    }
                    _ => {}
                }
                if let (Database::Passwd, gid @ Some(_)) = (database, number(field(3))) {
                    recorder.add(line, Role::PrimaryGroup, name, b"", gid)?;
                }
                for &(at, role) in database.lists() {
                    let users = members(field(at)).map(past_blanks);
                    for user in users.filter(|user| !user.is_empty()) {
                        recorder.add(line, role, user, name, None)?;
                    }
                }
            }
        }
    }
    Ok(())
}

/// Returns the number that the first database of passwd or group with this name gives it.
pub(super) fn id(tree: &Files<'_>, database: &str, name: &str) -> Result<Option<u32>, Stop> {
    for (_, file) in files(tree, database)? {
        let text = tree.text(file)?;
        let found = lines(&text).find(|(_, fields)| fields[0] == name.as_bytes());
        let id = found.and_then(|(_, fields)| number(fields.get(2)?));
        if id.is_some() {
            return Ok(id);
        }
    }
    Ok(None)
}

/// Takes a user out of every line of the groups that `wanted` picks, duplicates of a group included. Returns the text and
/// the groups that lost the user. Short lines stay as they are.
pub(crate) fn without_member(
    text: &[u8],
    database: Database,
    user: &str,
    mut wanted: impl FnMut(&str) -> bool,
) -> (Vec<u8>, Vec<String>) {
    let is_user = |member: &[u8]| past_blanks(member) == user.as_bytes();
    let is_list = |field: usize| database.lists().iter().any(|(at, _)| *at == field);
    let (mut out, mut left) = (Vec::with_capacity(text.len()), Vec::new());
    for line in text.lines_with_terminator() {
        let (body, end) = line.split_at(body_length(line));
        let fields: Vec<&[u8]> = body.splitn(4, |byte| *byte == b':').collect();
        let name = past_blanks(fields[0]);
        let mentions = fields.len() == 4
            && !name.starts_with(b"#")
            && (0..4).any(|at| is_list(at) && members(fields[at]).any(is_user));
        if mentions && wanted(&name.to_str_lossy()) {
            let fields = (0..4).map(|at| match is_list(at) {
                true => bstr::join(b",", members(fields[at]).filter(|m| !is_user(m))),
                false => fields[at].to_vec(),
            });
            out.extend_from_slice(&bstr::join(b":", fields));
            out.extend_from_slice(end);
            left.push(name.to_str_lossy().into_owned());
        } else {
            out.extend_from_slice(line);
        }
    }
    (out, left)
}

/// Returns the fields of each line, with its number.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, Vec<&[u8]>)> {
    let lines = (1..).zip(text.lines().map(past_blanks));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
        .map(|(n, line)| (n, line.split(|byte| *byte == b':').collect()))
}

/// Returns how much of a line counts: it ends at its newline, and for the C library at a NUL.
fn body_length(line: &[u8]) -> usize {
    let line = line.trim_end_with(|c| c == '\n' || c == '\r');
    line.find_byte(0).unwrap_or(line.len())
}

fn members(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',')
}

/// Returns the text without its leading blanks as the C library knows them: glibc skips them before a name too.
fn past_blanks(text: &[u8]) -> &[u8] {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    &text[text.iter().take_while(|byte| blank(byte)).count()..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_go_and_all_else_stays() {
        let check = |database, text: &str, want: &str| {
            let (got, _) = without_member(text.as_bytes(), database, "core", |group| {
                ["wheel", "docker"].contains(&group)
            });
            assert_eq!(got.to_str_lossy(), want);
        };
        check(
            Database::Group,
            "wheel:x:10:root,core\ndocker:x:233:core\ncore:x:500:\n",
            "wheel:x:10:root\ndocker:x:233:\ncore:x:500:\n",
        );
        check(
            Database::Group,
            "wheel:x:10:core,core,root",
            "wheel:x:10:root",
        );
        check(
            Database::Group,
            "wheel:x:10:core\r\nwheel:x:10:core\n",
            "wheel:x:10:\r\nwheel:x:10:\n",
        );
        check(
            Database::Group,
            "sudo:x:150:core\nwheel:x:10:corey,ucore\n",
            "sudo:x:150:core\nwheel:x:10:corey,ucore\n",
        );
        check(
            Database::Group,
            "wheel:x:10\nwheel\n\n+:::\n#wheel:x:10:core\n",
            "wheel:x:10\nwheel\n\n+:::\n#wheel:x:10:core\n",
        );
        check(
            Database::Group,
            "wheel:x:10:root,,core\n",
            "wheel:x:10:root,\n",
        );
        // The C library passes over blanks at the start of a line and of a name, and stops at a NUL; it does not mind colons.
        check(
            Database::Group,
            " wheel:x:10:root, core\nwheel:x:10:core\0,core\nwheel:x:10:core,a:b\n #wheel:x:10:core\n",
            " wheel:x:10:root\nwheel:x:10:\0,core\nwheel:x:10:a:b\n #wheel:x:10:core\n",
        );
        check(
            Database::Gshadow,
            "wheel:*:core:root,core\n",
            "wheel:*::root\n",
        );
    }

    #[test]
    fn the_groups_that_lost_the_user_are_named() {
        let (_, left) = without_member(
            b"a:x:1:core\nb:x:2:root\nc:x:3:core\n",
            Database::Group,
            "core",
            |_| true,
        );
        assert_eq!(left, ["a", "c"]);
    }
}
