//! nsswitch.conf: which sources of users and groups the C library asks.

use bstr::ByteSlice;

use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// Modules whose sources casehard reads, or that have no accounts of their own but transient ones.
const READ: [&str; 7] = [
    "files",
    "altfiles",
    "compat",
    "extrausers",
    "systemd",
    "usrfiles",
    "mymachines",
];

/// Returns every module for users or groups whose source is not read: its place, and its name.
pub(crate) fn unread(files: &Files<'_>) -> Result<Vec<(Place, String)>, Stop> {
    let mut found = modules(files)?;
    found.retain(|(_, module)| !READ.contains(&module.as_str()));
    found.dedup_by(|a, b| a.1 == b.1);
    Ok(found)
}

/// Returns whether the C library asks this module for users or groups.
pub(crate) fn asks(files: &Files<'_>, module: &str) -> Result<bool, Stop> {
    Ok(modules(files)?.iter().any(|(_, name)| name == module))
}

/// Returns the modules for groups and users, in the order of the file.
fn modules(files: &Files<'_>) -> Result<Vec<(Place, String)>, Stop> {
    let mut found = Vec::new();
    for (path, id) in files.etc("/etc/nsswitch.conf") {
        for (number, line) in (1..).zip(files.text(id)?.lines()) {
            let line = line.to_str_lossy();
            let line = line.split('#').next().unwrap_or_default();
            let Some((database, modules)) = line.split_once(':') else {
                continue;
            };
            if ![
                "passwd",
                "group",
                "initgroups",
                "passwd_compat",
                "group_compat",
            ]
            .contains(&database.trim())
            {
                continue;
            }
            // What stands in brackets says what happens next.
            let mut within = false;
            let words = modules.split_whitespace().filter(|word| {
                let is_action = within || word.starts_with('[');
                within = is_action && !word.ends_with(']');
                !is_action
            });
            found.extend(words.map(|word| (Place::new(&path, number), word.to_owned())));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use crate::rules::harness::open;

    #[test]
    fn modules_are_told_from_actions_and_other_databases() {
        let image = open(
            "file etc/nsswitch.conf\n| passwd: files [NOTFOUND=continue SUCCESS=return] sss # ldap\n| hosts: dns\n\
             | group: files extrausers [ SUCCESS=merge ] sss db\n",
        );
        let files = image.files().unwrap();
        let found = super::unread(&files).unwrap();
        let found: Vec<String> = found
            .iter()
            .map(|(place, name)| format!("{place} {name}"))
            .collect();
        let want = ["1 sss", "3 sss", "3 db"].map(|at| format!("/etc/nsswitch.conf:{at}"));
        assert_eq!(found, [want[0].clone(), want[2].clone()]);
        assert!(super::asks(&files, "extrausers").unwrap());
        assert!(!super::asks(&files, "dns").unwrap());
    }
}
