//! What each unit starts: the commands of a service, and the units that a socket, timer or path
//! triggers.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::bus_activation::readable;
use super::mask_leftovers::services;
use super::merged::merged;
use super::name::{expanded, kind, prefix};
use super::unit_file::words;
use super::units::Units;
use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// A unit that is neither masked nor another name of one, and what it starts.
#[derive(Clone, Debug)]
pub(crate) struct UnitStart {
    pub(crate) unit: String,
    /// The words of each `ExecStart=`, with the specifiers that the name decides.
    pub(crate) commands: Vec<Vec<String>>,
    /// The script of which systemd-sysv-generator makes the unit.
    pub(crate) script: Option<String>,
    /// The units that it triggers.
    pub(crate) triggers: BTreeSet<String>,
}

/// Returns what every unit of the image starts.
pub(crate) fn unit_starts(files: &Files<'_>, units: &Units<'_>) -> Result<Vec<UnitStart>, Stop> {
    let mut found = Vec::new();
    for unit in units.all() {
        let is_starter = ["service", "socket", "timer", "path"].contains(&kind(&unit));
        if !is_starter || units.is_masked(&unit) || units.alias_of(&unit).is_some() {
            continue;
        }
        let script = units
            .script_of(&unit)
            .filter(|path| path.contains("/init.d/"));
        let script = script.map(str::to_owned);
        let merged = readable(merged(files, units, &unit, |_| false))?.unwrap_or_default();
        let mut start = UnitStart {
            commands: Vec::new(),
            script,
            triggers: BTreeSet::new(),
            unit,
        };
        let unit = start.unit.as_str();
        match kind(unit) {
            "service" => {
                let lines = merged.list("Service", "ExecStart").into_iter();
                start.commands = lines
                    .map(|line| command(unit, &line.value.to_str_lossy()))
                    .collect();
            }
            "socket" => start.triggers = services(unit, &merged),
            other => {
                let section = if other == "timer" { "Timer" } else { "Path" };
                let named = merged
                    .value(section, "Unit")
                    .filter(|name| !name.is_empty());
                let named = named.map(|name| expanded(unit, &name.to_str_lossy()));
                let (at, service) = (unit.contains('@'), prefix(unit));
                let own = || match at {
                    true => format!("{service}@.service"),
                    false => format!("{service}.service"),
                };
                start.triggers.insert(named.unwrap_or_else(own));
            }
        }
        found.push(start);
    }
    Ok(found)
}

/// Returns the commands of a service, each with its line.
pub(crate) fn commands(
    files: &Files<'_>,
    units: &Units<'_>,
    unit: &str,
) -> Result<Vec<(Vec<String>, Place)>, Stop> {
    let merged = readable(merged(files, units, unit, |_| false))?.unwrap_or_default();
    let lines = merged.list("Service", "ExecStart").into_iter();
    let commands = lines.map(|line| (command(unit, &line.value.to_str_lossy()), line.place()));
    Ok(commands.collect())
}

/// Returns the words of a command line without what systemd reads before the program, and without
/// the name that `@` gives the process.
fn command(unit: &str, line: &str) -> Vec<String> {
    let signs = |c: char| "-@:+!|".contains(c);
    let rest = line.trim_start_matches(signs);
    let mut words = words(rest);
    if line[..line.len() - rest.len()].contains('@') && words.len() > 1 {
        words.remove(1);
    }
    words.iter().map(|word| expanded(unit, word)).collect()
}
