//! What the booted system, or an upgrade, does to what was edited: found once for all rules, and
//! said as residuals.

mod boot;
mod boot_writes;
mod chkstat;
mod presets;

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString, ByteSlice};

use crate::edit::{Change, Draft, Edit, ResidualKind};
use crate::error::{Stop, fail};
use crate::rootfs::lowerdir;
use crate::rootfs::{Place, Rootfs, below};
use crate::system::boot::InitSystem;
use crate::system::packages::{self, Owner};

/// Adds a residual for each edit that something in the image takes back. `before` is the rootfs as
/// it was. What cannot be known of one such thing does not keep the others from being found.
pub(crate) fn residuals(draft: &mut Draft<'_>, before: &Rootfs) -> [Result<(), Stop>; 4] {
    copies(draft);
    [
        by_packages(draft, before),
        boot::residuals(draft),
        boot_writes::residuals(draft),
        presets::residuals(draft),
    ]
}

/// Adds what package managers take back. A container's image is made anew instead of upgraded.
fn by_packages(draft: &mut Draft<'_>, before: &Rootfs) -> Result<(), Stop> {
    if InitSystem::of(draft)? == InitSystem::None {
        return Ok(());
    }
    let found = [
        alternatives(draft),
        triggers(draft, before),
        upgrades(draft, before),
        chkstat::residuals(draft),
    ];
    found.into_iter().collect()
}

/// Adds removals that a copy of `/etc` takes back: the booted system lays `/etc` over it.
fn copies(draft: &mut Draft<'_>) {
    let directories = lowerdir::directories(draft.rootfs());
    for edit in removals(draft) {
        for copy in lowerdir::copies_in(&directories, &edit.path.to_str_lossy()) {
            if draft.rootfs().exists(&copy) {
                let message = format!("becomes {} when the system boots", edit.path);
                let (kind, place) = (ResidualKind::RevertedAtBoot, Place::new(&copy, None));
                draft.residual_of(edit.rule, kind, place, message);
            }
        }
    }
}

/// Adds removed links of Debian's alternatives: they are made again when one of their programs is
/// installed or upgraded.
fn alternatives(draft: &mut Draft<'_>) -> Result<(), Stop> {
    let removed = removals(draft);
    if removed.is_empty() {
        return Ok(());
    }
    let mut by_path: BTreeMap<&BString, Vec<&Edit>> = BTreeMap::new();
    for edit in &removed {
        by_path.entry(&edit.path).or_default().push(edit);
    }
    for found in packages::alternatives(draft)? {
        let once = found
            .once
            .map(|what| format!(", once {what} is there again"));
        for edit in by_path.get(&found.link).into_iter().flatten() {
            let message = format!(
                "update-alternatives makes {} again{}",
                edit.path,
                once.as_deref().unwrap_or_default()
            );
            let place = Place::new(&found.registry, None);
            draft.residual_of(edit.rule, ResidualKind::RevertedByPackages, place, message);
        }
    }
    Ok(())
}

/// How often an edit may be found in a directory that a package watches.
const WATCHED: usize = 1_000_000;

/// Adds edits in directories that a package watches: it runs its own script when others change
/// files there.
fn triggers(draft: &mut Draft<'_>, before: &Rootfs) -> Result<(), Stop> {
    let edits = draft.edits.clone();
    let mut by_path: BTreeMap<&BStr, Vec<usize>> = BTreeMap::new();
    for (at, edit) in edits.iter().enumerate() {
        by_path.entry(edit.path.as_bstr()).or_default().push(at);
    }
    let mut left = WATCHED;
    for trigger in packages::file_triggers(draft, before)? {
        let at = by_path.get_key_value(trigger.path.as_bstr());
        let watched = at.into_iter().chain(below(&by_path, &trigger.path));
        // The first file of a rule stands for all.
        let mut first: BTreeMap<usize, usize> = BTreeMap::new();
        for at in watched.flat_map(|(_, edits)| edits) {
            left = left.checked_sub(1).map_or_else(
                || fail("dpkg's triggers watch edited files more often than can be looked at"),
                Ok,
            )?;
            let known = first.entry(edits[*at].rule).or_insert(*at);
            *known = (*known).min(*at);
        }
        for (rule, at) in first {
            let message = format!(
                "{}: the package {} runs a script of its own when packages change what is in {}, and may write it anew",
                edits[at].path, trigger.package, trigger.path
            );
            let place = Place::new(packages::TRIGGERS, trigger.line);
            draft.residual_of(rule, ResidualKind::RevertedByPackages, place, message);
        }
    }
    Ok(())
}

fn removals(draft: &Draft<'_>) -> Vec<Edit> {
    let mut removed = draft.edits.clone();
    removed.retain(|edit| edit.change == Change::Removed && !draft.rootfs().exists(&edit.path));
    removed
}

/// Adds files that come back with the next version of their package, unless dpkg takes them for
/// configuration or was told to keep their modes.
fn upgrades(draft: &mut Draft<'_>, before: &Rootfs) -> Result<(), Stop> {
    let mut edits = draft.edits.clone();
    edits.retain(|edit| edit.change != Change::Created);
    let mut paths: Vec<BString> = edits.iter().map(|edit| edit.path.clone()).collect();
    paths.sort();
    paths.dedup();
    if paths.is_empty() {
        return Ok(());
    }
    let owners = packages::owners(draft, before, &paths)?;
    let kept = draft.text_at(packages::STATOVERRIDE)?.unwrap_or_default();
    let kept: BTreeSet<&[u8]> = kept
        .lines()
        .filter_map(|line| line.fields().nth(3))
        .collect();
    let conffiles = packages::conffiles(draft)?;
    let is_kept = |edit: &Edit, owner: &Owner| {
        let overridden = matches!(edit.change, Change::Mode { .. } | Change::Owner { .. })
            && kept.contains(owner.listed.as_slice());
        owner.dpkg && (overridden || conffiles.contains(&owner.listed))
    };
    // One residual for each rule, at the first file; a list of all would bury the others.
    let mut restored: BTreeMap<usize, (BTreeSet<&BString>, BTreeSet<&str>)> = BTreeMap::new();
    for edit in &edits {
        if let Some(owner) = owners.get(&edit.path).filter(|owner| !is_kept(edit, owner)) {
            let (files, packages) = restored.entry(edit.rule).or_default();
            files.insert(&edit.path);
            packages.insert(&owner.package);
        }
    }
    unread(draft, &edits, &owners);
    for (rule, (files, packages)) in restored {
        const NAMED: usize = 8;
        let mut names: Vec<&str> = packages.iter().copied().take(NAMED).collect();
        let others = format!("{} more", packages.len().saturating_sub(NAMED));
        names.extend((packages.len() > NAMED).then_some(others.as_str()));
        let names = names.join(", ");
        let (more, them) = match files.len() {
            1 => (String::new(), "it"),
            2 => (", as does 1 more edited file,".into(), "them"),
            n => (format!(", as do {} more edited files,", n - 1), "them"),
        };
        let message = match packages.len() {
            1 => format!(
                "belongs{more} to the package {names}, whose next upgrade brings {them} back"
            ),
            count => format!(
                "belongs{more} to one of {count} packages, whose next upgrades bring them back: {names}"
            ),
        };
        let message = format!("{message}; harden again after upgrades");
        let place = files.first().map(|path| Place::new((*path).clone(), None));
        draft.residual_of(rule, ResidualKind::RevertedByPackages, place, message);
    }
    Ok(())
}

/// Adds edits that a package manager may take back whose database is not read. Those keep what was
/// edited of configuration, so `/etc` is left out.
fn unread(draft: &mut Draft<'_>, edits: &[Edit], owners: &BTreeMap<BString, Owner>) {
    let mut of_rules: BTreeMap<usize, BTreeSet<&BString>> = BTreeMap::new();
    for edit in edits {
        if !owners.contains_key(&edit.path) && !edit.path.starts_with(b"/etc/") {
            of_rules.entry(edit.rule).or_default().insert(&edit.path);
        }
    }
    for (place, manager) in packages::unread(draft.rootfs()) {
        for (rule, paths) in &of_rules {
            let files = match paths.len() {
                1 => "if the edited file belongs to one, it comes back with its next upgrade"
                    .to_owned(),
                n => format!(
                    "those of the {n} edited files that belong to one come back with its next upgrade"
                ),
            };
            let message =
                format!("{manager}'s packages are not read: {files}; harden again after upgrades");
            draft.residual_of(
                *rule,
                ResidualKind::RevertedByPackages,
                Place::new(place, None),
                message,
            );
        }
    }
}

#[cfg(test)]
mod tests;
