//! Walks both trees name by name.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString};

use super::{Difference, PathChange, Side, content, links};
use crate::error::Result;
use crate::image::EntryKind;
use crate::rootfs::{Inode, InodeId, Meta, Node, Rootfs};

pub(super) const CAPABILITY: &str = "security.capability";

/// Returns the paths that differ, sorted. A file that moved is still removed and added.
pub(super) fn changes(old: &Side<'_>, new: &Side<'_>) -> Result<Vec<PathChange>> {
    let mut found = Vec::new();
    let regrouped = links::regrouped(old.rootfs(), new.rootfs());
    let mut same = content::Known::default();
    let mut left = vec![(BString::from("/"), Rootfs::ROOT, Rootfs::ROOT)];
    while let Some((path, a, b)) = left.pop() {
        let (was, is) = (old.inode(a), new.inode(b));
        let mut differences = of_inodes(was, is);
        if !differences.contains(&Difference::Type) && device(old, was)? != device(new, is)? {
            differences.insert(Difference::Device);
        }
        if !differences.contains(&Difference::Type)
            && was.is_file()
            && !same.same((old, a), (new, b))?
        {
            differences.insert(Difference::Content);
        }
        if regrouped.contains(&path) {
            differences.insert(Difference::Links);
        }
        if was.is_directory() && is.is_directory() {
            for name in names(old, a, new, b) {
                let below = join(&path, name);
                let in_old = old.rootfs().child(a, name).map(|child| child.inode);
                let in_new = new.rootfs().child(b, name).map(|child| child.inode);
                match (in_old, in_new) {
                    (Some(a), Some(b)) => left.push((below, a, b)),
                    (Some(a), None) => whole(&mut found, old, below, a, Difference::Removed),
                    (None, Some(b)) => whole(&mut found, new, below, b, Difference::Added),
                    (None, None) => {}
                }
            }
        } else if was.is_directory() {
            inside(&mut found, old, a, Difference::Removed);
        } else if is.is_directory() {
            inside(&mut found, new, b, Difference::Added);
        }
        if !differences.is_empty() {
            found.push(PathChange::new(path, Some(a), Some(b), differences));
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Compares a path of a tree with an edited copy of that tree, in which an inode keeps its number.
/// Times do not count. A directory that gets an entry of its own is a change without a
/// [`Difference`].
pub(crate) fn edited(before: &Rootfs, after: &Rootfs, path: &[u8]) -> Option<PathChange> {
    let (old, new) = (before.at(path), after.at(path));
    let differences = match (old, new) {
        (None, None) => return None,
        (Some(_), None) => BTreeSet::from([Difference::Removed]),
        (None, Some(_)) => BTreeSet::from([Difference::Added]),
        (Some(a), Some(b)) => {
            let (was, is) = (before.inode(a), after.inode(b));
            let same = match (&was.node, &is.node) {
                // What is in a directory has paths of its own.
                (Node::Directory(_), Node::Directory(_)) => true,
                (old, new) => old == new,
            };
            if same && was.implied() == is.implied() && was.metas().eq(is.metas()) {
                return None;
            }
            let mut differences = of_inodes(was, is);
            if !same && was.is_file() && is.is_file() {
                differences.insert(Difference::Content);
            }
            differences
        }
    };
    Some(PathChange::new(path.into(), old, new, differences))
}

/// In what two inodes differ, except for devices, contents and hard links.
pub(super) fn of_inodes(was: &Inode, is: &Inode) -> BTreeSet<Difference> {
    let mut found = BTreeSet::new();
    if was.type_bits() != is.type_bits() {
        found.insert(Difference::Type);
        return found;
    }
    if was.symlink() != is.symlink() {
        found.insert(Difference::Target);
    }
    // The archive does not say what an implied directory is like.
    if was.implied() || is.implied() {
        return found;
    }
    let mut add = |differ, difference| {
        if differ {
            found.insert(difference);
        }
    };
    // A link's mode means nothing, and archives write different ones.
    let modes = |inode: &Inode| all(inode, |meta| meta.mode);
    add(
        was.symlink().is_none() && modes(was) != modes(is),
        Difference::Mode,
    );
    let owners = |inode: &Inode| all(inode, |meta| (meta.uid, meta.gid));
    add(owners(was) != owners(is), Difference::Owner);
    let capability = |inode: &Inode| all(inode, |meta| meta.xattr(CAPABILITY).map(BString::from));
    add(capability(was) != capability(is), Difference::Capability);
    let others = |inode: &Inode| all(inode, xattrs);
    add(others(was) != others(is), Difference::Xattr);
    found
}

/// Returns the extended attributes except capabilities, by name: archives have them in any order,
/// and twice.
pub(super) fn xattrs(meta: &Meta) -> BTreeMap<BString, BString> {
    let comparable = |(name, value): &(BString, BString)| match &name[..] {
        b"SCHILY.acl.access" | b"SCHILY.acl.default" => (name.clone(), sorted(value)),
        _ => (name.clone(), value.clone()),
    };
    raw_xattrs(meta).map(comparable).collect()
}

/// Returns the extended attributes except capabilities, as the archive has them.
pub(crate) fn raw_xattrs(meta: &Meta) -> impl Iterator<Item = &(BString, BString)> {
    meta.xattrs.iter().filter(|(name, _)| name != CAPABILITY)
}

/// Sorts the entries of a POSIX access control list. Each program writes them in its own order, on
/// lines or between commas.
fn sorted(list: &BString) -> BString {
    let entries = list
        .split(|byte| b",\n".contains(byte))
        .map(<[u8]>::trim_ascii);
    let entries: BTreeSet<&[u8]> = entries.filter(|entry| !entry.is_empty()).collect();
    bstr::join(b",", entries).into()
}

/// Returns the numbers of a device; nothing for another inode.
pub(crate) fn device(side: &Side<'_>, inode: &Inode) -> Result<Option<(u32, u32)>> {
    if !matches!(
        inode.node,
        Node::Special(EntryKind::CharDevice | EntryKind::BlockDevice)
    ) {
        return Ok(None);
    }
    let Some(entry) = inode.entries.first() else {
        return Ok(None);
    };
    let (layer, entry) = side.image.entry(*entry);
    let head = layer
        .head(&entry)
        .map_err(|damage| damage.of(side.image.name()))?;
    Ok(Some(head.device()))
}

/// Returns what the headers of an inode have for one property.
fn all<T: Ord>(inode: &Inode, of: impl Fn(&Meta) -> T) -> BTreeSet<T> {
    inode.metas().map(of).collect()
}

fn names<'s>(old: &'s Side<'_>, a: InodeId, new: &'s Side<'_>, b: InodeId) -> BTreeSet<&'s BStr> {
    let names = old.rootfs().children(a).chain(new.rootfs().children(b));
    names.map(|(name, _)| name).collect()
}

/// Adds a name that only one side has, with everything below it.
fn whole(found: &mut Vec<PathChange>, side: &Side<'_>, path: BString, id: InodeId, is: Difference) {
    inside(found, side, id, is);
    found.push(one_sided(path, id, is));
}

fn inside(found: &mut Vec<PathChange>, side: &Side<'_>, directory: InodeId, is: Difference) {
    side.rootfs().visit(directory, |path, id| {
        found.push(one_sided(path.to_owned(), id, is));
    });
}

fn one_sided(path: BString, id: InodeId, difference: Difference) -> PathChange {
    let (old, new) = match difference {
        Difference::Removed => (Some(id), None),
        _ => (None, Some(id)),
    };
    PathChange::new(path, old, new, BTreeSet::from([difference]))
}

fn join(directory: &[u8], name: &BStr) -> BString {
    let mut path = BString::from(directory);
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
