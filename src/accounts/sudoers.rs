//! Where sudo is granted: to say what leaving a group does not end.

use bstr::ByteSlice;

use crate::edit::{Draft, Stop};
use crate::lowerdir;

/// The files and directories that sudo may read, `sudoers_file=` of sudo.conf included.
fn sources(draft: &Draft<'_>) -> Result<Vec<String>, Stop> {
    let mut found = vec![
        "/etc/sudoers".to_owned(),
        "/etc/sudoers.d".to_owned(),
        "/usr/share/baselayout/sudoers".to_owned(),
    ];
    found.extend(lowerdir::copies(draft.rootfs(), "/etc/sudoers"));
    found.extend(lowerdir::copies(draft.rootfs(), "/etc/sudoers.d"));
    if let Some(text) = draft.read_path("/etc/sudo.conf")? {
        let lines = text
            .lines()
            .filter(|line| line.trim_start().starts_with(b"Plugin"));
        let files = lines
            .flat_map(ByteSlice::fields)
            .filter_map(|word| word.strip_prefix(b"sudoers_file="));
        found.extend(files.map(|file| file.to_str_lossy().into_owned()));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The lines that grant something to the user by name: file and line number.
pub(crate) fn grants(draft: &Draft<'_>, user: &str) -> Result<Vec<(String, usize)>, Stop> {
    let rootfs = draft.rootfs();
    let mut found = Vec::new();
    for source in sources(draft)? {
        let Some(id) = rootfs.open(&source) else {
            continue;
        };
        let files: Vec<String> = if rootfs.inode(id).is_directory() {
            rootfs
                .children(id)
                .map(|(name, _)| format!("{source}/{name}"))
                .collect()
        } else {
            vec![source]
        };
        for file in files {
            let text = draft.read_path(&file)?.unwrap_or_default();
            found.extend(
                (1..)
                    .zip(text.lines())
                    .filter(|(_, line)| grants_to(line, user))
                    .map(|(n, _)| (file.clone(), n)),
            );
        }
    }
    Ok(found)
}

/// Whether a line is a rule whose list of users, before the host, names this one.
fn grants_to(line: &[u8], user: &str) -> bool {
    let Some((left, _)) = line.split_once_str("=") else {
        return false;
    };
    let users: Vec<&[u8]> = left
        .split(|b| matches!(b, b',' | b' ' | b'\t'))
        .filter(|w| !w.is_empty())
        .collect();
    let subjects = &users[..users.len().saturating_sub(1)];
    !left.trim_start().starts_with(b"Defaults")
        && !left.trim_start().starts_with(b"#")
        && subjects.contains(&user.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_name_the_user_are_found() {
        for line in [
            "core ALL=(ALL) NOPASSWD: ALL",
            "root, core ALL=(ALL) ALL",
            "\tcore\thost=ALL",
            "User_Alias OPS = core",
        ] {
            assert_eq!(
                grants_to(line.as_bytes(), "core"),
                !line.starts_with("User"),
                "{line}"
            );
        }
        for line in [
            "# core ALL=(ALL) ALL",
            "%core ALL=(ALL) ALL",
            "Defaults:core x=1",
            "corey ALL=ALL",
            "root core=ALL",
        ] {
            assert!(!grants_to(line.as_bytes(), "core"), "{line}");
        }
    }
}
