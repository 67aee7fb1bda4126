//! pam_group: groups that a login brings along (group.conf(5)), where a service of PAM asks for it.

use bstr::ByteSlice;

use super::Account;
use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::lowerdir;

const CONFIG: &str = "/etc/security/group.conf";

/// A line that brings a user into groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Brought {
    pub(crate) path: String,
    pub(crate) line: usize,
    pub(crate) groups: Vec<String>,
}

/// What logins bring a user, by whatever service, terminal and time. Netgroups are not looked at.
pub(crate) fn brought(files: &Files<'_>, account: &Account) -> Result<Vec<Brought>, Stop> {
    let mut found = Vec::new();
    if !is_asked(files)? {
        return Ok(found);
    }
    let copies = lowerdir::copies(files.rootfs(), CONFIG);
    for path in std::iter::once(CONFIG.to_owned()).chain(copies) {
        let text = files.text_at(&path)?.unwrap_or_default();
        for (line, text) in lines(&text) {
            let fields: Vec<&str> = text.split(';').map(str::trim).collect();
            let [_, _, users, _, groups] = fields[..] else {
                continue;
            };
            if fits(users, account) {
                let groups = groups.split([',', ' ', '\t']).filter(|g| !g.is_empty());
                found.push(Brought {
                    path: path.clone(),
                    line,
                    groups: groups.map(str::to_owned).collect(),
                });
            }
        }
    }
    Ok(found)
}

/// Whether the configuration of any service has the module.
fn is_asked(files: &Files<'_>) -> Result<bool, Stop> {
    let mut sources = Vec::from_iter(files.file("/etc/pam.conf"));
    for directory in ["/etc/pam.d", "/usr/lib/pam.d", "/usr/share/pam.d"] {
        sources.extend(files.files_in(directory, ""));
    }
    for (_, id) in sources {
        let text = files.text(id)?;
        let asks = |line: &[u8]| {
            let rule = line.split(|byte| *byte == b'#').next();
            rule.is_some_and(|rule| rule.contains_str("pam_group.so"))
        };
        if text.lines().any(asks) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The lines without comments, those that end in a backslash joined with the next, by the number of the first.
fn lines(text: &[u8]) -> Vec<(usize, String)> {
    let mut found: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.to_str_lossy();
        let line = line.split('#').next().unwrap_or_default();
        let joined = line.strip_suffix('\\');
        match found.last_mut().filter(|_| open) {
            Some((_, last)) => last.push_str(joined.unwrap_or(line)),
            None => found.push((number, joined.unwrap_or(line).to_owned())),
        }
        open = joined.is_some();
    }
    found
}

/// Whether a list of users, taken from left to right as the module does, has this one.
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

/// Whether a name, in which one `*` may stand for anything, is the user's.
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
