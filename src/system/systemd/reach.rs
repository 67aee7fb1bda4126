//! What still needs, starts or stands in for units that a rule masked.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use super::bus::started_by_bus;
use super::merged::{Merged, merged};
use super::name::{is_instance, is_template, kind, prefix, template};
use super::setting::Kind;
use super::units::{Units, base};
use crate::error::Stop;
use crate::rootfs::Files;
use crate::rootfs::InodeId;

/// Something that a mask leaves open, with its place.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Opening {
    pub(crate) path: String,
    pub(crate) line: Option<usize>,
    pub(crate) message: String,
}

/// What masks of these units leave open, in the image as it stands.
pub(crate) fn openings(
    files: &Files<'_>,
    masked: &BTreeSet<String>,
) -> Result<BTreeSet<Opening>, Stop> {
    let rootfs = files.rootfs();
    let look = Look {
        files,
        units: Units::read(rootfs),
        beneath: Units::beneath(rootfs, masked),
        masked,
        found: RefCell::default(),
    };
    look.all()
}

struct Look<'l> {
    files: &'l Files<'l>,
    units: Units<'l>,
    /// The units as they would be without these masks.
    beneath: Units<'l>,
    masked: &'l BTreeSet<String>,
    found: RefCell<BTreeSet<Opening>>,
}

impl Look<'_> {
    fn all(self) -> Result<BTreeSet<Opening>, Stop> {
        self.aliases();
        self.other_files();
        let by_bus = started_by_bus(self.files, &self.beneath, self.masked)?;
        self.found.borrow_mut().extend(by_bus);
        let others: Vec<String> = self.units.all().map(str::to_owned).collect();
        let mut sockets = Sockets::default();
        for unit in self.masked.iter().filter(|unit| kind(unit) == "socket") {
            let merged = self.merged(&self.beneath, unit)?;
            for service in services(unit, &merged) {
                sockets.by_service.entry(service).or_default().push(unit);
            }
            sockets.names.insert(unit);
        }
        for unit in others.iter().filter(|unit| !self.units.is_masked(unit)) {
            if self.units.alias_of(unit).is_some() {
                continue;
            }
            let merged = self.merged(&self.units, unit)?;
            if self.requirements(unit, &merged) {
                // What cannot start starts nothing.
                continue;
            }
            self.starts(unit, &merged, &sockets);
        }
        Ok(self.found.into_inner())
    }

    /// A unit of which no text can be read says nothing.
    fn merged(&self, units: &Units<'_>, unit: &str) -> Result<Merged, Stop> {
        match merged(self.files, units, unit, |_| false) {
            Err(Stop::Failed(_)) => Ok(Merged::default()),
            merged => merged,
        }
    }

    fn add(&self, path: &str, line: Option<usize>, message: String) {
        let path = path.to_owned();
        self.found.borrow_mut().insert(Opening {
            path,
            line,
            message,
        });
    }

    /// Units that masked names were only aliases of.
    fn aliases(&self) {
        for unit in self.masked {
            if let Some(target) = self.beneath.alias_of(unit)
                && !self.units.is_masked(&target)
                && let Some(path) = self.units.fragment(&target)
            {
                self.add(
                    path,
                    None,
                    format!("{unit} is only an alias of {target}, which can still be started"),
                );
            }
        }
    }

    /// Instances with a file of their own, and other names of the files of masked units.
    fn other_files(&self) {
        let rootfs = self.files.rootfs();
        // Of masked units that are one file the first stands for all.
        let mut originals: BTreeMap<InodeId, &str> = BTreeMap::new();
        for unit in self.masked {
            // An instance shares its template's file.
            if let Some(path) = self
                .beneath
                .fragment(unit)
                .filter(|path| base(path) == unit)
                && let Some(file) = rootfs.open(path)
            {
                originals.entry(file).or_insert(unit);
            }
        }
        for other in self.units.all() {
            let Some(path) = self
                .units
                .fragment(other)
                .filter(|path| base(path) == other)
            else {
                continue;
            };
            if self.units.is_masked(other) {
                continue;
            }
            let of_template = template(other)
                .filter(|template| is_instance(other) && self.masked.contains(template));
            if let Some(unit) = &of_template {
                self.add(path, None, format!("{other} has a file of its own, so that it can still be started though {unit} is masked"));
            }
            let same = rootfs.open(path).and_then(|file| originals.get(&file));
            if let Some(unit) = same.filter(|unit| **unit != other)
                && of_template.as_deref() != Some(unit)
            {
                self.add(
                    path,
                    None,
                    format!("{other} is the same file as {unit} and can still be started"),
                );
            }
        }
    }

    /// Whether a name in a setting stands for one of the masked units.
    fn is_ours(&self, name: &str) -> Option<String> {
        if !self.units.is_masked(name) {
            return None;
        }
        [
            Some(name.to_owned()),
            template(name),
            self.units.alias_of(name),
            self.beneath.alias_of(name),
        ]
        .into_iter()
        .flatten()
        .any(|name| self.masked.contains(&name))
        .then(|| name.to_owned())
    }

    /// Adds the masked dependencies without which a unit does not start, and says whether it has any.
    fn requirements(&self, unit: &str, merged: &Merged) -> bool {
        let before = self.found.borrow().len();
        for found in merged.section("Unit") {
            if !["Requires", "Requisite", "BindsTo", "BindTo"]
                .iter()
                .any(|key| found.key == key)
            {
                continue;
            }
            let value = found.value.to_str_lossy();
            for name in value
                .split_whitespace()
                .filter_map(|name| self.is_ours(name.trim_matches(['"', '\''])))
            {
                let message = format!(
                    "{unit} has {}={name} and cannot start while that is masked",
                    found.key
                );
                self.add(found.file, Some(found.line), message);
            }
        }
        for (name, path) in self.units.beside(unit, "requires") {
            let cancelled = self.files.rootfs().leads_to(path.as_bytes(), "/dev/null");
            if let Some(name) = self.is_ours(&name).filter(|_| !cancelled) {
                self.add(
                    &path,
                    None,
                    format!(
                        "{unit} requires {name} by this link and cannot start while that is masked"
                    ),
                );
            }
        }
        self.found.borrow().len() > before
    }

    /// What still starts the services of masked sockets.
    fn starts(&self, unit: &str, merged: &Merged, sockets: &Sockets<'_>) {
        let Some(path) = self.units.source(unit) else {
            return;
        };
        if kind(unit) == "socket" {
            for service in services(unit, merged) {
                // The first of several stands for all.
                if let Some(socket) = sockets.of(&service).first()
                    && self.units.has(&service)
                    && !self.units.is_masked(&service)
                {
                    self.add(
                        path,
                        None,
                        format!("{unit} still starts {service}, as {socket} did"),
                    );
                }
            }
        } else if kind(unit) == "service" && !is_template(unit) {
            let names = self.units.names_of(unit);
            let mut open: BTreeMap<&str, (&str, Option<usize>)> = names
                .iter()
                .flat_map(|name| sockets.of(name))
                .map(|socket| (*socket, (path, None)))
                .collect();
            // The last line that names a socket stands for it.
            for found in merged.section("Service").filter(|f| f.key == "Sockets") {
                for socket in found.value.to_str_lossy().split_whitespace() {
                    if let Some(socket) = sockets.names.get(socket) {
                        open.insert(socket, (found.file, Some(found.line)));
                    }
                }
            }
            for (socket, (path, line)) in open {
                self.add(
                    path,
                    line,
                    format!("{unit} can still be started without {socket}; mask it as well"),
                );
            }
        }
    }
}

/// Masked sockets.
#[derive(Default)]
struct Sockets<'l> {
    names: BTreeSet<&'l str>,
    /// Those that start a service.
    by_service: BTreeMap<String, Vec<&'l str>>,
}

impl<'l> Sockets<'l> {
    fn of(&self, service: &str) -> &[&'l str] {
        self.by_service.get(service).map_or(&[], Vec::as_slice)
    }
}

/// The services that a socket starts: the one that it names, or the one of its own name. Where it does not say whether it
/// accepts, both kinds.
fn services(socket: &str, merged: &Merged) -> BTreeSet<String> {
    let last = |key: &str| merged.section("Socket").filter(|f| f.key == key).last();
    let named = last("Service")
        .map(|f| f.value.to_string())
        .filter(|name| !name.is_empty());
    let stem = prefix(socket);
    let own = [format!("{stem}.service"), format!("{stem}@.service")];
    match named {
        Some(name) => BTreeSet::from([name]),
        None if merged.files.is_empty() => own.into(),
        None => {
            let accepts = last("Accept").is_some_and(|f| Kind::Boolean.is_yes(f.value));
            own.into_iter()
                .filter(|name| is_template(name) == accepts)
                .collect()
        }
    }
}
