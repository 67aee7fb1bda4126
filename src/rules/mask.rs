//! `Mask`: a unit that cannot be started.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::edit::{Applied, Draft, ResidualKind, Verdict};
use crate::error::{Stop, fail};
use crate::recipe::{Check, Fields, KeySchema, OnMissing, Rule, RuleKind, value};
use crate::rootfs::{InodeId, Place, Rootfs};
use crate::system::systemd::{self, UnitIndex, Units};

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
        service itself: to close SSH mask both. A unit that has the masked one in `Requires=`, \
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
        let named = systemd::named(draft.rootfs(), &self.unit);
        let units = Units::read(draft.rootfs());
        let found: Vec<(String, bool)> = named
            .into_iter()
            .filter(|unit| self.waits || units.has(unit))
            .map(|unit| {
                let masked = units.is_masked(&unit);
                (unit, masked)
            })
            .collect();
        if found.is_empty() {
            return Ok(Verdict::Absent(format!(
                "the image has no unit {}",
                self.unit
            )));
        }
        let already = found.iter().filter(|(_, masked)| *masked).count();
        if already > 0 && already < found.len() {
            draft.note(format!(
                "{already} of {} units were masked already",
                found.len()
            ));
        }
        let mut masked = BTreeSet::new();
        let mut open = Vec::new();
        for (unit, already) in found {
            if already {
                masked.insert(unit);
            } else if !draft.waived(unit.as_bytes().as_bstr()) {
                open.push(unit);
            }
        }
        mask(draft, &open)?;
        masked.extend(open);
        for opening in systemd::openings(draft, &masked)? {
            draft.open_so_far(
                ResidualKind::OtherStart,
                Place::new(&opening.path, opening.line),
                opening.message,
            );
        }
        Ok(Verdict::Holds)
    }
}

/// Masks units, of which none is.
fn mask(draft: &mut Draft<'_>, units: &[String]) -> Result<(), Stop> {
    let before = UnitIndex::read(draft.rootfs());
    left_to_bus(draft, &before, units)?;
    let all: BTreeSet<&String> = units.iter().collect();
    let (mut left, mut seen) = (Vec::new(), BTreeSet::new());
    for unit in units {
        let path = format!("{}/{unit}", systemd::ETC);
        let location = match draft.rootfs().locate(path.as_bytes()) {
            Ok(location) => location,
            Err(error) => return fail(error.to_string()),
        };
        if let Some(id) = location.inode {
            if draft.rootfs().inode(id).is_directory() {
                return fail(format!("{path} is a directory"));
            }
            let before = before.within(draft.rootfs());
            left.extend(alias(&before, unit));
            // Of units that are one file the first stands for all.
            if seen.insert(id) {
                let others = other_names(draft.rootfs(), unit, id);
                left.extend(others.filter(|other| !all.contains(&other.unit)));
            }
        }
        draft.create_symlink(&location, "/dev/null");
    }
    let said = left
        .iter()
        .map(|one| (one.path.as_str().into(), one.message.clone()));
    draft.left_open(ResidualKind::OtherStart, said.collect(), move |rootfs| {
        let units = Units::read(rootfs);
        let is_open = |one: &Left| {
            units.fragment(&one.unit) == Some(&*one.path) && !units.is_masked(&one.unit)
        };
        left.iter().map(is_open).collect()
    });
    let after = Units::read(draft.rootfs());
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

/// Says what the bus still starts of units whose own files give way to masks: there is no trace of their names and programs
/// in the result.
fn left_to_bus(draft: &mut Draft<'_>, before: &UnitIndex, units: &[String]) -> Result<(), Stop> {
    let rootfs = draft.rootfs();
    let displaced = |unit: &&String| {
        let place = rootfs.locate(format!("{}/{unit}", systemd::ETC).as_bytes());
        place.is_ok_and(|place| place.inode.is_some())
    };
    let displaced = units.iter().filter(displaced).cloned().collect();
    let open = systemd::started_by_bus(draft, &before.within(rootfs), &displaced)?;
    let files = open.iter().map(|one| one.path.clone()).collect();
    let are_open = systemd::still_start(rootfs, files);
    let said = open.into_iter().map(|one| (one.path.into(), one.message));
    draft.left_open(ResidualKind::OtherStart, said.collect(), are_open);
    Ok(())
}

/// A unit that what a mask took the place of leaves open, by its file, and what to say of it.
struct Left {
    path: String,
    unit: String,
    message: String,
}

/// The unit of which the name was an alias.
fn alias(units: &Units<'_>, unit: &str) -> Option<Left> {
    let target = units.alias_of(unit)?;
    Some(Left {
        path: units.fragment(&target)?.to_owned(),
        message: format!("{unit} was only an alias of {target}, which can still be started"),
        unit: target,
    })
}

/// What has other names of the file that a mask takes the place of; there is no trace of that in the result.
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
