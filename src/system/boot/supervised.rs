//! Directories of services that a supervisor runs: runit, s6 and dinit.

use bstr::ByteSlice;

use super::{Close, Runs, Start, base, directories, names_in, text};
use crate::error::Stop;
use crate::rootfs::{Files, Place};
use crate::system::systemd::words;

/// Where runit and daemontools look for services to run.
const RUNIT: [&str; 5] = [
    "/etc/runit/runsvdir/*",
    "/etc/service",
    "/service",
    "/var/service",
    "/etc/services.d",
];

/// The lists of services that start with s6, a file each, beside the directories of all services.
const CONTENTS: [&str; 3] = [
    "/etc/s6-overlay/s6-rc.d/*/contents.d",
    "/etc/s6/sv/*/contents.d",
    "/etc/s6/adminsv/*/contents.d",
];

const S6_SERVICES: [&str; 5] = [
    "/etc/s6-overlay/s6-rc.d",
    "/etc/s6/sv",
    "/etc/s6/adminsv",
    "/etc/s6-rc/source",
    "/usr/share/s6/sv",
];

const COMPILED: [&str; 3] = [
    "/etc/s6-rc/compiled",
    "/etc/s6/rc/compiled",
    "/etc/s6-rc/db",
];

/// Links to services that dinit starts.
const DINIT: [&str; 3] = [
    "/etc/dinit.d/boot.d",
    "/usr/lib/dinit.d/boot.d",
    "/lib/dinit.d/boot.d",
];

const DINIT_SERVICES: [&str; 3] = ["/etc/dinit.d", "/usr/lib/dinit.d", "/lib/dinit.d"];

pub(super) fn add(files: &Files<'_>, found: &mut Vec<Start>) -> Result<(), Stop> {
    for directory in directories(files, &RUNIT) {
        for name in names_in(files, &directory) {
            runit(files, &directory, name, found)?;
        }
    }
    for directory in directories(files, &CONTENTS) {
        for name in names_in(files, &directory) {
            found.push(Start {
                runs: service(files, &S6_SERVICES, &name, "/run")?,
                place: Place::new(format!("{directory}/{name}"), None),
                name,
                close: Close::Unlink(Vec::new()),
            });
        }
    }
    s6_lists(files, found)?;
    for directory in directories(files, &DINIT) {
        for name in names_in(files, &directory) {
            found.push(Start {
                runs: dinit(files, &name)?,
                place: Place::new(format!("{directory}/{name}"), None),
                name,
                close: Close::Unlink(Vec::new()),
            });
        }
    }
    Ok(())
}

/// Adds a service of runit that is not down. A link goes, as `rm /var/service/NAME` has it; a
/// directory that is the service itself gets a file `down`.
fn runit(
    files: &Files<'_>,
    directory: &str,
    name: String,
    found: &mut Vec<Start>,
) -> Result<(), Stop> {
    let path = format!("{directory}/{name}");
    let rootfs = files.rootfs();
    // runsvdir passes over names that begin with a dot.
    if name.starts_with('.') || rootfs.exists(format!("{path}/down")) {
        return Ok(());
    }
    let is_link = rootfs
        .locate(path.as_bytes())
        .ok()
        .and_then(|place| place.inode)
        .is_some_and(|id| rootfs.inode(id).symlink().is_some());
    let has_run = rootfs.exists(format!("{path}/run"));
    // `current` and its like lead to another directory of services.
    if !has_run && (rootfs.has_directory(&path) || !is_link) {
        return Ok(());
    }
    found.push(Start {
        runs: match has_run {
            true => Runs::of_file(files, &format!("{path}/run"))?,
            false => service(files, &["/etc/sv", "/usr/share/sv"], &name, "/run")?,
        },
        place: Place::new(&path, None),
        name,
        close: match is_link {
            true => Close::Unlink(Vec::new()),
            false => Close::Create(format!("{path}/down")),
        },
    });
    Ok(())
}

/// Adds the lines of the older kind of list, one file `contents` for a bundle, and what is known of
/// a compiled database: that it is one.
fn s6_lists(files: &Files<'_>, found: &mut Vec<Start>) -> Result<(), Stop> {
    for directory in directories(files, &S6_SERVICES) {
        for bundle in names_in(files, &directory) {
            let path = format!("{directory}/{bundle}/contents");
            let content = files.rootfs().open(&path).map(|id| text(files, id));
            let content = content.transpose()?.flatten().unwrap_or_default();
            for (at, line) in content.lines().enumerate() {
                let name = line.to_str_lossy().trim().to_owned();
                if name.is_empty() || name.starts_with('#') {
                    continue;
                }
                found.push(Start {
                    runs: service(files, &S6_SERVICES, &name, "/run")?,
                    place: Place::new(&path, at + 1),
                    name,
                    close: Close::Line,
                });
            }
        }
    }
    for path in COMPILED {
        for name in names_in(files, &format!("{path}/servicedirs")) {
            let run = format!("{path}/servicedirs/{name}/run");
            found.push(Start {
                runs: Runs::of_file(files, &run)?,
                place: Place::new(path, None),
                name,
                close: Close::Never("is a compiled database of s6-rc that has it"),
            });
        }
    }
    Ok(())
}

/// Reads what a service of a name runs, wherever its directory is.
fn service(files: &Files<'_>, within: &[&str], name: &str, run: &str) -> Result<Runs, Stop> {
    let paths = within.iter().map(|at| format!("{at}/{name}{run}"));
    match paths.into_iter().find(|path| files.file(path).is_some()) {
        Some(path) => Runs::of_file(files, &path),
        None => Ok(Runs::default()),
    }
}

/// Reads `command = …` of a service of dinit.
fn dinit(files: &Files<'_>, name: &str) -> Result<Runs, Stop> {
    let paths = DINIT_SERVICES.iter().map(|at| format!("{at}/{name}"));
    let Some(path) = paths.into_iter().find(|path| files.file(path).is_some()) else {
        return Ok(Runs::default());
    };
    let content = files.rootfs().open(&path).map(|id| text(files, id));
    let content = content.transpose()?.flatten().unwrap_or_default();
    let mut runs = Runs::default();
    for line in content.lines() {
        let line = line.to_str_lossy();
        let Some((key, value)) = line.split_once(['=', ':']) else {
            continue;
        };
        if key.trim() != "command" {
            continue;
        }
        let command = words(value.trim());
        match command.first().filter(|first| files.file(first).is_some()) {
            // A script of its own, as many packages have one.
            Some(first) if !base(first).is_empty() && first.starts_with("/etc/") => {
                runs.programs.extend(Runs::of_file(files, first)?.programs);
            }
            _ => runs.programs.extend(Runs::of_command(&command).programs),
        }
    }
    Ok(runs)
}
