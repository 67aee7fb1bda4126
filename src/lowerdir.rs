//! Copies of `/etc` that become `/etc` when the system boots.
//!
//! Flatcar lays `/etc` over `/usr/share/flatcar/etc`, ostree systems start from `/usr/etc`, and systemd's factory is
//! `/usr/share/factory/etc`. A file that is hardened in `/etc` alone comes back from there.

use std::collections::BTreeSet;

use bstr::ByteSlice;

use crate::edit::{Draft, Stop};
use crate::rootfs::{InodeId, Rootfs};
use crate::systemd::tmpfiles;

/// The directories of the image that hold such a copy, sorted.
pub(crate) fn directories(rootfs: &Rootfs) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut candidates = vec!["/usr/etc".to_owned()];
    if let Some(share) = rootfs.open("/usr/share") {
        candidates.extend(
            rootfs
                .children(share)
                .map(|(name, _)| format!("/usr/share/{name}/etc")),
        );
    }
    for path in candidates {
        if let Some(id) = rootfs
            .open(&path)
            .filter(|id| rootfs.inode(*id).is_directory())
            && rootfs.path(id).as_bstr() == path.as_bytes()
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Where the copies of a file below `/etc` would be.
pub(crate) fn copies(rootfs: &Rootfs, path: &str) -> Vec<String> {
    let Some(rest) = path.strip_prefix("/etc/") else {
        return Vec::new();
    };
    directories(rootfs)
        .into_iter()
        .map(|directory| format!("{directory}/{rest}"))
        .collect()
}

/// The files that the booted system may read at a path, each inode once: what is there, its copies, and where the image has
/// nothing there what tmpfiles.d links or copies to it.
pub(crate) fn booted(draft: &mut Draft<'_>, path: &str) -> Result<BTreeSet<InodeId>, Stop> {
    let mut paths = vec![path.to_owned()];
    paths.extend(copies(draft.rootfs(), path));
    if draft.rootfs().open(path).is_none() {
        for (file, number, source) in tmpfiles::sources(draft, path)? {
            draft.note(format!(
                "{file}:{number} makes {path} of {source} when the system boots"
            ));
            paths.push(source);
        }
    }
    let rootfs = draft.rootfs();
    Ok(paths
        .iter()
        .filter_map(|p| rootfs.open(p))
        .filter(|id| rootfs.inode(*id).is_file())
        .collect())
}
