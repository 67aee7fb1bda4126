//! Copies of `/etc` that become `/etc` when the system boots.
//!
//! Flatcar lays `/etc` over `/usr/share/flatcar/etc`, ostree systems start from `/usr/etc`, and systemd's factory is
//! `/usr/share/factory/etc`. A file that is hardened in `/etc` alone comes back from there.

use bstr::ByteSlice;

use crate::rootfs::Rootfs;

/// Returns the directories of the image that hold such a copy, sorted.
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

/// Returns where the copies of a file below `/etc` would be.
pub(crate) fn copies(rootfs: &Rootfs, path: &str) -> Vec<String> {
    if !path.starts_with("/etc/") {
        return Vec::new();
    }
    copies_in(&directories(rootfs), path).collect()
}

/// Returns where they would be in some of the [`directories`].
pub(crate) fn copies_in(directories: &[String], path: &str) -> impl Iterator<Item = String> {
    let rest = path.strip_prefix("/etc/");
    rest.into_iter()
        .flat_map(|rest| directories.iter().map(move |at| format!("{at}/{rest}")))
}
