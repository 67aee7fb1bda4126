//! What stands beside units in the search path: drop-ins, links that enable, and the instances that these tell of.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use super::name::{instance, is_unit, kind, levels, template, with_instance};
use super::units::Units;

impl Units<'_> {
    /// The instances of a template of which the image knows: by a file, a drop-in directory or an enablement link, under any
    /// name of the template.
    pub(crate) fn instances(&self, unit: &str) -> BTreeSet<String> {
        let names = self.names_of(unit);
        let names = names.iter().map(|name| with_instance(name, "any"));
        let templates: BTreeSet<String> = names
            .flat_map(|name| levels(&name))
            .filter_map(|level| template(&level))
            .collect();
        let wanted = |name: &str| template(name).is_some_and(|t| templates.contains(&t));
        let mut found = BTreeSet::new();
        for (_, id) in &self.directories {
            for (name, _) in self.rootfs.children(*id) {
                let Ok(name) = name.to_str() else { continue };
                let stem = name.strip_suffix(".d").unwrap_or(name);
                if wanted(stem) && is_unit(stem) {
                    found.insert(stem.to_owned());
                }
                if [".wants", ".requires", ".upholds"]
                    .iter()
                    .any(|s| name.ends_with(s))
                {
                    let inner = self.rootfs.open(self.rootfs.path_in(*id, name.as_bytes()));
                    let links = inner.into_iter().flat_map(|id| self.rootfs.children(id));
                    let links = links.filter_map(|(name, _)| name.to_str().ok());
                    found.extend(links.filter(|n| wanted(n)).map(str::to_owned));
                }
            }
        }
        let instances = found.iter().filter_map(|name| instance(name));
        instances.map(|i| with_instance(unit, i)).collect()
    }

    /// The files that the directories `NAME.SUFFIX` of a unit's names hold, by file name: of two with one name, the one that
    /// systemd takes. The type's directory comes last.
    pub(crate) fn beside(&self, unit: &str, suffix: &str) -> BTreeMap<String, String> {
        let names = self.names_of(unit);
        let of_names = names.iter().flat_map(|name| {
            let levels = levels(name);
            let directories = self.directories.iter();
            directories.flat_map(move |(directory, _)| {
                let levels = levels.clone();
                levels
                    .into_iter()
                    .map(move |level| format!("{directory}/{level}.{suffix}"))
            })
        });
        let kind = kind(unit);
        let of_type = self
            .directories
            .iter()
            .map(|(directory, _)| format!("{directory}/{kind}.{suffix}"));
        let mut found = BTreeMap::new();
        for directory in of_names.chain(of_type) {
            let Some(id) = self.rootfs.open(&directory) else {
                continue;
            };
            let directory = self.rootfs.path(id);
            for (name, _) in self.rootfs.children(id) {
                if let Ok(name) = name.to_str()
                    && !name.starts_with('.')
                {
                    let path = format!("{directory}/{name}");
                    found.entry(name.to_owned()).or_insert(path);
                }
            }
        }
        found
    }
}
