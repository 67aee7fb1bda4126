//! polkit's rules: lines that name a user or a group, and so may give rights besides sudo and membership.

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};

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

/// Returns the lines that name the user, or one of the groups and which, in order.
pub(crate) fn mentions(
    files: &Files<'_>,
    user: &str,
    groups: &[&str],
) -> Result<Vec<(Place, Option<String>)>, Stop> {
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
            // The comparison shows which of the two a name is; without one, a name may be either.
            let of_group = line.find(b"isInGroup").is_some();
            let of_user = line.find(b".user").is_some();
            for name in names {
                let (name, of_user, of_group) = match name.split_once_str(":") {
                    Some((b"unix-user", name)) => (name, true, false),
                    Some((b"unix-group", name)) => (name, false, true),
                    _ => (name, of_user || !of_group, of_group || !of_user),
                };
                let place = || Place::new(&path, number);
                if let Some(group) = groups.iter().find(|g| of_group && g.as_bytes() == name) {
                    found.push((place(), Some((*group).to_owned())));
                }
                if of_user && name == user.as_bytes() {
                    found.push((place(), None));
                }
            }
        }
    }
    found.dedup();
    Ok(found)
}

/// Actions by which everybody can run what they like as root.
const AS_ROOT: [&str; 4] = [
    "org.freedesktop.policykit.exec",
    "org.freedesktop.systemd1.manage-units",
    "org.freedesktop.systemd1.manage-unit-files",
    "org.freedesktop.machine1.host-shell",
];

/// Returns where a rule says yes to everybody, for every action or one that is as good as root.
pub(crate) fn open_to_all(files: &Files<'_>) -> Result<Vec<Place>, Stop> {
    let mut found = Vec::new();
    for (path, file) in sources(files) {
        let text = files.text(file)?;
        if path.ends_with(".rules") {
            found.extend(open_rules(&text).map(|line| Place::new(&path, line)));
        } else if path.ends_with(".pkla") {
            found.extend(open_entries(&text).map(|line| Place::new(&path, line)));
        }
    }
    Ok(found)
}

/// Returns the line of each rule that has a yes and does not ask who it is, for everything or what
/// is as good as root. That someone sits at the machine is not who they are.
fn open_rules(text: &[u8]) -> impl Iterator<Item = usize> {
    const SUBJECT: [&str; 3] = ["isInGroup", ".user", "isInNetGroup"];
    const ACTION: [&str; 2] = ["action.", "action["];
    let mut comment = false;
    let starts = (1..)
        .zip(text.lines())
        .filter(|(_, line)| line.contains_str("addRule"));
    let starts: Vec<usize> = starts.map(|(number, _)| number).collect();
    let lines: Vec<&[u8]> = text
        .lines()
        .map(|line| without_comments(line, &mut comment))
        .collect();
    let ends: Vec<usize> = starts
        .iter()
        .skip(1)
        .copied()
        .chain([lines.len() + 1])
        .collect();
    let mut found = Vec::new();
    for (start, end) in starts.into_iter().zip(ends) {
        let body = &lines[start - 1..end - 1];
        let has = |what: &str| body.iter().any(|line| line.contains_str(what));
        if has("addRule")
            && (has("Result.YES") || has("'yes'") || has("\"yes\""))
            && !SUBJECT.iter().any(|test| has(test))
            && (!ACTION.iter().any(|test| has(test))
                // `action.lookup` asks for one unit or program.
                || !has("lookup") && AS_ROOT.iter().any(|action| has(action)))
        {
            let yes = body
                .iter()
                .position(|line| line.to_ascii_lowercase().contains_str("yes"));
            found.push(start + yes.unwrap_or_default());
        }
    }
    found.into_iter()
}

/// Returns the part of a line before a comment; of a comment over several lines nothing.
fn without_comments<'a>(line: &'a [u8], within: &mut bool) -> &'a [u8] {
    if *within {
        *within = !line.contains_str("*/");
        return b"";
    }
    let line = line.split_once_str("//").map_or(line, |(code, _)| code);
    match line.split_once_str("/*") {
        Some((code, rest)) => {
            *within = !rest.contains_str("*/");
            code
        }
        None => line,
    }
}

/// Returns the line of each yes in an entry of a `.pkla` that means every user, and every action or
/// one as good as root.
fn open_entries(text: &[u8]) -> impl Iterator<Item = usize> {
    let (mut all_users, mut all_actions) = (false, false);
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with(b"[") {
            (all_users, all_actions) = (false, false);
        }
        let Some((key, value)) = line.split_once_str("=") else {
            continue;
        };
        let value = value.trim();
        let has = |word: &[u8]| value.split_str(";").any(|one| one.trim() == word);
        let is_root = |action: &&str| has(action.as_bytes());
        match key.trim() {
            b"Identity" => all_users = has(b"unix-user:*") || has(b"unix-group:*"),
            b"Action" => all_actions = has(b"*") || AS_ROOT.iter().any(is_root),
            b"ResultAny" | b"ResultInactive" | b"ResultActive"
                if all_users && all_actions && value == b"yes" =>
            {
                found.push(number);
            }
            _ => {}
        }
    }
    found.into_iter()
}

fn sources(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let with_copies = |path: &&str| files.with_copies(path);
    let in_each = |directories: &[&str], suffix: &str| -> Vec<(String, InodeId)> {
        let directories = directories.iter().flat_map(with_copies);
        directories
            .flat_map(|path| files.files_in(&path, suffix))
            .collect()
    };
    let authority = AUTHORITY.iter().flat_map(with_copies);
    let authority: Vec<String> = authority
        .flat_map(|path| files.directories_in(&path))
        .collect();
    let authority = authority
        .iter()
        .flat_map(|path| files.files_in(path, ".pkla"));
    let mut found = in_each(&RULES, ".rules");
    found.extend(authority);
    found.extend(in_each(&[ADMINISTRATORS], ".conf"));
    found
}

/// Returns the strings of a line of JavaScript, without comments.
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

/// Returns the identities of a line such as `Identity=unix-group:wheel;unix-user:core`.
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
