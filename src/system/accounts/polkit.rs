//! polkit's rules: lines that name a user or a group, and so may give rights that sudo and membership say nothing of.

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::InodeId;
use crate::rootfs::lowerdir;

/// A line that names someone.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) path: String,
    pub(crate) line: usize,
    /// The group that it names; none where it names the user.
    pub(crate) group: Option<String>,
}

const RULES: [&str; 4] = [
    "/etc/polkit-1/rules.d",
    "/run/polkit-1/rules.d",
    "/usr/local/share/polkit-1/rules.d",
    "/usr/share/polkit-1/rules.d",
];

/// Where older versions look: files of `.pkla` two levels down, and the administrators' list.
const AUTHORITY: [&str; 2] = [
    "/etc/polkit-1/localauthority",
    "/var/lib/polkit-1/localauthority",
];
const ADMINISTRATORS: &str = "/etc/polkit-1/localauthority.conf.d";

/// The lines that name the user or one of the groups, in order.
pub(crate) fn mentions(
    files: &Files<'_>,
    user: &str,
    groups: &[&str],
) -> Result<Vec<Mention>, Stop> {
    let mut found = Vec::new();
    for (path, file) in sources(files) {
        let text = files.text(file)?;
        let javascript = path.ends_with(".rules");
        let mut within_comment = false;
        for (number, line) in (1..).zip(text.lines()) {
            let names = if javascript {
                quoted(line, &mut within_comment)
            } else {
                identities(line)
            };
            let mut add = |group: Option<&str>| {
                found.push(Mention {
                    path: path.clone(),
                    line: number,
                    group: group.map(String::from),
                });
            };
            for name in names {
                if let Some(name) = name.strip_prefix(b"unix-user:") {
                    if name == user.as_bytes() {
                        add(None);
                    }
                    continue;
                }
                if let Some(name) = name.strip_prefix(b"unix-group:") {
                    groups
                        .iter()
                        .filter(|g| g.as_bytes() == name)
                        .for_each(|g| add(Some(g)));
                    continue;
                }
                // What a line compares a name with says what it is; where neither is there, it may be both.
                let of_group = line.find(b"isInGroup").is_some();
                let of_user = line.find(b".user").is_some();
                if of_user == of_group || of_group {
                    groups
                        .iter()
                        .filter(|g| g.as_bytes() == name)
                        .for_each(|g| add(Some(g)));
                }
                if (of_user == of_group || of_user) && name == user.as_bytes() {
                    add(None);
                }
            }
        }
    }
    found.dedup();
    Ok(found)
}

fn sources(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let with_copies = |path: &str| {
        let mut paths = vec![path.to_owned()];
        paths.extend(lowerdir::copies(files.rootfs(), path));
        paths
    };
    let mut found = Vec::new();
    for path in RULES.iter().flat_map(|path| with_copies(path)) {
        found.extend(files.files_in(&path, ".rules"));
    }
    for path in AUTHORITY.iter().flat_map(|path| with_copies(path)) {
        for directory in files.directories_in(&path) {
            found.extend(files.files_in(&directory, ".pkla"));
        }
    }
    for path in with_copies(ADMINISTRATORS) {
        found.extend(files.files_in(&path, ".conf"));
    }
    found
}

/// The strings of a line of JavaScript, comments left out.
fn quoted<'a>(line: &'a [u8], within_comment: &mut bool) -> Vec<&'a [u8]> {
    let mut found = Vec::new();
    let mut rest = line;
    while let Some(&first) = rest.first() {
        if *within_comment {
            let Some(end) = rest.find(b"*/") else {
                return found;
            };
            *within_comment = false;
            rest = &rest[end + 2..];
        } else if rest.starts_with(b"//") {
            return found;
        } else if rest.starts_with(b"/*") {
            *within_comment = true;
            rest = &rest[2..];
        } else if matches!(first, b'"' | b'\'' | b'`') {
            let Some(end) = rest[1..].find_byte(first) else {
                return found;
            };
            found.push(&rest[1..=end]);
            rest = &rest[end + 2..];
        } else {
            rest = &rest[1..];
        }
    }
    found
}

/// The identities of a line such as `Identity=unix-group:wheel;unix-user:core`.
fn identities(line: &[u8]) -> Vec<&[u8]> {
    match line.trim_start().split_once_str("=") {
        Some((key, value)) if matches!(key.trim(), b"Identity" | b"AdminIdentities") => {
            value.split_str(";").map(ByteSlice::trim).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_found_and_comments_left_out() {
        let mut comment = false;
        let mut strings = |line: &'static str| -> Vec<String> {
            let found = quoted(line.as_bytes(), &mut comment);
            found
                .iter()
                .map(|s| s.to_str_lossy().into_owned())
                .collect()
        };
        assert_eq!(
            strings(r#"  if (subject.isInGroup("wheel") && x == 'a"b') // "c""#),
            ["wheel", "a\"b"]
        );
        assert_eq!(strings(r#"/* "a" */ return ["b"]; /* "c""#), ["b"]);
        assert_eq!(strings(r#""d" */ "e" "f"#), ["e"]);
        assert_eq!(
            identities(b"Identity=unix-user:a; unix-group:b"),
            [&b"unix-user:a"[..], b"unix-group:b"]
        );
        assert_eq!(identities(b"Action=a;b"), [&b""[..]; 0]);
    }
}
