//! systemd as the rootfs shows it: where units come from, which are masked, and what drop-ins say.

mod beside;
mod bus;
mod confined;
mod enabled;
mod exposure;
mod load_path;
mod merged;
pub(crate) mod name;
mod reach;
mod setting;
mod sysv;
pub(crate) mod tmpfiles;
mod unit_file;
mod units;

use std::collections::BTreeSet;

use crate::rootfs::Rootfs;
use crate::rootfs::glob::{is_glob, matcher};

pub(crate) use bus::{started_by_bus, still_start};
pub(crate) use exposure::exposure;
pub(crate) use load_path::unread_copy;
pub(crate) use merged::{Merged, merged};
pub(crate) use reach::openings;
pub(crate) use setting::{Kind, Loss, lost};
pub(crate) use unit_file::words;
pub(crate) use units::{UnitIndex, Units};

/// Where the administrator's units are; a rule writes here.
pub(crate) const ETC: &str = "/etc/systemd/system";

/// The units that a name or glob stands for, sorted; the name itself where it is no glob, be the unit there or not. Instances
/// that only a link enables are among them, unless their template is.
pub(crate) fn named(rootfs: &Rootfs, unit: &str) -> Vec<String> {
    if !is_glob(unit) {
        return vec![unit.to_owned()];
    }
    let Some(matcher) = matcher(unit) else {
        return Vec::new();
    };
    let names = load_path::unit_path(rootfs)
        .into_iter()
        .flat_map(|directory| names_in(rootfs, &directory))
        .chain(sysv::scripts(rootfs).into_keys());
    let units: BTreeSet<String> = names
        .filter(|unit| name::is_unit(unit) && matcher.is_match(unit))
        .collect();
    let enabled = Units::read(rootfs).enabled().into_iter();
    let instances = enabled.map(|(unit, _)| unit).filter(|unit| {
        let template = name::template(unit);
        matcher.is_match(unit) && template.is_some_and(|template| !units.contains(&template))
    });
    instances
        .collect::<BTreeSet<_>>()
        .union(&units)
        .cloned()
        .collect()
}

fn names_in(rootfs: &Rootfs, directory: &str) -> Vec<String> {
    let Some(directory) = rootfs.open(directory) else {
        return Vec::new();
    };
    let names = rootfs.children(directory);
    names.map(|(name, _)| name.to_string()).collect()
}
