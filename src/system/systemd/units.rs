//! The units of an image: for each name in the search path the file or the unit that it stands for.

use std::collections::BTreeSet;
use std::rc::Rc;

use bstr::ByteSlice;

use super::load_path::UnitDir;
use super::name::{instance, is_instance, is_template, is_unit, kind, template, with_instance};
use super::unit_index::UnitIndex;
use crate::rootfs::glob::{is_glob, matcher};
use crate::rootfs::{Files, InodeId, Node, Rootfs};

/// As many aliases of aliases as systemd follows.
const ALIAS_LIMIT: usize = 8;

/// The units of a rootfs. A name is looked up when it is asked for, so that a few names cost no
/// pass over all units.
#[derive(Clone, Debug)]
pub(crate) struct Units<'r> {
    pub(super) rootfs: &'r Rootfs,
    pub(super) index: Rc<UnitIndex>,
    masks: Masks<'r>,
}

/// Which units' masks count.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Masks<'r> {
    All,
    /// All but those of these units.
    Without(&'r BTreeSet<String>),
    None,
}

/// What a name in the search path stands for.
enum Target {
    /// A file, or a link to one outside the search path.
    File(String),
    /// Another unit's name.
    Alias(String),
}

impl<'r> Units<'r> {
    /// Reads the units of a tree with its contents, quadlets among them.
    pub(crate) fn of(files: &'r Files<'_>) -> Self {
        Self::new(files.rootfs(), Rc::new(UnitIndex::of(files)))
    }

    pub(crate) fn read(rootfs: &'r Rootfs) -> Self {
        Self::new(rootfs, Rc::new(UnitIndex::read(rootfs)))
    }

    pub(crate) fn new(rootfs: &'r Rootfs, index: Rc<UnitIndex>) -> Self {
        Self {
            rootfs,
            index,
            masks: Masks::All,
        }
    }

    /// Returns the same units with other masks.
    pub(crate) fn with<'m>(&self, masks: Masks<'m>) -> Units<'m>
    where
        'r: 'm,
    {
        Units {
            rootfs: self.rootfs,
            index: Rc::clone(&self.index),
            masks,
        }
    }

    /// Returns the units that a name or glob stands for, sorted; a name as it is, whether the unit
    /// is there or not. Among them are instances that only a link enables, unless the glob matches
    /// their template.
    pub(crate) fn matching(&self, pattern: &str) -> Vec<String> {
        if !is_glob(pattern) {
            return vec![pattern.to_owned()];
        }
        let Some(matcher) = matcher(pattern) else {
            return Vec::new();
        };
        let scripts = self.index.scripts(self.rootfs).keys().map(String::as_str);
        let names = self.index.names(self.rootfs).chain(scripts);
        let mut units: BTreeSet<String> = names
            .filter(|unit| is_unit(unit) && matcher.is_match(unit))
            .map(str::to_owned)
            .collect();
        let enabled = self.enabled().into_iter().map(|(unit, _)| unit);
        let instances: Vec<String> = enabled
            .filter(|unit| {
                let template = template(unit).filter(|template| !units.contains(template));
                template.is_some() && matcher.is_match(unit)
            })
            .collect();
        units.extend(instances);
        units.into_iter().collect()
    }

    /// Returns the units of the image that a name or glob stands for, sorted.
    pub(crate) fn present(&self, pattern: &str) -> Vec<String> {
        let mut found = self.matching(pattern);
        found.retain(|unit| self.has(unit));
        found
    }

    /// Returns every name that has a file, link or mask, sorted, then those that have a script
    /// only.
    pub(crate) fn all(&self) -> impl Iterator<Item = String> {
        let names: BTreeSet<&str> = self.index.names(self.rootfs).collect();
        let names = names.into_iter().filter(|name| self.target(name).is_some());
        let scripts = self.index.scripts(self.rootfs).keys().map(String::as_str);
        let scripts = scripts.filter(|unit| self.script_of(unit).is_some());
        names.chain(scripts).map(str::to_owned)
    }

    /// Returns the file that a unit is loaded from, without drop-ins, or the mask in its place.
    pub(crate) fn fragment(&self, unit: &str) -> Option<String> {
        let own = self.file_of(unit);
        own.or_else(|| self.file_of(&template(unit)?))
    }

    /// Returns what a unit comes from: its file, or its script.
    pub(super) fn source(&self, unit: &str) -> Option<String> {
        let script = || self.script_of(unit).map(str::to_owned);
        self.fragment(unit).or_else(script)
    }

    /// Returns the script or quadlet of which the unit is made when the system boots, where no file
    /// or mask has its name.
    pub(super) fn script_of(&self, unit: &str) -> Option<&str> {
        let scripts = self.index.scripts(self.rootfs);
        let script = scripts
            .get(unit)
            .or_else(|| scripts.get(&template(unit)?))?;
        self.fragment(unit).is_none().then_some(script)
    }

    /// Returns whether the image has the unit, or the template that it is an instance of, masked or
    /// not. An alias of a unit that is missing counts too: something is at the name.
    pub(crate) fn has(&self, unit: &str) -> bool {
        let at = |unit: &str| {
            let mut directories = self.index.directories.iter();
            directories.any(|dir| self.rootfs.child(dir.id, unit.as_bytes()).is_some())
        };
        at(unit)
            || template(unit).is_some_and(|template| at(&template))
            || self.script_of(unit).is_some()
    }

    /// Returns whether systemd takes the unit for masked: the file that it is loaded from leads to
    /// `/dev/null` or is empty.
    pub(crate) fn is_masked(&self, unit: &str) -> bool {
        self.fragment(unit).is_some_and(|path| self.is_void(&path))
    }

    /// Returns the unit that a name is an alias of; none if it has a file of its own.
    pub(crate) fn alias_of(&self, unit: &str) -> Option<String> {
        let target = unit_at(&self.fragment(unit)?, unit);
        (target != unit).then_some(target)
    }

    /// Returns every name by which systemd knows a unit: first the one of its file, then the
    /// others, sorted.
    ///
    /// systemd takes the others in no fixed order, which matters only where two of their
    /// directories have drop-ins of one name.
    pub(crate) fn names_of(&self, unit: &str) -> Vec<String> {
        let mut names = BTreeSet::new();
        self.add_names(unit, unit, None, &mut names);
        let mut first = unit.to_owned();
        if let Some(path) = self.fragment(unit) {
            first = unit_at(&path, unit);
            let file = base(&path);
            if file != unit {
                self.add_names(unit, file, Some(file), &mut names);
            }
        }
        names.remove(&first);
        std::iter::once(first).chain(names).collect()
    }

    fn add_names(&self, unit: &str, name: &str, file: Option<&str>, names: &mut BTreeSet<String>) {
        let made = instance(unit).filter(|i| !i.is_empty());
        if !is_template(name) {
            names.insert(name.to_owned());
        }
        let aliases = self.index.aliases(self).get(name).into_iter().flatten();
        for alias in aliases.filter(|alias| self.own_name(alias).as_deref() == Some(name)) {
            let Some(made) = made.filter(|_| is_template(alias)) else {
                names.insert(alias.clone());
                continue;
            };
            let alias = with_instance(alias, made);
            // An instance with a file of its own is not an alias.
            let own = self.file_of(&alias);
            if own.is_none() || own.as_deref().map(base) == file {
                names.insert(alias);
            }
        }
    }

    /// Returns the unit that a name stands for by its file, without falling back on its template;
    /// none if that is a mask.
    pub(super) fn own_name(&self, name: &str) -> Option<String> {
        let path = self.file_of(name)?;
        (!self.is_void(&path)).then(|| unit_at(&path, name))
    }

    /// Returns the file that a name stands for, without falling back on its template; a mask is one
    /// too.
    fn file_of(&self, name: &str) -> Option<String> {
        let mut target = self.target(name)?;
        for _ in 0..ALIAS_LIMIT {
            match target {
                Target::File(path) => return Some(path),
                Target::Alias(unit) => {
                    let found = self.target(&unit);
                    target = found.or_else(|| self.target(&template(&unit)?))?;
                }
            }
        }
        None
    }

    /// Returns what the first directory that has a name, and counts, has there.
    fn target(&self, name: &str) -> Option<Target> {
        if !is_unit(name) {
            return None;
        }
        let keeps_masks = match self.masks {
            Masks::All => true,
            Masks::Without(units) => !units.contains(name),
            Masks::None => false,
        };
        self.index.directories.iter().find_map(|directory| {
            let child = self.rootfs.child(directory.id, name.as_bytes())?;
            let path = format!("{}/{name}", directory.path);
            // Whether a copy becomes /etc is not certain: it can open something, but not be relied
            // on to close it.
            if (directory.is_copy || !keeps_masks) && self.is_void(&path) {
                return None;
            }
            match &self.rootfs.inode(child.inode).node {
                Node::Symlink(target) => self.link(directory, name, path, target),
                _ => Some(Target::File(path)),
            }
        })
    }

    /// Returns what a symbolic link in the search path stands for: another unit where it leads into
    /// the search path, else itself. Nothing where systemd ignores it: a link to itself, or to a
    /// unit that it cannot be an alias of.
    fn link(&self, dir: &UnitDir, name: &str, path: String, target: &[u8]) -> Option<Target> {
        let full = if target.starts_with(b"/") {
            target.to_owned()
        } else {
            [dir.path.as_bytes(), b"/", target].concat()
        };
        let place = self.rootfs.locate(&full).ok()?;
        let place = self.rootfs.location_path(&place);
        let inside = |dir: &UnitDir| {
            let rest = place.strip_prefix(dir.path.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"/"))
        };
        if !self.index.directories.iter().any(inside) {
            return Some(Target::File(path));
        }
        let unit = place.rsplit_once_str("/")?.1.to_str().ok()?;
        (unit != name && can_alias(name, unit)).then(|| Target::Alias(unit.to_owned()))
    }

    /// Returns whether a path leads to `/dev/null` or an empty file.
    fn is_void(&self, path: &str) -> bool {
        let empty = |id: InodeId| match self.rootfs.inode(id).node {
            Node::Special(_) => true,
            _ => self.rootfs.size(id) == Some(0),
        };
        self.rootfs.leads_to(path.as_bytes(), "/dev/null")
            || self.rootfs.open(path).is_some_and(empty)
    }
}

/// Returns the last component of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Returns the unit that a name stands for by a file: where that is a template's, the instance of
/// it.
fn unit_at(path: &str, name: &str) -> String {
    let unit = base(path);
    match instance(name).filter(|_| is_template(unit)) {
        Some(instance) => with_instance(unit, instance),
        None => unit.to_owned(),
    }
}

/// Returns whether a link of one name may make it an alias of the other: the same type, one that
/// can have aliases, and names of the same form.
fn can_alias(name: &str, unit: &str) -> bool {
    let form = |unit: &str| instance(unit).map(str::is_empty);
    let same_form = form(name) == form(unit) || (is_instance(name) && is_template(unit));
    let same_instance = !is_instance(unit) || instance(name) == instance(unit);
    is_unit(unit)
        && kind(name) == kind(unit)
        && ["service", "socket", "target", "device", "timer", "path"].contains(&kind(name))
        && same_form
        && same_instance
}
