//! Differences that count only if asked for: times, and positions in the archive.

use std::collections::{BTreeMap, BTreeSet};

use bstr::BString;

use super::{Difference, PathChange, Side};
use crate::rootfs::{InodeId, Rootfs};

/// Adds the paths whose time differs, and the first whose position among the common entries
/// differs.
pub(super) fn add(old: &Side<'_>, new: &Side<'_>, paths: &mut Vec<PathChange>) {
    let mut differences: BTreeMap<BString, (InodeId, InodeId, BTreeSet<Difference>)> =
        BTreeMap::new();
    let (before, after) = (entries(old.rootfs()), entries(new.rootfs()));
    let mut orders = [Vec::new(), Vec::new()];
    for (path, (at, a)) in &before {
        let Some((to, b)) = after.get(path) else {
            continue;
        };
        orders[0].push((*at, path, *a, *b));
        orders[1].push((*to, path, *a, *b));
        if old.inode(*a).mtime != new.inode(*b).mtime {
            let entry = differences.entry(path.clone());
            let entry = entry.or_insert_with(|| (*a, *b, BTreeSet::new()));
            entry.2.insert(Difference::Time);
        }
    }
    orders.iter_mut().for_each(|order| order.sort_unstable());
    let moved = orders[0].iter().zip(&orders[1]).find(|(a, b)| a.1 != b.1);
    if let Some((_, (_, path, a, b))) = moved {
        let entry = differences.entry((*path).clone());
        let entry = entry.or_insert_with(|| (*a, *b, BTreeSet::new()));
        entry.2.insert(Difference::Order);
    }
    for change in paths.iter_mut() {
        if let Some((.., more)) = differences.remove(&change.path) {
            change.differences.extend(more);
        }
    }
    paths.extend(
        differences.into_iter().map(|(path, (a, b, differences))| {
            PathChange::new(path, Some(a), Some(b), differences)
        }),
    );
    paths.sort_by(|a, b| a.path.cmp(&b.path));
}

/// Returns the paths that have an entry of their own, each with the position of the one that
/// counts.
fn entries(rootfs: &Rootfs) -> BTreeMap<BString, (u32, InodeId)> {
    let mut found = BTreeMap::new();
    if let Some(entry) = rootfs.inode(Rootfs::ROOT).entries.last() {
        found.insert(BString::from("/"), (*entry, Rootfs::ROOT));
    }
    for (directory, inode) in rootfs.inodes().filter(|(_, inode)| inode.is_directory()) {
        if inode.links() == 0 && directory != Rootfs::ROOT {
            continue;
        }
        for (name, child) in rootfs.children(directory) {
            if let Some(entry) = child.entries.last() {
                found.insert(rootfs.path_in(directory, name), (*entry, child.inode));
            }
        }
    }
    found
}
