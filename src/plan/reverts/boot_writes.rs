//! What cloud-init, Ignition and scripts of the image write over edits when the system boots.

use std::collections::{BTreeMap, BTreeSet};

use bstr::BString;

use crate::edit::{Change, Draft, Edit, Residual, ResidualKind};
use crate::error::Stop;
use crate::rootfs::lowerdir;
use crate::system::boot::script::How;
use crate::system::boot_writes::BootWrite;

/// How many edits are found undone before the search gives up.
const UNDONE: usize = 100_000;

/// Adds a residual for each edit that something writes over.
pub(super) fn residuals(draft: &mut Draft<'_>) -> Result<(), Stop> {
    let edits = draft.edits_and_kept();
    if edits.is_empty() {
        return Ok(());
    }
    let found = draft.boot_writes()?;
    let by_path = edits_by_path(draft, &edits);
    let known = draft.residuals.iter().chain(&draft.passing);
    let mut known: BTreeSet<_> = known.map(|one| (one.rule, one.place.clone())).collect();
    let mut residuals = Vec::new();
    for write in &found.writes {
        for path in places(draft, write) {
            for at in by_path.get(&path).into_iter().flatten() {
                let edit = &edits[*at];
                let place = Some(write.place.clone());
                if is_undone(&edit.change, write.how)
                    && known.insert((Some(edit.rule), place.clone()))
                    && residuals.len() < UNDONE
                {
                    let does = match write.how {
                        How::Writes => "writes over it",
                        How::Removes => "removes it",
                        How::Adjusts => "changes its mode, owner or capabilities",
                        How::Unmasks => "unmasks the unit",
                    };
                    let message = format!("{}: {} {does} {}", edit.path, write.who, write.when);
                    let kind = ResidualKind::RevertedAtBoot;
                    residuals.push(Residual::of(edit.rule, kind, place, message));
                }
            }
        }
    }
    draft.residuals.extend(residuals);
    let last = edits.last().map_or(0, |edit| edit.rule);
    for (place, why) in found.unread.clone() {
        if !draft
            .residuals
            .iter()
            .any(|one| one.place.as_ref() == Some(&place))
        {
            draft.residual_of(last, ResidualKind::NotInspected, place, why);
        }
    }
    Ok(())
}

/// Returns the edits of each path, and of the path of `/etc` that a copy becomes.
fn edits_by_path(draft: &Draft<'_>, edits: &[Edit]) -> BTreeMap<BString, Vec<usize>> {
    let copies = lowerdir::directories(draft.rootfs());
    let mut by_path: BTreeMap<BString, Vec<usize>> = BTreeMap::new();
    for (at, edit) in edits.iter().enumerate() {
        by_path.entry(edit.path.clone()).or_default().push(at);
        for copy in &copies {
            let rest = edit.path.strip_prefix(copy.as_bytes());
            if let Some(rest) = rest.filter(|rest| rest.starts_with(b"/")) {
                let path = [b"/etc", rest].concat().into();
                by_path.entry(path).or_default().push(at);
            }
        }
    }
    by_path
}

/// Returns the paths that a write means, without links on the way.
fn places(draft: &Draft<'_>, write: &BootWrite) -> BTreeSet<BString> {
    let path = match write.how {
        How::Unmasks if write.path.contains('.') => format!("/etc/systemd/system/{}", write.path),
        How::Unmasks => format!("/etc/systemd/system/{}.service", write.path),
        _ => write.path.clone(),
    };
    let rootfs = draft.rootfs();
    // A link at the path is written through, or replaced.
    let real = rootfs.locate(path.as_bytes());
    let through = rootfs.follow(path.as_bytes());
    let found = real.into_iter().chain(through);
    let mut found: BTreeSet<BString> = found.map(|at| rootfs.location_path(&at)).collect();
    found.insert(path.into());
    found
}

fn is_undone(change: &Change, how: How) -> bool {
    match how {
        How::Writes => matches!(change, Change::Content | Change::Created | Change::Removed),
        How::Removes => matches!(change, Change::Content | Change::Created),
        How::Unmasks => matches!(change, Change::Created),
        How::Adjusts => matches!(
            change,
            Change::Mode { .. } | Change::Owner { .. } | Change::XattrRemoved { .. }
        ),
    }
}

#[cfg(test)]
mod tests;
