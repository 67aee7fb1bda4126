//! Hard links: which paths are one file.

use std::collections::{BTreeMap, BTreeSet};

use bstr::BString;

use crate::rootfs::{InodeId, Rootfs};

/// The paths that both trees have as files, and that are not one file with the same others of those as before.
///
/// Counting tells, without comparing the names of each with those of each other: a file has the same names as before if all
/// that it had are one file now, and that has no more.
pub(super) fn regrouped(old: &Rootfs, new: &Rootfs) -> BTreeSet<BString> {
    let mut common = BTreeMap::new();
    // Only what is linked on either side can be linked otherwise.
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

/// Every path of the files that have several.
fn linked(tree: &Rootfs) -> impl Iterator<Item = BString> {
    tree.inodes()
        .filter(|(_, inode)| inode.is_file() && inode.links() > 1)
        .flat_map(|(id, _)| tree.paths(id))
}

fn file(tree: &Rootfs, path: &BString) -> Option<InodeId> {
    tree.at(path).filter(|id| tree.inode(*id).is_file())
}
