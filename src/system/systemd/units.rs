//! The units of an image: for each name in the search path the file or the unit that it stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bstr::ByteSlice;

use super::load_path::{UNIT_PATH, unit_path};
use super::name::{instance, is_instance, is_template, is_unit, kind, template, with_instance};
use super::sysv;
use crate::rootfs::{InodeId, Node, Rootfs};

/// As many aliases of aliases as systemd follows.
const ALIAS_LIMIT: usize = 8;

/// The units of a rootfs by name.
#[derive(Debug)]
pub(crate) struct Units<'r> {
    pub(super) rootfs: &'r Rootfs,
    /// The search path, without symbolic links and repeats.
    pub(super) directories: Vec<(String, InodeId)>,
    /// Those of them that are copies of a directory of `/etc`.
    copies: BTreeSet<InodeId>,
    index: UnitIndex,
}

/// Which units and instances there are, as rules read them once, however many drop-ins they write.
#[derive(Clone, Debug)]
pub(crate) struct UnitIndex(Arc<Index>);

#[derive(Clone, Debug, Default)]
struct Index {
    /// The search path as it is written.
    path: Vec<String>,
    names: BTreeMap<String, Target>,
    /// Which names stand for a unit, by the name of its file; masked units are not there.
    aliases: BTreeMap<String, BTreeSet<String>>,
    /// The scripts of which units are made when the system boots, by the name of the unit.
    scripts: BTreeMap<String, String>,
    /// What files, drop-in directories and links make known of each template: what stands behind the `@`.
    instances: BTreeMap<String, BTreeSet<String>>,
}

impl UnitIndex {
    pub(crate) fn read(rootfs: &Rootfs) -> Self {
        Units::read(rootfs).index
    }

    /// The units in a rootfs that has the same ones, and may have other drop-ins.
    pub(crate) fn within<'r>(&self, rootfs: &'r Rootfs) -> Units<'r> {
        let (mut directories, mut copies) = (Vec::new(), BTreeSet::new());
        for path in &self.0.path {
            if let Some(id) = rootfs
                .open(path)
                .filter(|id| rootfs.inode(*id).is_directory())
                && directories.iter().all(|(_, other)| *other != id)
            {
                directories.push((rootfs.path(id).to_string(), id));
                if !UNIT_PATH.contains(&path.as_str()) {
                    copies.insert(id);
                }
            }
        }
        Units {
            rootfs,
            directories,
            copies,
            index: self.clone(),
        }
    }
}

/// What a name in the search path stands for.
#[derive(Clone, Debug)]
enum Target {
    /// A file, or a link to one outside the search path.
    File(String),
    /// Another unit's name.
    Alias(String),
}

impl<'r> Units<'r> {
    pub(crate) fn read(rootfs: &'r Rootfs) -> Self {
        Self::beneath(rootfs, &BTreeSet::new())
    }

    /// The units as they would be if these had no masks of their own.
    pub(crate) fn beneath(rootfs: &'r Rootfs, masked: &BTreeSet<String>) -> Self {
        let index = Index {
            path: unit_path(rootfs),
            ..Index::default()
        };
        let mut units = UnitIndex(Arc::new(index)).within(rootfs);
        units.read_names(masked);
        units.read_aliases();
        units.index_mut().instances = units.known_instances();
        let mut scripts = sysv::scripts(rootfs);
        scripts.retain(|unit, _| units.fragment(unit).is_none());
        units.index_mut().scripts = scripts;
        units
    }

    fn index(&self) -> &Index {
        &self.index.0
    }

    fn index_mut(&mut self) -> &mut Index {
        Arc::make_mut(&mut self.index.0)
    }

    fn read_names(&mut self, masked: &BTreeSet<String>) {
        let mut names = BTreeMap::new();
        for (directory, id) in &self.directories {
            for (name, child) in self.rootfs.children(*id) {
                let Some(name) = name.to_str().ok().filter(|name| is_unit(name)) else {
                    continue;
                };
                if names.contains_key(name) {
                    continue;
                }
                let path = format!("{directory}/{name}");
                // Whether a copy becomes /etc is not certain: it can open something, but not be relied on to close it.
                let may_mask = !masked.contains(name) && !self.copies.contains(id);
                if !may_mask && self.is_void(&path) {
                    continue;
                }
                let target = match &self.rootfs.inode(child.inode).node {
                    Node::Symlink(target) => {
                        match self.link(directory, name, path, target.as_bstr()) {
                            Some(target) => target,
                            None => continue,
                        }
                    }
                    _ => Target::File(path),
                };
                names.insert(name.to_owned(), target);
            }
        }
        self.index_mut().names = names;
    }

    /// What a symbolic link in the search path stands for: another unit where it leads into the search path, else itself.
    /// Nothing where systemd ignores it: a link to itself, or to a unit that it cannot be an alias of.
    fn link(&self, directory: &str, name: &str, path: String, target: &[u8]) -> Option<Target> {
        let full = if target.starts_with(b"/") {
            target.to_owned()
        } else {
            [directory.as_bytes(), b"/", target].concat()
        };
        let place = self.rootfs.locate(&full).ok()?;
        let place = self.rootfs.location_path(&place);
        let inside = |(directory, _): &(String, InodeId)| {
            let rest = place.strip_prefix(directory.as_bytes());
            rest.is_some_and(|rest| rest.starts_with(b"/"))
        };
        if !self.directories.iter().any(inside) {
            return Some(Target::File(path));
        }
        let unit = place.rsplit_once_str("/")?.1.to_str().ok()?;
        (unit != name && can_alias(name, unit)).then(|| Target::Alias(unit.to_owned()))
    }

    fn read_aliases(&mut self) {
        let mut aliases: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for name in self.index().names.keys() {
            let Some(path) = self.file_of(name).filter(|path| !self.is_void(path)) else {
                continue;
            };
            let unit = base(path);
            let unit = match instance(name).filter(|i| !i.is_empty() && is_template(unit)) {
                Some(instance) => with_instance(unit, instance),
                None => unit.to_owned(),
            };
            aliases.entry(unit).or_default().insert(name.clone());
        }
        self.index_mut().aliases = aliases;
    }

    /// The file that a name stands for as it is, without falling back on its template; a mask is one too.
    fn file_of(&self, name: &str) -> Option<&str> {
        let mut target = self.index().names.get(name)?;
        for _ in 0..ALIAS_LIMIT {
            match target {
                Target::File(path) => return Some(path),
                Target::Alias(unit) => {
                    let found = self.index().names.get(unit);
                    target = found.or_else(|| self.index().names.get(&template(unit)?))?;
                }
            }
        }
        None
    }

    /// What the image has behind the `@` of this very template.
    pub(super) fn instances_of(&self, template: &str) -> impl Iterator<Item = &str> {
        let found = self.index().instances.get(template);
        found.into_iter().flatten().map(String::as_str)
    }

    /// The file that a unit is loaded from, drop-ins apart, or the mask in its place.
    pub(crate) fn fragment(&self, unit: &str) -> Option<&str> {
        let own = self.file_of(unit);
        own.or_else(|| self.file_of(&template(unit)?))
    }

    /// The script of which the unit is made when the system boots, where no file or mask has its name.
    pub(super) fn script_of(&self, unit: &str) -> Option<&str> {
        self.index().scripts.get(unit).map(String::as_str)
    }

    /// What a unit comes from: its file, or its script.
    pub(super) fn source(&self, unit: &str) -> Option<&str> {
        self.fragment(unit).or_else(|| self.script_of(unit))
    }

    /// Whether the image has the unit, or the template that it is an instance of, masked or not. An alias of what is not
    /// there counts too: something stands at the name.
    pub(crate) fn has(&self, unit: &str) -> bool {
        let at = |unit: &str| {
            self.index().names.contains_key(unit)
                || self
                    .directories
                    .iter()
                    .any(|(_, id)| self.rootfs.child(*id, unit.as_bytes()).is_some())
        };
        at(unit)
            || template(unit).is_some_and(|template| at(&template))
            || self.script_of(unit).is_some()
    }

    /// Whether systemd takes the unit for masked: the file that it is loaded from leads to `/dev/null` or is empty.
    pub(crate) fn is_masked(&self, unit: &str) -> bool {
        self.fragment(unit).is_some_and(|path| self.is_void(path))
    }

    /// Whether a path leads to `/dev/null` or an empty file.
    fn is_void(&self, path: &str) -> bool {
        let empty = |id: InodeId| match self.rootfs.inode(id).node {
            Node::Special(_) => true,
            _ => self.rootfs.inode(id).is_file() && self.rootfs.size(id) == Some(0),
        };
        self.rootfs.leads_to(path.as_bytes(), "/dev/null")
            || self.rootfs.open(path).is_some_and(empty)
    }

    /// Every name that has a file, link or mask, sorted, then those that have a script only.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        let index = self.index();
        index
            .names
            .keys()
            .chain(index.scripts.keys())
            .map(String::as_str)
    }

    /// The unit that a name is an alias of; none if it has a file of its own.
    pub(crate) fn alias_of(&self, unit: &str) -> Option<String> {
        let target = base(self.fragment(unit)?);
        match instance(unit).filter(|i| !i.is_empty() && is_template(target)) {
            Some(instance) => Some(with_instance(target, instance)),
            None => Some(target.to_owned()),
        }
        .filter(|target| target != unit)
    }

    /// Every name by which systemd knows a unit: first the one of its file, then the others, sorted.
    ///
    /// systemd takes the others in no fixed order, which matters only where two of their directories have drop-ins of
    /// one name.
    pub(crate) fn names_of(&self, unit: &str) -> Vec<String> {
        let mut names = BTreeSet::new();
        let fragment = self.fragment(unit).map(base);
        self.add_names(unit, unit, None, &mut names);
        let mut first = unit.to_owned();
        if let Some(fragment) = fragment {
            first = match instance(unit).filter(|_| is_template(fragment)) {
                Some(instance) => with_instance(fragment, instance),
                None => fragment.to_owned(),
            };
            if fragment != unit {
                self.add_names(unit, fragment, Some(fragment), &mut names);
            }
        }
        names.remove(&first);
        std::iter::once(first).chain(names).collect()
    }

    fn add_names(
        &self,
        unit: &str,
        name: &str,
        fragment: Option<&str>,
        names: &mut BTreeSet<String>,
    ) {
        let made = instance(unit).filter(|i| !i.is_empty());
        if !is_template(name) {
            names.insert(name.to_owned());
        }
        for alias in self.index().aliases.get(name).into_iter().flatten() {
            let Some(made) = made.filter(|_| is_template(alias)) else {
                names.insert(alias.clone());
                continue;
            };
            let alias = with_instance(alias, made);
            // An instance with a file of its own is no alias.
            let file = self.file_of(&alias).map(base);
            if file.is_none() || file == fragment {
                names.insert(alias);
            }
        }
    }
}

/// The last component of a path.
pub(super) fn base(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

/// Whether a link of one name may make it an alias of the other: the same type, one that can have aliases, and names of
/// the same form.
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
