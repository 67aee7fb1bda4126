//! Hard links: which paths are one file.

use std::collections::{BTreeMap, BTreeSet};

use bstr::BString;

use crate::rootfs::Rootfs;

/// The paths that both trees have as files, and that are not one file with the same others of those as before.
pub(super) fn regrouped(old: &Rootfs, new: &Rootfs) -> BTreeSet<BString> {
    let (was, is) = (groups(old), groups(new));
    // Only what is linked on either side can be linked otherwise.
    let paths: BTreeSet<&BString> = was.keys().chain(is.keys()).collect();
    let in_both = |path: &BString| [old, new].iter().all(|tree| is_file(tree, path));
    let common: BTreeSet<&BString> = paths.into_iter().filter(|path| in_both(path)).collect();
    let others = |groups: &Groups, path: &BString| -> BTreeSet<BString> {
        let group = groups.get(path).into_iter().flat_map(|group| group.iter());
        group
            .filter(|other| common.contains(other) && *other != path)
            .cloned()
            .collect()
    };
    let differ = |path: &&&BString| others(&was, path) != others(&is, path);
    common
        .iter()
        .filter(differ)
        .map(|path| (*path).clone())
        .collect()
}

/// The names of each file with several, by each of them.
type Groups = BTreeMap<BString, std::rc::Rc<Vec<BString>>>;

fn groups(tree: &Rootfs) -> Groups {
    let mut found = BTreeMap::new();
    let linked = tree
        .inodes()
        .filter(|(_, inode)| inode.is_file() && inode.names().len() > 1);
    for (id, _) in linked {
        let paths = std::rc::Rc::new(tree.paths(id));
        found.extend(
            paths
                .iter()
                .map(|path| (path.clone(), std::rc::Rc::clone(&paths))),
        );
    }
    found
}

fn is_file(tree: &Rootfs, path: &BString) -> bool {
    tree.at(path).is_some_and(|id| tree.inode(id).is_file())
}
