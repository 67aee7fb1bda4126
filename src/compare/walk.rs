//! Both trees name by name.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BStr, BString};

use super::{Difference, PathChange, Side, content, links};
use crate::error::Result;
use crate::image::EntryKind;
use crate::rootfs::{Inode, InodeId, Meta, Node, Rootfs};

const CAPABILITY: &str = "security.capability";

/// The paths that differ, sorted; a file that moved is still removed and added.
pub(super) fn changes(old: &Side<'_>, new: &Side<'_>) -> Result<Vec<PathChange>> {
    let mut found = Vec::new();
    let regrouped = links::regrouped(&old.rootfs, &new.rootfs);
    let mut same = content::Known::default();
    let mut left = vec![(BString::from("/"), Rootfs::ROOT, Rootfs::ROOT)];
    while let Some((path, a, b)) = left.pop() {
        let (was, is) = (old.rootfs.inode(a), new.rootfs.inode(b));
        let mut differences = of_inodes((old, was), (new, is))?;
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
                let in_old = old.rootfs.child(a, name).map(|child| child.inode);
                let in_new = new.rootfs.child(b, name).map(|child| child.inode);
                match (in_old, in_new) {
                    (Some(a), Some(b)) => left.push((below, a, b)),
                    (Some(a), None) => whole(&mut found, old, below, a, Difference::Removed),
                    (None, Some(b)) => whole(&mut found, new, below, b, Difference::Added),
                    (None, None) => {}
                }
            }
        } else if was.is_directory() {
            inside(&mut found, old, &path, a, Difference::Removed);
        } else if is.is_directory() {
            inside(&mut found, new, &path, b, Difference::Added);
        }
        if !differences.is_empty() {
            found.push(PathChange {
                path,
                from: None,
                differences,
                old: Some(a),
                new: Some(b),
            });
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// In what two inodes differ, but for what files hold and how they are linked.
pub(super) fn of_inodes(
    (old, was): (&Side<'_>, &Inode),
    (new, is): (&Side<'_>, &Inode),
) -> Result<BTreeSet<Difference>> {
    let mut found = BTreeSet::new();
    if was.type_bits() != is.type_bits() {
        found.insert(Difference::Type);
        return Ok(found);
    }
    if was.symlink() != is.symlink() {
        found.insert(Difference::Target);
    }
    if device(old, was)? != device(new, is)? {
        found.insert(Difference::Device);
    }
    // Nothing says what an implied directory is like.
    if was.implied() || is.implied() {
        return Ok(found);
    }
    let mut add = |differ, difference| {
        if differ {
            found.insert(difference);
        }
    };
    // A link's mode means nothing, and archives differ in what they write there.
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
    Ok(found)
}

/// The extended attributes but for the capabilities, by name: archives may have them in any order, and twice.
pub(super) fn xattrs(meta: &Meta) -> BTreeMap<BString, BString> {
    let comparable = |(name, value): &(BString, BString)| match &name[..] {
        b"SCHILY.acl.access" | b"SCHILY.acl.default" => (name.clone(), sorted(value)),
        _ => (name.clone(), value.clone()),
    };
    raw_xattrs(meta).map(comparable).collect()
}

/// As the archive has them.
pub(super) fn raw_xattrs(meta: &Meta) -> impl Iterator<Item = &(BString, BString)> {
    meta.xattrs.iter().filter(|(name, _)| name != CAPABILITY)
}

/// The entries of a POSIX access control list, which each program writes in its own order, on lines or between commas.
fn sorted(list: &BString) -> BString {
    let entries = list
        .split(|byte| b",\n".contains(byte))
        .map(<[u8]>::trim_ascii);
    let entries: BTreeSet<&[u8]> = entries.filter(|entry| !entry.is_empty()).collect();
    bstr::join(b",", entries).into()
}

/// The numbers of a device; nothing for anything else.
pub(super) fn device(side: &Side<'_>, inode: &Inode) -> Result<Option<(u32, u32)>> {
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

/// What each header of an inode says of one thing.
fn all<T: Ord>(inode: &Inode, of: impl Fn(&Meta) -> T) -> BTreeSet<T> {
    inode.metas().map(of).collect()
}

fn names<'s>(old: &'s Side<'_>, a: InodeId, new: &'s Side<'_>, b: InodeId) -> BTreeSet<&'s BStr> {
    let names = old.rootfs.children(a).chain(new.rootfs.children(b));
    names.map(|(name, _)| name).collect()
}

/// A name that only one side has, with all that is below it.
fn whole(
    found: &mut Vec<PathChange>,
    side: &Side<'_>,
    path: BString,
    id: InodeId,
    difference: Difference,
) {
    inside(found, side, &path, id, difference);
    found.push(one_sided(path, id, difference));
}

fn inside(
    found: &mut Vec<PathChange>,
    side: &Side<'_>,
    path: &[u8],
    id: InodeId,
    difference: Difference,
) {
    let mut left = vec![(BString::from(path), id)];
    while let Some((path, id)) = left.pop() {
        for (name, child) in side.rootfs.children(id) {
            let below = join(&path, name);
            found.push(one_sided(below.clone(), child.inode, difference));
            left.push((below, child.inode));
        }
    }
}

fn one_sided(path: BString, id: InodeId, difference: Difference) -> PathChange {
    let (old, new) = match difference {
        Difference::Removed => (Some(id), None),
        _ => (None, Some(id)),
    };
    PathChange {
        path,
        from: None,
        differences: BTreeSet::from([difference]),
        old,
        new,
    }
}

fn join(directory: &[u8], name: &BStr) -> BString {
    let mut path = BString::from(directory);
    if !path.ends_with(b"/") {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}
