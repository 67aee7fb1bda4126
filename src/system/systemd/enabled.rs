//! Which units start without being asked for: those that links in `.wants` and its like name, or
//! those of a runlevel.

use std::collections::BTreeSet;

use super::name::is_unit;
use super::units::Units;

/// The directories of links by which a unit pulls others in.
pub(super) const PULLS: [&str; 3] = ["wants", "requires", "upholds"];

impl Units<'_> {
    /// Returns the units that a link pulls in, each with the unit that does; none that are masked,
    /// that the image does not have, or whose link a link to `/dev/null` takes back. What `Wants=`
    /// in a unit's own text pulls in is not among them.
    pub(crate) fn enabled(&self) -> BTreeSet<(String, String)> {
        let mut found = self.enabled_scripts();
        for by in self.pulling() {
            for suffix in PULLS {
                let links = self.files_in_dirs(&by, suffix).into_iter();
                let kept = links.filter(|(unit, path)| {
                    is_unit(unit)
                        && self.source(unit).is_some()
                        && !self.is_masked(unit)
                        && !self.rootfs.leads_to(path.as_bytes(), "/dev/null")
                });
                found.extend(kept.map(|(unit, _)| (self.main_name(&unit), by.clone())));
            }
        }
        found
    }

    /// Returns the name of the file that a unit comes from, so that aliases do not count twice.
    fn main_name(&self, unit: &str) -> String {
        self.alias_of(unit).unwrap_or_else(|| unit.to_owned())
    }

    /// Returns the units that have such a directory and are not masked.
    fn pulling(&self) -> BTreeSet<String> {
        let names = self.index.names(self.rootfs);
        let names = names.filter_map(|name| name.rsplit_once('.'));
        names
            .filter(|(unit, suffix)| PULLS.contains(suffix) && is_unit(unit))
            .map(|(unit, _)| self.main_name(unit))
            .filter(|unit| !self.is_masked(unit))
            .collect()
    }
}
