//! pam_group: groups that a login adds a user to (group.conf(5)), where a service of PAM uses it.

use bstr::ByteSlice;

use super::{Account, joined_lines};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};

/// Returns the groups that logins add a user to, by whatever service, terminal and time, with the lines that say so.
/// Netgroups are not looked at.
pub(crate) fn memberships(
    files: &Files<'_>,
    account: &Account,
) -> Result<Vec<(Place, Vec<String>)>, Stop> {
    let mut found = Vec::new();
    if !is_used(files)? {
        return Ok(found);
    }
    for (path, id) in files.etc("/etc/security/group.conf") {
        let code = |line: &str| line.split('#').next().unwrap_or_default().to_owned();
        for (line, text) in joined_lines(&files.text(id)?, code) {
            let fields: Vec<&str> = text.split(';').map(str::trim).collect();
            let [_, _, users, _, groups] = fields[..] else {
                continue;
            };
            if fits(users, account) {
                let groups = groups.split([',', ' ', '\t']).filter(|g| !g.is_empty());
                found.push((Place::new(&path, line), groups.map(str::to_owned).collect()));
            }
        }
    }
    Ok(found)
}

/// Returns the files that configure the services of PAM.
pub(super) fn services(files: &Files<'_>) -> Vec<(String, InodeId)> {
    let mut found = files.etc("/etc/pam.conf");
    for directory in ["/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d"] {
        found.extend(files.etc_files_in(directory, ""));
    }
    found
}

/// Returns whether the configuration of any service has the module.
fn is_used(files: &Files<'_>) -> Result<bool, Stop> {
    for (_, id) in services(files) {
        let text = files.text(id)?;
        let uses = |line: &[u8]| {
            let rule = line.split(|byte| *byte == b'#').next();
            rule.is_some_and(|rule| rule.contains_str("pam_group.so"))
        };
        if text.lines().any(uses) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Returns whether a list of users, read from left to right as the module does, has this one.
fn fits(users: &str, account: &Account) -> bool {
    if let Some(group) = users.strip_prefix('%') {
        return account.is_in(group.as_bytes());
    }
    let (mut fits, mut all) = (false, false);
    for part in users.split_inclusive(['|', '&']) {
        let name = part.trim_end_matches(['|', '&']).trim();
        let plain = name.trim_start_matches('!');
        let is = is_named(plain, &account.name) != ((name.len() - plain.len()) % 2 == 1);
        fits = if all { fits && is } else { fits || is };
        all = part.ends_with('&');
    }
    fits
}

/// Returns whether a name, in which one `*` may stand for anything, is the user's.
fn is_named(name: &str, user: &str) -> bool {
    match name.split_once('*') {
        Some((start, end)) => {
            user.len() >= start.len() + end.len() && user.starts_with(start) && user.ends_with(end)
        }
        None => name == user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_users_are_taken_from_left_to_right() {
        let mut account = Account::member_of("wheel");
        account.name = "core".into();
        for (users, want) in [
            ("core", true),
            ("*", true),
            ("co*e", true),
            ("core*core", false),
            ("bob", false),
            ("bob|core", true),
            ("bob | !root", true),
            ("!core", false),
            ("!!core", true),
            ("*&!core", false),
            ("bob&core|core", true),
            ("core|bob&bob", false),
            ("%wheel", true),
            ("%adm", false),
            ("@net", false),
            ("", false),
        ] {
            assert_eq!(fits(users, &account), want, "{users}");
        }
    }
}
