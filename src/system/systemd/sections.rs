//! In which sections of a unit systemd reads a setting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

const SECTIONS: &str = include_str!("sections.txt");

/// The sections of each setting.
static BY_NAME: LazyLock<BTreeMap<&str, BTreeSet<&str>>> = LazyLock::new(|| {
    let mut by_name: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let lines = SECTIONS.lines().filter(|line| !line.starts_with('#'));
    for (sections, names) in lines.filter_map(|line| line.split_once(": ")) {
        for name in names.split(' ') {
            by_name.entry(name).or_default().extend(sections.split(' '));
        }
    }
    by_name
});

/// Returns the sections in which systemd reads a setting; none where it does not know it.
pub(crate) fn sections_of(name: &str) -> Option<&'static BTreeSet<&'static str>> {
    BY_NAME.get(name)
}

/// Returns the settings that systemd reads in a section, sorted.
pub(crate) fn settings_in(section: &str) -> impl Iterator<Item = &'static str> {
    let all = BY_NAME.iter();
    all.filter(move |(_, sections)| sections.contains(section))
        .map(|(name, _)| *name)
}

/// Returns every section, sorted.
pub(crate) fn all_sections() -> BTreeSet<&'static str> {
    BY_NAME.values().flatten().copied().collect()
}
