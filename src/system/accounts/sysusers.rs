//! sysusers.d: lines that create users and groups, and `m` lines that put a user into a group at each boot or update.

use bstr::ByteSlice;

use super::GroupNumber;
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, lowerdir};

const DIRECTORIES: [&str; 4] = [
    "/etc/sysusers.d",
    "/run/sysusers.d",
    "/usr/local/lib/sysusers.d",
    "/usr/lib/sysusers.d",
];

/// Every sysusers.d file, also one that a file of the same name in an earlier directory hides: what hides it may go.
pub(crate) fn sources(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let copies = lowerdir::copies(files.rootfs(), "/etc/sysusers.d");
    let directories = DIRECTORIES.into_iter().map(String::from).chain(copies);
    directories
        .flat_map(|directory| files.files_in(&directory, ".conf"))
        .collect()
}

/// The words of a line, quotes taken off; none for a comment.
pub(crate) fn words(line: &[u8]) -> Vec<&[u8]> {
    if line.trim_start().starts_with(b"#") {
        return Vec::new();
    }
    line.fields()
        .map(|word| word.trim_with(|c| c == '"' || c == '\''))
        .collect()
}

/// Whether a line of the given type names the account.
pub(crate) fn names(files: &Files<'_>, kind: u8, name: &str) -> Result<bool, Stop> {
    for (_, file) in sources(files) {
        let text = files.text(file)?;
        if text.lines().any(|line| matches!(words(line)[..], [k, n, ..] if k.first() == Some(&kind) && n == name.as_bytes())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A `u` line.
pub(crate) struct Created {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) uid: Option<u64>,
    /// The primary group, by name or number, where the line gives one.
    pub(crate) group: Option<String>,
}

/// The lines that create a user.
pub(crate) fn users(files: &Files<'_>, user: &str) -> Result<Vec<Created>, Stop> {
    let mut found = Vec::new();
    for (path, file) in sources(files) {
        let text = files.text(file)?;
        for (line, text) in (1..).zip(text.lines()) {
            let words = words(text);
            if let [kind, name, rest @ ..] = &words[..]
                && kind.first() == Some(&b'u')
                && *name == user.as_bytes()
            {
                let id = rest.first().map(|id| id.to_str_lossy()).unwrap_or_default();
                let (uid, group) = match id.split_once(':') {
                    Some((uid, group)) => (uid, Some(group.to_owned())),
                    None => (&*id, None),
                };
                found.push(Created {
                    path: path.clone(),
                    line,
                    uid: uid.parse().ok(),
                    group,
                });
            }
        }
    }
    Ok(found)
}

/// Shows the numbers of groups that lines create, with a user or without.
pub(super) fn group_numbers(
    files: &Files<'_>,
    each: &mut dyn FnMut(GroupNumber<'_>),
) -> Result<(), Stop> {
    for (path, file) in sources(files) {
        for (line, text) in (1..).zip(files.text(file)?.lines()) {
            if let [[b'g' | b'u', ..], group, id, ..] = words(text)[..]
                && let Some(gid) = id.to_str().ok().and_then(|id| id.parse().ok())
            {
                each(GroupNumber {
                    path: &path,
                    line,
                    group: &group.to_str_lossy(),
                    gid,
                });
            }
        }
    }
    Ok(())
}

/// The groups that `m` lines put the user into.
pub(crate) fn memberships(files: &Files<'_>, user: &str) -> Result<Vec<String>, Stop> {
    let mut found = Vec::new();
    for (_, file) in sources(files) {
        found.extend(without_member(&files.text(file)?, user, |_| true).1);
    }
    Ok(found)
}

/// The text without the `m` lines that put a user into a group that `wanted` picks, and those groups. The groups' own
/// lines stay, as their files may belong to them.
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
