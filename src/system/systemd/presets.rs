//! Presets: which units the first boot of an image enables (systemd.preset(5)).

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, ByteSlice};
use globset::GlobMatcher;

use super::bus_activation::readable;
use super::merged::merged;
use super::name::template;
use super::units::Units;
use crate::error::Stop;
use crate::rootfs::glob::matcher;
use crate::rootfs::{Files, InodeId, Place};

const DIRECTORIES: [&str; 5] = [
    "/etc/systemd/system-preset",
    "/run/systemd/system-preset",
    "/usr/local/lib/systemd/system-preset",
    "/usr/lib/systemd/system-preset",
    "/lib/systemd/system-preset",
];

/// The lines of all preset files, in the order in which systemd tries them.
pub(crate) struct Presets {
    lines: Vec<(Place, bool, GlobMatcher)>,
}

/// Returns whether systemd takes the next boot for the first: the image has no machine-id, or one that
/// says so. An empty one is filled in, but that boot is not the first (machine-id(5)).
pub(crate) fn is_first_boot(files: &Files<'_>) -> Result<bool, Stop> {
    let text = files.text_at("/etc/machine-id")?;
    Ok(text.is_none_or(|text| text.trim() == b"uninitialized"))
}

/// Returns the units that are not enabled yet and that the first boot enables, each with the line that
/// does so.
pub(crate) fn enabled(files: &Files<'_>, units: &Units<'_>) -> Result<Vec<(String, String)>, Stop> {
    let mut found = Vec::new();
    if !is_first_boot(files)? {
        return Ok(found);
    }
    let presets = Presets::read(files)?;
    let known: BTreeSet<String> = units.enabled().into_iter().map(|(unit, _)| unit).collect();
    for unit in units.all() {
        let (enables, place) = presets.enables(&unit);
        if !enables
            || known.contains(&unit)
            || unit.contains("@.")
            || units.is_masked(&unit)
            || units.alias_of(&unit).is_some()
        {
            continue;
        }
        let merged = readable(merged(files, units, &unit, |_| false))?.unwrap_or_default();
        let pulls = |key: &BStr| {
            [b"WantedBy".as_slice(), b"RequiredBy", b"UpheldBy"].contains(&key.as_bytes())
        };
        if merged
            .section("Install")
            .any(|found| pulls(found.key) && !found.value.is_empty())
        {
            let by = place.map_or_else(|| "the default".to_owned(), ToString::to_string);
            found.push((unit, format!("preset: {by}")));
        }
    }
    Ok(found)
}

impl Presets {
    /// Reads the preset files; of those of one name, the first directory's counts.
    pub(crate) fn read(files: &Files<'_>) -> Result<Self, Stop> {
        let mut by_name: BTreeMap<String, (String, InodeId)> = BTreeMap::new();
        for directory in DIRECTORIES {
            for (path, id) in files.etc_files_in(directory, ".preset") {
                let name = path.rsplit('/').next().unwrap_or_default().to_owned();
                by_name.entry(name).or_insert((path, id));
            }
        }
        let mut lines = Vec::new();
        for (path, id) in by_name.into_values() {
            for (number, line) in (1..).zip(files.text(id)?.lines()) {
                let line = line.to_str_lossy();
                let mut words = line.split_whitespace();
                let enables = match words.next() {
                    Some("enable") => true,
                    Some("disable" | "ignore") => false,
                    _ => continue,
                };
                if let Some(glob) = words.next().and_then(matcher) {
                    lines.push((Place::new(&path, number), enables, glob));
                }
            }
        }
        Ok(Self { lines })
    }

    /// Returns whether the first boot enables a unit that can be enabled, and the line that says so;
    /// without any line it does.
    pub(crate) fn enables(&self, unit: &str) -> (bool, Option<&Place>) {
        let template = template(unit);
        let means = |glob: &GlobMatcher| {
            glob.is_match(unit)
                || template
                    .as_ref()
                    .is_some_and(|template| glob.is_match(template))
        };
        match self.lines.iter().find(|(_, _, glob)| means(glob)) {
            Some((place, enables, _)) => (*enables, Some(place)),
            None => (true, None),
        }
    }
}
