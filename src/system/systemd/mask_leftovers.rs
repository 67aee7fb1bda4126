//! What still needs, starts or stands in for units that rules masked.

use std::collections::{BTreeMap, BTreeSet};

use bstr::ByteSlice;

use super::bus_activation::{Activated, activations, readable};
use super::merged::{Merged, merged};
use super::name::{is_instance, is_template, kind, prefix, template};
use super::setting::Kind;
use super::units::{Masks, Units, base};
use crate::error::Stop;
use crate::rootfs::{Files, InodeId, Place};

/// Something that a mask leaves open, or that does not start any more.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leftover {
    pub(crate) place: Place,
    pub(crate) message: String,
    /// Whether it is a unit that cannot start, rather than another way to start a masked one.
    pub(crate) stopped: bool,
}

/// Returns what masks leave open in the image as it is, by the rule that made them. One pass over
/// all units finds it for all rules.
pub(crate) fn mask_leftovers(
    files: &Files<'_>,
    units: &Units<'_>,
    masked: &[(usize, BTreeSet<String>)],
) -> Result<BTreeSet<(usize, Leftover)>, Stop> {
    if masked.iter().all(|(_, units)| units.is_empty()) {
        return Ok(BTreeSet::new());
    }
    let mut search = Search {
        files,
        units,
        by_name: ByKey::default(),
        by_file: ByKey::default(),
        by_service: ByKey::default(),
        found: BTreeSet::new(),
    };
    search.read_masked(masked)?;
    for unit in units.all() {
        search.look_at(&unit)?;
    }
    Ok(search.found)
}

/// Masked units by something that they have, each with its rule; the rules in order.
pub(super) struct ByKey<'m, K>(BTreeMap<K, Vec<(usize, &'m str)>>);

impl<K> Default for ByKey<'_, K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<'m, K: Ord> ByKey<'m, K> {
    pub(super) fn add(&mut self, key: K, rule: usize, unit: &'m str) {
        self.0.entry(key).or_default().push((rule, unit));
    }

    fn all(&self, key: &K) -> &[(usize, &'m str)] {
        self.0.get(key).map_or(&[], Vec::as_slice)
    }

    /// Returns the first unit of each rule, which stands for the rule's others.
    pub(super) fn firsts(&self, key: &K) -> BTreeMap<usize, &'m str> {
        let units = self.all(key).iter().rev();
        units.copied().collect()
    }
}

struct Search<'l> {
    files: &'l Files<'l>,
    units: &'l Units<'l>,
    by_name: ByKey<'l, String>,
    /// By the file that a unit would be loaded from without its mask.
    by_file: ByKey<'l, InodeId>,
    /// Sockets by the services that they start.
    by_service: ByKey<'l, String>,
    found: BTreeSet<(usize, Leftover)>,
}

impl<'l> Search<'l> {
    /// Reads the masked units as they are without their masks.
    fn read_masked(&mut self, masked: &'l [(usize, BTreeSet<String>)]) -> Result<(), Stop> {
        let activations = activations(self.files)?;
        let mut activated = Activated::default();
        for (rule, names) in masked {
            let unmasked = self.units.with(Masks::Without(names));
            for unit in names {
                self.by_name.add(unit.clone(), *rule, unit);
                let path = unmasked.fragment(unit);
                // An instance shares its template's file.
                if let Some(path) = path.filter(|path| base(path) == unit)
                    && let Some(file) = self.files.rootfs().open(path)
                {
                    self.by_file.add(file, *rule, unit);
                }
                if let Some(target) = unmasked.alias_of(unit)
                    && !self.units.is_masked(&target)
                    && let Some(path) = self.units.fragment(&target)
                {
                    let message =
                        format!("{unit} is only an alias of {target}, which can still be started");
                    self.add(*rule, Place::new(path, None), message);
                }
                if kind(unit) == "socket" {
                    for service in services(unit, &self.merged(&unmasked, unit)?) {
                        self.by_service.add(service, *rule, unit);
                    }
                } else if kind(unit) == "service" && !activations.is_empty() {
                    let merged = self.merged(&unmasked, unit)?;
                    activated.add(self.files, &merged, *rule, unit);
                }
            }
        }
        self.found
            .extend(activated.leftovers(self.files, activations));
        Ok(())
    }

    /// Returns a unit's settings; none where its text cannot be read.
    fn merged(&self, units: &Units<'_>, unit: &str) -> Result<Merged, Stop> {
        let merged = merged(self.files, units, unit, |_| false);
        Ok(readable(merged)?.unwrap_or_default())
    }

    fn add(&mut self, rule: usize, place: Place, message: String) {
        let stopped = false;
        self.found.insert((
            rule,
            Leftover {
                place,
                message,
                stopped,
            },
        ));
    }

    /// Adds what one unit of the image leaves open.
    fn look_at(&mut self, unit: &str) -> Result<(), Stop> {
        if self.units.is_masked(unit) {
            return Ok(());
        }
        let path = self.units.fragment(unit);
        if let Some(path) = path.filter(|path| base(path) == unit) {
            self.same_file(unit, &path);
        }
        if self.units.alias_of(unit).is_none() {
            let merged = self.merged(self.units, unit)?;
            let stopped = self.requirements(unit, &merged);
            self.starts(unit, &merged, &stopped);
        }
        Ok(())
    }

    /// Adds an instance with a file of its own, or another name of the file of a masked unit.
    fn same_file(&mut self, unit: &str, path: &str) {
        let template = template(unit).filter(|_| is_instance(unit));
        let of_template = template.map(|template| self.by_name.firsts(&template));
        let of_template = of_template.unwrap_or_default();
        let file = self.files.rootfs().open(path);
        let same = file.map(|file| self.by_file.firsts(&file));
        for (rule, masked) in &of_template {
            let message = format!(
                "{unit} has a file of its own, so that it can still be started though {masked} is masked"
            );
            self.add(*rule, Place::new(path, None), message);
        }
        for (rule, masked) in same.unwrap_or_default() {
            if masked != unit && of_template.get(&rule) != Some(&masked) {
                let message =
                    format!("{unit} is the same file as {masked} and can still be started");
                self.add(rule, Place::new(path, None), message);
            }
        }
    }

    /// Returns the rules that mask the unit which a name in a setting stands for.
    fn masked_by(&self, name: &str) -> BTreeSet<usize> {
        if !self.units.is_masked(name) {
            return BTreeSet::new();
        }
        let names = [Some(name.into()), template(name), self.units.alias_of(name)];
        let names = names.iter().flatten();
        let rules = names.flat_map(|name| self.by_name.all(name));
        rules.map(|(rule, _)| *rule).collect()
    }

    /// Adds the masked dependencies without which a unit does not start, and returns the rules that
    /// mask one.
    fn requirements(&mut self, unit: &str, merged: &Merged) -> BTreeSet<usize> {
        let mut needed = Vec::new();
        let keys = ["Requires", "Requisite", "BindsTo", "BindTo"];
        for found in keys.iter().flat_map(|key| merged.all("Unit", key)) {
            for name in found.value.to_str_lossy().split_whitespace() {
                let name = name.trim_matches(['"', '\'']);
                let why = format!("has {}={name}", found.key);
                needed.push((name.to_owned(), found.place(), why));
            }
        }
        for (name, path) in self.units.files_in_dirs(unit, "requires") {
            if !self.files.rootfs().leads_to(path.as_bytes(), "/dev/null") {
                let why = format!("requires {name} by this link");
                needed.push((name, Place::new(path, None), why));
            }
        }
        let mut stopped = BTreeSet::new();
        for (name, place, why) in needed {
            for rule in self.masked_by(&name) {
                let message = format!("{unit} {why} and cannot start while that is masked");
                let place = place.clone();
                self.found.insert((
                    rule,
                    Leftover {
                        place,
                        message,
                        stopped: true,
                    },
                ));
                stopped.insert(rule);
            }
        }
        stopped
    }

    /// Adds what still starts the services of masked sockets. A unit that cannot start starts
    /// nothing.
    fn starts(&mut self, unit: &str, merged: &Merged, stopped: &BTreeSet<usize>) {
        let Some(path) = self.units.source(unit) else {
            return;
        };
        let place = Place::new(path, None);
        let mut found = Vec::new();
        if kind(unit) == "socket" {
            for service in services(unit, merged) {
                let sockets = self.by_service.firsts(&service);
                if sockets.is_empty() || !self.units.has(&service) || self.units.is_masked(&service)
                {
                    continue;
                }
                for (rule, socket) in sockets {
                    let message = format!("{unit} still starts {service}, as {socket} did");
                    found.push((rule, place.clone(), message));
                }
            }
        } else if kind(unit) == "service" && !is_template(unit) {
            let names = self.units.names_of(unit);
            let sockets = names.iter().flat_map(|name| self.by_service.all(name));
            let mut open: BTreeMap<_, _> = sockets.map(|socket| (*socket, place.clone())).collect();
            // The last line that names a socket stands for it.
            for found in merged.all("Service", "Sockets") {
                for socket in found.value.to_str_lossy().split_whitespace() {
                    let masked = self.by_name.all(&socket.to_owned()).iter();
                    let sockets = masked.filter(|(_, unit)| kind(unit) == "socket");
                    open.extend(sockets.map(|socket| (*socket, found.place())));
                }
            }
            for ((rule, socket), place) in open {
                let message =
                    format!("{unit} can still be started without {socket}; mask it as well");
                found.push((rule, place, message));
            }
        }
        for (rule, place, message) in found {
            if !stopped.contains(&rule) {
                self.add(rule, place, message);
            }
        }
    }
}

/// Returns the services that a socket starts: the one that it names, or the one of its own name.
/// Where it does not say whether it accepts, both kinds.
pub(super) fn services(socket: &str, merged: &Merged) -> BTreeSet<String> {
    let named = merged.value("Socket", "Service");
    if let Some(name) = named.filter(|name| !name.is_empty()) {
        return BTreeSet::from([name.to_string()]);
    }
    let stem = prefix(socket);
    let mut own = BTreeSet::from([format!("{stem}.service"), format!("{stem}@.service")]);
    if !merged.files.is_empty() {
        let accepts = merged.value("Socket", "Accept");
        let accepts = accepts.is_some_and(|value| Kind::Boolean.is_yes(value));
        own.retain(|name| is_template(name) == accepts);
    }
    own
}
