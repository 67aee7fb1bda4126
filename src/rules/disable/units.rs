//! The units of systemd that start a program: found and masked.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use super::target::Target;
use crate::edit::Draft;
use crate::error::Stop;
use crate::rules::mask;
use crate::system::boot::{Runs, programs};
use crate::system::systemd::{UnitStart, has_generator, name};

/// Generators that make units for a program, and the unit that they use instead where it is there,
/// be it masked.
const GENERATORS: [(&str, &str, &str); 1] = [("systemd-ssh-generator", "sshd", "sshd@.service")];

/// Where the program of a generator is looked for.
const PROGRAMS: [&str; 3] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin"];

/// Masks the units that start the program or service, and returns whether the image has any, masked
/// or not. `waits` asks for a mask even where there is none.
pub(super) fn mask(draft: &mut Draft<'_>, target: &Target, waits: bool) -> Result<bool, Stop> {
    let (mut masked, mut open) = find(draft, target)?;
    if waits && masked.is_empty() && open.is_empty() {
        let service = format!("{}.service", target.base());
        if name::is_unit(&service) {
            open.insert(service);
        }
    }
    let found = !masked.is_empty() || !open.is_empty();
    open.retain(|unit| {
        let stem = unit
            .rsplit_once('.')
            .map_or(unit.as_str(), |(stem, _)| stem);
        !draft.waived_as(&[unit.as_bytes().as_bstr(), stem.as_bytes().as_bstr()])
    });
    if !open.is_empty() {
        mask::mask(draft, &open)?;
    }
    for unit in open.iter().filter(|unit| !names(target, unit)) {
        draft.note(format!("{unit} would start {}", target.name()));
    }
    masked.append(&mut open);
    draft.masks(masked);
    Ok(found)
}

/// Returns the units that are masked, by their names, and those that are not.
fn find(draft: &Draft<'_>, target: &Target) -> Result<(BTreeSet<String>, BTreeSet<String>), Stop> {
    let starts = draft.unit_starts()?;
    let units = draft.units();
    let mut found = BTreeSet::new();
    for start in starts
        .iter()
        .filter(|start| is_start(&start.unit, "service"))
    {
        if names(target, &start.unit) || runs(draft, target, start)? {
            found.insert(start.unit.clone());
        }
    }
    for suffix in ["service", "socket", "timer", "path"] {
        for at in ["", "@"] {
            let unit = format!("{}{at}.{suffix}", target.name());
            if name::is_unit(&unit) && units.has(&unit) {
                // An alias is masked along with the unit.
                found.insert(units.alias_of(&unit).unwrap_or(unit));
            }
        }
    }
    for start in starts.iter() {
        let triggers = |unit: &String| {
            found.contains(unit)
                || name::template(unit).is_some_and(|template| found.contains(&template))
        };
        if start.triggers.iter().any(triggers) {
            found.insert(start.unit.clone());
        }
    }
    for (generator, program, unit) in GENERATORS {
        let has_program = || {
            let mut paths = PROGRAMS.iter().map(|at| format!("{at}/{program}"));
            paths.any(|path| draft.rootfs().exists(&path) && target.is_program(draft, &path))
        };
        if has_generator(draft.rootfs(), generator) && has_program() {
            found.insert(unit.to_owned());
        }
    }
    Ok(found.into_iter().partition(|unit| units.is_masked(unit)))
}

fn is_start(unit: &str, kind: &str) -> bool {
    name::kind(unit) == kind
}

/// Returns whether the service of the name is this unit, or a template or instance of it.
fn names(target: &Target, unit: &str) -> bool {
    target.is_service(name::prefix(unit))
}

/// Returns whether a service runs the program.
fn runs(draft: &Draft<'_>, target: &Target, start: &UnitStart) -> Result<bool, Stop> {
    let is_it = |program: &String| target.is_program(draft, program);
    for command in &start.commands {
        for program in programs(command) {
            if is_it(&program) {
                return Ok(true);
            }
        }
    }
    match &start.script {
        Some(script) => Ok(Runs::of_file(draft, script)?.programs.iter().any(is_it)),
        None => Ok(false),
    }
}
