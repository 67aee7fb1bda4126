//! Files that moved.

use std::collections::{BTreeMap, BTreeSet};

use bstr::{BString, ByteSlice};

use super::{Difference, PathChange, Side, walk};
use crate::error::Result;
use crate::image::EntryKind;
use crate::rootfs::{Content, InodeId, Node};

/// Merges the removal of a file and the addition of one with the same content into one change.
/// Empty files all have the same content, so they are left alone.
pub(super) fn find(old: &Side<'_>, new: &Side<'_>, paths: &mut Vec<PathChange>) -> Result<()> {
    let of = |difference, side, id: fn(&PathChange) -> Option<InodeId>| {
        let one_sided = |(at, change): (usize, &PathChange)| {
            let id = id(change).filter(|_| change.differences.contains(&difference))?;
            let size = size(side, id).filter(|size| *size > 0)?;
            Some((size, (at, id)))
        };
        let mut by_size: BTreeMap<u64, Vec<(usize, InodeId)>> = BTreeMap::new();
        for (size, file) in paths.iter().enumerate().filter_map(one_sided) {
            by_size.entry(size).or_default().push(file);
        }
        by_size
    };
    let removed = of(Difference::Removed, old, |change| change.old);
    let added = of(Difference::Added, new, |change| change.new);
    let mut moved = Vec::new();
    for (size, gone) in &removed {
        let Some(come) = added.get(size) else {
            continue;
        };
        let mut gone = by_digest(old, gone)?;
        for (digest, come) in by_digest(new, come)? {
            if let Some(gone) = gone.get_mut(&digest) {
                moved.extend(pairs(paths, gone, come));
            }
        }
    }
    let mut vanished = BTreeSet::new();
    for (from, to) in moved {
        let (Some(a), Some(b)) = (paths[from].old, paths[to].new) else {
            continue;
        };
        let (was, is) = (old.inode(a), new.inode(b));
        let mut differences = walk::of_inodes(was, is);
        differences.insert(Difference::Renamed);
        let path = paths[from].path.clone();
        let change = &mut paths[to];
        (change.from, change.old, change.differences) = (Some(path), Some(a), differences);
        vanished.insert(from);
    }
    let mut at = 0..;
    paths.retain(|_| at.next().is_none_or(|at| !vanished.contains(&at)));
    Ok(())
}

/// Returns the size of a file that is not sparse.
fn size(side: &Side<'_>, id: InodeId) -> Option<u64> {
    match side.inode(id).node {
        Node::File(Content::Entry(number, stored)) => {
            let (_, entry) = side.image.entry(number);
            Some(stored).filter(|_| entry.kind == EntryKind::File)
        }
        _ => None,
    }
}

type Group = Vec<(usize, InodeId)>;

fn by_digest(side: &Side<'_>, files: &Group) -> Result<BTreeMap<[u8; 32], Group>> {
    let (mut known, mut found) = (BTreeMap::new(), BTreeMap::<_, Group>::new());
    for (at, id) in files {
        let sha256 = match known.get(id) {
            Some(known) => *known,
            None => {
                let (_, sha256) = side
                    .files()
                    .digest(*id)
                    .map_err(|error| side.failed(error))?;
                known.insert(*id, sha256);
                sha256
            }
        };
        found.entry(sha256).or_default().push((*at, *id));
    }
    Ok(found)
}

/// Pairs the files of one content: first those with the same name, then in order.
fn pairs(paths: &[PathChange], gone: &mut Group, mut come: Group) -> Vec<(usize, usize)> {
    let last = |at: usize| {
        let path: &BString = &paths[at].path;
        path.rsplit_once_str("/").map(|(_, name)| name)
    };
    let mut found = Vec::new();
    come.retain(|(to, _)| {
        let twin = gone.iter().position(|(from, _)| last(*from) == last(*to));
        let twin = twin.map(|twin| gone.remove(twin).0);
        found.extend(twin.map(|from| (from, *to)));
        twin.is_none()
    });
    let rest = gone.len().min(come.len());
    found.extend(
        gone.drain(..rest)
            .zip(come)
            .map(|((from, _), (to, _))| (from, to)),
    );
    found
}
