//! What only a pass over the whole search path tells of units: read once, and kept while rules mask
//! units and write drop-ins.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, ByteSlice};

use super::enabled::PULLS;
use super::load_path::{UnitDir, unit_path};
use super::name::{instance, is_unit, template};
use super::quadlet::{Quadlet, quadlets};
use super::sysv;
use super::units::{Masks, Units};
use crate::rootfs::{Files, Rootfs};

type Names = BTreeMap<String, BTreeSet<String>>;

/// The search path, and what it holds by other keys than a unit's name.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnitIndex {
    pub(super) directories: Vec<UnitDir>,
    aliases: OnceCell<Names>,
    instances: OnceCell<Names>,
    scripts: OnceCell<BTreeMap<String, String>>,
    /// By the units that the generator makes of them. Only the contents tell some of their names.
    pub(super) quadlets: BTreeMap<String, Quadlet>,
}

impl UnitIndex {
    /// Reads the index of a tree with its contents, which quadlets take.
    pub(crate) fn of(files: &Files<'_>) -> Self {
        Self {
            quadlets: quadlets(files),
            ..Self::read(files.rootfs())
        }
    }

    pub(crate) fn read(rootfs: &Rootfs) -> Self {
        Self {
            directories: unit_path(rootfs),
            ..Self::default()
        }
    }

    /// Takes a change at a path into account, and says whether the index holds after it. It does
    /// for a new mask and for what is in a drop-in directory, the changes that rules on units make;
    /// after any other, read it anew.
    pub(crate) fn follow(&mut self, rootfs: &Rootfs, path: &BStr) -> bool {
        let inside = self.directories.iter().find_map(|directory| {
            let rest = path.strip_prefix(directory.path.as_bytes())?;
            Some((directory.id, rest.strip_prefix(b"/")?.to_str().ok()?))
        });
        let Some((directory, rest)) = inside else {
            return false;
        };
        let (name, below) = rest.split_once('/').unwrap_or((rest, ""));
        let unit = name.strip_suffix(".d");
        let is_mask = || {
            let child = rootfs.child(directory, name.as_bytes());
            let link = child.and_then(|child| rootfs.inode(child.inode).symlink());
            below.is_empty() && link.is_some_and(|target| target == "/dev/null")
        };
        if let Some(instances) = self.instances.get_mut() {
            add_instance(instances, unit.unwrap_or(name));
        }
        unit.is_some() || is_mask()
    }

    /// Returns every name in the search path.
    pub(super) fn names<'r>(&self, rootfs: &'r Rootfs) -> impl Iterator<Item = &'r str> {
        let children = self.directories.iter().map(|dir| rootfs.children(dir.id));
        children
            .flatten()
            .filter_map(|(name, _)| name.to_str().ok())
    }

    /// Returns which names stand for a unit's file, masks aside, by the name of that file: of an
    /// instance, by the instance's.
    pub(super) fn aliases(&self, units: &Units<'_>) -> &Names {
        self.aliases.get_or_init(|| {
            let unmasked = units.with(Masks::None);
            let mut found = Names::new();
            for name in self.names(units.rootfs) {
                if let Some(unit) = unmasked.own_name(name) {
                    found.entry(unit).or_default().insert(name.to_owned());
                }
            }
            found
        })
    }

    /// Returns what files, drop-in directories and links that enable have behind the `@` of each
    /// template.
    pub(super) fn instances(&self, rootfs: &Rootfs) -> &Names {
        self.instances.get_or_init(|| {
            let (mut found, mut seen) = (Names::new(), BTreeSet::new());
            for directory in &self.directories {
                for (name, _) in rootfs.children(directory.id) {
                    let Ok(name) = name.to_str() else { continue };
                    add_instance(&mut found, name.strip_suffix(".d").unwrap_or(name));
                    let pulls = name
                        .rsplit_once('.')
                        .is_some_and(|(_, s)| PULLS.contains(&s));
                    let links = pulls.then(|| rootfs.open(format!("{}/{name}", directory.path)));
                    // Many names may lead to one directory.
                    if let Some(links) = links.flatten().filter(|id| seen.insert(*id)) {
                        for (link, _) in rootfs.children(links) {
                            add_instance(&mut found, &link.to_str_lossy());
                        }
                    }
                }
            }
            found
        })
    }

    /// Returns the scripts and quadlets that generators know, by the units that they make of them
    /// where nothing has their names.
    pub(super) fn scripts(&self, rootfs: &Rootfs) -> &BTreeMap<String, String> {
        self.scripts.get_or_init(|| {
            let mut made = sysv::scripts(rootfs);
            let quadlets = self.quadlets.iter();
            made.extend(quadlets.map(|(unit, quadlet)| (unit.clone(), quadlet.path.clone())));
            made
        })
    }
}

fn add_instance(instances: &mut Names, name: &str) {
    if let (Some(template), Some(instance)) = (template(name), instance(name))
        && is_unit(name)
    {
        let known = instances.entry(template).or_default();
        known.insert(instance.to_owned());
    }
}
