//! Presets: which units the first boot of an image enables (systemd.preset(5)).

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, ByteSlice};
use globset::GlobMatcher;

use super::bus_activation::readable;
use super::merged::merged;
use super::name::{instance, template};
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
    lines: Vec<Line>,
}

struct Line {
    place: Place,
    enables: bool,
    matcher: GlobMatcher,
    instances: Vec<String>,
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
        let (enables, place) = presets.enables(&unit, None);
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
                let (verb, rest) = line
                    .trim()
                    .split_once(char::is_whitespace)
                    .unwrap_or_default();
                let mut words = rest.split_whitespace();
                // Only `enable` takes more than a pattern: the instances of a template.
                let (pattern, instances) = match verb {
                    "enable" => (words.next(), words.map(str::to_owned).collect()),
                    "disable" | "ignore" => (Some(rest.trim()), Vec::new()),
                    _ => continue,
                };
                if let Some(matcher) = pattern.and_then(matcher) {
                    lines.push(Line {
                        place: Place::new(&path, number),
                        enables: verb == "enable",
                        matcher,
                        instances,
                    });
                }
            }
        }
        Ok(Self { lines })
    }

    /// Returns whether the first boot enables a unit that can be enabled, and the line that says so;
    /// without any line it does. Of a template these are the instances that the line names, else the
    /// one that the template's own text names.
    pub(crate) fn enables(&self, unit: &str, default: Option<&str>) -> (bool, Option<&Place>) {
        let (own, template) = (instance(unit).filter(|own| !own.is_empty()), template(unit));
        let is_about = |line: &&Line| match &template {
            Some(template) => line.matcher.is_match(template) || line.matcher.is_match(unit),
            None => line.matcher.is_match(unit) && line.instances.is_empty(),
        };
        let line = self.lines.iter().find(is_about);
        let enables = line.is_none_or(|line| line.enables);
        let instances = line
            .map(|line| line.instances.as_slice())
            .unwrap_or_default();
        let is_meant = own.is_none_or(|own| match instances {
            [] => default == Some(own),
            named => named.iter().any(|name| name == own),
        });
        (enables && is_meant, line.map(|line| &line.place))
    }
}

#[cfg(test)]
mod tests {
    use super::Presets;
    use crate::rules::harness::open;

    #[test]
    fn lines_are_about_what_systemctl_takes_them_for() {
        let image = open(
            "
file usr/lib/systemd/system-preset/90.preset
| # enable c.service
| disable a.service b.service
| enable c.service d.service
| enable p@.service one two
| disable e*.service
| enable *
file usr/lib/systemd/system-preset/80.preset
| disable first.service
",
        );
        let files = image.files().unwrap();
        let presets = Presets::read(&files).unwrap();
        for (unit, default, want) in [
            ("a.service", None, true),
            ("e1.service", None, false),
            ("first.service", None, false),
            ("c.service", None, true),
            ("p@one.service", None, true),
            ("p@three.service", None, false),
            ("q@x.service", None, false),
            ("q@x.service", Some("x"), true),
        ] {
            assert_eq!(presets.enables(unit, default).0, want, "{unit}");
        }
        let (_, place) = presets.enables("c.service", None);
        assert_eq!(place.unwrap().line, Some(6));
    }
}
