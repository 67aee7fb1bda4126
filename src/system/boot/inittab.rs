//! `/etc/inittab`, as busybox and sysvinit read it.

use bstr::ByteSlice;

use super::{Close, Start, base, script, text};
use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// Actions that start nothing when the system boots.
const NEVER: [&str; 9] = [
    "off",
    "initdefault",
    "ctrlaltdel",
    "shutdown",
    "restart",
    "powerfail",
    "powerwait",
    "powerokwait",
    "kbrequest",
];

/// Adds each line that starts a program, as a `#` before it takes it out.
pub(super) fn add(files: &Files<'_>, found: &mut Vec<Start>) -> Result<(), Stop> {
    for (path, id) in files.etc("/etc/inittab") {
        let content = text(files, id)?.unwrap_or_default();
        for (at, line) in content.lines().enumerate() {
            let line = line.to_str_lossy();
            let fields: Vec<&str> = line.trim().splitn(4, ':').collect();
            let [tag, _, action, process] = fields[..] else {
                continue;
            };
            if tag.starts_with('#') || NEVER.contains(&action) {
                continue;
            }
            // Either sign before it concerns the terminal or the log, not the program.
            let runs = script::read(process.trim_start_matches(['-', '+', '@']));
            let first = runs.programs.first().map(|program| base(program));
            let name = if tag.is_empty() { first } else { Some(tag) };
            found.push(Start {
                name: name.unwrap_or_default().to_owned(),
                place: Place::new(&path, at + 1),
                runs,
                close: Close::Comment("#"),
            });
        }
    }
    Ok(())
}
