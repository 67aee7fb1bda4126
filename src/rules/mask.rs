//! `Mask`: a unit that cannot be started.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::edit::{Applied, Draft, ResidualKind, Verdict, absent};
use crate::error::{Stop, fail};
use crate::recipe::{Check, Fields, KeySchema, OnMissing, Rule, RuleKind, value};
use crate::rootfs::{Inode, InodeId, Rootfs};
use crate::system::systemd::{self, Units};

pub(super) static KIND: RuleKind = RuleKind {
    name: "Mask",
    argument: Some(KeySchema::argument("UNIT", Check::Is(value::unit)).about(
        "A unit's name, a template such as `sshd@.service`, or a glob over the units that the \
            image has.",
    )),
    summary: "a unit cannot be started, by hand, at boot or by a socket",
    about: "Puts a symbolic link to `/dev/null` at `/etc/systemd/system/UNIT`, as `systemctl mask` \
        does, in the directory that this leads to in the image. A unit file or alias link that \
        stands there is replaced, where systemctl refuses; the diff shows what was displaced. \
        Enablement links stay, as systemd ignores them for a masked unit.\n\n\
        Masking a unit masks its aliases, but masking an alias does not mask the unit, and masking \
        a template leaves instances that have a file of their own. What stays open so is a \
        residual with its path: the unit behind an alias, such an instance, another name of the \
        same file, and of a masked socket the other sockets that start its service, and the \
        service itself: to close SSH mask both. So is what starts the same program in another way: \
        an enabled unit of another name, another init's service, inetd or a script of the boot; \
        `Disable` closes all of these. A unit that has the masked one in `Requires=`, \
        `Requisite=`, `BindsTo=` or a `.requires` directory will not start any more; that is a \
        residual with file and line too. So is a file in `dbus-1/system-services` by which the \
        message bus may start a masked service itself: one for its `BusName=`, or with the program \
        of its `ExecStart=`, that has no `SystemdService=`. Whether another file for the same name \
        hides it is not looked at, since that differs between versions of the bus. If the \
        mask replaces a link or file, only this run's report lists what stays open: the result has \
        no trace of it.\n\n\
        What `/run` and generators hold when the system runs is not in the image: a unit made \
        there does not start while it is masked, but one of another name may start the same \
        program. Only services that have no more than a script in `/etc/init.d` count as units, \
        where the image has systemd-sysv-generator to make them; a script's further names, in \
        `Provides:`, do not. Units in copies of /etc from which the booted system fills it count, \
        masks there do not.",
    extra_on_missing: &[OnMissing::Mask],
    waived: Some(("the unit", "sshd.socket")),
    example: "[Mask sshd.socket]\nReason=nobody logs in to an immutable image over the network\n",
    ..RuleKind::of::<Mask>()
};

/// A unit that is not to start.
#[derive(Debug)]
struct Mask {
    /// Its name, or a glob.
    unit: String,
    /// Whether to mask it even if the image has no such unit yet.
    waits: bool,
}

impl Rule for Mask {
    fn parse(fields: &Fields<'_>) -> Self {
        Self {
            unit: fields.argument.to_owned(),
            waits: fields.on_missing == OnMissing::Mask,
        }
    }

    fn apply(&self, draft: &mut Draft<'_>) -> Applied {
        let units = draft.units();
        let mut found = units.matching(&self.unit);
        found.retain(|unit| self.waits || units.has(unit));
        if found.is_empty() {
            return absent(format!("the image has no unit {}", self.unit));
        }
        let all = found.len();
        let is_masked = |unit: &String| units.is_masked(unit);
        let (mut masked, mut open): (BTreeSet<_>, BTreeSet<_>) =
            found.into_iter().partition(is_masked);
        // A handle that is still held would have the draft copy its index with each edit.
        drop(units);
        if !masked.is_empty() && !open.is_empty() {
            let already = masked.len();
            draft.note(format!("{already} of {all} units were masked already"));
        }
        open.retain(|unit| !draft.waived(unit.as_bytes().as_bstr()));
        mask(draft, &open)?;
        masked.append(&mut open);
        draft.masks(masked);
        Ok(Verdict::Holds)
    }
}

/// Masks units, of which none is.
pub(super) fn mask(draft: &mut Draft<'_>, units: &BTreeSet<String>) -> Result<(), Stop> {
    let left = displace(draft, units)?;
    for unit in units {
        let path = format!("{}/{unit}", systemd::ETC);
        let location = match draft.rootfs().locate(path.as_bytes()) {
            Ok(location) => location,
            Err(error) => return fail(error.to_string()),
        };
        let there = location.inode.map(|id| draft.rootfs().inode(id));
        if there.is_some_and(Inode::is_directory) {
            return fail(format!("{path} is a directory"));
        }
        draft.create_symlink(&location, "/dev/null");
    }
    if !left.is_empty() {
        let said = left.iter();
        let said = said.map(|one| (one.path.as_str().into(), one.message.clone()));
        draft.left_open(ResidualKind::OtherStart, said.collect(), move |rootfs| {
            let units = Units::read(rootfs);
            let is_open = |one: &Left| {
                units.fragment(&one.unit).as_ref() == Some(&one.path) && !units.is_masked(&one.unit)
            };
            left.iter().map(is_open).collect()
        });
    }
    let after = draft.units();
    match units.iter().find(|unit| !after.is_masked(unit)) {
        None => Ok(()),
        Some(unit) => match after.fragment(unit) {
            Some(winner) => fail(format!(
                "{unit} still comes from {winner}, which is read first"
            )),
            None => fail(format!(
                "a link at {}/{unit} is not read as a mask of it",
                systemd::ETC
            )),
        },
    }
}

/// A unit that stays open when a mask takes the place of a file or link, by its file.
struct Left {
    path: String,
    unit: String,
    message: String,
}

/// Finds what stays open of units whose own files or links give way to masks: the result shows no
/// trace of it. What the bus still starts by their names and programs is recorded; the rest counts
/// once the masks are made.
fn displace(draft: &mut Draft<'_>, masked: &BTreeSet<String>) -> Result<Vec<Left>, Stop> {
    let (rootfs, units) = (draft.rootfs(), draft.units());
    let (mut left, mut displaced, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for unit in masked {
        let place = rootfs.locate(format!("{}/{unit}", systemd::ETC).as_bytes());
        let Some(id) = place.ok().and_then(|place| place.inode) else {
            continue;
        };
        left.extend(alias(&units, unit));
        // Of units that are one file the first stands for all.
        if seen.insert(id) {
            let others = other_names(rootfs, unit, id);
            left.extend(others.filter(|other| !masked.contains(&other.unit)));
        }
        displaced.push(unit.as_str());
    }
    let to_bus = systemd::left_to_bus(draft, &units, &displaced)?;
    if !to_bus.is_empty() {
        let paths = to_bus.iter().map(|one| one.place.path.clone()).collect();
        let are_open = systemd::still_start(rootfs, paths);
        let said = to_bus.into_iter().map(|one| (one.place.path, one.message));
        draft.left_open(ResidualKind::OtherStart, said.collect(), are_open);
    }
    Ok(left)
}

/// Returns the unit of which the name was an alias.
fn alias(units: &Units<'_>, unit: &str) -> Option<Left> {
    let target = units.alias_of(unit)?;
    Some(Left {
        path: units.fragment(&target)?,
        message: format!("{unit} was only an alias of {target}, which can still be started"),
        unit: target,
    })
}

/// Returns the other names of the file that a mask takes the place of.
fn other_names(rootfs: &Rootfs, unit: &str, file: InodeId) -> impl Iterator<Item = Left> {
    rootfs.paths(file).into_iter().map(move |path| {
        let path = path.to_string();
        let other = path.rsplit('/').next().unwrap_or_default().to_owned();
        Left {
            path,
            message: format!("{other} is the same file as {unit} was and can still be started"),
            unit: other,
        }
    })
}

#[cfg(test)]
mod tests;
