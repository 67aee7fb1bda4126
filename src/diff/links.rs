//! Hard links: which paths are one file.

use std::collections::{BTreeMap, BTreeSet};

use bstr::BString;

use crate::rootfs::{InodeId, Rootfs};

/// Returns the paths that are files in both trees and whose hard links among those paths changed.
///
/// Counting is enough, without comparing the names of each file with those of each other: a file
/// has the same names as before if all its names are one file now, and that file has no more names.
pub(super) fn regrouped(old: &Rootfs, new: &Rootfs) -> BTreeSet<BString> {
    let mut common = BTreeMap::new();
    // Only files that have several names on either side can change.
    for path in linked(old).chain(linked(new)) {
        if let (Some(was), Some(is)) = (file(old, &path), file(new, &path)) {
            common.insert(path, (was, is));
        }
    }
    let (mut were, mut are, mut both) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for (was, is) in common.values() {
        *were.entry(*was).or_insert(0) += 1;
        *are.entry(*is).or_insert(0) += 1;
        *both.entry((*was, *is)).or_insert(0) += 1;
    }
    common.retain(|_, (was, is)| {
        let together: usize = both[&(*was, *is)];
        were[was] != together || are[is] != together
    });
    common.into_keys().collect()
}

/// Returns every path of the files that have several.
fn linked(tree: &Rootfs) -> impl Iterator<Item = BString> {
    tree.inodes()
        .filter(|(_, inode)| inode.is_file() && inode.links() > 1)
        .flat_map(|(id, _)| tree.paths(id))
}

fn file(tree: &Rootfs, path: &BString) -> Option<InodeId> {
    tree.at(path).filter(|id| tree.inode(*id).is_file())
}
