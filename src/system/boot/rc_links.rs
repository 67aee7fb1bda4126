//! Links and scripts whose names begin with `S` and a number: System V's runlevels, OpenWrt's
//! `/etc/rc.d`, and the scripts that Buildroot's `rcS` runs.

use super::{Close, Runs, Start, directories, names_in};
use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// The runlevels in which `S` starts something, and where Red Hat's family has them.
const RUNLEVELS: [&str; 12] = [
    "/etc/rcS.d",
    "/etc/rc1.d",
    "/etc/rc2.d",
    "/etc/rc3.d",
    "/etc/rc4.d",
    "/etc/rc5.d",
    "/etc/rc.d/rcS.d",
    "/etc/rc.d/rc1.d",
    "/etc/rc.d/rc2.d",
    "/etc/rc.d/rc3.d",
    "/etc/rc.d/rc4.d",
    "/etc/rc.d/rc5.d",
];

pub(super) fn add(files: &Files<'_>, found: &mut Vec<Start>) -> Result<(), Stop> {
    for directory in directories(files, &RUNLEVELS) {
        // `update-rc.d NAME disable` makes it a link that stops, with the same number.
        add_started(files, &directory, found, |link, _| {
            Close::Rename(format!("K{}", &link[1..]))
        })?;
    }
    for directory in directories(files, &["/etc/rc.d"]) {
        // `/etc/init.d/NAME disable` of OpenWrt removes the links that start and stop it.
        let names = names_in(files, &directory);
        add_started(files, &directory, found, |_, name| {
            let stops = names.iter().filter(|link| {
                let rest = link.strip_prefix('K').map(|rest| rest.split_at_checked(2));
                rest.flatten().is_some_and(|(_, rest)| rest == name)
            });
            Close::Unlink(stops.map(|link| format!("{directory}/{link}")).collect())
        })?;
    }
    if files.rootfs().exists("/etc/init.d/rcS") {
        for directory in directories(files, &["/etc/init.d"]) {
            // rcS and rcK pass over every name that does not begin with `S`.
            add_started(files, &directory, found, |script, _| {
                Close::Rename(format!("K{}", &script[1..]))
            })?;
        }
    }
    Ok(())
}

/// Adds what the names of a directory start.
fn add_started(
    files: &Files<'_>,
    directory: &str,
    found: &mut Vec<Start>,
    close: impl Fn(&str, &str) -> Close,
) -> Result<(), Stop> {
    for link in names_in(files, directory) {
        let Some(name) = started(&link) else { continue };
        let path = format!("{directory}/{link}");
        if files.rootfs().has_directory(&path) {
            continue;
        }
        found.push(Start {
            name: name.to_owned(),
            place: Place::new(&path, None),
            runs: Runs::of_file(files, &path)?,
            close: close(&link, name),
        });
    }
    Ok(())
}

/// Returns `sshd` of `S50sshd`.
fn started(link: &str) -> Option<&str> {
    let rest = link.strip_prefix('S')?;
    let name = rest.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = rest.len() - name.len();
    (digits > 0 && !name.is_empty()).then(|| name.strip_suffix(".sh").unwrap_or(name))
}
