//! The directories beside units in the search path: drop-ins and links that enable; and the
//! instances that they tell of.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use super::load_path::UnitDir;
use super::name::{kind, levels, template, with_instance};
use super::units::Units;

impl Units<'_> {
    /// Returns the instances of a template of which the image knows: by a file, a drop-in directory
    /// or an enablement link, under any name of the template.
    pub(crate) fn instances(&self, unit: &str) -> BTreeSet<String> {
        let names = self.names_of(unit);
        let names = names.iter().map(|name| with_instance(name, "any"));
        let levels = names.flat_map(|name| levels(&name));
        let templates: BTreeSet<String> = levels.filter_map(|level| template(&level)).collect();
        let known = self.index.instances(self.rootfs);
        let instances = templates.iter().filter_map(|name| known.get(name));
        let instances = instances.flatten();
        instances.map(|i| with_instance(unit, i)).collect()
    }

    /// Returns the files in the directories `NAME.SUFFIX` of a unit's names, by file name: of two
    /// with one name, the one that systemd takes. The type's directory comes last.
    pub(crate) fn files_in_dirs(&self, unit: &str, suffix: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for name in self.names_of(unit) {
            let levels = levels(&name);
            for directory in &self.index.directories {
                for level in &levels {
                    self.add_files(directory, &format!("{level}.{suffix}"), &mut found);
                }
            }
        }
        for directory in &self.index.directories {
            let name = format!("{}.{suffix}", kind(unit));
            self.add_files(directory, &name, &mut found);
        }
        found
    }

    fn add_files(&self, dir: &UnitDir, name: &str, found: &mut BTreeMap<String, String>) {
        if self.rootfs.child(dir.id, name.as_bytes()).is_none() {
            return;
        }
        let Some(id) = self.rootfs.open(format!("{}/{name}", dir.path)) else {
            return;
        };
        let path = self.rootfs.path(id);
        for (name, _) in self.rootfs.children(id) {
            if let Ok(name) = name.to_str()
                && !name.starts_with('.')
                && !found.contains_key(name)
            {
                found.insert(name.to_owned(), format!("{path}/{name}"));
            }
        }
    }
}
