//! What stands beside units in the search path: drop-ins, links that enable, and the instances that these tell of.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use super::enabled::PULLS;
use super::name::{instance, is_unit, kind, levels, template, with_instance};
use super::units::Units;

impl Units<'_> {
    /// The instances of a template of which the image knows: by a file, a drop-in directory or an enablement link, under any
    /// name of the template.
    pub(crate) fn instances(&self, unit: &str) -> BTreeSet<String> {
        let names = self.names_of(unit);
        let names = names.iter().map(|name| with_instance(name, "any"));
        let levels = names.flat_map(|name| levels(&name));
        let templates: BTreeSet<String> = levels.filter_map(|level| template(&level)).collect();
        let instances = templates.iter().flat_map(|name| self.instances_of(name));
        instances.map(|i| with_instance(unit, i)).collect()
    }

    /// What files, drop-in directories and enablement links have behind the `@` of each template.
    pub(super) fn known_instances(&self) -> BTreeMap<String, BTreeSet<String>> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut add = |name: &str| {
            if let (Some(template), Some(instance)) = (template(name), instance(name))
                && is_unit(name)
            {
                found
                    .entry(template)
                    .or_default()
                    .insert(instance.to_owned());
            }
        };
        let mut seen = BTreeSet::new();
        for (_, directory) in &self.directories {
            for (name, _) in self.rootfs.children(*directory) {
                let Ok(name) = name.to_str() else { continue };
                add(name.strip_suffix(".d").unwrap_or(name));
                let suffix = name.rsplit_once('.').map_or("", |(_, suffix)| suffix);
                let links = PULLS.contains(&suffix).then(|| {
                    let path = self.rootfs.path_in(*directory, name.as_bytes());
                    self.rootfs.open(path)
                });
                // Many names may lead to one directory.
                if let Some(links) = links.flatten().filter(|id| seen.insert(*id)) {
                    let links = self.rootfs.children(links);
                    links
                        .filter_map(|(link, _)| link.to_str().ok())
                        .for_each(&mut add);
                }
            }
        }
        found
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
