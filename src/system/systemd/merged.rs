//! What systemd reads for a unit: its file and every drop-in, in the order in which they are
//! applied.

use bstr::BStr;

use super::unit_file::{Assignment, settings};
use super::units::{Units, base};
use crate::error::Stop;
use crate::rootfs::{Files, Place};

/// A unit's assignments from all its files.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    /// The files, first the unit's own; a drop-in is never read before it.
    pub(crate) files: Vec<String>,
    assignments: Vec<(usize, Assignment)>,
}

/// An assignment with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'m> {
    pub(crate) file: &'m str,
    pub(crate) line: usize,
    pub(crate) key: &'m BStr,
    pub(crate) value: &'m BStr,
}

/// Reads a unit as systemd would, but for the files whose paths `leave_out` picks. The file of a
/// masked unit is empty; its drop-ins are listed all the same, though systemd does not apply them
/// until it is unmasked.
pub(crate) fn merged(
    files: &Files<'_>,
    units: &Units<'_>,
    unit: &str,
    leave_out: impl Fn(&str) -> bool,
) -> Result<Merged, Stop> {
    let drop_ins = units.files_in_dirs(unit, "d").into_iter();
    let drop_ins = drop_ins.filter(|(name, _)| name.ends_with(".conf"));
    let fragment = units.fragment(unit).into_iter();
    let paths = fragment.chain(drop_ins.map(|(_, path)| path));
    let mut merged = Merged::default();
    for file in paths.filter(|path| !leave_out(path)) {
        let text = files.text_at(&file)?.unwrap_or_default();
        let at = merged.files.len();
        merged
            .assignments
            .extend(settings(&text).into_iter().map(|s| (at, s)));
        merged.files.push(file);
    }
    Ok(merged)
}

impl Found<'_> {
    pub(super) fn place(&self) -> Place {
        Place::new(self.file, self.line)
    }
}

impl Merged {
    /// Returns the assignments of a section, in order.
    pub(crate) fn section<'m>(&'m self, section: &str) -> impl Iterator<Item = Found<'m>> {
        let all = self.assignments.iter();
        let found = all.filter(move |(_, a)| a.section == section);
        found.map(|(at, a)| Found {
            file: &self.files[*at],
            line: a.line,
            key: a.key.as_ref(),
            value: a.value.as_ref(),
        })
    }

    /// Returns the assignments of a key, in order.
    pub(crate) fn all<'m>(&'m self, section: &str, key: &str) -> impl Iterator<Item = Found<'m>> {
        self.section(section).filter(move |found| found.key == key)
    }

    /// Returns the last value of a key.
    pub(crate) fn value<'m>(&'m self, section: &str, key: &str) -> Option<&'m BStr> {
        self.all(section, key).last().map(|found| found.value)
    }

    /// Returns the assignments of a key that is a list: an empty one resets it.
    pub(crate) fn list<'m>(&'m self, section: &str, key: &str) -> Vec<Found<'m>> {
        let mut found = Vec::new();
        for assignment in self.all(section, key) {
            if assignment.value.is_empty() {
                found.clear();
            } else {
                found.push(assignment);
            }
        }
        found
    }

    /// Returns the drop-in of a name, which may not be the one that was looked for.
    pub(crate) fn drop_in(&self, name: &str) -> Option<&str> {
        let found = self.files.iter().skip(1).chain(self.files.first());
        found.map(String::as_str).find(|path| base(path) == name)
    }
}
