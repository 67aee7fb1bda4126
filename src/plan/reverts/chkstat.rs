//! What SUSE's `chkstat` does to edited modes: it sets those of its lists, whenever a package or an
//! administrator asks for it.

use std::collections::BTreeMap;

use bstr::BString;

use crate::edit::{Change, Draft, ResidualKind};
use crate::error::Stop;
use crate::rootfs::Place;
use crate::system::packages::chkstat::listed;

const SETID: u32 = 0o6000;

/// Adds a residual for each list that gives stripped files their bits or capabilities again, at the
/// first such line.
pub(super) fn residuals(draft: &mut Draft<'_>) -> Result<(), Stop> {
    let mut stripped: BTreeMap<BString, (usize, bool)> = BTreeMap::new();
    for edit in &draft.edits {
        match edit.change {
            Change::Mode { before, after } if before & !after & SETID != 0 => {
                stripped.insert(edit.path.clone(), (edit.rule, false));
            }
            Change::XattrRemoved { .. } => {
                stripped
                    .entry(edit.path.clone())
                    .or_insert((edit.rule, true));
            }
            _ => {}
        }
    }
    if stripped.is_empty() {
        return Ok(());
    }
    let mut again: BTreeMap<(usize, String), (usize, Vec<BString>)> = BTreeMap::new();
    for line in listed(draft)? {
        let Ok(place) = draft.rootfs().locate(line.path.as_bytes()) else {
            continue;
        };
        let path = draft.rootfs().location_path(&place);
        let Some((rule, only_capabilities)) = stripped.get(&path) else {
            continue;
        };
        if line.capabilities || (!only_capabilities && line.mode & SETID != 0) {
            let of_list = again
                .entry((*rule, line.file))
                .or_insert((line.line, Vec::new()));
            if !of_list.1.contains(&path) {
                of_list.1.push(path);
            }
        }
    }
    for ((rule, file), (line, paths)) in again {
        let first = &paths[0];
        let message = match paths.len() {
            1 => format!("chkstat gives {first} its set-id bits or capabilities again"),
            n => format!(
                "chkstat gives {first} and {} more their set-id bits or capabilities again",
                n - 1
            ),
        };
        draft.residual_of(
            rule,
            ResidualKind::RevertedByPackages,
            Place::new(&file, line),
            message,
        );
    }
    Ok(())
}
