//! sysusers.d: lines that create users and groups, and `m` lines that put a user into a group at each boot or update.

use bstr::ByteSlice;

use super::{Recorder, Role, number};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId};

const DIRECTORIES: [&str; 4] = [
    "/etc/sysusers.d",
    "/run/sysusers.d",
    "/usr/local/lib/sysusers.d",
    "/usr/lib/sysusers.d",
];

/// Returns every sysusers.d file, also one that a file of the same name in an earlier directory hides: the file that hides
/// it may go.
pub(crate) fn sources(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let directories = DIRECTORIES.iter().flat_map(|path| files.with_copies(path));
    let found = directories.flat_map(|directory| files.files_in(&directory, ".conf"));
    found.collect()
}

/// Reads every sysusers.d file.
pub(super) fn read(recorder: &mut Recorder<'_, '_>) -> Result<(), Stop> {
    for (path, file) in sources(recorder.files) {
        let text = recorder.source(&path, file)?;
        for (line, text) in (1..).zip(text.lines()) {
            let words = words(text);
            let id = words.get(2).copied().unwrap_or_default();
            match words[..] {
                [[b'u', ..], name, ..] => {
                    let (uid, group) = match id.split_once_str(":") {
                        Some((uid, group)) => (uid, Some(group)),
                        None => (id, None),
                    };
                    recorder.add(line, Role::User, name, b"", number(uid))?;
                    if let Some(gid) = group {
                        recorder.add(line, Role::PrimaryGroup, name, gid, number(gid))?;
                    } else {
                        recorder.add(line, Role::OwnGroup, name, name, number(uid))?;
                    }
                }
                [[b'g', ..], name, ..] => {
                    recorder.add(line, Role::Group, b"", name, number(id))?;
                }
                [b"m", user, group, ..] => {
                    recorder.add(line, Role::Member, user, group, None)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// Returns the words of a line without their quotes; none for a comment.
fn words(line: &[u8]) -> Vec<&[u8]> {
    if line.trim_start().starts_with(b"#") {
        return Vec::new();
    }
    line.fields()
        .map(|word| word.trim_with(|c| c == '"' || c == '\''))
        .collect()
}

/// Takes out the `m` lines that put a user into a group that `wanted` picks. Returns the text and those groups. The
/// groups' own lines stay, as their files may belong to them.
pub(crate) fn without_member(
    text: &[u8],
    user: &str,
    mut wanted: impl FnMut(&str) -> bool,
) -> (Vec<u8>, Vec<String>) {
    let (mut out, mut left) = (Vec::with_capacity(text.len()), Vec::new());
    for line in text.lines_with_terminator() {
        match words(line)[..] {
            [b"m", member, group, ..]
                if member == user.as_bytes() && wanted(&group.to_str_lossy()) =>
            {
                left.push(group.to_str_lossy().into_owned());
            }
            _ => out.extend_from_slice(line),
        }
    }
    (out, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lines_of_the_member_go() {
        let text = b"# m core rkt\ng rkt-admin   -   - -\ng rkt       251 - -\nm core      rkt - -\nm \"core\" docker\nm corey rkt\nm core fleet";
        let (out, left) = without_member(text, "core", |group| group != "fleet");
        assert_eq!(left, ["rkt", "docker"]);
        let want =
            "# m core rkt\ng rkt-admin   -   - -\ng rkt       251 - -\nm corey rkt\nm core fleet";
        assert_eq!(out.to_str_lossy(), want);
    }
}
