//! `Mask`: a unit that cannot be started.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::RuleKind;
use crate::edit::{Applied, Draft, Stop, Verdict, fail};
use crate::recipe::{ArgumentSchema, Check, OnMissing, RuleSchema, Section, Waivable};
use crate::rootfs::{InodeId, Rootfs};
use crate::systemd::{self, Units};

pub(super) static KIND: RuleKind = RuleKind {
    schema: &SCHEMA,
    apply,
};

static SCHEMA: RuleSchema = RuleSchema {
    kind: "Mask",
    argument: Some(ArgumentSchema {
        name: "UNIT",
        check: Check::Unit,
        about: "A unit's name, a template such as `sshd@.service`, or a glob over the units that the image has.",
    }),
    summary: "a unit cannot be started, by hand, at boot or by a socket",
    about: "Puts a symbolic link to `/dev/null` at `/etc/systemd/system/UNIT`, as `systemctl mask` does, in the directory that \
        this leads to in the image. A unit file or alias link that stands there is replaced, where systemctl refuses; the diff \
        shows what was displaced. Enablement links stay, as systemd ignores them for a masked unit.\n\n\
        Masking a unit masks its aliases, but masking an alias does not mask the unit, and masking a template leaves instances \
        that have a file of their own. What stays open so is a residual with its path: the unit behind an alias, such an \
        instance, another name of the same file, and of a masked socket the other sockets that start its service, and the \
        service itself: to close SSH mask both. A unit that has the masked one in `Requires=`, `Requisite=`, `BindsTo=` or a \
        `.requires` directory will not start any more; that is a residual with file and line too. What an alias link or \
        file that is displaced leaves open only the report of the hardening says, since the result has no trace of it.\n\n\
        What `/run` and generators hold when the system runs is not in the image: a unit made there does not start while it \
        is masked, but one of another name may start the same program. Only services that have no more than a script in \
        `/etc/init.d` count as units, where the image has systemd-sysv-generator to make them; a script's further names, in \
        `Provides:`, do not.",
    keys: &[],
    needs_a_key: false,
    open_keys: None,
    on_missing: OnMissing::Fail,
    extra_on_missing: &[OnMissing::Mask],
    waived: Some(Waivable {
        what: "the unit",
        example: "sshd.socket",
    }),
    example: "[Mask sshd.socket]\nReason=nobody logs in to an immutable image over the network\n",
};

fn apply(section: &Section, draft: &mut Draft<'_>) -> Applied {
    let named = systemd::named(draft.rootfs(), &section.argument);
    let units = Units::read(draft.rootfs());
    let waits = section.on_missing == OnMissing::Mask;
    let found: Vec<(String, bool)> = named
        .into_iter()
        .filter(|unit| waits || units.has(unit))
        .map(|unit| {
            let masked = units.is_masked(&unit);
            (unit, masked)
        })
        .collect();
    if found.is_empty() {
        return Ok(Verdict::Absent(format!(
            "the image has no unit {}",
            section.argument
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
    for (unit, already) in found {
        if already || mask(draft, &unit)? {
            masked.insert(unit);
        }
    }
    for opening in systemd::openings(draft, &masked)? {
        draft.open_so_far(
            Some(opening.path.as_bytes().as_bstr()),
            opening.line,
            opening.message,
        );
    }
    Ok(Verdict::Holds)
}

/// Masks a unit unless that is waived.
fn mask(draft: &mut Draft<'_>, unit: &str) -> Result<bool, Stop> {
    if draft.waived(unit.as_bytes().as_bstr()) {
        return Ok(false);
    }
    let path = format!("{}/{unit}", systemd::ETC);
    let location = match draft.rootfs().locate(path.as_bytes()) {
        Ok(location) => location,
        Err(error) => return fail(error.to_string()),
    };
    if let Some(id) = location.inode {
        if draft.rootfs().inode(id).is_directory() {
            return fail(format!("{path} is a directory"));
        }
        displaced(draft, unit, id);
    }
    draft.create_symlink(&location, "/dev/null");
    let units = Units::read(draft.rootfs());
    match units.fragment(unit) {
        _ if units.is_masked(unit) => Ok(true),
        Some(winner) => fail(format!(
            "{unit} still comes from {winner}, which is read first"
        )),
        None => fail(format!("a link at {path} is not read as a mask of {unit}")),
    }
}

/// What the link or file that a mask takes the place of leaves open. Neither is there to be found in the result.
fn displaced(draft: &mut Draft<'_>, unit: &str, id: InodeId) {
    let rootfs = draft.rootfs();
    let units = Units::read(rootfs);
    let mut open = Vec::new();
    if let Some(target) = units.alias_of(unit)
        && let Some(path) = units.fragment(&target)
    {
        let message = format!("{unit} was only an alias of {target}, which can still be started");
        open.push((path.to_owned(), target, message));
    }
    for path in rootfs.paths(id) {
        let path = path.to_string();
        let other = path.rsplit('/').next().unwrap_or_default().to_owned();
        let message = format!("{other} is the same file as {unit} was and can still be started");
        open.push((path, other, message));
    }
    for (path, other, message) in open {
        let place = path.clone();
        let is_open = move |rootfs: &Rootfs| {
            let units = Units::read(rootfs);
            units.fragment(&other) == Some(&*place) && !units.is_masked(&other)
        };
        draft.left_open(path.as_bytes().as_bstr(), message, is_open);
    }
}

#[cfg(test)]
mod tests;
